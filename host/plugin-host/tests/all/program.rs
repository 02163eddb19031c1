//! Runs the binary with a deadline.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// A module compiles in seconds where the compiler itself is not optimized.
const DEADLINE: Duration = Duration::from_secs(240);

/// What a run left.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {} {}", self.stdout, self.stderr))
    }

    /// On stderr.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no `{text}` in: {}", self.stderr);
        self
    }
}

/// Where runs without a cache folder of their own keep compiled code.
const USER_CACHE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/user-cache");

/// Runs it in a folder.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Run {
    run_with_stdin(folder, arguments, "")
}

pub(crate) fn run_with_stdin(folder: &Path, arguments: &[&str], stdin: &str) -> Run {
    run_program(&plugin(), folder, arguments, stdin)
}

/// Runs another program in its place.
pub(crate) fn run_program(program: &Path, folder: &Path, arguments: &[&str], stdin: &str) -> Run {
    run_cached(Path::new(USER_CACHE), program, folder, arguments, stdin)
}

/// Runs another program in its place, with a cache folder of its own.
pub(crate) fn run_cached(cache: &Path, program: &Path, folder: &Path, arguments: &[&str], stdin: &str) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).env("XDG_CACHE_HOME", cache).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(stdin.as_bytes()).await.unwrap();
        drop(input);
        let output = tokio::time::timeout(DEADLINE, child.wait_with_output()).await.unwrap().unwrap();
        Run {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    })
}

/// The plugin that `make plugin` finished; the one in cargo's own folder lacks its precompiled code.
pub(crate) fn plugin() -> PathBuf {
    let finished = "../../target/plugin/debug/vault-plugin-secrets-datastax-astra";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(finished);
    assert!(path.is_file(), "{} is missing: run `make plugin`", path.display());
    path
}

/// A guest that `make rogue` built.
pub(crate) fn rogue(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/component/rogue/{name}.wasm"));
    assert!(path.is_file(), "{} is missing: run `make rogue`", path.display());
    path
}
