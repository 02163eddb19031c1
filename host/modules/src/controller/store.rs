//! Reads and writes a mount's state of modules.

use component_runtime::RESERVED_PREFIX;
use envelope::{StorageEntry, StorageError};
use tokio::time::timeout;

use super::mailbox::Lifecycle;
use super::state::{State, state_key};
use super::{ModuleController, Work};
use crate::Rejection;
use crate::limits::STATE_WAIT;

/// Why the state was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SaveError {
    /// This node cannot write. The text is the server's.
    ReadOnly(String),
    /// Any other failure.
    Failed(Rejection),
}

impl Work {
    /// Uses this state from now on. A permanent rejection may be obsolete with it.
    pub(super) fn adopt(&mut self, state: State) {
        self.failed_attempts.forget_permanent();
        self.state = Some(state);
        self.unsaved = false;
    }

    /// As `adopt`, where this node cannot write the state.
    pub(super) fn adopt_unsaved(&mut self, state: State) {
        self.adopt(state);
        self.unsaved = true;
    }
}

impl ModuleController {
    /// The state. Reads it from storage if it is unknown or stale.
    pub(super) async fn state(&self, work: &mut Work) -> Result<State, Rejection> {
        work.is_state_stale |= self.mailbox.take_invalidation();
        if let (Some(state), false) = (&work.state, work.is_state_stale) {
            return Ok(state.clone());
        }
        let state = self.read_state().await?;
        work.is_state_stale = false;
        self.mount.hold_secrets(state.held_secrets());
        work.adopt(state.clone());
        Ok(state)
    }

    async fn read_state(&self) -> Result<State, Rejection> {
        let Some(storage) = &self.storage else { return Ok(State::default()) };
        let failed = |text| Rejection::Transient(format!("the state of modules cannot be read from storage: {text}"));
        let entry = match timeout(STATE_WAIT, storage.get(&state_key())).await {
            Ok(entry) => entry.map_err(|error| failed(error.to_string()))?,
            Err(_) => return Err(failed(format!("no answer in {STATE_WAIT:?}"))),
        };
        entry.map_or_else(|| Ok(State::default()), |entry| State::from_bytes(&entry.value))
    }

    /// Has a guest stored anything?
    pub(super) async fn has_data(&self) -> Result<bool, Rejection> {
        let Some(storage) = &self.storage else { return Ok(false) };
        let failed = |text: String| Rejection::Transient(format!("the mount's storage cannot be listed: {text}"));
        match timeout(STATE_WAIT, storage.list_page("", "", 2)).await {
            Ok(names) => {
                let names = names.map_err(|error| failed(error.to_string()))?;
                Ok(names.iter().any(|name| name != RESERVED_PREFIX))
            }
            Err(_) => Err(failed(format!("no answer in {STATE_WAIT:?}"))),
        }
    }

    /// Writes the state, then uses it.
    pub(super) async fn save(&self, work: &mut Work, next: State) -> Result<(), SaveError> {
        let Some(storage) = &self.storage else { return Ok(()) };
        if self.mailbox.lifecycle() == Lifecycle::Closed {
            return Err(SaveError::Failed(Rejection::Transient(
                "the mount was loaded anew meanwhile: try again".to_owned(),
            )));
        }
        let next = self.with_advertised(next);
        let failed =
            |text: String| Rejection::Transient(format!("the state of modules cannot be written to storage: {text}"));
        let entry =
            StorageEntry { key: state_key(), value: next.to_bytes().map_err(SaveError::Failed)?, seal_wrap: false };
        let rejection = match timeout(STATE_WAIT, storage.put(entry)).await {
            Ok(Ok(())) => {
                self.mount.hold_secrets(next.held_secrets());
                work.adopt(next);
                return Ok(());
            }
            Ok(Err(StorageError::ReadOnly(text))) => return Err(SaveError::ReadOnly(text)),
            Ok(Err(error)) => failed(error.to_string()),
            Err(_) => failed(format!("no answer in {STATE_WAIT:?}")),
        };
        // The server may have done the write in spite of the error: read the state again, unless this node keeps an
        // unsaved one.
        if !work.unsaved {
            work.is_state_stale = true;
        }
        Err(SaveError::Failed(rejection))
    }

    /// Writes an unsaved state: the server accepts no writes while it sets the mount up.
    pub(super) async fn save_kept(&self, work: &mut Work) {
        if let (true, Some(kept)) = (work.unsaved, work.state.clone()) {
            // If the write fails, the state stays unsaved until the next pass.
            let _ = self.save(work, kept).await;
        }
    }

    /// As `save`, but keeps the state unsaved where this node cannot write.
    pub(super) async fn save_or_keep(&self, work: &mut Work, next: State) -> Result<(), Rejection> {
        match self.save(work, next.clone()).await {
            Ok(()) => Ok(()),
            Err(SaveError::ReadOnly(_)) => {
                self.mount.hold_secrets(next.held_secrets());
                work.adopt_unsaved(self.with_advertised(next));
                Ok(())
            }
            Err(SaveError::Failed(rejection)) => Err(rejection),
        }
    }
}
