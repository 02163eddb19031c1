//! Leases, with the times that the server's expiration manager gives them (`internal/vault/expiration.go` of OpenBao).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use envelope::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::system_view::LEASE_TTL;

/// A lease, as it is printed and kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    pub(super) id: String,
    pub(super) path: String,
    pub(super) issued_unix_seconds: u64,
    pub(super) ttl_seconds: u64,
    pub(super) max_ttl_seconds: u64,
    pub(super) renewable: bool,
    pub(super) internal_data: Map<String, Value>,
}

/// A lease with the answer that it was given for, which the server hands back on renew and revoke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Leased {
    pub(super) lease: Lease,
    #[serde(default)]
    pub(super) data: Value,
}

impl Lease {
    /// A new one, with a warning where its time was cut.
    pub(super) fn new(id: String, path: &str, secret: &Secret) -> (Self, Option<String>) {
        let (ttl, warning) = capped(secret.ttl, secret.max_ttl, Duration::ZERO);
        let lease = Self {
            id,
            path: path.to_owned(),
            issued_unix_seconds: now().as_secs(),
            ttl_seconds: ttl.as_secs(),
            max_ttl_seconds: secret.max_ttl.as_secs(),
            renewable: secret.renewable,
            internal_data: internal_data(secret),
        };
        (lease, warning)
    }

    /// As what a renewal answered makes it.
    pub(super) fn renewed(&self, secret: &Secret, increment: Duration) -> (Self, Option<String>) {
        let asked = if increment.is_zero() { secret.ttl } else { increment };
        let elapsed = now().saturating_sub(Duration::from_secs(self.issued_unix_seconds));
        let (ttl, warning) = capped(asked, secret.max_ttl, elapsed);
        let lease = Self {
            ttl_seconds: ttl.as_secs(),
            max_ttl_seconds: secret.max_ttl.as_secs(),
            renewable: secret.renewable,
            internal_data: internal_data(secret),
            ..self.clone()
        };
        (lease, warning)
    }

    /// As engines see it. The server names the lease on revoke only.
    pub(super) fn for_engine(&self, with_id: bool, increment: Duration) -> envelope::Lease {
        envelope::Lease {
            id: if with_id { self.id.clone() } else { String::new() },
            issue_time: UNIX_EPOCH + Duration::from_secs(self.issued_unix_seconds),
            ttl: Duration::from_secs(self.ttl_seconds),
            max_ttl: Duration::from_secs(self.max_ttl_seconds),
            increment,
            renewable: self.renewable,
            internal_data: Value::Object(self.internal_data.clone()).to_string(),
        }
    }
}

/// Was checked to be JSON by the runtime.
fn internal_data(secret: &Secret) -> Map<String, Value> {
    serde_json::from_str(&secret.internal_data).unwrap_or_default()
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Zero = the mount's default; never beyond the maximum, counted from the issue.
fn capped(ttl: Duration, max_ttl: Duration, elapsed: Duration) -> (Duration, Option<String>) {
    let asked = if ttl.is_zero() { LEASE_TTL } else { ttl };
    let max = if max_ttl.is_zero() { LEASE_TTL } else { max_ttl.min(LEASE_TTL) };
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
    fn times_are_capped_as_the_server_does() {
        let (seconds, most) = (Duration::from_secs, LEASE_TTL.as_secs());
        let rows = [
            (0, 0, 0, most, false),
            (500, 0, 0, 500, false),
            (most + 1, 0, 0, most, true),
            (500, 300, 0, 300, true),
            (500, most + 1, 0, 500, false),
            (500, 600, 200, 400, true),
            (500, 600, 700, 0, true),
        ];
        for (ttl, max, elapsed, expected, warns) in rows {
            let (granted, warning) = capped(seconds(ttl), seconds(max), seconds(elapsed));
            assert_eq!((granted, warning.is_some()), (seconds(expected), warns), "{ttl} {max} {elapsed}");
        }
    }
}
