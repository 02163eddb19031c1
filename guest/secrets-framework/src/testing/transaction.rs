//! Transactions of the in-memory storage: a snapshot to read from, changes
//! kept aside, and at commit a check that what was read is still so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use super::lock;
use super::storage::{Changes, State, StorageCall, children, page};
use crate::host::{StorageEntry, StorageError, StorageView, Transaction};

/// A transaction; dropped without commit it leaves nothing behind.
pub(super) struct MemoryTransaction<'a> {
    storage: &'a Mutex<State>,
    versions_at_begin: BTreeMap<String, u64>,
    work: Mutex<Work>,
}

struct Work {
    /// As at the beginning, with this transaction's own changes.
    entries: BTreeMap<String, StorageEntry>,
    changes: Changes,
    keys_read: BTreeSet<String>,
    lists_read: BTreeMap<String, Vec<String>>,
}

impl<'a> MemoryTransaction<'a> {
    pub(super) fn new(storage: &'a Mutex<State>, state: &State) -> Self {
        let work = Work {
            entries: state.entries.clone(),
            changes: BTreeMap::new(),
            keys_read: BTreeSet::new(),
            lists_read: BTreeMap::new(),
        };
        Self { storage, versions_at_begin: state.versions.clone(), work: Mutex::new(work) }
    }

    fn change(&self, key: &str, entry: Option<StorageEntry>) {
        let mut work = lock(&self.work);
        match &entry {
            Some(entry) => work.entries.insert(key.to_owned(), entry.clone()),
            None => work.entries.remove(key),
        };
        work.changes.insert(key.to_owned(), entry);
    }
}

impl StorageView for MemoryTransaction<'_> {
    fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        lock(self.storage).call(StorageCall::Get, key)?;
        let mut work = lock(&self.work);
        if !work.changes.contains_key(key) {
            work.keys_read.insert(key.to_owned());
        }
        Ok(work.entries.get(key).cloned())
    }
    fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        lock(self.storage).call(StorageCall::Put, &entry.key)?;
        let key = entry.key.clone();
        self.change(&key, Some(entry));
        Ok(())
    }
    fn delete(&self, key: &str) -> Result<(), StorageError> {
        lock(self.storage).call(StorageCall::Delete, key)?;
        self.change(key, None);
        Ok(())
    }
    fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        let mut state = lock(self.storage);
        state.call(StorageCall::List, prefix)?;
        let mut work = lock(&self.work);
        if !work.lists_read.contains_key(prefix) {
            // What others see now is compared with what they see at commit.
            let outside = children(state.entries.keys(), prefix);
            work.lists_read.insert(prefix.to_owned(), outside);
        }
        Ok(children(work.entries.keys(), prefix))
    }
    fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        Ok(page(self.list(prefix)?, after, limit))
    }
}

