//! A server's storage in memory: transactions, faults on request, and a count of everything.
//!
//! As careless as the real one where that matters: a call with the id of a
//! transaction that has ended runs outside any transaction. It is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use envelope::StorageEntry;
use tokio::sync::watch;
use tonic::Status;

const READ_ONLY: &str = "cannot write to readonly storage";
const CONFLICT: &str = "transaction commit failed";

/// Which server it stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StorageKind {
    /// Transactions and pages.
    #[default]
    OpenBao,
    /// Pages, but a storage without transactions.
    OpenBaoWithoutTransactions,
    /// Neither is implemented.
    Vault,
}

/// The storage of one mount. Shared with the test that looks into it.
#[derive(Debug, Default)]
pub struct MemoryStorage {
    kind: StorageKind,
    state: Mutex<State>,
    /// Grows with every change of `state`.
    changes: watch::Sender<u64>,
    /// The calls that wait.
    held: watch::Sender<Vec<&'static str>>,
}

type Entries = BTreeMap<String, StorageEntry>;

#[derive(Debug, Default)]
struct State {
    entries: Entries,
    /// The number of the write that changed a key last.
    changed: BTreeMap<String, u64>,
    writes: u64,
    transactions: BTreeMap<String, Open>,
    transactions_begun: u64,
    stale_calls: u64,
    cancelled_calls: u64,
    calls_under_way: u64,
    calls: BTreeMap<&'static str, u64>,
    fault: Option<String>,
    read_only: bool,
    lying: bool,
}

#[derive(Debug)]
pub(super) struct Open {
    entries: Entries,
    /// Keys written, and whether they are there afterwards.
    written: BTreeSet<String>,
    read: BTreeSet<String>,
    began_at: u64,
}

impl MemoryStorage {
    /// A storage of this kind.
    #[must_use]
    pub fn new(kind: StorageKind) -> Arc<Self> {
        Arc::new(Self { kind, ..Self::default() })
    }

    /// A copy of all entries.
    pub fn entries(&self) -> BTreeMap<String, StorageEntry> {
        self.state().entries.clone()
    }

    /// Writes an entry as another node would.
    pub fn write(&self, entry: StorageEntry) {
        self.state().write(entry);
    }

    /// Makes every further call answer with this error text; none makes it work again.
    pub fn fail_with(&self, text: Option<&str>) {
        self.state().fault = text.map(str::to_owned);
    }

    /// Makes writes fail as on a standby.
    pub fn set_read_only(&self, read_only: bool) {
        self.state().read_only = read_only;
    }

    /// Makes answers nonsense: another entry than was asked for, a transaction without an id.
    pub fn set_lying(&self, lying: bool) {
        self.state().lying = lying;
    }

