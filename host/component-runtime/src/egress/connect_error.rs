//! Why a connection to an upstream was not made.

use std::io;

use thiserror::Error;

/// Why there is no connection. In each case nothing was sent.
#[derive(Debug, Error)]
pub(crate) enum ConnectError {
    #[error("the policy does not allow the destination")]
    Denied,
    #[error("the name resolves only to addresses that are refused")]
    AddressRefused,
    #[error("the name does not resolve: {0}")]
    Dns(io::Error),
    #[error("not connected: {0}")]
    Io(io::Error),
    #[error("not connected in time")]
    TimedOut,
}