impl Transaction for MemoryTransaction<'_> {
    fn commit(self: Box<Self>) -> Result<(), StorageError> {
        let mut state = lock(self.storage);
        state.call(StorageCall::Commit, "")?;
        let work = lock(&self.work);
        let changed = |key: &String| state.versions.get(key) != self.versions_at_begin.get(key);
        let lists_hold = work.lists_read.iter().all(|(prefix, seen)| children(state.entries.keys(), prefix) == *seen);
        if work.keys_read.iter().any(changed) || !lists_hold {
            return Err(StorageError::Conflict("transaction commit failed; retry transaction".to_owned()));
        }
        state.commit(&work.changes)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use crate::host::{Storage, StorageEntry, StorageError, StorageView, Transaction};
    use crate::testing::{MemoryStorage, READ_ONLY_TEXT, StorageCall};

    fn entry(key: &str, value: &str) -> StorageEntry {
        StorageEntry { key: key.to_owned(), value: value.into(), seal_wrap: false }
    }

    fn begin(storage: &MemoryStorage) -> Box<dyn Transaction + '_> {
        storage.begin().unwrap().unwrap()
    }

    #[test]
    fn lists_show_direct_children_and_folders_once() {
        let storage = MemoryStorage::default();
        for key in ["a/1", "a/b/2", "a/b/3", "a/c", "z"] {
            storage.seed(key, "");
        }
        assert_eq!(storage.list("a/").unwrap(), ["1", "b/", "c"]);
        assert_eq!(storage.list("").unwrap(), ["a/", "z"]);
        assert_eq!(storage.list_page("a/", "1", 1).unwrap(), ["b/"]);
        assert_eq!(storage.list("none/").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_transaction_happens_as_a_whole_or_not_at_all() {
        let storage = MemoryStorage::default();
        let transaction = begin(&storage);
        transaction.put(entry("a", "1")).unwrap();
        assert_eq!(transaction.list("").unwrap(), ["a"]);
        assert!(storage.keys().is_empty());
        drop(transaction);
        assert!(storage.keys().is_empty());

        let transaction = begin(&storage);
        transaction.put(entry("a", "1")).unwrap();
        transaction.put(entry("b", "1")).unwrap();
        transaction.commit().unwrap();
        assert_eq!(storage.keys(), ["a", "b"]);
    }

    /// Writes each key in a transaction of its own: which of the commits succeed?
    fn are_committed(storage: &MemoryStorage, keys: [&str; 2]) -> [bool; 2] {
        keys.map(|key| {
            let transaction = begin(storage);
            transaction.put(entry(key, "1")).unwrap();
            transaction.commit().is_ok()
        })
    }

    #[test]
    fn a_commit_that_is_delayed_fails_and_happens_later() {
        let storage = MemoryStorage::default();
        storage.delay_commits(1);
        assert_eq!(are_committed(&storage, ["a", "b"]), [false, true]);
        assert_eq!(storage.keys(), ["b"]);
        assert_eq!(storage.land_commits(), 1);
        assert_eq!(storage.keys(), ["a", "b"]);
        assert_eq!(storage.land_commits(), 0);
    }

    #[test]
    fn a_commit_that_is_denied_fails_and_happens_at_once() {
        let storage = MemoryStorage::default();
        storage.deny_commits(1);
        assert_eq!(are_committed(&storage, ["a", "b"]), [false, true]);
        assert_eq!(storage.keys(), ["a", "b"]);
    }

    #[test]
    fn what_was_read_and_changed_by_others_is_a_conflict() {
        let storage = MemoryStorage::default();
        let reader = begin(&storage);
        assert_eq!(reader.get("a").unwrap(), None);
        storage.put(entry("a", "other")).unwrap();
        assert_eq!(reader.get("a").unwrap(), None, "reads come from the snapshot");
        reader.put(entry("b", "1")).unwrap();
        assert!(matches!(reader.commit(), Err(StorageError::Conflict(_))));

        let lister = begin(&storage);
        assert_eq!(lister.list("").unwrap(), ["a"]);
        storage.put(entry("c", "other")).unwrap();
        assert!(matches!(lister.commit(), Err(StorageError::Conflict(_))));
        assert_eq!(storage.keys(), ["a", "c"]);
    }

    #[test]
    fn read_only_storage_answers_the_servers_text() {
        let storage = MemoryStorage::default();
        storage.set_read_only(true);
        let expected = Err(StorageError::ReadOnly(READ_ONLY_TEXT.to_owned()));
        assert_eq!(storage.put(entry("a", "1")), expected);
        assert_eq!(storage.delete("a"), expected);
        assert_eq!(begin(&storage).put(entry("a", "1")), expected);
        assert_eq!(storage.get("a"), Ok(None));
    }

    #[test]
    fn faults_strike_where_they_were_set() {
        let storage = MemoryStorage::default();
        let failed = || StorageError::Failed("injected".to_owned());
        storage.fail_nth(StorageCall::Put, 2, failed());
        storage.fail_prefix(StorageCall::Get, "role/", failed());
        assert_eq!(storage.put(entry("a", "1")), Ok(()));
        assert_eq!(storage.put(entry("b", "1")), Err(failed()));
        assert_eq!(storage.put(entry("b", "1")), Ok(()));
        assert_eq!(storage.get("role/x"), Err(failed()));
        assert_eq!(storage.get("role/x"), Err(failed()));
        assert!(storage.get("a").unwrap().is_some());
        assert_eq!(storage.calls(StorageCall::Put), 3);

        storage.die_at_write(2);
        assert_eq!(storage.delete("b"), Ok(()));
        assert!(storage.put(entry("c", "1")).is_err());
        assert!(storage.get("a").is_err(), "a dead process reads nothing either");
        storage.clear_faults();
        assert_eq!(storage.keys(), ["a"]);
    }

    #[test]
    fn a_server_without_transactions_has_none() {
        let storage = MemoryStorage::default();
        storage.set_transactional(false);
        assert!(storage.begin().unwrap().is_none());
    }
}
