//! What a server that is not there would say of the mount: a fresh OpenBao's settings.

use std::time::Duration;

use async_trait::async_trait;
use envelope::{SystemView, SystemViewError};

/// 32 days, for leases that name no time, and as the longest of any lease (`internal/vault/core.go` of OpenBao).
pub(super) const LEASE_TTL: Duration = Duration::from_secs(32 * 24 * 60 * 60);

/// The settings of a mount without a server.
pub(super) struct NoServer;

#[async_trait]
impl SystemView for NoServer {
    async fn default_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        Ok(LEASE_TTL)
    }
    async fn max_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        Ok(LEASE_TTL)
    }
}
