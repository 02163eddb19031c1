//! What a handler gets.

use std::time::Duration;

use crate::Request;
use crate::host::{Host, LogLevel, Storage};

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

    /// Writes one line of the log. Nothing secret belongs in the line.
    pub fn log(&self, level: LogLevel, message: &str, fields: &[(&str, &str)]) {
        self.host.log().log(level, message, fields);
    }
}
