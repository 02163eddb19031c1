//! The client of the server's `pb.SystemView` service, for one mount.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::SystemViewError;

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

/// The server's view of the mount. Clones share the connection.
#[derive(Clone, Debug)]
pub struct SystemViewClient {}

#[expect(missing_docs, reason = "the names are the server's")]
impl SystemViewClient {
    pub async fn default_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        unimplemented!()
    }
    pub async fn max_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        unimplemented!()
    }
    pub async fn tainted(&self) -> Result<bool, SystemViewError> {
        unimplemented!()
    }
    pub async fn local_mount(&self) -> Result<bool, SystemViewError> {
        unimplemented!()
    }
    pub async fn replication_state(&self) -> Result<ReplicationState, SystemViewError> {
        unimplemented!()
    }
    pub async fn server_version(&self) -> Result<String, SystemViewError> {
        unimplemented!()
    }
    pub async fn entity_info(&self, entity_id: &str) -> Result<Option<Entity>, SystemViewError> {
        let _ = entity_id;
        unimplemented!()
    }
    pub async fn generate_password(&self, policy_name: &str) -> Result<String, SystemViewError> {
        let _ = policy_name;
        unimplemented!()
    }
}
