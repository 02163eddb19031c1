//! Calls of operators. Each call sends a message to the task and waits for the outcome.

use tokio::sync::oneshot::error::RecvError;
use tokio::time::{Instant, timeout_at};

use super::ModuleController;
use super::mailbox::{Lifecycle, Message, Reply, Revert, UnreadableStorage, Waiting};
use super::outcome::{CallError, Done};
use super::select_request::SelectRequest;
use super::store::SaveError;
use crate::Rejection;
use crate::limits::SWITCH_WAIT;

impl From<SaveError> for CallError {
    fn from(error: SaveError) -> Self {
        match error {
            SaveError::ReadOnly(text) => Self::ReadOnly(text),
            SaveError::Failed(rejection) => Self::Rejected(rejection),
        }
    }
}

impl ModuleController {
    /// Reconciles and waits for the end. Tries modules again that were rejected before.
    ///
    /// # Errors
    /// When the modules could not be listed. A rejected candidate is not an error: the report names it.
    pub async fn reload(&self) -> Result<(), CallError> {
        self.call(Message::Reload).await
    }

    /// Activates the module that an operator selects.
    ///
    /// # Errors
    /// When another module serves, or still the same one. The text says why.
    pub async fn use_module(&self, request: SelectRequest) -> Result<Done, CallError> {
        self.call(|reply| Message::Use(request, reply)).await
    }

    /// Reverts to the module that served before. The module that is reverted is activated again only when an operator
    /// selects it.
    ///
    /// # Errors
    /// When there is no module to revert to, or when that module cannot read the storage and `unreadable` refuses it.
    pub async fn revert(&self, unreadable: UnreadableStorage) -> Result<Done, CallError> {
        // This process may not have served the mount yet. Log and report have the outcome of the first pass.
        if self.mailbox.lifecycle() == Lifecycle::Starting && self.storage.is_some() {
            let _ = self.start().await;
        }
        self.call(|reply| Message::Revert(Revert::Operator { unreadable, reply })).await
    }

    /// Sends a message of an operator and waits for the outcome.
    async fn call<T>(
        &self,
        message: impl FnOnce(Reply<Result<T, CallError>>) -> Message + Send,
    ) -> Result<T, CallError> {
        if self.storage.is_none() {
            let text = "there is only the embedded module: the plugin's registration names no `--modules-dir`";
            return Err(Rejection::Permanent(text.to_owned()).into());
        }
        let until = Instant::now() + SWITCH_WAIT;
        let (reply, Waiting { began, outcome }) = Reply::new();
        self.mailbox.send(message(reply));
        let busy = |_| {
            let text = "another change of this mount's module is in progress: try again";
            Rejection::Transient(text.to_owned())
        };
        timeout_at(until, began).await.map_err(busy)?.map_err(did_not_end)?;
        match timeout_at(until, outcome).await {
            Ok(outcome) => outcome.map_err(did_not_end)?,
            Err(_) => Err(CallError::Late),
        }
    }
}

fn did_not_end(_: RecvError) -> Rejection {
    Rejection::Transient("the change of module stopped before its end: read `module` and try again".to_owned())
}
