//! Host side of `secrets-engine:host/logging`.

use super::host::logging::{Host, Level};
use crate::capability::{LogLevel, LogLine};
use crate::store_state::StoreState;

impl Host for StoreState {
    fn log(&mut self, level: Level, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        let level = match level {
            Level::Trace => LogLevel::Trace,
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        Ok(self.log(&LogLine { level, message, fields })?)
    }
}
