//! Finds the component that the binary embeds, writes the empty slot for its precompiled code, and collects the sources of new
//! projects.

#![expect(clippy::disallowed_methods, reason = "a step of the build has files and an environment")]

#[expect(dead_code, reason = "only the folders are read here")]
#[path = "src/cli/new/languages.rs"]
mod languages;
#[path = "src/code_slot/layout.rs"]
mod layout;
#[path = "build/sources.rs"]
mod sources;

use std::path::{Path, PathBuf};

use layout::{SLOT_BYTES, mark};

fn main() {
    println!("cargo::rerun-if-changed=src/code_slot/layout.rs");
    let component = component_dir().join("astra.wasm");
    println!("cargo::rerun-if-changed={}", component.display());
    if component.is_file() {
        println!("cargo::rustc-env=ASTRA_WASM={}", component.display());
    } else {
        println!("cargo::error={} is not built yet: run `make component` first", component.display());
    }
    let out = std::env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    if let Err(reason) = write_empty_slot(&out) {
        println!("cargo::error=the slot for precompiled code cannot be written: {reason}");
    }
    if let Err(reason) = sources::embed(root(), &out) {
        println!("cargo::error=the sources of new projects cannot be embedded: {reason}");
    }
}

/// The mark, then zeros.
fn write_empty_slot(out: &Path) -> Result<(), String> {
    let mut slot = mark().to_vec();
    slot.resize(SLOT_BYTES, 0);
    std::fs::write(out.join("code_slot"), slot).map_err(|error| error.to_string())
}

/// `make component` writes there, whatever target directory cargo itself uses.
fn component_dir() -> PathBuf {
    root().join("target/component")
}

/// The root of the repository.
fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package)
}
