//! The component that the binary carries, so that the server's SHA-256 covers it.

use std::sync::Arc;

use component_runtime::{LoadError, Module, Runtime};

/// The Astra engine.
static ASTRA_WASM: &[u8] = include_bytes!(env!("ASTRA_WASM"));
/// The same, compiled ahead of time by this very wasmtime: a start costs milliseconds.
static ASTRA_CWASM: &[u8] = include_bytes!(env!("ASTRA_CWASM"));

/// Loads the embedded component.
pub(crate) async fn load(runtime: &Runtime) -> Result<Arc<Module>, LoadError> {
    runtime.load_embedded(ASTRA_CWASM, ASTRA_WASM).await
}
