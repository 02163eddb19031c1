//! Locks among the threads of a test, with a bounded wait.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::lock;
use crate::host::{LockError, LockGuard, Locks};

/// Locks on keys, shared by all requests to one mount.
pub struct MemoryLocks {
    held: Mutex<BTreeSet<String>>,
    freed: Condvar,
    wait: Mutex<Duration>,
    held_at_timeout: Mutex<Vec<String>>,
}

impl MemoryLocks {
    /// Sets how long an `acquire` waits at the most; at first 10 s, as the host's.
    pub fn set_wait(&self, wait: Duration) {
        *lock(&self.wait) = wait;
    }
    /// The keys that were held when the last wait for one of them timed out.
    pub fn held_at_timeout(&self) -> Vec<String> {
        lock(&self.held_at_timeout).clone()
    }
    /// The keys held now.
    pub fn held(&self) -> Vec<String> {
        lock(&self.held).iter().cloned().collect()
    }
}

impl Default for MemoryLocks {
    fn default() -> Self {
        Self {
            held: Mutex::default(),
            freed: Condvar::new(),
            wait: Mutex::new(Duration::from_secs(10)),
            held_at_timeout: Mutex::default(),
        }
    }
}

impl Locks for MemoryLocks {
    fn acquire(&self, key: &str) -> Result<Box<dyn LockGuard + '_>, LockError> {
        let wait = *lock(&self.wait);
        let held = lock(&self.held);
        let (mut held, waited) = self
            .freed
            .wait_timeout_while(held, wait, |held| held.contains(key))
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() && held.contains(key) {
            *lock(&self.held_at_timeout) = held.iter().cloned().collect();
            return Err(LockError::TimedOut(key.to_owned()));
        }
        held.insert(key.to_owned());
        Ok(Box::new(MemoryGuard { locks: self, key: key.to_owned() }))
    }
}

struct MemoryGuard<'a> {
    locks: &'a MemoryLocks,
    key: String,
}

impl LockGuard for MemoryGuard<'_> {}

impl Drop for MemoryGuard<'_> {
    fn drop(&mut self) {
        lock(&self.locks.held).remove(&self.key);
        self.locks.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_key_is_held_by_one_until_dropped() {
        let locks = MemoryLocks::default();
        locks.set_wait(Duration::ZERO);
        let first = locks.acquire("a").unwrap();
        assert_eq!(locks.acquire("a").err(), Some(LockError::TimedOut("a".to_owned())));
        assert_eq!(locks.held_at_timeout(), ["a"]);
        let other = locks.acquire("b").unwrap();
        drop((first, other));
        assert!(locks.held().is_empty());
        assert!(locks.acquire("a").is_ok());
    }

    #[test]
    fn a_waiting_thread_gets_the_lock() {
        let locks = MemoryLocks::default();
        let guard = locks.acquire("a").unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| locks.acquire("a").map(drop));
            drop(guard);
            assert_eq!(waiting.join().unwrap(), Ok(()));
        });
    }
}
