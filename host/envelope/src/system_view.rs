//! Settings of the mount and of the server.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use crate::SystemViewError;

/// 32 days: the time of leases that name none, and the longest of any lease, on a server with the settings that it is
/// delivered with (`internal/vault/core.go` of OpenBao).
pub const SERVER_LEASE_TTL: Duration = Duration::from_secs(32 * 24 * 60 * 60);

/// How this node takes part in replication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplicationState {
    /// The node forwards writes to shared storage.
    pub performance_secondary: bool,
    /// The node forwards all writes.
    pub performance_standby: bool,
    /// The node serves nothing.
    pub dr_secondary: bool,
}

/// An identity entity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the server's")]
pub struct Entity {
    pub id: String,
    pub name: String,
    pub metadata: BTreeMap<String, String>,
}

/// What the server knows of the mount. A method that an implementation leaves out answers for a mount without a server.
#[async_trait]
#[expect(missing_docs, reason = "the names are the server's; meanings in the WIT")]
pub trait SystemView: Send + Sync {
    async fn default_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        Ok(SERVER_LEASE_TTL)
    }
    async fn max_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        Ok(SERVER_LEASE_TTL)
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
    async fn entity_info(&self, _entity_id: &str) -> Result<Option<Entity>, SystemViewError> {
        Ok(None)
    }
    async fn generate_password(&self, _policy_name: &str) -> Result<String, SystemViewError> {
        Err(SystemViewError::Unsupported)
    }
}
