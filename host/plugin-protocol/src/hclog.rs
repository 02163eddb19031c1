//! The log: `tracing` events as hclog's JSON lines on stderr.
//!
//! This module is the only code of a serving process that writes to stderr. A line that the server cannot read can take
//! the whole server down, so one encoder makes every line, also for panics. No line delays a request.

mod layer;
mod line;
mod panic;
mod queue;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry;

pub(crate) use queue::Log;

/// A line for a process that ends before its log starts.
pub(crate) fn error_line(module: &str, message: &str) -> Vec<u8> {
    line::encode(tracing::Level::ERROR, module, message, [])
}

/// Makes the log the `tracing` subscriber of the process, and sends panics to the log.
pub(crate) fn install(level: LevelFilter) -> Log {
    let log = Log::start(std::io::stderr);
    panic::install(log.clone());
    let subscriber = registry().with(layer::Layer::new(level, log.clone()));
    // Fails only if the program chose another subscriber, which then gets the events.
    drop(tracing::subscriber::set_global_default(subscriber));
    log
}
