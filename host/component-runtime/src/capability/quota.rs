//! Counts the calls of one request to the host, and refuses calls beyond the limits.
//!
//! A guest can pass a refusal on to its client; a guest that continues regardless is stopped.

use std::sync::Arc;

use thiserror::Error;

use crate::limits::{Limits, bytes_text};

/// The request reached a limit. The text has value and name of the limit, such as `10000 storage calls`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("limit of {0} reached")]
pub(crate) struct LimitReached(pub(crate) String);

/// The quota refused a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum QuotaError {
    /// The guest gets an error.
    Refuse(LimitReached),
    /// The guest got too many errors and traps.
    Stop(LimitReached),
}

/// The use of one request so far.
pub(crate) struct Quota {
    limits: Arc<Limits>,
    storage_calls: u32,
    storage_keys_listed: usize,
    storage_bytes: usize,
    transactions_open: usize,
    system_view_calls: u32,
    locks_held: usize,
    refusals: u32,
}

impl Quota {
    pub(crate) fn new(limits: Arc<Limits>) -> Self {
        Self {
            limits,
            storage_calls: 0,
            storage_keys_listed: 0,
            storage_bytes: 0,
            transactions_open: 0,
            system_view_calls: 0,
            locks_held: 0,
            refusals: 0,
        }
    }

    /// Counts a storage call with this key.
    pub(crate) fn storage_call(&mut self, key: &str) -> Result<(), QuotaError> {
        self.storage_key(key)?;
        let max = self.limits.storage_calls_max;
        if self.storage_calls >= max {
            return Err(self.refuse(format!("{max} storage calls")));
        }
        self.storage_calls += 1;
        Ok(())
    }

    /// Checks the length of a key.
    pub(crate) fn storage_key(&mut self, key: &str) -> Result<(), QuotaError> {
        self.name(key, self.limits.storage_key_bytes_max, "a storage key")
    }

    /// Counts bytes that were read or will be written.
    pub(crate) fn storage_bytes(&mut self, bytes: usize) -> Result<(), QuotaError> {
        let max = self.limits.storage_bytes_max;
        self.storage_bytes = self.storage_bytes.saturating_add(bytes);
        if self.storage_bytes > max {
            return Err(self.refuse(format!("{} read from and written to storage", bytes_text(max))));
        }
        Ok(())
    }

    /// Counts the names of a list.
    pub(crate) fn storage_keys_listed(&mut self, keys: usize) -> Result<(), QuotaError> {
        let max = self.limits.storage_keys_listed_max;
        self.storage_keys_listed = self.storage_keys_listed.saturating_add(keys);
        if self.storage_keys_listed > max { Err(self.refuse(format!("{max} storage keys listed"))) } else { Ok(()) }
    }

    /// Counts a transaction that will be opened.
    pub(crate) fn transaction_opened(&mut self) -> Result<(), QuotaError> {
        let max = self.limits.transactions_open_max;
        if self.transactions_open >= max {
            return Err(self.refuse(format!("{max} open transactions")));
        }
        self.transactions_open += 1;
        Ok(())
    }

    /// Counts the end of a transaction.
    pub(crate) fn transaction_closed(&mut self) {
        self.transactions_open = self.transactions_open.saturating_sub(1);
    }

    /// Counts a call of the system view about what has this name.
    pub(crate) fn system_view_call(&mut self, name: &str) -> Result<(), QuotaError> {
        self.name(name, self.limits.system_view_name_bytes_max, "a name that the system view is asked for")?;
        let max = self.limits.system_view_calls_max;
        if self.system_view_calls >= max {
            return Err(self.refuse(format!("{max} system view calls")));
        }
        self.system_view_calls += 1;
        Ok(())
    }

