//! What a server that is not there would say of the mount: a fresh OpenBao's settings.

use std::time::Duration;

use async_trait::async_trait;
use component_runtime::capability::{Entity, ReplicationState, SystemView, SystemViewError};

/// 32 days, for leases that name no time, and as the longest of any lease (`internal/vault/core.go` of OpenBao).
pub(super) const LEASE_TTL: Duration = Duration::from_secs(32 * 24 * 60 * 60);

/// See the module's head.
pub(super) struct NoServer;

#[async_trait]
impl SystemView for NoServer {
    async fn default_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        Ok(LEASE_TTL)
    }
    async fn max_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        Ok(LEASE_TTL)
    }
    async fn tainted(&self) -> Result<bool, SystemViewError> {
        Ok(false)
    }
    async fn local_mount(&self) -> Result<bool, SystemViewError> {
        Ok(false)
    }
    async fn replication_state(&self) -> Result<ReplicationState, SystemViewError> {
        Ok(ReplicationState::default())
    }
    async fn server_version(&self) -> Result<String, SystemViewError> {
        Err(SystemViewError::Unsupported)
    }
    async fn entity_info(&self, _: &str) -> Result<Option<Entity>, SystemViewError> {
        Ok(None)
    }
    async fn generate_password(&self, _: &str) -> Result<String, SystemViewError> {
        Err(SystemViewError::Unsupported)
    }
}
