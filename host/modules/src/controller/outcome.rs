//! The outcome of a change that an operator asked for.

use thiserror::Error;

use crate::limits::SWITCH_WAIT;
use crate::{ModuleId, Rejection};

/// The outcome of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// This module serves.
    Serves(ModuleId),
    /// The change is stored and takes effect when the server loads the mount again.
    NeedsReload(ModuleId),
    /// No module is pinned any more. The best module that may run serves.
    Unpinned {
        /// The module that serves, if one may.
        serves: Option<ModuleId>,
        /// Better modules, each with the reason why it does not serve.
        passed_over: Vec<String>,
    },
}

/// Reason why a change failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CallError {
    /// This node cannot write. From this text the server recognises that it must forward the request.
    #[error("{0}")]
    ReadOnly(String),
    /// The change is impossible, or impossible at present.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The change continues; the report will show the outcome.
    #[error("the change of module continues after {SWITCH_WAIT:?}: read `module` for its outcome")]
    Late,
}
