//! The settings of a mount.

use std::time::Duration;

use envelope::{Identity, SERVER_LEASE_TTL};

/// The settings of a mount.
#[derive(Clone, Debug)]
pub struct MountSettings {
    /// Path of the mount, with trailing slash.
    pub mount_point: String,
    /// ID of the requests of clients; `None` = they have none.
    pub request_id: Option<String>,
    /// The client.
    pub identity: Identity,
    /// Time to live of leases that name none.
    pub default_lease_ttl: Duration,
    /// Longest time to live of any lease.
    pub max_lease_ttl: Duration,
}

impl MountSettings {
    /// A mount with the lease times of a new server, and an unknown client.
    #[must_use]
    pub fn new(mount_point: String) -> Self {
        Self {
            mount_point,
            request_id: None,
            identity: Identity::default(),
            default_lease_ttl: SERVER_LEASE_TTL,
            max_lease_ttl: SERVER_LEASE_TTL,
        }
    }
}
