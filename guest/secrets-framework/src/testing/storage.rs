//! Storage in memory: the server's semantics of listing and transactions,
//! read-only mode, faults on demand, counters and snapshots.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use super::lock;
use super::transaction::MemoryTransaction;
use crate::host::{Storage, StorageEntry, StorageError, StorageView, Transaction};

/// The server's own text of a write on a node that cannot write.
pub const READ_ONLY_TEXT: &str = "cannot write to readonly storage";

/// A storage call, as faults and counters tell them apart. Calls within a
/// transaction count as the same call outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StorageCall {
    /// `get`.
    Get,
    /// `put`.
    Put,
    /// `delete`.
    Delete,
    /// `list` and `list_page`.
    List,
    /// `begin`.
    Begin,
    /// `commit`.
    Commit,
}

/// The storage of one mount.
pub struct MemoryStorage(Mutex<State>, Mutex<Option<Meanwhile>>);

/// What another request does in between.
struct Meanwhile {
    call: StorageCall,
    prefix: String,
    act: Box<dyn FnOnce() + Send>,
}

pub(super) struct State {
    pub(super) entries: BTreeMap<String, StorageEntry>,
    /// Counts the changes of each key, to find conflicts.
    pub(super) versions: BTreeMap<String, u64>,
    transactional: bool,
    read_only: bool,
    faults: Vec<Fault>,
    calls: BTreeMap<StorageCall, u64>,
    round_trips: u64,
    /// Commits to come that happen and answer with a failure.
    commits_to_deny: u64,
    /// Commits to come whose answers are lost, and what those that came are still to do.
    commits_to_delay: u64,
    delayed: Vec<Changes>,
}

/// What a transaction changes: by key, the entry or its absence.
pub(super) type Changes = BTreeMap<String, Option<StorageEntry>>;

struct Fault {
    calls: &'static [StorageCall],
    prefix: String,
    /// Matching calls to let pass first.
    pass: u64,
    effect: Effect,
    error: StorageError,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// Fails one call.
    Once,
    /// Fails all such calls.
    Always,
    /// Fails this call and everything after it.
    Death,
}

const WRITES: &[StorageCall] = &[StorageCall::Put, StorageCall::Delete, StorageCall::Commit];
const ALL: &[StorageCall] = &[
    StorageCall::Get,
    StorageCall::Put,
    StorageCall::Delete,
    StorageCall::List,
    StorageCall::Begin,
    StorageCall::Commit,
];

impl MemoryStorage {
    /// With transactions (OpenBao, as at first) or without (Vault).
    pub fn set_transactional(&self, transactional: bool) {
        lock(&self.0).transactional = transactional;
    }
    /// Makes every write fail with the server's read-only text.
    pub fn set_read_only(&self, read_only: bool) {
        lock(&self.0).read_only = read_only;
    }

    /// Fails the n-th of these calls from now (1 = the next), once.
    pub fn fail_nth(&self, call: StorageCall, nth: u64, error: StorageError) {
        self.add_fault(single(call), "", nth, Effect::Once, error);
    }
    /// Fails the n-th of these calls from now on keys with this prefix, once.
    pub fn fail_nth_below(&self, call: StorageCall, prefix: &str, nth: u64, error: StorageError) {
        self.add_fault(single(call), prefix, nth, Effect::Once, error);
    }
    /// Fails every such call on keys with this prefix, until [`Self::clear_faults`].
    pub fn fail_prefix(&self, call: StorageCall, prefix: &str, error: StorageError) {
        self.add_fault(single(call), prefix, 1, Effect::Always, error);
    }
    /// Fails the n-th write from now (put, delete or commit, in any order), once.
    pub fn fail_nth_write(&self, nth: u64, error: StorageError) {
        self.add_fault(WRITES, "", nth, Effect::Once, error);
    }
    /// Lets n - 1 writes pass and fails every storage call from the n-th write
    /// on, as for a process that died there, until [`Self::clear_faults`].
    pub fn die_at_write(&self, nth: u64) {
        let error = StorageError::Failed("the plugin died here".to_owned());
        self.add_fault(WRITES, "", nth, Effect::Death, error);
    }
    /// Fails every storage call from now on, until [`Self::clear_faults`].
    pub fn fail_all(&self, error: StorageError) {
        self.add_fault(ALL, "", 1, Effect::Always, error);
    }
    /// The next `count` commits happen at once, but answer with a failure.
    pub fn deny_commits(&self, count: u64) {
        lock(&self.0).commits_to_deny = count;
    }
    /// The next `count` commits answer with a failure, but happen all the same:
    /// at [`Self::land_commits`].
    pub fn delay_commits(&self, count: u64) {
        lock(&self.0).commits_to_delay = count;
    }
    /// Makes the commits that were delayed happen, in order; how many were there?
    pub fn land_commits(&self) -> usize {
        let mut state = lock(&self.0);
        let delayed = std::mem::take(&mut state.delayed);
        delayed.iter().for_each(|changes| state.write_all(changes));
        delayed.len()
    }
    /// Ends all faults.
    pub fn clear_faults(&self) {
        lock(&self.0).faults.clear();
    }

