//! Storage and its transactions over the component's imports.

use secrets_framework::host::{Storage, StorageEntry, StorageError, StorageView, Transaction};

use crate::bindings::secrets_engine::host::storage as wit;
use crate::host::ComponentHost;

impl StorageView for ComponentHost {
    fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        wit::get(key).map(|entry| entry.map(entry_from_wit)).map_err(error_from_wit)
    }
    fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        wit::put(&entry_into_wit(entry)).map_err(error_from_wit)
    }
    fn delete(&self, key: &str) -> Result<(), StorageError> {
        wit::delete(key).map_err(error_from_wit)
    }
    fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        wit::list(prefix).map_err(error_from_wit)
    }
    fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        wit::list_page(prefix, after, limit).map_err(error_from_wit)
    }
}

impl Storage for ComponentHost {
    fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<StorageEntry>>, StorageError> {
        let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
        let found = wit::get_many(&keys).map_err(error_from_wit)?;
        Ok(found.into_iter().map(|entry| entry.map(entry_from_wit)).collect())
    }
    fn begin(&self) -> Result<Option<Box<dyn Transaction + '_>>, StorageError> {
        match wit::begin() {
            Ok(Some(transaction)) => Ok(Some(Box::new(Open(transaction)))),
            Ok(None) => Ok(None),
            Err(error) => Err(error_from_wit(error)),
        }
    }
}

/// An open transaction; dropping the handle rolls it back.
struct Open(wit::Transaction);

impl StorageView for Open {
    fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        self.0.get(key).map(|entry| entry.map(entry_from_wit)).map_err(error_from_wit)
    }
    fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        self.0.put(&entry_into_wit(entry)).map_err(error_from_wit)
    }
    fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.0.delete(key).map_err(error_from_wit)
    }
    fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        self.0.list(prefix).map_err(error_from_wit)
    }
    fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        self.0.list_page(prefix, after, limit).map_err(error_from_wit)
    }
}

impl Transaction for Open {
    fn commit(self: Box<Self>) -> Result<(), StorageError> {
        self.0.commit().map_err(error_from_wit)
    }
}

fn entry_from_wit(entry: wit::Entry) -> StorageEntry {
    let wit::Entry { key, value, seal_wrap } = entry;
    StorageEntry { key, value, seal_wrap }
}

fn entry_into_wit(entry: StorageEntry) -> wit::Entry {
    let StorageEntry { key, value, seal_wrap } = entry;
    wit::Entry { key, value, seal_wrap }
}

fn error_from_wit(error: wit::Error) -> StorageError {
    match error {
        wit::Error::ReadOnly(text) => StorageError::ReadOnly(text),
        wit::Error::Conflict(text) => StorageError::Conflict(text),
        wit::Error::Limit(text) => StorageError::Limit(text),
        wit::Error::Failed(text) => StorageError::Failed(text),
    }
}
