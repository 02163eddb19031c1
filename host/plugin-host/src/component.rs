//! The component that the binary carries, which the server's SHA-256 of the plugin covers.

use std::path::Path;
use std::process::ExitCode;

use modules::Embedded;

use crate::code_slot;

/// The name of the engine that the binary carries: arguments without the name of an engine are about this one.
pub(crate) const EMBEDDED_ENGINE: &str = "astra";

/// The Astra engine.
pub(crate) const ASTRA_WASM: &[u8] = include_bytes!(env!("ASTRA_WASM"));

/// The Astra engine with its precompiled code, with which a start takes milliseconds.
pub(crate) fn embedded() -> Embedded {
    Embedded { wasm: ASTRA_WASM, precompiled: code_slot::code() }
}

/// Writes a copy of the running program that carries the code of the Astra engine: a step of the build.
#[must_use]
pub fn fill_code_slot(copy: &Path) -> ExitCode {
    code_slot::fill(ASTRA_WASM, copy)
}
