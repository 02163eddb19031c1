//! What an operator's call about a mount's modules comes to.

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, timeout_at};

use super::store::SaveError;
use super::{ModuleController, Work, task};
use crate::limits::SWITCH_WAIT;
use crate::{ModuleId, Rejection};

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// This one serves.
    Serves(ModuleId),
    /// It is stored, and takes effect when the mount is loaded again.
    NeedsReload(ModuleId),
    /// Nothing is held any more: the best one that may serves.
    Unpinned {
        /// Which; none where none may.
        serves: Option<ModuleId>,
        /// Better ones, and why they do not serve.
        passed_over: Vec<String>,
    },
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CallError {
    /// This node cannot write: the server's own text, by which it forwards the request.
    #[error("{0}")]
    ReadOnly(String),
    /// The operator's affair.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// It goes on, and the status will tell.
    #[error("the change of module goes on after {SWITCH_WAIT:?}: read `module` to see what became of it")]
    Late,
}

impl From<SaveError> for CallError {
    fn from(error: SaveError) -> Self {
        match error {
            SaveError::ReadOnly(text) => Self::ReadOnly(text),
            SaveError::Failed(rejection) => Self::Rejected(rejection),
        }
    }
}

impl ModuleController {
    /// Looks at what is there and waits until that is done. What was refused before is tried again.
    ///
    /// # Errors
    /// When it could not be looked at. That a candidate is refused is no error: the report has it.
    pub async fn reload(self: &Arc<Self>) -> Result<(), CallError> {
        self.run_exclusive(Arc::clone(self).work_queue(), |this, mut work| async move {
            work.failed_attempts.clear();
            this.source.forget_failures();
            work.logged.clear();
            Ok(this.reconcile_and_report(&mut work).await?)
        })
        .await
    }

    /// Runs one change, alone and to its end, also when the caller goes away.
    pub(super) async fn run_exclusive<T, F>(
        self: &Arc<Self>,
        work_queue: impl Future<Output = OwnedMutexGuard<Work>> + Send,
        change: impl FnOnce(Arc<Self>, OwnedMutexGuard<Work>) -> F + Send,
    ) -> Result<T, CallError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, CallError>> + Send + 'static,
    {
        if self.storage.is_none() {
            let text = "there is only the embedded module: the plugin's registration names no `--modules-dir`";
            return Err(Rejection::Transient(text.to_owned()).into());
        }
        let until = Instant::now() + SWITCH_WAIT;
        let busy = |_| Rejection::Transient("another change of this mount's module is under way: try again".to_owned());
        let work = timeout_at(until, work_queue).await.map_err(busy)?;
        let changed = task::spawn(change(Arc::clone(self), work));
        match timeout_at(until, changed).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(stopped)) => {
                Err(Rejection::Transient(format!("the change of module did not end: {stopped}")).into())
            }
            Err(_) => Err(CallError::Late),
        }
    }
}
