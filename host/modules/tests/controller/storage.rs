//! The server's side of a mount: storage in memory, with faults.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use envelope::{Storage, StorageEntry, StorageError, StorageView, Transaction};
use modules::controller::state_key;

/// How each write fails until the process is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The write is not done.
    Before,
    /// The write is done, and its answer is lost.
    After,
}

/// A storage in memory.
#[derive(Default)]
pub(crate) struct FaultyStorage {
    pub(crate) entries: Mutex<BTreeMap<String, Vec<u8>>>,
    pub(crate) read_only: AtomicBool,
    pub(crate) unreadable: AtomicBool,
    /// Number of the host's own calls.
    pub(crate) of_the_host: AtomicUsize,
    /// The next write of the host fails so.
    pub(crate) fault: Mutex<Option<Fault>>,
    /// While it is locked, calls for the gated key wait.
    pub(crate) gate: tokio::sync::Mutex<()>,
    pub(crate) gated: Mutex<Option<String>>,
    pub(crate) at_the_gate: AtomicUsize,
}

impl FaultyStorage {
    fn count(&self, key: &str) {
        if key.starts_with(component_runtime::RESERVED_PREFIX) {
            self.of_the_host.fetch_add(1, Ordering::SeqCst);
        }
    }

    async fn pass(&self, key: &str) {
        let gated = self.gated.lock().unwrap().as_deref().unwrap_or("gate") == key;
        if gated {
            self.at_the_gate.fetch_add(1, Ordering::SeqCst);
            drop(self.gate.lock().await);
        }
    }

    fn writable(&self) -> Result<(), StorageError> {
        match self.read_only.load(Ordering::SeqCst) {
            true => Err(StorageError::ReadOnly("cannot write to readonly storage".into())),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl StorageView for FaultyStorage {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        self.count(key);
        if self.unreadable.load(Ordering::SeqCst) {
            return Err(StorageError::Failed("the server is sealed".into()));
        }
        self.pass(key).await;
        let value = self.entries.lock().unwrap().get(key).cloned();
        Ok(value.map(|value| StorageEntry { key: key.to_owned(), value, seal_wrap: false }))
    }
    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        self.count(&entry.key);
        self.pass(&entry.key).await;
        self.writable()?;
        let fault = match entry.key == state_key() {
            true => *self.fault.lock().unwrap(),
            false => None,
        };
        if fault != Some(Fault::Before) {
            self.entries.lock().unwrap().insert(entry.key, entry.value);
        }
        if fault.is_some() { Err(StorageError::Failed("the connection was cut".into())) } else { Ok(()) }
    }
    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.count(key);
        self.writable()?;
        self.entries.lock().unwrap().remove(key);
        Ok(())
    }
    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        let entries = self.entries.lock().unwrap();
        let below = entries.keys().filter_map(|key| key.strip_prefix(prefix));
        let children: BTreeSet<_> = below.filter_map(|rest| rest.split_inclusive('/').next()).collect();
        Ok(children.into_iter().map(str::to_owned).collect())
    }
    async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        let names = self.list(prefix).await?;
        Ok(names.into_iter().filter(|name| name.as_str() > after).take(limit as usize).collect())
    }
}

#[async_trait]
impl Storage for FaultyStorage {
    async fn begin(&self) -> Result<Option<Box<dyn Transaction>>, StorageError> {
        Ok(None)
    }
}
