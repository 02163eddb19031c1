//! A transaction of a storage file.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use envelope::{StorageEntry, StorageError, StorageView, Transaction};
use local_server::Work;

use super::storage::FileStorage;

/// A transaction. A drop without a commit changes nothing.
pub(super) struct FileTransaction {
    storage: FileStorage,
    work: Mutex<Work>,
}

impl FileTransaction {
    pub(super) fn new(storage: FileStorage, work: Work) -> Self {
        Self { storage, work: Mutex::new(work) }
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl StorageView for FileTransaction {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        Ok(self.work().get(key))
    }

    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        self.work().change(&entry.key.clone(), Some(entry));
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.work().change(key, None);
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        Ok(self.work().list(prefix, "", usize::MAX))
    }

    async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        Ok(self.work().list(prefix, after, limit as usize))
    }
}

#[async_trait]
impl Transaction for FileTransaction {
    async fn commit(self: Box<Self>) -> Result<(), StorageError> {
        let work = self.work.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.storage.change(|entries| work.changes(entries))
    }
}

#[cfg(test)]
mod tests;
