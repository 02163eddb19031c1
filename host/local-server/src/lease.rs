//! Leases, with the times that the server's expiration manager gives them (`internal/vault/expiration.go` of OpenBao).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use envelope::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::MountSettings;

/// A lease, as a server prints and stores it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Lease {
    pub id: String,
    /// Path below the mount.
    pub path: String,
    pub issued_unix_seconds: u64,
    pub ttl_seconds: u64,
    pub max_ttl_seconds: u64,
    pub renewable: bool,
    pub internal_data: Map<String, Value>,
}

/// A lease with the data of the answer that it came with. The server hands the data to the engine on renew and revoke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Leased {
    pub lease: Lease,
    #[serde(default)]
    pub data: Value,
}

impl Lease {
    /// A lease that begins now, and a warning if its time was capped.
    pub(crate) fn new(
        id: String,
        path: &str,
        secret: &Secret,
        now: SystemTime,
        mount: &MountSettings,
    ) -> (Self, Option<String>) {
        let (ttl, warning) = capped(secret.ttl, secret.max_ttl, mount, Duration::ZERO);
        let lease = Self {
            id,
            path: path.to_owned(),
            issued_unix_seconds: since_epoch(now).as_secs(),
            ttl_seconds: ttl.as_secs(),
            max_ttl_seconds: secret.max_ttl.unwrap_or_default().as_secs(),
            renewable: secret.renewable,
            internal_data: internal_data(secret),
        };
        (lease, warning)
    }

    /// The lease as a renewal leaves it, and a warning if its time was capped.
    pub(crate) fn renewed(
        &self,
        secret: &Secret,
        increment: Option<Duration>,
        now: SystemTime,
        mount: &MountSettings,
    ) -> (Self, Option<String>) {
        let asked = increment.or(secret.ttl);
        let elapsed = since_epoch(now).saturating_sub(Duration::from_secs(self.issued_unix_seconds));
        let (ttl, warning) = capped(asked, secret.max_ttl, mount, elapsed);
        let lease = Self {
            ttl_seconds: ttl.as_secs(),
            max_ttl_seconds: secret.max_ttl.unwrap_or_default().as_secs(),
            renewable: secret.renewable,
            internal_data: internal_data(secret),
            ..self.clone()
        };
        (lease, warning)
    }

    /// The lease as an engine sees it.
    pub(crate) fn for_engine(&self, id: Option<String>, increment: Option<Duration>) -> envelope::Lease {
        envelope::Lease {
            id,
            issue_time: UNIX_EPOCH + Duration::from_secs(self.issued_unix_seconds),
            ttl: Duration::from_secs(self.ttl_seconds),
            max_ttl: some_seconds(self.max_ttl_seconds),
            increment,
            renewable: self.renewable,
            internal_data: Value::Object(self.internal_data.clone()).to_string(),
        }
    }
}

/// Engines answer a JSON object; the runtime checks that.
fn internal_data(secret: &Secret) -> Map<String, Value> {
    serde_json::from_str(&secret.internal_data).unwrap_or_default()
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A stored number of seconds, of which 0 stands for none.
fn some_seconds(seconds: u64) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// The time to live that the server grants: never longer than the smaller maximum, counted from the issue.
fn capped(
    ttl: Option<Duration>,
    max_ttl: Option<Duration>,
    mount: &MountSettings,
    elapsed: Duration,
) -> (Duration, Option<String>) {
    let asked = ttl.unwrap_or(mount.default_lease_ttl);
    let max = max_ttl.map_or(mount.max_lease_ttl, |max_ttl| max_ttl.min(mount.max_lease_ttl));
    let left = max.saturating_sub(elapsed);
    if asked <= left {
        return (asked, None);
    }
    let warning =
        format!("TTL of {asked:?} exceeded the effective max_ttl of {max:?}; TTL value is capped accordingly");
    (left, Some(warning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ttls_are_capped_as_the_server_does() {
        let seconds = Duration::from_secs;
        let mount = MountSettings {
            default_lease_ttl: seconds(100),
            max_lease_ttl: seconds(1000),
            ..MountSettings::new("m/".to_owned())
        };
        let rows = [
            (0, 0, 0, 100, false),
            (500, 0, 0, 500, false),
            (5000, 0, 0, 1000, true),
            (500, 300, 0, 300, true),
            (500, 5000, 0, 500, false),
            (500, 600, 200, 400, true),
            (500, 0, 800, 200, true),
            (500, 0, 2000, 0, true),
        ];
        for (ttl, max, elapsed, expected, warns) in rows {
            let (granted, warning) = capped(some_seconds(ttl), some_seconds(max), &mount, seconds(elapsed));
            assert_eq!((granted, warning.is_some()), (seconds(expected), warns), "{ttl} {max} {elapsed}");
        }
    }
}
