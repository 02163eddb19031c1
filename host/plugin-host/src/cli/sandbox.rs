//! The sandbox in which commands run modules: that of serving, with the same limits.

use std::time::Duration;

use component_runtime::{CompilePriority, Limits, Runtime, RuntimeSettings};

use crate::EgressArgs;
use crate::failure::Failure;

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
    let threads = threads.map_err(|error| Failure::Not(format!("failed to start worker threads: {error}")))?;
    threads.block_on(async {
        let settings = RuntimeSettings {
            egress: egress.settings().map_err(Failure::Usage)?,
            upstream_read_only: egress.astra_read_only,
            wal_minimum_age,
            compile_priority: CompilePriority::Normal,
            memory_limit: None,
            limits: Limits::default(),
        };
        let runtime = Runtime::new(settings).map_err(|error| Failure::Not(error.to_string()))?;
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
