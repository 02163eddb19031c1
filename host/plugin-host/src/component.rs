//! The component that the binary carries, so that the server's SHA-256 covers it.

use modules::Embedded;

/// The Astra engine; and the same, compiled ahead of time by this very wasmtime, so that a start costs milliseconds.
pub(crate) const EMBEDDED: Embedded =
    Embedded { wasm: include_bytes!(env!("ASTRA_WASM")), precompiled: include_bytes!(env!("ASTRA_CWASM")) };
