//! Why a request failed, one case for each that the server tells apart.

use thiserror::Error as ThisError;

use crate::host::{LockError, StorageError};

/// An error that goes to the server as a typed error, except that a handler's [`Error::BadRequest`] goes as
/// [`crate::Response::error`].
///
/// Not `non_exhaustive`: a new case must not compile until the component says
/// what it is on the wire.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum Error {
    /// Status 500, unless the server knows the text (read-only storage).
    #[error("{0}")]
    Plain(String),
    /// The protocol's "user error": status 500, so a mistake of the caller is better told by a response.
    #[error("{0}")]
    User(String),
    /// Status 500.
    #[error("{0}")]
    Internal(String),
    /// A status of our choice.
    #[error("{message}")]
    Coded {
        /// HTTP status.
        code: u16,
        /// Text for the client.
        message: String,
    },
    /// A mistake of the caller: status 400.
    #[error("{0}")]
    BadRequest(String),
    /// Status 405.
    #[error("unsupported operation")]
    UnsupportedOperation,
    /// Status 404.
    #[error("unsupported path")]
    UnsupportedPath,
    /// Status 400 with a fixed text.
    #[error("invalid request")]
    InvalidRequest,
    /// Status 403.
    #[error("permission denied")]
    PermissionDenied,
}

impl Error {
    /// A mistake of the caller: the text names the cause, the object and the next step.
    pub fn mistake(message: impl Into<String>) -> Self {
        Self::BadRequest(message.into())
    }

    /// A conflict with what is there already: status 409.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::coded(409, message)
    }

    /// An error with a status of its own.
    pub fn coded(code: u16, message: impl Into<String>) -> Self {
        Self::Coded { code, message: message.into() }
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::ReadOnly(text) | StorageError::Failed(text) | StorageError::Conflict(text) => {
                Self::Plain(text)
            }
            StorageError::Limit(text) => Self::Internal(text),
        }
    }
}

impl From<LockError> for Error {
    fn from(error: LockError) -> Self {
        Self::coded(503, error.to_string())
    }
}