    /// Counts a lock that will be acquired.
    pub(crate) fn lock_taken(&mut self, key: &str) -> Result<(), QuotaError> {
        self.name(key, self.limits.lock_key_bytes_max, "a lock's key")?;
        let max = self.limits.locks_held_max;
        if self.locks_held >= max {
            return Err(self.refuse(format!("{max} locks held")));
        }
        self.locks_held += 1;
        Ok(())
    }

    /// Counts the release of a lock, or a lock that was not acquired.
    pub(crate) fn lock_released(&mut self) {
        self.locks_held = self.locks_held.saturating_sub(1);
    }

    /// Checks the length of a name that the host or the server keeps.
    fn name(&mut self, name: &str, bytes_max: usize, what: &str) -> Result<(), QuotaError> {
        if name.len() > bytes_max { Err(self.refuse(format!("{} for {what}", bytes_text(bytes_max)))) } else { Ok(()) }
    }

    fn refuse(&mut self, limit: String) -> QuotaError {
        let reached = LimitReached(limit);
        self.refusals += 1;
        if self.refusals > self.limits.refusals_max { QuotaError::Stop(reached) } else { QuotaError::Refuse(reached) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota() -> Quota {
        let limits = Limits {
            refusals_max: 1,
            storage_calls_max: 1,
            storage_keys_listed_max: 2,
            storage_bytes_max: 3,
            storage_key_bytes_max: 4,
            transactions_open_max: 1,
            system_view_calls_max: 1,
            system_view_name_bytes_max: 3,
            locks_held_max: 1,
            lock_key_bytes_max: 2,
            ..Limits::default()
        };
        Quota::new(Arc::new(limits))
    }

    /// The limit that a call reached.
    fn refused(result: Result<(), QuotaError>) -> Option<String> {
        match result {
            Err(QuotaError::Refuse(reached)) => Some(reached.0),
            _ => None,
        }
    }

    #[test]
    fn each_limit_is_reached_and_named() {
        type Call = fn(&mut Quota) -> Result<(), QuotaError>;
        let rows: [(Call, Call, &str); 10] = [
            (|q| q.storage_call("k"), |q| q.storage_call("k"), "1 storage calls"),
            (|q| q.storage_call("four"), |q| q.storage_call("fives"), "4 bytes for a storage key"),
            (|q| q.storage_key("four"), |q| q.storage_key("fives"), "4 bytes for a storage key"),
            (|q| q.storage_bytes(3), |q| q.storage_bytes(1), "3 bytes read from and written to storage"),
            (|q| q.storage_keys_listed(2), |q| q.storage_keys_listed(1), "2 storage keys listed"),
            (Quota::transaction_opened, Quota::transaction_opened, "1 open transactions"),
            (|q| q.system_view_call(""), |q| q.system_view_call(""), "1 system view calls"),
            (
                |q| q.system_view_call("abc"),
                |q| q.system_view_call("abcd"),
                "3 bytes for a name that the system view is asked for",
            ),
            (|q| q.lock_taken("k"), |q| q.lock_taken("k"), "1 locks held"),
            (|q| q.lock_taken("kk"), |q| q.lock_taken("kkk"), "2 bytes for a lock's key"),
        ];
        for (within, beyond, limit) in rows {
            let mut quota = quota();
            assert_eq!(within(&mut quota), Ok(()), "{limit}");
            assert_eq!(refused(beyond(&mut quota)).as_deref(), Some(limit));
        }
    }

    #[test]
    fn a_released_lock_and_a_closed_transaction_can_be_replaced() {
        let mut quota = quota();
        for _ in 0..3 {
            assert_eq!(quota.lock_taken("k"), Ok(()));
            quota.lock_released();
            assert_eq!(quota.transaction_opened(), Ok(()));
            quota.transaction_closed();
        }
    }

    #[test]
    fn a_guest_that_continues_after_refusals_is_stopped() {
        let mut quota = quota();
        assert!(refused(quota.storage_keys_listed(3)).is_some());
        assert!(matches!(quota.storage_keys_listed(1), Err(QuotaError::Stop(_))));
    }
}
