//! The sandbox in which commands run modules: that of serving, with the same limits. What a command compiles is kept for
//! the next command, in the cache folder of the user.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use component_runtime::{CompilePriority, Inspection, Limits, LoadError, Module, Runtime, RuntimeSettings};
use etcetera::BaseStrategy as _;
use etcetera::base_strategy::Xdg;
use modules::{Cache, CacheSettings, Digest};

use super::output::printable;
use crate::EgressArgs;
use crate::failure::Failure;

/// The folder of compiled code, in the cache folder of the user.
const CODE_FOLDER: &str = "vault-plugin-secrets-datastax-astra";

/// Runs a command's work with a runtime whose mounts reach upstreams as these settings say.
///
/// # Errors
/// The error of the work, or why the runtime did not start.
pub(crate) fn with<T>(
    egress: &EgressArgs,
    wal_minimum_age: Duration,
    work: impl AsyncFnOnce(&Runtime) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let threads =
        tokio::runtime::Builder::new_multi_thread().event_interval(Runtime::EVENT_INTERVAL).enable_all().build();
    let threads = threads.map_err(|error| Failure::Failed(format!("failed to start worker threads: {error}")))?;
    threads.block_on(async {
        let settings = RuntimeSettings {
            egress: egress.settings().map_err(Failure::Usage)?,
            upstream_read_only: egress.astra_read_only,
            wal_minimum_age,
            compile_priority: CompilePriority::Normal,
            memory_limit: None,
            limits: Limits::default(),
        };
        let runtime = Runtime::new(settings).map_err(|error| Failure::Failed(error.to_string()))?;
        work(&runtime).await
    })
}

/// As `with`, for work whose guests reach nothing outside.
///
/// # Errors
/// As `with`.
pub(crate) fn closed<T>(work: impl AsyncFnOnce(&Runtime) -> Result<T, Failure>) -> Result<T, Failure> {
    with(&EgressArgs::default(), crate::config::WAL_MIN_AGE, work)
}

/// Loads a module from the user's cache, or compiles it.
///
/// # Errors
/// When the module cannot run here.
pub(crate) async fn load(runtime: &Runtime, wasm: &[u8]) -> Result<Arc<Module>, LoadError> {
    match cache() {
        Some(cache) => cache.load_or_compile(runtime, Digest::of(wasm), wasm).await,
        None => runtime.load(wasm).await,
    }
}

/// As `load`, with the imports and exports also of a component that does not load.
///
/// # Errors
/// When the bytes are no component.
pub(crate) async fn inspect(runtime: &Runtime, wasm: &[u8]) -> Result<Inspection, LoadError> {
    match cache() {
        Some(cache) => cache.inspect(runtime, Digest::of(wasm), wasm).await,
        None => runtime.inspect(wasm).await,
    }
}

/// The cache of the user. A command works without it, and says why it is slow.
fn cache() -> Option<Cache> {
    let base = Xdg::new().map_err(|error| error.to_string());
    let settings = base.and_then(|base| CacheSettings::of_user(&base.cache_dir().join(CODE_FOLDER)));
    match settings {
        Ok(settings) => Some(Cache::new(settings)),
        Err(reason) => {
            // A note on stderr has no other place to go.
            let _ = writeln!(std::io::stderr(), "note: compiled code is not kept: {}", printable(&reason));
            None
        }
    }
}
