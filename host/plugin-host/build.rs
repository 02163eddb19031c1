//! Finds the component that the binary embeds, and writes the empty slot for its precompiled code.

#[path = "src/code_slot/layout.rs"]
mod layout;

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
    if let Err(reason) = write_empty_slot() {
        println!("cargo::error=the slot for precompiled code cannot be written: {reason}");
    }
}

/// The mark, then zeros.
#[expect(clippy::disallowed_methods, reason = "a step of the build has files")]
fn write_empty_slot() -> Result<(), String> {
    let folder = std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?;
    let mut slot = mark().to_vec();
    slot.resize(SLOT_BYTES, 0);
    std::fs::write(Path::new(&folder).join("code_slot"), slot).map_err(|error| error.to_string())
}

/// `make component` writes there, whatever target directory cargo itself uses.
fn component_dir() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package).join("target/component")
}
