//! The fake server's storage of one mount: a map with transactions like the real server's, scripted faults, and a dump
//! with which tests assert end states.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use envelope::{StorageEntry, StorageError};
use local_server::{Entries, Work, apply, children};

/// The server's text of a node that cannot write.
pub const READ_ONLY_TEXT: &str = "cannot write to readonly storage";

/// The text of a scripted failure.
pub const FAULT_TEXT: &str = "scripted storage fault";

/// A storage fault at a counted call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageFault {
    /// This one call fails and does nothing.
    FailsOnce,
    /// This call does its work, but its answer is lost.
    DoneButNotTold,
    /// This call and all later ones fail: the server has crashed.
    GoneForGood,
}

/// Load of the storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Number of calls, including those in transactions.
    pub calls: usize,
    /// Number of names in lists.
    pub names: usize,
    /// Bytes of values and of listed names.
    pub bytes: usize,
}

/// Storage of one mount. Clones share it.
#[derive(Clone)]
pub struct FakeStorage {
    state: Arc<Mutex<State>>,
}

struct State {
    entries: Entries,
    /// Number of calls since the last fault was scripted.
    calls: u32,
    fault: Option<(u32, StorageFault)>,
    reached: bool,
    read_only: bool,
    transactional: bool,
    traffic: Traffic,
}

/// The behaviour of a counted call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Go,
    GoButFail,
}

