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

/// The engine `http-passwords` as a component: `make component` writes it.
///
/// # Panics
/// When it is not there.
pub fn http_passwords_wasm() -> PathBuf {
    existing(workspace_root().join("target/component/http-passwords.wasm"), "make component")
}

/// A hostile guest: `make rogue` writes them.
///
/// # Panics
/// When it is not there.
pub fn rogue_wasm(name: &str) -> PathBuf {
    existing(workspace_root().join(format!("target/component/rogue/{name}.wasm")), "make rogue")
}

/// A variant of the toy engine: `make rogue` writes them.
///
/// # Panics
/// When it is not there.
pub(crate) fn toy_wasm(variant: &str) -> PathBuf {
    existing(workspace_root().join(format!("target/component/toy/toy_{variant}.wasm")), "make rogue")
}

/// The server: `BAO_BIN`, a `bao` or a `vault`, or what `make tools` fetched.
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
    tool("hvac/bin/python")
}

/// A Python that has what the examples use: what `make tools` installed.
///
/// # Panics
/// When it is not there.
pub fn examples_python() -> PathBuf {
    tool("examples/bin/python")
}

/// A program that `make tools` fetched.
///
/// # Panics
/// When it is not there.
pub fn tool(name: &str) -> PathBuf {
    existing(workspace_root().join("target/tools").join(name), "make tools")
}

/// The simulator as a program. Cargo builds it for the simulator's own tests, beside all test programs.
///
/// # Panics
/// When it is not there.
pub fn simulator_binary() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let folder = program.ancestors().nth(2).unwrap_or(&program);
    existing(folder.join("astra-simulator"), "cargo build -p astra-simulator")
}

/// The plugin: `PLUGIN_BIN`, or the one that `make plugin` finished.
///
/// # Panics
/// When it is not there.
pub fn plugin_binary() -> PathBuf {
    let named = std::env::var_os("PLUGIN_BIN").map(PathBuf::from);
    existing(named.unwrap_or_else(finished_plugin), "make plugin")
}

/// Of the profile of the tests; the one in cargo's own folder lacks its precompiled code.
fn finished_plugin() -> PathBuf {
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    workspace_root().join("target/plugin").join(profile).join("vault-plugin-secrets-datastax-astra")
}

fn existing(path: PathBuf, command: &str) -> PathBuf {
    assert!(path.is_file(), "{} is missing: run `{command}`", path.display());
    path
}
