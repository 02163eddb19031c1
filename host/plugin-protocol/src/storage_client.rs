//! The storage of one mount, over the server's `pb.Storage` service.

use async_trait::async_trait;
use envelope::{Storage, StorageEntry, StorageError, StorageView, Transaction};

use crate::connection::Connection;
use crate::storage_calls::{Placed, StorageCalls};
use crate::task;
use crate::transaction::ServerTransaction;

/// The mount's storage.
pub(crate) struct StorageClient(StorageCalls);

impl StorageClient {
    pub(crate) fn new(connection: Connection) -> Self {
        Self(StorageCalls::new(connection))
    }
}

#[async_trait]
impl StorageView for StorageClient {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        self.0.get(None, key).await.map(Placed::into_reply)
    }

    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        self.0.put(None, entry).await
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.0.delete(None, key).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        self.0.list(None, prefix).await.map(Placed::into_reply)
    }

    async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        self.0.list_page(None, prefix, after, limit).await.map(Placed::into_reply)
    }

    fn has_pages(&self) -> bool {
        self.0.has_pages()
    }
}

#[async_trait]
impl Storage for StorageClient {
    async fn begin(&self) -> Result<Option<Box<dyn Transaction>>, StorageError> {
        if !self.0.is_transactional().await? {
            return Ok(None);
        }
        // In a task of its own: a caller that goes away meanwhile would leave the transaction open in the server. Now
        // the transaction is dropped, and with that rolled back.
        let calls = self.0.clone();
        let begun = task::spawn(async move {
            let txn = calls.begin().await?;
            Ok(ServerTransaction::new(calls, txn))
        });
        let begun =
            begun.await.map_err(|_| StorageError::Failed("the call to begin a transaction was given up".into()))?;
        Ok(Some(Box::new(begun?)))
    }
}
