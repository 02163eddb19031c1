//! Errors that cross the wire, one variant for each `ProtoError` type
//! (`sdk/logical/error.go` and `sdk/plugin/pb/backend.proto` of the server).

use thiserror::Error as ThisError;

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum Error {
    /// Type 0: 500, unless the server knows the text.
    #[error("{0}")]
    Plain(String),
    /// Type 1.
    #[error("{0}")]
    User(String),
    /// Type 2: 500.
    #[error("{0}")]
    Internal(String),
    /// Type 3.
    #[error("{message}")]
    Coded {
        /// HTTP status.
        code: u16,
        /// For the client.
        message: String,
    },
    /// Type 4: 400.
    #[error("{0}")]
    BadRequest(String),
    /// Type 5: 405.
    #[error("unsupported operation")]
    UnsupportedOperation,
    /// Type 6: 404.
    #[error("unsupported path")]
    UnsupportedPath,
    /// Type 7: 400.
    #[error("invalid request")]
    InvalidRequest,
    /// Type 8: 403.
    #[error("permission denied")]
    PermissionDenied,
    /// Type 9.
    #[error("request needs further approval")]
    MultiAuthzPending,
    /// Type 10.
    #[error("unrecoverable error")]
    Unrecoverable,
}

/// Why a storage call failed.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum StorageError {
    /// This node cannot write; the server's text, to be passed on unchanged so that it forwards the request.
    #[error("{0}")]
    ReadOnly(String),
    /// Another transaction changed the same data first.
    #[error("{0}")]
    Conflict(String),
    /// The server's text, or that of the connection to it.
    #[error("{0}")]
    Failed(String),
}

/// Why a question to the server was not answered.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum SystemViewError {
    /// This server does not offer it.
    #[error("the server does not offer this")]
    Unsupported,
    /// The server's text, or that of the connection to it.
    #[error("{0}")]
    Failed(String),
}
