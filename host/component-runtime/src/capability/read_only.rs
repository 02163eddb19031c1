//! A mount's storage for a module that is probed: reads pass, writes fail.

use std::sync::Arc;

use async_trait::async_trait;
use envelope::{Storage, StorageEntry, StorageError, StorageView, Transaction};

/// The server's own text for a node that cannot write. Guests know this text.
const READ_ONLY: &str = "cannot write to readonly storage";

/// Reads pass, writes fail. A transaction opens nothing in the server, because it has no writes to commit.
pub(crate) struct ReadOnly(pub(crate) Arc<dyn Storage>);

fn refused() -> StorageError {
    StorageError::ReadOnly(READ_ONLY.into())
}

#[async_trait]
impl StorageView for ReadOnly {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        self.0.get(key).await
    }
    async fn put(&self, _: StorageEntry) -> Result<(), StorageError> {
        Err(refused())
    }
    async fn delete(&self, _: &str) -> Result<(), StorageError> {
        Err(refused())
    }
    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        self.0.list(prefix).await
    }
    async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        self.0.list_page(prefix, after, limit).await
    }
    fn has_pages(&self) -> bool {
        self.0.has_pages()
    }
}

#[async_trait]
impl Storage for ReadOnly {
    async fn begin(&self) -> Result<Option<Box<dyn Transaction>>, StorageError> {
        Ok(Some(Box::new(Self(Arc::clone(&self.0)))))
    }
}

#[async_trait]
impl Transaction for ReadOnly {
    async fn commit(self: Box<Self>) -> Result<(), StorageError> {
        Ok(())
    }
}
