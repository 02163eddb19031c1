//! Finds the component and its precompiled code, which the binary embeds.

use std::path::{Path, PathBuf};

fn main() {
    for (variable, file) in [("ASTRA_WASM", "astra.wasm"), ("ASTRA_CWASM", "astra.cwasm")] {
        let path = component_dir().join(file);
        println!("cargo::rerun-if-changed={}", path.display());
        if path.is_file() {
            println!("cargo::rustc-env={variable}={}", path.display());
        } else {
            println!("cargo::error={} is not built yet: run `make component` first", path.display());
        }
    }
}

/// `make component` writes there, whatever target directory cargo itself uses.
fn component_dir() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package).join("target/component")
}
