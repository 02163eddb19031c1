//! Whose turn it is to change a mount's module: one at a time, and who goes back goes first.
//!
//! A look may wait long for a directory, a compiler or a probe. A module that fails its requests, or an operator who
//! goes back from one, must not wait for that, so the look gives way.

use std::sync::Arc;

use tokio::sync::{OwnedMutexGuard, watch};

use super::{ModuleController, Work};
use crate::Rejection;

/// How many wait to go back.
pub(super) struct PendingReverts(watch::Sender<usize>);

impl Default for PendingReverts {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

/// One that waits, until it is dropped.
struct PendingRevert<'a>(&'a PendingReverts);

impl<'a> PendingRevert<'a> {
    fn new(ways: &'a PendingReverts) -> Self {
        ways.0.send_modify(|count| *count += 1);
        Self(ways)
    }
}

impl Drop for PendingRevert<'_> {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

impl ModuleController {
    /// The turn after those that wait already.
    pub(super) async fn work_queue(self: Arc<Self>) -> OwnedMutexGuard<Work> {
        Arc::clone(&self.work).lock_owned().await
    }

    /// The turn to go back: whoever has it gives way.
    pub(super) async fn turn_to_go_back(self: Arc<Self>) -> OwnedMutexGuard<Work> {
        let _waits = PendingRevert::new(&self.pending_reverts);
        Arc::clone(&self.work).lock_owned().await
    }

    /// A step that may take long, and changes nothing when it is dropped because somebody goes back.
    pub(super) async fn unless_revert_pending<T>(&self, step: impl Future<Output = T>) -> Result<T, Rejection> {
        let mut ways = self.pending_reverts.0.subscribe();
        tokio::select! {
            biased;
            _ = ways.wait_for(|count| *count > 0) => {
                Err(Rejection::Transient("the mount goes back from a module first: try again".to_owned()))
            }
            done = step => Ok(done),
        }
    }

    /// Then whoever has the turn must end.
    pub(super) fn revert_pending(&self) -> bool {
        *self.pending_reverts.0.borrow() > 0
    }
}
