//! Locks on keys of one mount, shared by all its requests in this process and by all versions of its module.
//!
//! A lock is released when its guard is dropped. The guard lives in the request's store, so a trap, a cancel or a
//! deadline releases the lock too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::OwnedMutexGuard;

/// The lock was not acquired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum LockError {
    /// Other requests held the lock for the whole wait.
    #[error("timed out waiting for a lock that another request holds")]
    TimedOut,
}

/// The locks of one mount. A key takes memory only while a request holds or awaits the lock.
#[derive(Default)]
pub(crate) struct LockTable {
    keys: Arc<Mutex<Keys>>,
}

type Keys = HashMap<String, Key>;

#[derive(Default)]
struct Key {
    mutex: Arc<tokio::sync::Mutex<()>>,
    /// Requests that hold or await the lock.
    users: usize,
}

/// Holds one lock.
pub(crate) struct LockGuard {
    // Dropped first, so that a key is removed only after its lock is released.
    _held: OwnedMutexGuard<()>,
    _user: User,
}

impl LockTable {
    /// Waits for the lock on `key`. Requests get the lock in order of arrival.
    ///
    /// # Errors
    /// When the lock was not acquired within `wait`.
    pub(crate) async fn acquire(&self, key: String, wait: Duration) -> Result<LockGuard, LockError> {
        let (mutex, user) = self.join(key);
        match tokio::time::timeout(wait, mutex.lock_owned()).await {
            Ok(held) => Ok(LockGuard { _held: held, _user: user }),
            Err(_) => Err(LockError::TimedOut),
        }
    }

    fn join(&self, key: String) -> (Arc<tokio::sync::Mutex<()>>, User) {
        let mut keys = lock(&self.keys);
        let entry = keys.entry(key.clone()).or_default();
        entry.users += 1;
        let mutex = Arc::clone(&entry.mutex);
        drop(keys);
        (mutex, User { keys: Arc::clone(&self.keys), key })
    }
}

/// A request that holds or awaits a lock.
struct User {
    keys: Arc<Mutex<Keys>>,
    key: String,
}

impl Drop for User {
    fn drop(&mut self) {
        let mut keys = lock(&self.keys);
        if let Some(entry) = keys.get_mut(&self.key) {
            entry.users -= 1;
            if entry.users == 0 {
                keys.remove(&self.key);
            }
        }
    }
}

/// No code panics while it holds this mutex, so a poisoned map is as good as any.
fn lock(keys: &Mutex<Keys>) -> MutexGuard<'_, Keys> {
    keys.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_lock_that_is_held_times_out_and_is_acquired_after_its_release() {
        let table = LockTable::default();
        let held = table.acquire("a".into(), LONG).await.unwrap();
        assert_eq!(table.acquire("a".into(), LONG).await.err(), Some(LockError::TimedOut));
        table.acquire("b".into(), LONG).await.unwrap();
        drop(held);
        table.acquire("a".into(), LONG).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn waiters_are_served_in_order() {
        let table = Arc::new(LockTable::default());
        let held = table.acquire("a".into(), LONG).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiters = tokio::task::JoinSet::new();
        for number in 0..3 {
            let (own_table, order) = (Arc::clone(&table), Arc::clone(&order));
            waiters.spawn(async move {
                let _held = own_table.acquire("a".into(), LONG).await.unwrap();
                order.lock().unwrap().push(number);
            });
            while lock(&table.keys).get("a").unwrap().users < number + 2 {
                tokio::task::yield_now().await;
            }
        }
        drop(held);
        waiters.join_all().await;
        assert_eq!(*order.lock().unwrap(), [0, 1, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn unused_lock_keys_take_no_memory() {
        let table = LockTable::default();
        let held = table.acquire("a".into(), LONG).await.unwrap();
        drop(tokio::time::timeout(Duration::from_secs(1), table.acquire("a".into(), LONG)).await);
        assert_eq!(lock(&table.keys).len(), 1);
        drop(held);
        assert!(lock(&table.keys).is_empty());
    }
}
