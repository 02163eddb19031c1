//! A storage and a system view without a server, for `describe` and for tests that use neither.

use std::time::Duration;

use async_trait::async_trait;
use envelope::{
    Entity, ReplicationState, Storage, StorageEntry, StorageError, StorageView, SystemView, SystemViewError,
    Transaction,
};

/// A storage and a system view that answer each call with an error.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

fn no_storage<T>() -> Result<T, StorageError> {
    Err(StorageError::Failed("there is no storage here".into()))
}

#[async_trait]
impl StorageView for Nothing {
    async fn get(&self, _: &str) -> Result<Option<StorageEntry>, StorageError> {
        no_storage()
    }
    async fn put(&self, _: StorageEntry) -> Result<(), StorageError> {
        no_storage()
    }
    async fn delete(&self, _: &str) -> Result<(), StorageError> {
        no_storage()
    }
    async fn list(&self, _: &str) -> Result<Vec<String>, StorageError> {
        no_storage()
    }
    async fn list_page(&self, _: &str, _: &str, _: u32) -> Result<Vec<String>, StorageError> {
        no_storage()
    }
}

#[async_trait]
impl Storage for Nothing {
    async fn begin(&self) -> Result<Option<Box<dyn Transaction>>, StorageError> {
        no_storage()
    }
}

#[async_trait]
impl SystemView for Nothing {
    async fn default_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        Err(SystemViewError::Unsupported)
    }
    async fn max_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        Err(SystemViewError::Unsupported)
    }
    async fn tainted(&self) -> Result<bool, SystemViewError> {
        Err(SystemViewError::Unsupported)
    }
    async fn local_mount(&self) -> Result<bool, SystemViewError> {
        Err(SystemViewError::Unsupported)
    }
    async fn replication_state(&self) -> Result<ReplicationState, SystemViewError> {
        Err(SystemViewError::Unsupported)
    }
    async fn server_version(&self) -> Result<String, SystemViewError> {
        Err(SystemViewError::Unsupported)
    }
    async fn entity_info(&self, _: &str) -> Result<Option<Entity>, SystemViewError> {
        Err(SystemViewError::Unsupported)
    }
    async fn generate_password(&self, _: &str) -> Result<String, SystemViewError> {
        Err(SystemViewError::Unsupported)
    }
}
