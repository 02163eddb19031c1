//! The fake server's storage as the runtime's storage.

use super::FakeStorage;
use super::storage::FakeTransaction;
use async_trait::async_trait;
use envelope::{Storage, StorageEntry, StorageError, StorageView, Transaction};

#[async_trait]
impl StorageView for FakeStorage {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        Self::get(self, key)
    }
    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        Self::put(self, entry)
    }
    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        Self::delete(self, key)
    }
    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        Self::list_page(self, prefix, "", usize::MAX)
    }
    async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        Self::list_page(self, prefix, after, limit as usize)
    }
    fn has_pages(&self) -> bool {
        self.is_transactional()
    }
}

#[async_trait]
impl Storage for FakeStorage {
    async fn begin(&self) -> Result<Option<Box<dyn Transaction>>, StorageError> {
        let begun = Self::begin(self)?;
        Ok(begun.map(|transaction| Box::new(transaction) as Box<dyn Transaction>))
    }
}

#[async_trait]
impl StorageView for FakeTransaction {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        Self::get(self, key)
    }
    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        Self::put(self, entry)
    }
    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        Self::delete(self, key)
    }
    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        Self::list_page(self, prefix, "", usize::MAX)
    }
    async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        Self::list_page(self, prefix, after, limit as usize)
    }
}

#[async_trait]
impl Transaction for FakeTransaction {
    async fn commit(self: Box<Self>) -> Result<(), StorageError> {
        Self::commit(*self)
    }
}
