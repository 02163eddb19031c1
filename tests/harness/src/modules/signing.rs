//! Keys that sign modules, and signatures: those of the plugin's own program, and those that it refuses to make.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::TOY;
use crate::settings::{plugin_binary, workspace_root};
use crate::sha256_hex;

/// A key pair from the plugin's own program.
pub struct SigningKey {
    folder: TempDir,
    public: String,
}

impl SigningKey {
    /// Creates a key pair.
    ///
    /// # Panics
    /// When the program fails.
    pub fn generate() -> Self {
        let folder = tempfile::Builder::new().prefix("key").tempdir();
        let folder = folder.unwrap_or_else(|error| panic!("no folder for a key: {error}"));
        let made = plugin(&[
            "module",
            "keygen",
            "--format=json",
            "--out",
            &folder.path().join("key.pem").display().to_string(),
        ]);
        let made: Value = serde_json::from_str(&made).unwrap_or_else(|error| panic!("{made}: {error}"));
        let public = made["public_key"].as_str().unwrap_or_else(|| panic!("no public key in {made}")).to_owned();
        Self { folder, public }
    }

    /// The argument of a registration that trusts it for modules of the toy engine.
    pub fn trust(&self) -> String {
        self.trust_for(TOY)
    }

    /// The argument of a registration that trusts it for modules of this engine.
    pub fn trust_for(&self, engine: &str) -> String {
        format!("--trust-key={engine}={}", self.public)
    }

    /// The public key, in the form of arguments and answers.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// A signature file by these keys with any statement about any bytes, which the program refuses to sign. Made by
    /// the documented format, as an author's own tools would.
    ///
    /// # Panics
    /// When the system's random numbers or a key's file are missing.
    pub fn signatures_as(engine: &str, version: &str, wasm: &[u8], keys: &[&Self]) -> Vec<u8> {
        let sha256 = sha256_hex(wasm);
        let statement = format!("secrets-engine module v1\nengine={engine}\nversion={version}\nsha256={sha256}\n");
        let signature = |key: &&Self| {
            let signature = key.pair().sign(statement.as_bytes());
            json!({ "key": key.public, "signature": STANDARD.encode(signature) })
        };
        let signatures: Vec<Value> = keys.iter().map(signature).collect();
        let file = json!({ "engine": engine, "version": version, "sha256": sha256, "signatures": signatures });
        file.to_string().into_bytes()
    }

    fn pair(&self) -> Ed25519KeyPair {
        let text = fs::read_to_string(self.file()).unwrap_or_else(|error| panic!("the key's file: {error}"));
        let lines: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
        let key = STANDARD.decode(lines).unwrap_or_else(|error| panic!("the key's file: {error}"));
        Ed25519KeyPair::from_pkcs8(&key).unwrap_or_else(|error| panic!("the key's file: {error}"))
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    pub(super) fn sign(&self, module: &Path) {
        let key = format!("--key={}", self.file().display());
        plugin(&["module", "sign", &key, &module.display().to_string()]);
    }
}

/// Runs the plugin's program as a person does; returns its output.
fn plugin(arguments: &[&str]) -> String {
    let program = plugin_binary();
    // Not the cache folder of the user who runs the tests.
    let user_cache = workspace_root().join("target/tmp/user-cache");
    let run = Command::new(&program).args(arguments).env("XDG_CACHE_HOME", user_cache).output();
    let run = run.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(run.status.success(), "{arguments:?}: {}{}", text(&run.stdout), text(&run.stderr));
    text(&run.stdout)
}
