//! A mount's system view: the runtime's capability over the protocol's client.

use std::time::Duration;

use async_trait::async_trait;
use component_runtime::capability::{self, Entity, ReplicationState, SystemViewError};
use plugin_protocol::{self as protocol, SystemViewClient};

/// The system view of one mount.
pub(crate) struct ServerSystemView(pub(crate) SystemViewClient);

#[async_trait]
impl capability::SystemView for ServerSystemView {
    async fn default_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        self.0.default_lease_ttl().await.map_err(error)
    }

    async fn max_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        self.0.max_lease_ttl().await.map_err(error)
    }

    async fn tainted(&self) -> Result<bool, SystemViewError> {
        self.0.tainted().await.map_err(error)
    }

    async fn local_mount(&self) -> Result<bool, SystemViewError> {
        self.0.local_mount().await.map_err(error)
    }

    async fn replication_state(&self) -> Result<ReplicationState, SystemViewError> {
        let state = self.0.replication_state().await.map_err(error)?;
        Ok(ReplicationState {
            performance_secondary: state.performance_secondary,
            performance_standby: state.performance_standby,
            dr_secondary: state.dr_secondary,
        })
    }

    async fn server_version(&self) -> Result<String, SystemViewError> {
        self.0.server_version().await.map_err(error)
    }

    async fn entity_info(&self, entity_id: &str) -> Result<Option<Entity>, SystemViewError> {
        let entity = self.0.entity_info(entity_id).await.map_err(error)?;
        Ok(entity.map(|entity| Entity { id: entity.id, name: entity.name, metadata: entity.metadata }))
    }

    async fn generate_password(&self, policy_name: &str) -> Result<String, SystemViewError> {
        self.0.generate_password(policy_name).await.map_err(error)
    }
}

fn error(error: protocol::SystemViewError) -> SystemViewError {
    match error {
        protocol::SystemViewError::Unsupported => SystemViewError::Unsupported,
        protocol::SystemViewError::Failed(text) => SystemViewError::Failed(text),
    }
}
