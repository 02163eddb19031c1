//! One release of the plugin under test for all tests of this process, signed with keys of its own.

use std::env::consts::ARCH;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use harness::{component_wasm, http_passwords_wasm, plugin_binary, simulator_binary, workspace_root};
use tempfile::TempDir;

use super::run;

pub(crate) const PLUGIN: &str = "vault-plugin-secrets-datastax-astra";

/// A release in a folder of its own.
pub(crate) struct Release {
    folder: TempDir,
    pub(crate) version: String,
    /// Public key of the module's signature, in the form of a registration.
    pub(crate) module_key: String,
}

impl Release {
    pub(crate) fn made() -> &'static Self {
        static MADE: OnceLock<Release> = OnceLock::new();
        MADE.get_or_init(Self::make)
    }

    fn make() -> Self {
        let (folder, keys) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let [module_key, key] = ["module.pem", "release.pem"].map(|name| keys.path().join(name));
        let keygen = run(Command::new(plugin_binary()).args(["module", "keygen", "--out"]).arg(&module_key));
        let printed = String::from_utf8(keygen.stdout).unwrap();
        let public = printed.split_whitespace().find(|word| word.starts_with("ed25519:")).unwrap().to_owned();
        let curve = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"];
        run(Command::new("openssl").args(curve).arg(&key));
        let target = format!("{ARCH}-unknown-linux-{}", if cfg!(target_env = "musl") { "musl" } else { "gnu" });
        let mut pack = Self::script(folder.path());
        pack.args(["pack", "--target", &target, "--plugin"]).arg(plugin_binary()).arg("--module").arg(component_wasm());
        pack.arg("--simulator").arg(simulator_binary()).arg("--passwords").arg(http_passwords_wasm());
        run(pack.arg("--module-key").arg(module_key));
        run(Self::script(folder.path()).args(["finish", "--builder", "urn:test", "--key"]).arg(key));
        Self { folder, version: env!("CARGO_PKG_VERSION").to_owned(), module_key: public }
    }

    fn script(out: &Path) -> Command {
        let mut command = Command::new("python3");
        command.arg(workspace_root().join("tests/tools/release/dist.py")).arg("--out").arg(out);
        // A program of the development profile is large, and this release is not downloaded.
        command.env("DIST_GZIP_LEVEL", "1");
        command
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Name of a file for this machine's architecture.
    pub(crate) fn name(&self, end: &str) -> String {
        let architecture = if ARCH == "aarch64" { "arm64" } else { "amd64" };
        format!("{PLUGIN}_{}_linux_{architecture}{end}", self.version)
    }

    pub(crate) fn module_name(&self) -> String {
        format!("astra-{}.wasm", self.version)
    }

    pub(crate) fn module_signature(&self) -> String {
        format!("{}.sig", self.module_name())
    }

    pub(crate) fn text(&self, end: &str) -> String {
        fs::read_to_string(self.folder().join(self.name(end))).unwrap()
    }

    /// Content of the archive, or of the one with an additional word in its name.
    pub(crate) fn unpacked(&self, kind: &str) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let archive = self.folder().join(self.name(&format!("{kind}.tar.gz")));
        run(Command::new("tar").arg("-xzf").arg(archive).args(["--strip-components=1", "-C"]).arg(folder.path()));
        folder
    }

    pub(crate) fn copy_to(&self, folder: &Path) {
        for entry in fs::read_dir(self.folder()).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
        }
    }
}
