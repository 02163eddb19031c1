//! Connections of one mount, counted for each authority and for all of them together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::EgressLimits;

/// Connections of one mount, by authority.
pub(crate) struct Slots {
    of_mount: Arc<Semaphore>,
    per_authority_max: usize,
    by_authority: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// The slot of one connection, until the connection is closed.
pub(crate) struct Slot {
    _of_authority: OwnedSemaphorePermit,
    _of_mount: OwnedSemaphorePermit,
}

impl Slots {
    pub(crate) fn new(limits: &EgressLimits) -> Self {
        Self {
            of_mount: Arc::new(Semaphore::new(limits.connections_per_mount_max)),
            per_authority_max: limits.connections_per_authority_max,
            by_authority: Mutex::default(),
        }
    }

    /// Waits for a free slot. `None` only if a semaphore was closed, which never happens.
    pub(crate) async fn take(&self, authority: String) -> Option<Slot> {
        let semaphore = {
            let mut by_authority = self.by_authority.lock().unwrap_or_else(PoisonError::into_inner);
            // Entries without connections are dropped: a wildcard origin can have any number of hosts.
            by_authority
                .retain(|_, slots| slots.available_permits() < self.per_authority_max || Arc::strong_count(slots) > 1);
            let semaphore =
                by_authority.entry(authority).or_insert_with(|| Arc::new(Semaphore::new(self.per_authority_max)));
            Arc::clone(semaphore)
        };
        // The slot of the authority first: who waits for it takes none of another authority.
        let of_authority = semaphore.acquire_owned().await.ok()?;
        let of_mount = Arc::clone(&self.of_mount).acquire_owned().await.ok()?;
        Some(Slot { _of_authority: of_authority, _of_mount: of_mount })
    }
}
