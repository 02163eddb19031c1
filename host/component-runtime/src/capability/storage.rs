//! `secrets-engine:host/storage`: a mount's own storage, counted against limits.

use async_trait::async_trait;
use thiserror::Error;

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

/// Why a storage call failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StorageError {
    /// This node cannot write; the server's text, passed on unchanged.
    #[error("{0}")]
    ReadOnly(String),
    /// Another transaction changed the same data first.
    #[error("{0}")]
    Conflict(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
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
    /// The first `limit` names greater than `after`.
    async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError>;
}

/// A mount's storage.
#[async_trait]
pub trait Storage: StorageView {
    /// Begins a transaction; none where the server has none.
    async fn begin(&self) -> Result<Option<Box<dyn Transaction>>, StorageError>;
}

/// Dropped without commit, the implementation rolls it back.
#[async_trait]
pub trait Transaction: StorageView {
    /// Makes it happen.
    async fn commit(self: Box<Self>) -> Result<(), StorageError>;
}
