//! `secrets-engine:host/system-view`: settings of the mount and of the server.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

/// Why a question was not answered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SystemViewError {
    /// This server does not offer it.
    #[error("the server does not offer this")]
    Unsupported,
    /// The server's text.
    #[error("{0}")]
    Failed(String),
}

/// How this node takes part in replication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplicationState {
    /// Writes to shared storage are forwarded.
    pub performance_secondary: bool,
    /// All writes are forwarded.
    pub performance_standby: bool,
    /// Serves nothing.
    pub dr_secondary: bool,
}

/// An identity entity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entity {
    /// Its ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its metadata.
    pub metadata: BTreeMap<String, String>,
}

/// What the server knows of the mount. The defaults are the answers for a mount that no server has.
#[async_trait]
#[expect(missing_docs, reason = "the names are the server's; meanings in the WIT")]
pub trait SystemView: Send + Sync {
    async fn default_lease_ttl(&self) -> Result<Duration, SystemViewError>;
    async fn max_lease_ttl(&self) -> Result<Duration, SystemViewError>;
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
