//! The sandbox that commands run modules in: the one of serving, with the same limits.

use std::time::Duration;

use component_runtime::{Limits, Runtime, RuntimeSettings};

use super::Failure;
use crate::EgressArgs;

/// Runs a command's work with a runtime whose guests may send what these settings allow.
///
/// # Errors
/// The work's own, or why there is no runtime.
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
            limits: Limits::default(),
        };
        let runtime = Runtime::new(settings).map_err(|error| Failure::Not(error.to_string()))?;
        work(&runtime).await
    })
}

/// As `with`, where nothing outside is reached.
///
/// # Errors
/// As `with`.
pub(crate) fn closed<T>(work: impl AsyncFnOnce(&Runtime) -> Result<T, Failure>) -> Result<T, Failure> {
    let nothing = EgressArgs { no_default_egress: true, ..EgressArgs::default() };
    with(&nothing, crate::config::WAL_MIN_AGE, work)
}