    /// Makes further calls of these names wait until they are no longer among them.
    pub fn hold(&self, names: &[&'static str]) {
        self.held.send_replace(names.to_vec());
    }

    /// How often `name` (`Get`, `Put`, `IsTransactional` …) was called.
    #[must_use]
    pub fn calls(&self, name: &str) -> u64 {
        self.state().calls.get(name).copied().unwrap_or_default()
    }

    /// Transactions that nobody has finished.
    #[must_use]
    pub fn open_transactions(&self) -> usize {
        self.state().transactions.len()
    }

    /// Transactions begun so far.
    #[must_use]
    pub fn transactions_begun(&self) -> u64 {
        self.state().transactions_begun
    }

    /// Calls with the id of a transaction that is not open: each is a bug of the plugin.
    #[must_use]
    pub fn stale_calls(&self) -> u64 {
        self.state().stale_calls
    }

    /// Held calls that the plugin gave up.
    #[must_use]
    pub fn cancelled_calls(&self) -> u64 {
        self.state().cancelled_calls
    }

    /// Waits until a condition on this storage holds.
    pub async fn until(&self, mut condition: impl FnMut(&Self) -> bool) {
        let mut changes = self.changes.subscribe();
        while !condition(self) {
            // An error would mean that the sender has gone, which `self` holds.
            let _ = changes.changed().await;
        }
    }

    /// Calls that were not answered yet.
    #[must_use]
    pub fn calls_under_way(&self) -> u64 {
        self.state().calls_under_way
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Counts a call and holds it if it is to wait; the outer error is a server's that lacks the call.
    pub(super) async fn enter(&self, name: &'static str) -> Result<UnderWay<'_>, Status> {
        *self.state().calls.entry(name).or_default() += 1;
        self.state().calls_under_way += 1;
        self.changed();
        let mut call = UnderWay { storage: self, held: false };
        let lacking = match self.kind {
            StorageKind::OpenBao => false,
            StorageKind::OpenBaoWithoutTransactions => matches!(name, "BeginTx" | "Commit" | "Rollback"),
            StorageKind::Vault => !matches!(name, "Get" | "Put" | "Delete" | "List"),
        };
        if lacking {
            return Err(Status::unimplemented(format!("unknown method {name} for service pb.Storage")));
        }
        let mut held = self.held.subscribe();
        if held.borrow_and_update().contains(&name) {
            call.held = true;
            // An error would mean that the sender has gone, which `self` holds.
            let _ = held.wait_for(|held| !held.contains(&name)).await;
            call.held = false;
        }
        Ok(call)
    }

    /// Runs a call in its transaction, or outside.
    pub(super) async fn run<T>(
        &self,
        name: &'static str,
        txn: &str,
        work: impl FnOnce(&mut View<'_>) -> Result<T, String>,
    ) -> Result<Result<T, String>, Status> {
        let _call = self.enter(name).await?;
        let mut state = self.state();
        let outcome = state.run(txn, work);
        drop(state);
        self.changed();
        Ok(outcome)
    }

    pub(super) fn is_transactional(&self) -> bool {
        self.kind == StorageKind::OpenBao
    }

    pub(super) fn is_lying(&self) -> bool {
        self.state().lying
    }

    /// Begins a transaction and returns its id; a liar's is empty.
    pub(super) fn begin(&self) -> String {
        let mut state = self.state();
        if state.lying {
            return String::new();
        }
        let open = Open {
            entries: state.entries.clone(),
            written: BTreeSet::new(),
            read: BTreeSet::new(),
            began_at: state.writes,
        };
        state.transactions_begun += 1;
        let id = format!("transaction-{}", state.transactions_begun);
        state.transactions.insert(id.clone(), open);
        drop(state);
        self.changed();
        id
    }

    pub(super) fn commit(&self, open: Open) -> Result<(), String> {
        let outcome = self.state().commit(open);
        self.changed();
        outcome
    }

    pub(super) fn finish(&self, txn: &str) -> Result<Open, Status> {
        let finished = self.state().transactions.remove(txn);
        self.changed();
        finished.ok_or_else(|| Status::unknown("missing storage implementation"))
    }
}

/// A call that was not answered yet. Dropped while it is held, it was cancelled.
pub(super) struct UnderWay<'a> {
    storage: &'a MemoryStorage,
    held: bool,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut state = self.storage.state();
        state.calls_under_way -= 1;
        state.cancelled_calls += u64::from(self.held);
        drop(state);
        self.storage.changed();
    }
}

impl State {
    fn run<T>(&mut self, txn: &str, work: impl FnOnce(&mut View<'_>) -> Result<T, String>) -> Result<T, String> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let read_only = self.read_only;
        if let Some(open) = self.transactions.get_mut(txn) {
            return work(&mut View { open: Some(open), state: None, read_only });
        }
        self.stale_calls += u64::from(!txn.is_empty());
        work(&mut View { open: None, state: Some(self), read_only })
    }

    fn write(&mut self, entry: StorageEntry) {
        self.touch(&entry.key);
        self.entries.insert(entry.key.clone(), entry);
    }

    fn delete(&mut self, key: &str) {
        self.touch(key);
        self.entries.remove(key);
    }

    fn touch(&mut self, key: &str) {
        self.writes += 1;
        self.changed.insert(key.to_owned(), self.writes);
    }

    fn commit(&mut self, open: Open) -> Result<(), String> {
        let changed = |key: &String| self.changed.get(key).is_some_and(|write| *write > open.began_at);
        if open.read.iter().chain(&open.written).any(changed) {
            return Err(CONFLICT.to_owned());
        }
        let Open { mut entries, written, .. } = open;
        for key in written {
            match entries.remove(&key) {
                Some(entry) => self.write(entry),
                None => self.delete(&key),
            }
        }
        Ok(())
    }
}

/// What a call works on: a transaction's copy, or the storage itself.
pub(super) struct View<'a> {
    open: Option<&'a mut Open>,
    state: Option<&'a mut State>,
    read_only: bool,
}

impl View<'_> {
    fn entries(&self) -> Option<&Entries> {
        self.open.as_ref().map(|open| &open.entries).or(self.state.as_ref().map(|state| &state.entries))
    }

    pub(super) fn get(&mut self, key: &str) -> Option<StorageEntry> {
        if let Some(open) = &mut self.open {
            open.read.insert(key.to_owned());
        }
        self.entries()?.get(key).cloned()
    }

    pub(super) fn list(&self, prefix: &str) -> Vec<String> {
        let below = self.entries().into_iter().flat_map(|entries| {
            entries.range::<str, _>((Bound::Included(prefix), Bound::Unbounded)).map(|(key, _)| key)
        });
        let names = below.map_while(|key| key.strip_prefix(prefix)).map(|rest| match rest.find('/') {
            Some(slash) => rest.split_at(slash + 1).0.to_owned(),
            None => rest.to_owned(),
        });
        names.collect::<BTreeSet<_>>().into_iter().collect()
    }

    pub(super) fn change(&mut self, key: &str, entry: Option<StorageEntry>) -> Result<(), String> {
        if self.read_only {
            return Err(READ_ONLY.to_owned());
        }
        match (&mut self.open, &mut self.state, entry) {
            (Some(open), _, entry) => {
                open.written.insert(key.to_owned());
                match entry {
                    Some(entry) => drop(open.entries.insert(key.to_owned(), entry)),
                    None => drop(open.entries.remove(key)),
                }
            }
            (None, Some(state), Some(entry)) => state.write(entry),
            (None, Some(state), None) => state.delete(key),
            (None, None, _) => {}
        }
        Ok(())
    }
}
