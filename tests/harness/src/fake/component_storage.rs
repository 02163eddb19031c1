//! The fake server's storage as the runtime's storage.

use async_trait::async_trait;
use envelope::{Storage, StorageEntry, StorageError, StorageView, Transaction};
use secrets_framework::host as framework;

use super::FakeStorage;
use super::storage::FakeTransaction;

#[async_trait]
impl StorageView for FakeStorage {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        Self::get(self, key).map(|entry| entry.map(from_framework)).map_err(error)
    }
    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        Self::put(self, into_framework(entry)).map_err(error)
    }
    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        Self::delete(self, key).map_err(error)
    }
    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        Self::list_page(self, prefix, "", None).map_err(error)
    }
    async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        Self::list_page(self, prefix, after, Some(limit)).map_err(error)
    }
}

#[async_trait]
impl Storage for FakeStorage {
    async fn begin(&self) -> Result<Option<Box<dyn Transaction>>, StorageError> {
        let begun = Self::begin(self).map_err(error)?;
        Ok(begun.map(|transaction| Box::new(transaction) as Box<dyn Transaction>))
    }
}

#[async_trait]
impl StorageView for FakeTransaction {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        Self::get(self, key).map(|entry| entry.map(from_framework)).map_err(error)
    }
    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        Self::put(self, into_framework(entry)).map_err(error)
    }
    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        Self::delete(self, key).map_err(error)
    }
    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        Self::list_page(self, prefix, "", None).map_err(error)
    }
    async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        Self::list_page(self, prefix, after, Some(limit)).map_err(error)
    }
}

#[async_trait]
impl Transaction for FakeTransaction {
    async fn commit(self: Box<Self>) -> Result<(), StorageError> {
        Self::commit(*self).map_err(error)
    }
}

fn from_framework(entry: framework::StorageEntry) -> StorageEntry {
    StorageEntry { key: entry.key, value: entry.value, seal_wrap: entry.seal_wrap }
}

fn into_framework(entry: StorageEntry) -> framework::StorageEntry {
    framework::StorageEntry { key: entry.key, value: entry.value, seal_wrap: entry.seal_wrap }
}

fn error(error: framework::StorageError) -> StorageError {
    match error {
        framework::StorageError::ReadOnly(text) => StorageError::ReadOnly(text),
        framework::StorageError::Conflict(text) => StorageError::Conflict(text),
        framework::StorageError::Failed(text) | framework::StorageError::Limit(text) => StorageError::Failed(text),
    }
}
