//! The log: `tracing` events as hclog's JSON lines on stderr.
//!
//! The only code of the process that writes to stderr once it serves. A line
//! that the server cannot read can take the whole server down, so every line
//! is made by one encoder, panics included. No line ever holds up a request.

mod layer;
mod line;
mod panic;
mod queue;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry;

pub(crate) use queue::Log;

/// One line for a process that ends before it has a log.
pub(crate) fn error_line(module: &str, message: &str) -> Vec<u8> {
    line::encode(tracing::Level::ERROR, module, message, [])
}

/// Makes the log the process's `tracing` subscriber and the place where panics are told.
pub(crate) fn install(level: LevelFilter) -> Log {
    let log = Log::start(std::io::stderr);
    panic::install(log.clone());
    let subscriber = registry().with(layer::Layer::new(level, log.clone()));
    // Fails only if the program chose a subscriber of its own, which then has the events.
    drop(tracing::subscriber::set_global_default(subscriber));
    log
}
