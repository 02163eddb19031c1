//! What a handler gets.

use std::time::Duration;

use crate::Request;
use crate::host::{Counter, Host, LogLevel, Storage, log_line};

/// The outside and the request.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The outside.
    pub host: &'a dyn Host,
    /// The request.
    pub request: &'a Request,
}

impl<'a> Context<'a> {
    /// The time now, since 1970-01-01T00:00:00Z.
    pub fn now(&self) -> Duration {
        self.host.clock().now()
    }

    /// The mount's storage.
    pub fn storage(&self) -> &'a dyn Storage {
        self.host.storage()
    }

    /// Writes one line of the log, without the fields that are empty. Nothing secret belongs in the line.
    pub fn log(&self, level: LogLevel, message: &str, fields: &[(&str, &str)]) {
        log_line(self.host, level, message, fields);
    }

    /// Adds one to a counter among the metrics of the mount. A label's value is one of a few, and nothing secret.
    pub fn count(&self, counter: &Counter, labels: &[(&str, &str)]) {
        self.host.metrics().add(counter, labels, 1);
    }
}
