//! The client of the server's `pb.Storage` service, for one mount.

use async_trait::async_trait;

use crate::StorageError;

/// One stored value.
#[derive(Clone, PartialEq, Eq)]
pub struct StorageEntry {
    /// Key below the mount.
    pub key: String,
    /// The value; may hold secrets.
    pub value: Vec<u8>,
    /// Ask the seal to wrap it.
    pub seal_wrap: bool,
}

/// Reads and writes, of the storage itself or within a transaction.
#[async_trait]
pub trait StorageView: Send + Sync {
    /// Reads one entry.
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError>;
    /// Writes one entry.
    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError>;
    /// Deletes one entry; it need not exist.
    async fn delete(&self, key: &str) -> Result<(), StorageError>;
    /// Direct children, sorted; folders end in `/`.
    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError>;
    /// The first `limit` names greater than `after`; emulated where the server has no such call.
    async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError>;
}

/// The mount's storage. Clones share the connection.
#[derive(Clone, Debug)]
pub struct StorageClient {}

impl StorageClient {
    /// Begins a transaction; none where the server has none. Asked once, after setup, then known.
    pub async fn begin(&self) -> Result<Option<Transaction>, StorageError> {
        unimplemented!()
    }
}

/// A transaction of the server. Dropped without commit it is rolled back, in a task of its own.
#[derive(Debug)]
pub struct Transaction {}

impl Transaction {
    /// Makes it happen.
    pub async fn commit(self) -> Result<(), StorageError> {
        unimplemented!()
    }
    /// Undoes it, and waits for that.
    pub async fn rollback(self) -> Result<(), StorageError> {
        unimplemented!()
    }
}
