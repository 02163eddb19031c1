//! The server's view of a mount, with calls in the mount's share of storage calls: the server, which all mounts share, does
//! the work of both.

use std::time::Duration;

use async_trait::async_trait;
use envelope::{Entity, ReplicationState, SystemView, SystemViewError};

use crate::storage_share::StorageCost::{Read, Write};
use crate::storage_share::StorageShare;

/// Asks the server when the mount may make a call.
pub(crate) struct SharedView<'a> {
    pub(crate) view: &'a dyn SystemView,
    pub(crate) share: &'a StorageShare,
}

#[async_trait]
impl SystemView for SharedView<'_> {
    async fn default_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        self.share.admit(Read, 1).await;
        self.view.default_lease_ttl().await
    }

    async fn max_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        self.share.admit(Read, 1).await;
        self.view.max_lease_ttl().await
    }

    async fn tainted(&self) -> Result<bool, SystemViewError> {
        self.share.admit(Read, 1).await;
        self.view.tainted().await
    }

    async fn local_mount(&self) -> Result<bool, SystemViewError> {
        self.share.admit(Read, 1).await;
        self.view.local_mount().await
    }

    async fn replication_state(&self) -> Result<ReplicationState, SystemViewError> {
        self.share.admit(Read, 1).await;
        self.view.replication_state().await
    }

    async fn server_version(&self) -> Result<String, SystemViewError> {
        self.share.admit(Read, 1).await;
        self.view.server_version().await
    }

    async fn entity_info(&self, entity_id: &str) -> Result<Option<Entity>, SystemViewError> {
        self.share.admit(Read, 1).await;
        self.view.entity_info(entity_id).await
    }

    /// As much as a write: the server reads a policy, and draws characters until they fit its rules.
    async fn generate_password(&self, policy_name: &str) -> Result<String, SystemViewError> {
        self.share.admit(Write, 1).await;
        self.view.generate_password(policy_name).await
    }
}