    /// Does something right before the next such call on a key with this prefix, as another request would.
    pub fn before_next(&self, call: StorageCall, prefix: &str, act: impl FnOnce() + Send + 'static) {
        *lock(&self.1) = Some(Meanwhile { call, prefix: prefix.to_owned(), act: Box::new(act) });
    }

    /// How many of these calls there were, failed ones included.
    pub fn calls(&self, call: StorageCall) -> u64 {
        lock(&self.0).calls.get(&call).copied().unwrap_or_default()
    }
    /// How often the server was asked and waited for: as many calls, but that one for several entries is one.
    pub fn round_trips(&self) -> u64 {
        lock(&self.0).round_trips
    }
    /// Begins counting anew.
    pub fn clear_calls(&self) {
        let mut state = lock(&self.0);
        state.calls.clear();
        state.round_trips = 0;
    }

    /// All keys, sorted. Does not count as a call.
    pub fn keys(&self) -> Vec<String> {
        lock(&self.0).entries.keys().cloned().collect()
    }
    /// All entries by key. Does not count as a call.
    pub fn snapshot(&self) -> BTreeMap<String, StorageEntry> {
        lock(&self.0).entries.clone()
    }
    /// The value of a key as JSON; null where there is none or it is no JSON. Does not count as a call.
    pub fn json(&self, key: &str) -> serde_json::Value {
        let state = lock(&self.0);
        state.entries.get(key).and_then(|entry| serde_json::from_slice(&entry.value).ok()).unwrap_or_default()
    }
    /// Writes a value behind the engine's back: no faults, not counted.
    pub fn seed(&self, key: &str, value: impl Into<Vec<u8>>) {
        let entry = StorageEntry { key: key.to_owned(), value: value.into(), seal_wrap: false };
        lock(&self.0).write(key, Some(entry));
    }
    /// Deletes a key behind the engine's back: no faults, not counted.
    pub fn remove(&self, key: &str) {
        lock(&self.0).write(key, None);
    }

    fn do_meanwhile(&self, call: StorageCall, key: &str) {
        let is_its = |meanwhile: &mut Meanwhile| meanwhile.call == call && key.starts_with(&meanwhile.prefix);
        let meanwhile = lock(&self.1).take_if(is_its);
        if let Some(meanwhile) = meanwhile {
            (meanwhile.act)();
        }
    }

    fn add_fault(&self, calls: &'static [StorageCall], prefix: &str, nth: u64, effect: Effect, error: StorageError) {
        let pass = nth.saturating_sub(1);
        lock(&self.0).faults.push(Fault { calls, prefix: prefix.to_owned(), pass, effect, error });
    }
}

impl Default for MemoryStorage {
    fn default() -> Self {
        Self(
            Mutex::new(State {
                entries: BTreeMap::new(),
                versions: BTreeMap::new(),
                transactional: true,
                read_only: false,
                faults: Vec::new(),
                calls: BTreeMap::new(),
                round_trips: 0,
                commits_to_deny: 0,
                commits_to_delay: 0,
                delayed: Vec::new(),
            }),
            Mutex::default(),
        )
    }
}

impl StorageView for MemoryStorage {
    fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        self.do_meanwhile(StorageCall::Get, key);
        let mut state = lock(&self.0);
        state.call(StorageCall::Get, key)?;
        Ok(state.entries.get(key).cloned())
    }
    fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        self.do_meanwhile(StorageCall::Put, &entry.key);
        let mut state = lock(&self.0);
        state.call(StorageCall::Put, &entry.key)?;
        let key = entry.key.clone();
        state.write(&key, Some(entry));
        Ok(())
    }
    fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.do_meanwhile(StorageCall::Delete, key);
        let mut state = lock(&self.0);
        state.call(StorageCall::Delete, key)?;
        state.write(key, None);
        Ok(())
    }
    fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        self.do_meanwhile(StorageCall::List, prefix);
        let mut state = lock(&self.0);
        state.call(StorageCall::List, prefix)?;
        Ok(children(state.entries.keys(), prefix))
    }
    fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        self.do_meanwhile(StorageCall::List, prefix);
        let mut state = lock(&self.0);
        state.call(StorageCall::List, prefix)?;
        // From the page's place on: tests of large mounts read many pages.
        let keys = state.entries.range(format!("{prefix}{after}")..).map(|(key, _)| key);
        let mut names: Vec<String> = Vec::new();
        // As the server does: without `after`, an entry under the prefix itself, whose name is empty, is listed, too.
        let is_after = |name: &String| after.is_empty() || name.as_str() > after;
        for name in keys.map_while(|key| key.strip_prefix(prefix)).map(child).filter(is_after) {
            if names.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
                break;
            }
            if names.last() != Some(&name) {
                names.push(name);
            }
        }
        Ok(names)
    }
}

