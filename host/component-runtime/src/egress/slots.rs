//! Connections of one mount, counted for each authority.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections of one mount, by authority.
pub(crate) struct Slots {
    per_authority_max: usize,
    by_authority: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Slots {
    pub(crate) fn new(per_authority_max: usize) -> Self {
        Self { per_authority_max, by_authority: Mutex::default() }
    }

    /// Waits for a free slot. `None` only if the semaphore was closed, which never happens.
    pub(crate) async fn take(&self, authority: String) -> Option<OwnedSemaphorePermit> {
        let semaphore = {
            let mut by_authority = self.by_authority.lock().unwrap_or_else(PoisonError::into_inner);
            // Entries without connections are dropped: a wildcard origin can have any number of hosts.
            by_authority
                .retain(|_, slots| slots.available_permits() < self.per_authority_max || Arc::strong_count(slots) > 1);
            let semaphore =
                by_authority.entry(authority).or_insert_with(|| Arc::new(Semaphore::new(self.per_authority_max)));
            Arc::clone(semaphore)
        };
        semaphore.acquire_owned().await.ok()
    }
}
