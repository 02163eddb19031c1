//! Locks on keys of one mount, among all its requests in this process, whatever module version serves them.
//!
//! A lock is released when its guard is dropped, and a guard lives in the request's store: trap, cancel and
//! deadline release it like anything else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::OwnedMutexGuard;

/// Why a lock was not had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum LockError {
    /// Others held it for the whole of the bounded wait.
    #[error("timed out waiting for a lock")]
    TimedOut,
}

/// The locks of one mount. Only keys that somebody holds or waits for take memory.
#[derive(Default)]
pub(crate) struct LockTable {
    keys: Arc<Mutex<Keys>>,
}

type Keys = HashMap<String, Key>;

#[derive(Default)]
struct Key {
    mutex: Arc<tokio::sync::Mutex<()>>,
    /// Holders and waiters.
    users: usize,
}

/// Holds one lock.
pub(crate) struct LockGuard {
    // Released before the key is left, so that whoever finds no key finds no holder either.
    _held: OwnedMutexGuard<()>,
    _user: User,
}

impl LockTable {
    /// Waits for the lock on `key`, first come, first served.
    ///
    /// # Errors
    /// When it was not had within `wait`.
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

/// Somebody who holds a key or waits for it.
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

/// No code panics while it holds this, so a poisoned map is as good as any.
fn lock(keys: &Mutex<Keys>) -> MutexGuard<'_, Keys> {
    keys.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_held_key_times_out_and_is_had_once_released() {
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
    async fn keys_that_nobody_uses_take_no_memory() {
        let table = LockTable::default();
        let held = table.acquire("a".into(), LONG).await.unwrap();
        drop(tokio::time::timeout(Duration::from_secs(1), table.acquire("a".into(), LONG)).await);
        assert_eq!(lock(&table.keys).len(), 1);
        drop(held);
        assert!(lock(&table.keys).is_empty());
    }
}
