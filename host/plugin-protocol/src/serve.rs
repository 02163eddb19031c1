//! The life of a plugin process, from handshake to exit.

use std::process::ExitCode;
use std::sync::Arc;

use tracing::level_filters::LevelFilter;

use crate::Factory;

/// How a plugin process runs.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// The program's name, for who starts it by hand.
    pub program: &'static str,
    /// Least important log lines to write.
    pub log_level: LevelFilter,
}

/// Serves until the server says stop or goes away. Checks the handshake's
/// environment first; installs the hclog writer on stderr as the `tracing`
/// subscriber; calls `factory` only after that, so that a start by hand or
/// the server's database probe costs nothing. Must be called within a
/// multi-thread tokio runtime (time, io enabled).
pub async fn serve<F: Factory>(options: ServeOptions, factory: impl FnOnce() -> Result<Arc<F>, String>) -> ExitCode {
    let _ = (options, factory);
    unimplemented!()
}