impl Storage for MemoryStorage {
    fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<StorageEntry>>, StorageError> {
        let found: Vec<_> = keys.iter().map(|key| self.get(key)).collect();
        lock(&self.0).round_trips -= (found.len() as u64).saturating_sub(1);
        found.into_iter().collect()
    }
    fn begin(&self) -> Result<Option<Box<dyn Transaction + '_>>, StorageError> {
        let mut state = lock(&self.0);
        state.call(StorageCall::Begin, "")?;
        if !state.transactional {
            return Ok(None);
        }
        Ok(Some(Box::new(MemoryTransaction::new(&self.0, &state))))
    }
}

impl State {
    /// Counts a call, and fails it where a fault or read-only mode says so.
    pub(super) fn call(&mut self, call: StorageCall, key: &str) -> Result<(), StorageError> {
        *self.calls.entry(call).or_default() += 1;
        self.round_trips += 1;
        let names_an_entry = matches!(call, StorageCall::Get | StorageCall::Put | StorageCall::Delete);
        if names_an_entry && (key.is_empty() || key.ends_with('/')) {
            // As the host does.
            return Err(StorageError::Failed("a storage key is not empty and does not end in `/`".to_owned()));
        }
        if self.read_only && matches!(call, StorageCall::Put | StorageCall::Delete) {
            return Err(StorageError::ReadOnly(READ_ONLY_TEXT.to_owned()));
        }
        let Some(at) = self.faults.iter_mut().position(|fault| fault.strikes(call, key)) else {
            return Ok(());
        };
        let error = self.faults[at].error.clone();
        match self.faults[at].effect {
            Effect::Once => drop(self.faults.remove(at)),
            Effect::Always => {}
            Effect::Death => self.faults[at].calls = ALL,
        }
        Err(error)
    }

    /// Makes a transaction happen, or keeps it for later and says that it failed.
    pub(super) fn commit(&mut self, changes: &Changes) -> Result<(), StorageError> {
        if self.commits_to_delay > 0 {
            self.commits_to_delay -= 1;
            self.delayed.push(changes.clone());
            return Err(StorageError::Failed("no answer".to_owned()));
        }
        self.write_all(changes);
        if self.commits_to_deny > 0 {
            self.commits_to_deny -= 1;
            return Err(StorageError::Failed("no answer".to_owned()));
        }
        Ok(())
    }

    fn write_all(&mut self, changes: &Changes) {
        changes.iter().for_each(|(key, entry)| self.write(key, entry.clone()));
    }

    pub(super) fn write(&mut self, key: &str, entry: Option<StorageEntry>) {
        *self.versions.entry(key.to_owned()).or_default() += 1;
        match entry {
            Some(entry) => self.entries.insert(key.to_owned(), entry),
            None => self.entries.remove(key),
        };
    }
}

impl Fault {
    fn strikes(&mut self, call: StorageCall, key: &str) -> bool {
        if !self.calls.contains(&call) || !key.starts_with(&self.prefix) {
            return false;
        }
        let strikes = self.pass == 0;
        self.pass = self.pass.saturating_sub(1);
        strikes
    }
}

fn single(call: StorageCall) -> &'static [StorageCall] {
    match call {
        StorageCall::Get => &[StorageCall::Get],
        StorageCall::Put => &[StorageCall::Put],
        StorageCall::Delete => &[StorageCall::Delete],
        StorageCall::List => &[StorageCall::List],
        StorageCall::Begin => &[StorageCall::Begin],
        StorageCall::Commit => &[StorageCall::Commit],
    }
}

/// Direct children below `prefix`, sorted, folders with a trailing slash.
pub(super) fn children<'a>(keys: impl Iterator<Item = &'a String>, prefix: &str) -> Vec<String> {
    let names: BTreeSet<String> = keys.filter_map(|key| key.strip_prefix(prefix)).map(child).collect();
    names.into_iter().collect()
}

/// The child to which a key below a prefix belongs.
fn child(rest: &str) -> String {
    match rest.split_once('/') {
        Some((folder, _)) => format!("{folder}/"),
        None => rest.to_owned(),
    }
}

/// The first `limit` names greater than `after`.
pub(super) fn page(names: Vec<String>, after: &str, limit: u32) -> Vec<String> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    names.into_iter().filter(|name| after.is_empty() || name.as_str() > after).take(limit).collect()
}
