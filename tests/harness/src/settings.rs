//! Where the binaries under test are: the environment names them, or they are
//! where the Makefile puts them. All of the harness's environment is read here.

use std::path::{Path, PathBuf};

/// The root of the workspace.
pub fn workspace_root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest).to_path_buf()
}

/// The component: `make component` writes it.
///
/// # Panics
/// When it is not there: a scenario never passes by being left out.
pub fn component_wasm() -> PathBuf {
    existing(workspace_root().join("target/component/astra.wasm"), "make component")
}

/// A variant of the toy engine: `make rogue` writes them.
///
/// # Panics
/// When it is not there.
pub(crate) fn toy_wasm(variant: &str) -> PathBuf {
    existing(workspace_root().join(format!("target/component/toy/toy_{variant}.wasm")), "make rogue")
}

/// The server: `BAO_BIN`, or what `make tools` fetched.
///
/// # Panics
/// When it is not there.
pub fn openbao_binary() -> PathBuf {
    let named = std::env::var_os("BAO_BIN").map(PathBuf::from);
    existing(named.unwrap_or_else(|| workspace_root().join("target/tools/bao")), "make tools")
}

/// A Python that has hvac: what `make tools` installed.
///
/// # Panics
/// When it is not there.
pub fn hvac_python() -> PathBuf {
    existing(workspace_root().join("target/tools/hvac/bin/python"), "make tools")
}

/// The plugin: `PLUGIN_BIN`, or the one beside the test binary's profile.
///
/// # Panics
/// When it is not there.
pub fn plugin_binary() -> PathBuf {
    let named = std::env::var_os("PLUGIN_BIN").map(PathBuf::from);
    existing(named.unwrap_or_else(beside_this_profile), "make build")
}

const PLUGIN_NAME: &str = "vault-plugin-secrets-datastax-astra";

/// `target/debug/deps/all-…` runs with `target/debug/<plugin>`.
fn beside_this_profile() -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    test.ancestors().nth(2).unwrap_or(&test).join(PLUGIN_NAME)
}

fn existing(path: PathBuf, command: &str) -> PathBuf {
    assert!(path.is_file(), "{} is missing: run `{command}`", path.display());
    path
}
