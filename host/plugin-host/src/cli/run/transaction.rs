//! A transaction with the rules of OpenBao: it sees the storage of its beginning and its own writes, and the commit fails
//! if another transaction wrote what this one read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use envelope::{StorageEntry, StorageError, StorageView, Transaction};
use redb::{Database, ReadOnlyTable, ReadableTable};

use super::table::{self, ENTRIES, child, children, entry, failed};

type Snapshot = ReadOnlyTable<&'static str, (bool, &'static [u8])>;

/// A transaction. A drop without a commit changes nothing.
pub(super) struct FileTransaction {
    database: Arc<Database>,
    snapshot: Snapshot,
    doings: Mutex<Doings>,
}

/// The reads and writes of a transaction.
#[derive(Default)]
struct Doings {
    touched: BTreeSet<String>,
    listed: BTreeSet<String>,
    /// `None` = deleted.
    written: BTreeMap<String, Option<StorageEntry>>,
}

impl FileTransaction {
    pub(super) fn new(database: Arc<Database>, snapshot: Snapshot) -> Self {
        Self { database, snapshot, doings: Mutex::default() }
    }

    fn doings(&self) -> MutexGuard<'_, Doings> {
        self.doings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_write(&self, key: String, entry: Option<StorageEntry>) {
        let mut doings = self.doings();
        doings.touched.insert(key.clone());
        doings.written.insert(key, entry);
    }

    /// The names of the snapshot, with written and without deleted entries.
    fn names(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<String>, StorageError> {
        let mut doings = self.doings();
        doings.listed.insert(prefix.to_owned());
        let mut names = BTreeSet::new();
        for found in self.snapshot.range(prefix..).map_err(failed)? {
            let (key, _) = found.map_err(failed)?;
            let Some(rest) = key.value().strip_prefix(prefix) else { break };
            if !doings.written.contains_key(key.value()) {
                names.insert(child(rest).to_owned());
            }
        }
        let written = doings.written.iter().filter(|(_, entry)| entry.is_some());
        names.extend(written.filter_map(|(key, _)| key.strip_prefix(prefix)).map(|rest| child(rest).to_owned()));
        Ok(names.into_iter().filter(|name| name.as_str() > after).take(limit).collect())
    }
}

impl Doings {
    /// Has another transaction written what this one read?
    fn conflicts(
        &self,
        then: &Snapshot,
        now: &impl ReadableTable<&'static str, (bool, &'static [u8])>,
    ) -> Result<bool, redb::StorageError> {
        for key in &self.touched {
            if entry(then, key)? != entry(now, key)? {
                return Ok(true);
            }
        }
        for prefix in &self.listed {
            if children(then, prefix, "", usize::MAX)? != children(now, prefix, "", usize::MAX)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[async_trait]
impl StorageView for FileTransaction {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        let mut doings = self.doings();
        doings.touched.insert(key.to_owned());
        match doings.written.get(key) {
            Some(written) => Ok(written.clone()),
            None => entry(&self.snapshot, key).map_err(failed),
        }
    }

    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        self.note_write(entry.key.clone(), Some(entry));
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.note_write(key.to_owned(), None);
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        self.names(prefix, "", usize::MAX)
    }

    async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        self.names(prefix, after, limit as usize)
    }
}

#[async_trait]
impl Transaction for FileTransaction {
    async fn commit(self: Box<Self>) -> Result<(), StorageError> {
        let Self { database, snapshot, doings } = *self;
        let doings = doings.into_inner().unwrap_or_else(PoisonError::into_inner);
        let is_done = table::write(&database, |writing| {
            let mut table = writing.open_table(ENTRIES)?;
            if doings.conflicts(&snapshot, &table)? {
                return Ok(false);
            }
            for (key, entry) in &doings.written {
                match entry {
                    Some(entry) => drop(table.insert(key.as_str(), (entry.seal_wrap, entry.value.as_slice()))?),
                    None => drop(table.remove(key.as_str())?),
                }
            }
            Ok(true)
        })?;
        if is_done { Ok(()) } else { Err(StorageError::Conflict("transaction commit failed: conflict".to_owned())) }
    }
}

#[cfg(test)]
mod tests;
