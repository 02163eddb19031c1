//! A mount's storage: the runtime's capability over the protocol's client.

use async_trait::async_trait;
use component_runtime::capability::{self, StorageEntry, StorageError};
use plugin_protocol as protocol;

/// The storage of one mount, or a transaction of it.
pub(crate) struct ServerStorage<T>(pub(crate) T);

#[async_trait]
impl<T: protocol::StorageView> capability::StorageView for ServerStorage<T> {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        Ok(self.0.get(key).await.map_err(error)?.map(from_protocol))
    }

    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        self.0.put(into_protocol(entry)).await.map_err(error)
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.0.delete(key).await.map_err(error)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        self.0.list(prefix).await.map_err(error)
    }

    async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        self.0.list_page(prefix, after, limit).await.map_err(error)
    }
}

#[async_trait]
impl capability::Storage for ServerStorage<protocol::StorageClient> {
    async fn begin(&self) -> Result<Option<Box<dyn capability::Transaction>>, StorageError> {
        let transaction = self.0.begin().await.map_err(error)?;
        Ok(transaction.map(|transaction| Box::new(ServerStorage(transaction)) as Box<dyn capability::Transaction>))
    }
}

#[async_trait]
impl capability::Transaction for ServerStorage<protocol::Transaction> {
    async fn commit(self: Box<Self>) -> Result<(), StorageError> {
        self.0.commit().await.map_err(error)
    }
}

fn error(error: protocol::StorageError) -> StorageError {
    match error {
        protocol::StorageError::ReadOnly(text) => StorageError::ReadOnly(text),
        protocol::StorageError::Conflict(text) => StorageError::Conflict(text),
        protocol::StorageError::Failed(text) => StorageError::Failed(text),
    }
}

fn from_protocol(entry: protocol::StorageEntry) -> StorageEntry {
    StorageEntry { key: entry.key, value: entry.value, seal_wrap: entry.seal_wrap }
}

fn into_protocol(entry: StorageEntry) -> protocol::StorageEntry {
    protocol::StorageEntry { key: entry.key, value: entry.value, seal_wrap: entry.seal_wrap }
}