impl FakeStorage {
    /// An empty storage, with transactions and pages as OpenBao, or without either as Vault.
    pub fn new(transactional: bool) -> Self {
        let state = State {
            entries: Entries::new(),
            calls: 0,
            fault: None,
            reached: false,
            read_only: false,
            transactional,
            traffic: Traffic::default(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// True for a storage like OpenBao's. Vault's has neither transactions nor pages.
    #[cfg(feature = "component")]
    pub(crate) fn is_transactional(&self) -> bool {
        self.lock().transactional
    }

    /// The traffic since the last call of this function.
    pub fn take_traffic(&self) -> Traffic {
        std::mem::take(&mut self.lock().traffic)
    }

    /// Scripts a fault for the `call`-th call from now, counted from 1.
    pub fn script(&self, call: u32, fault: StorageFault) {
        let mut state = self.lock();
        state.calls = 0;
        state.reached = false;
        state.fault = Some((call, fault));
    }

    /// Ends all faults. True if the scripted call was reached.
    pub fn heal(&self) -> bool {
        let mut state = self.lock();
        state.fault = None;
        state.read_only = false;
        std::mem::take(&mut state.reached)
    }

    /// Refuses all writes with the text of a standby.
    pub fn set_read_only(&self) {
        self.lock().read_only = true;
    }

    /// Writes an entry, as if it came from an earlier time.
    pub fn seed(&self, key: &str, value: &serde_json::Value) {
        let entry = StorageEntry { key: key.to_owned(), value: value.to_string().into_bytes(), seal_wrap: false };
        self.lock().entries.insert(key.to_owned(), entry);
    }

    /// All entries by key, as JSON where the value is JSON.
    pub fn dump(&self) -> BTreeMap<String, serde_json::Value> {
        let state = self.lock();
        let value = |entry: &StorageEntry| serde_json::from_slice(&entry.value).unwrap_or_default();
        state.entries.iter().map(|(key, entry)| (key.clone(), value(entry))).collect()
    }

    /// The keys below a prefix that are not marked for the seal to wrap.
    pub fn unwrapped_below(&self, prefix: &str) -> Vec<String> {
        let state = self.lock();
        let entries = state.entries.values().filter(|entry| entry.key.starts_with(prefix) && !entry.seal_wrap);
        entries.map(|entry| entry.key.clone()).collect()
    }

    /// The keys below a prefix.
    pub fn keys_below(&self, prefix: &str) -> Vec<String> {
        self.lock().entries.keys().filter(|key| key.starts_with(prefix)).cloned().collect()
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        self.call(false, |state| {
            check_key(key)?;
            let entry = state.entries.get(key).cloned();
            state.traffic.bytes += entry.as_ref().map_or(0, |entry| entry.value.len());
            Ok(entry)
        })
    }

    pub(crate) fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        self.call(true, |state| {
            check_key(&entry.key)?;
            state.traffic.bytes += entry.value.len();
            state.entries.insert(entry.key.clone(), entry);
            Ok(())
        })
    }

    pub(crate) fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.call(true, |state| {
            check_key(key)?;
            state.entries.remove(key);
            Ok(())
        })
    }

    pub(crate) fn list_page(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<String>, StorageError> {
        self.call(false, |state| {
            let names = children(&state.entries, prefix, after, limit);
            state.traffic.names += names.len();
            state.traffic.bytes += names.iter().map(String::len).sum::<usize>();
            Ok(names)
        })
    }

    pub(crate) fn begin(&self) -> Result<Option<FakeTransaction>, StorageError> {
        let base = self.call(false, |state| Ok(state.transactional.then(|| state.entries.clone())))?;
        Ok(base.map(|base| FakeTransaction { storage: self.clone(), work: Mutex::new(Work::new(base)) }))
    }

    fn call<T>(
        &self,
        writes: bool,
        work: impl FnOnce(&mut State) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let mut state = self.lock();
        let turn = state.turn(writes)?;
        let done = work(&mut state)?;
        if turn == Turn::GoButFail { Err(fault()) } else { Ok(done) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn turn(&mut self, writes: bool) -> Result<Turn, StorageError> {
        if writes && self.read_only {
            return Err(StorageError::ReadOnly(READ_ONLY_TEXT.to_owned()));
        }
        self.calls += 1;
        self.traffic.calls += 1;
        let Some((call, kind)) = self.fault else { return Ok(Turn::Go) };
        let hit = if kind == StorageFault::GoneForGood { self.calls >= call } else { self.calls == call };
        self.reached |= hit;
        match (hit, kind) {
            (false, _) => Ok(Turn::Go),
            (true, StorageFault::DoneButNotTold) => Ok(Turn::GoButFail),
            (true, StorageFault::FailsOnce | StorageFault::GoneForGood) => Err(fault()),
        }
    }
}

/// Checks a key as the server and the host do.
fn check_key(key: &str) -> Result<(), StorageError> {
    if key.is_empty() || key.ends_with('/') {
        return Err(StorageError::Failed("a storage key is not empty and does not end in `/`".to_owned()));
    }
    if key.contains("..") {
        return Err(StorageError::Failed("relative paths not supported".to_owned()));
    }
    Ok(())
}

fn fault() -> StorageError {
    StorageError::Failed(FAULT_TEXT.to_owned())
}

/// A transaction, whose calls can fail like those of the storage.
pub(crate) struct FakeTransaction {
    storage: FakeStorage,
    work: Mutex<Work>,
}

impl FakeTransaction {
    pub(crate) fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        self.storage.call(false, |_| check_key(key).map(|()| self.lock().get(key)))
    }

    pub(crate) fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        self.storage.call(true, |_| {
            check_key(&entry.key)?;
            self.lock().change(&entry.key.clone(), Some(entry));
            Ok(())
        })
    }

    pub(crate) fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.storage.call(true, |_| check_key(key).map(|()| self.lock().change(key, None)))
    }

    pub(crate) fn list_page(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<String>, StorageError> {
        self.storage.call(false, |_| Ok(self.lock().list(prefix, after, limit)))
    }

    pub(crate) fn commit(self) -> Result<(), StorageError> {
        let work = self.work.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.storage.call(true, |state| {
            let changes = work.changes(&state.entries)?;
            apply(&mut state.entries, changes);
            Ok(())
        })
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn entry(key: &str) -> StorageEntry {
        StorageEntry { key: key.to_owned(), value: b"{}".to_vec(), seal_wrap: false }
    }

    #[test]
    fn lists_direct_children_with_folders() {
        let storage = FakeStorage::new(true);
        for key in ["a/x", "a/b/c", "a/b/d", "z"] {
            storage.put(entry(key)).unwrap();
        }
        assert_eq!(storage.list_page("a/", "", usize::MAX).unwrap(), ["b/", "x"]);
        assert_eq!(storage.list_page("a/", "b/", 1).unwrap(), ["x"]);
        assert_eq!(storage.list_page("", "", 1).unwrap(), ["a/"]);
    }

    #[test]
    fn a_transaction_is_unseen_until_committed_and_conflicts_with_a_change() {
        let storage = FakeStorage::new(true);
        let first = storage.begin().unwrap().unwrap();
        first.put(entry("k")).unwrap();
        assert!(storage.keys_below("").is_empty());
        let second = storage.begin().unwrap().unwrap();
        assert!(second.get("k").unwrap().is_none());
        second.put(entry("other")).unwrap();
        first.commit().unwrap();
        assert!(matches!(second.commit(), Err(StorageError::Conflict(_))));
        assert_eq!(storage.keys_below(""), ["k"]);
    }

    #[test]
    fn a_fault_hits_the_counted_call_only() {
        let storage = FakeStorage::new(false);
        storage.script(2, StorageFault::FailsOnce);
        storage.put(entry("a")).unwrap();
        storage.put(entry("b")).unwrap_err();
        storage.put(entry("c")).unwrap();
        assert!(storage.heal());
        assert_eq!(storage.keys_below(""), ["a", "c"]);
        storage.script(1, StorageFault::DoneButNotTold);
        storage.put(entry("d")).unwrap_err();
        storage.script(5, StorageFault::GoneForGood);
        storage.get("d").unwrap().unwrap();
        assert!(!storage.heal(), "the fifth call was never made");
    }
}
