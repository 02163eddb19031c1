//! Errors of requests, one variant for each type that the server knows (`sdk/logical/error.go` and
//! `sdk/plugin/pb/backend.proto`), and errors of the calls to the server.

use thiserror::Error as ThisError;

/// Why a request failed. The server answers the status that is named beside the variant.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum Error {
    /// 500, unless the server knows the text.
    #[error("{0}")]
    Plain(String),
    /// A text for the client; 500.
    #[error("{0}")]
    User(String),
    /// 500.
    #[error("{0}")]
    Internal(String),
    /// The status that the variant carries.
    #[error("{message}")]
    Coded {
        /// HTTP status.
        code: u16,
        /// Text for the client.
        message: String,
    },
    /// 400.
    #[error("{0}")]
    BadRequest(String),
    /// 405.
    #[error("unsupported operation")]
    UnsupportedOperation,
    /// 404.
    #[error("unsupported path")]
    UnsupportedPath,
    /// 400.
    #[error("invalid request")]
    InvalidRequest,
    /// 403.
    #[error("permission denied")]
    PermissionDenied,
    /// 500.
    #[error("request needs further approval")]
    MultiAuthzPending,
    /// 500.
    #[error("unrecoverable error")]
    Unrecoverable,
}

/// Why a storage call failed.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum StorageError {
    /// This node cannot write. The server forwards the request if it gets its own text back, so the text stays
    /// unchanged.
    #[error("{0}")]
    ReadOnly(String),
    /// Another transaction changed the same data first.
    #[error("{0}")]
    Conflict(String),
    /// The text of the server, or of the connection to the server.
    #[error("{0}")]
    Failed(String),
}

/// Why the server answered no question about the mount.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum SystemViewError {
    /// This server does not have the call.
    #[error("the server does not offer this")]
    Unsupported,
    /// The text of the server, or of the connection to the server.
    #[error("{0}")]
    Failed(String),
}
