//! What can go wrong between the host and a guest.

use std::time::Duration;

use thiserror::Error;

/// A typed error that the guest answered: `secrets-engine:backend/types.error`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "documented in the WIT")]
pub enum GuestError {
    #[error("{0}")]
    Plain(String),
    #[error("{0}")]
    User(String),
    #[error("{0}")]
    Internal(String),
    #[error("{message}")]
    Coded { code: u16, message: String },
    #[error("{0}")]
    BadRequest(String),
    #[error("unsupported operation")]
    UnsupportedOperation,
    #[error("unsupported path")]
    UnsupportedPath,
    #[error("invalid request")]
    InvalidRequest,
    #[error("permission denied")]
    PermissionDenied,
    #[error("multi-factor authorization pending")]
    MultiAuthzPending,
    #[error("unrecoverable")]
    Unrecoverable,
}

/// Why a request got no answer of the guest, or an error as its answer.
/// `Display` is for the log; [`InvokeError::to_caller`] for the client.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum InvokeError {
    /// The guest's own answer.
    #[error(transparent)]
    Guest(#[from] GuestError),
    /// Too many requests in flight for the whole of the bounded wait: 503.
    #[error("no free slot: {0}")]
    Busy(&'static str),
    /// The guest met a limit: 500, naming it.
    #[error("the component met its limit of {limit}")]
    Limit {
        /// Name and value, such as `64 MiB of memory`.
        limit: String,
    },
    /// The guest used up its processor time.
    #[error("the component used its {0:?} of processor time")]
    ProcessorTime(Duration),
    /// The request's deadline passed.
    #[error("the request took longer than {0:?}")]
    Deadline(Duration),
    /// The guest trapped or panicked; wasm function names only.
    #[error("the component trapped: {0}")]
    Trap(String),
    /// What the guest answered breaks the contract (not JSON, a code out of range …).
    #[error("the component broke its contract: {0}")]
    Contract(String),
    /// Our fault.
    #[error("host error: {0}")]
    Host(String),
}

impl InvokeError {
    /// Short, stable, without secrets: names limit and request ID, nothing else.
    pub fn to_caller(&self, request_id: &str) -> String {
        let _ = request_id;
        unimplemented!()
    }
}

/// Why a module cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Not a component, or one that does not compile.
    #[error("not a component that can run here: {0}")]
    Invalid(String),
    /// Imports something that no guest gets, or exports no backend of a version we know.
    #[error("not of the world `secrets-engine:world/engine`: {0}")]
    World(String),
    /// `describe` failed.
    #[error("the component could not describe itself: {0}")]
    Describe(#[from] InvokeError),
}
