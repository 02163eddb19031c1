//! The server's side of the protocol, for tests and measurements.
//!
//! Starts a real plugin binary as Vault or OpenBao would, serves storage and
//! system view to its mounts, and calls them. What it must not do is help:
//! it shows what the plugin sends, wrong or not.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use envelope::Operation;
//! use plugin_protocol::testing::{Launch, MountOptions, request};
//!
//! let plugin = Launch::new("target/release/plugin").start().await?;
//! let mount = plugin.mount(MountOptions::default()).await?;
//! mount.initialize().await?;
//! let answer = mount.handle_request(request(Operation::Read, "info", "null")).await?;
//! plugin.shutdown().await?;
//! # drop(answer); Ok(())
//! # }
//! ```

mod launch;
mod log;
mod mount;
mod plain_storage;
mod process;
mod storage;
mod storage_service;
mod system_view;
pub(crate) mod translate;
mod waits;

use std::sync::Arc;
use std::time::Duration;

use envelope::{Error, Operation, Request};
use thiserror::Error as ThisError;

pub use self::launch::Launch;
pub use self::mount::{Announce, Mount, MountOptions};
pub use self::plain_storage::PlainStorage;
pub use self::process::PluginProcess;
pub use self::storage::{MemoryStorage, StorageKind};
pub use self::system_view::MemorySystemView;
pub use self::waits::Waits;
use crate::{Factory, ServeOptions, serve};

/// Name and value of the cookie that makes a secrets engine's process serve.
pub const COOKIE: (&str, &str) = (crate::handshake::COOKIE_NAME, crate::handshake::COOKIE_VALUE);

/// Why a plugin did not do what a server needs.
#[derive(Debug, ThisError)]
pub enum TestError {
    /// The process could not be started, reached or ended.
    #[error("{0}")]
    Process(String),
    /// The process ended without a handshake line.
    #[error("no handshake line; the plugin wrote: {0}")]
    NoHandshake(String),
    /// The connection or TLS failed.
    #[error("failed to connect: {0}")]
    Connect(String),
    /// The plugin refused the mount with this text.
    #[error("setup refused: {0}")]
    Setup(String),
    /// The backend answered with an error.
    #[error("{0}")]
    Backend(Error),
    /// The call failed at the level of gRPC.
    #[error("{code}: {message}")]
    Call {
        /// The gRPC code's name.
        code: String,
        /// Its message.
        message: String,
    },
    /// The plugin answered with something that a server does not understand.
    #[error("protocol violation: {0}")]
    Violation(String),
}

impl From<tonic::Status> for TestError {
    fn from(status: tonic::Status) -> Self {
        Self::Call { code: format!("{:?}", status.code()), message: status.message().to_owned() }
    }
}

impl From<std::io::Error> for TestError {
    fn from(error: std::io::Error) -> Self {
        Self::Process(error.to_string())
    }
}

/// A request with an id and nothing else.
#[must_use]
pub fn request(operation: Operation, path: &str, data: &str) -> Request {
    Request {
        id: Some(format!("request-{path}")),
        mount_point: "mount/".to_owned(),
        ..Request::new(operation, path, data)
    }
}

/// As [`serve`], with another time for the server to begin to use the plugin.
pub async fn serve_watched<F: Factory>(
    options: ServeOptions,
    watchdog: Option<Duration>,
    factory: impl FnOnce() -> Result<Arc<F>, String> + Send + 'static,
) -> std::process::ExitCode {
    match watchdog {
        Some(watchdog) => crate::serve::serve_watched(options, watchdog, factory).await,
        None => serve(options, factory).await,
    }
}
