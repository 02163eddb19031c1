//! Paths of the binaries under test: from the environment, or the Makefile's. Only this file reads the harness's
//! environment.

use std::path::{Path, PathBuf};

/// The root of the workspace.
pub fn workspace_root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest).to_path_buf()
}

/// The component, which `make component` builds.
///
/// # Panics
/// When the file is missing: a scenario never passes by being skipped.
pub fn component_wasm() -> PathBuf {
    existing(workspace_root().join("target/component/astra.wasm"), "make component")
}

/// The engine `http-passwords` as a component, which `make component` builds.
///
/// # Panics
/// When the file is missing.
pub fn http_passwords_wasm() -> PathBuf {
    existing(workspace_root().join("target/component/http-passwords.wasm"), "make component")
}

/// A hostile guest, which `make rogue` builds.
///
/// # Panics
/// When the file is missing.
pub fn rogue_wasm(name: &str) -> PathBuf {
    existing(workspace_root().join(format!("target/component/rogue/{name}.wasm")), "make rogue")
}

/// A variant of the toy engine, which `make rogue` builds.
///
/// # Panics
/// When the file is missing.
pub(crate) fn toy_wasm(variant: &str) -> PathBuf {
    existing(workspace_root().join(format!("target/component/toy/toy_{variant}.wasm")), "make rogue")
}

/// The server: `BAO_BIN`, a `bao` or a `vault`, or the binary that `make tools` fetched.
///
/// # Panics
/// When the file is missing.
pub fn openbao_binary() -> PathBuf {
    let named = std::env::var_os("BAO_BIN").map(PathBuf::from);
    existing(named.unwrap_or_else(|| workspace_root().join("target/tools/bao")), "make tools")
}

/// A Python with hvac, which `make tools` installed.
///
/// # Panics
/// When the file is missing.
pub fn hvac_python() -> PathBuf {
    tool("hvac/bin/python")
}

/// A Python with the client library of OCI registries, which `make tools` installed.
///
/// # Panics
/// When the file is missing.
pub fn oras_python() -> PathBuf {
    tool("oras/bin/python")
}

/// A Python with the packages of the examples, which `make tools` installed.
///
/// # Panics
/// When the file is missing.
pub fn examples_python() -> PathBuf {
    tool("examples/bin/python")
}

/// A program that `make tools` fetched.
///
/// # Panics
/// When the file is missing.
pub fn tool(name: &str) -> PathBuf {
    existing(workspace_root().join("target/tools").join(name), "make tools")
}

/// The simulator as a program. Cargo builds it for the simulator's own tests, beside all test programs.
///
/// # Panics
/// When the file is missing.
pub fn simulator_binary() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let folder = program.ancestors().nth(2).unwrap_or(&program);
    existing(folder.join("astra-simulator"), "cargo build -p astra-simulator")
}

/// The folder of the wheels that the template in Python pins.
///
/// # Panics
/// When the folder is missing.
pub fn python_wheels() -> PathBuf {
    let wheels = workspace_root().join("target/tools/python");
    assert!(wheels.is_dir(), "{} is missing: run `make tools`", wheels.display());
    wheels
}

/// The plugin: `PLUGIN_BIN`, or the binary of `make plugin`.
///
/// # Panics
/// When the file is missing.
pub fn plugin_binary() -> PathBuf {
    let named = std::env::var_os("PLUGIN_BIN").map(PathBuf::from);
    existing(named.unwrap_or_else(finished_plugin), "make plugin")
}

/// The plugin in the profile of the tests. The binary in cargo's own folder lacks its precompiled code.
fn finished_plugin() -> PathBuf {
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    workspace_root().join("target/plugin").join(profile).join("vault-plugin-secrets-datastax-astra")
}

fn existing(path: PathBuf, command: &str) -> PathBuf {
    assert!(path.is_file(), "{} is missing: run `{command}`", path.display());
    path
}
