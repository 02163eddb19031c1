//! The storage of one mount.

use std::fmt;

use async_trait::async_trait;

use crate::StorageError;

/// One stored value. `Debug` leaves the value out.
#[derive(Clone, PartialEq, Eq)]
pub struct StorageEntry {
    /// Key below the mount.
    pub key: String,
    /// The value; may hold secrets.
    pub value: Vec<u8>,
    /// Ask the seal of the server to wrap the entry.
    pub seal_wrap: bool,
}

impl fmt::Debug for StorageEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StorageEntry")
            .field("key", &self.key)
            .field("seal_wrap", &self.seal_wrap)
            .finish_non_exhaustive()
    }
}

/// Reads and writes, of the storage itself or within a transaction.
#[async_trait]
pub trait StorageView: Send + Sync {
    /// Reads one entry.
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError>;
    /// Writes one entry.
    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError>;
    /// Deletes one entry, which need not exist.
    async fn delete(&self, key: &str) -> Result<(), StorageError>;
    /// The direct children of a prefix, sorted; folders end in `/`.
    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError>;
    /// The first `limit` direct children that are greater than `after`.
    async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError>;
    /// Does a page cost what it has? Where not, it is cut from the list of all children, and a caller who wants more than
    /// one page had better ask for that list.
    fn has_pages(&self) -> bool {
        true
    }
}

/// A mount's storage.
#[async_trait]
pub trait Storage: StorageView {
    /// Begins a transaction; `None` if the server has no transactions.
    async fn begin(&self) -> Result<Option<Box<dyn Transaction>>, StorageError>;
}

/// A transaction. An implementation rolls back what is dropped without a commit.
#[async_trait]
pub trait Transaction: StorageView {
    /// Writes all changes, or none.
    ///
    /// # Errors
    /// `Conflict` if another transaction was first. After any other error the changes may be there or not.
    async fn commit(self: Box<Self>) -> Result<(), StorageError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_out_of_debug() {
        let entry = StorageEntry { key: "config/a".into(), value: b"AstraCS:canary".to_vec(), seal_wrap: true };
        let shown = format!("{entry:?}");
        assert_eq!(shown, "StorageEntry { key: \"config/a\", seal_wrap: true, .. }");
    }
}
