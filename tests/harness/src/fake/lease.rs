//! The fake server's leases: stored, capped, renewed and revoked as the
//! server's expiration manager does it (`internal/vault/expiration.go`).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrets_framework::{Lease, Secret};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::LeaseInfo;

/// What the server keeps of one lease.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) path: String,
    pub(crate) data: Map<String, Value>,
    pub(crate) internal_data: Map<String, Value>,
    pub(crate) issue_time: Duration,
    pub(crate) ttl: Duration,
    pub(crate) max_ttl: Duration,
    pub(crate) renewable: bool,
}

impl Stored {
    /// A lease from the entry that a server keeps of it, and its ID.
    pub(crate) fn of_server_entry(entry: &Value) -> Option<(String, Self)> {
        let secret = &entry["secret"];
        let nanoseconds = |value: &Value| value.as_u64().map(Duration::from_nanos);
        let issued = OffsetDateTime::parse(entry["issue_time"].as_str()?, &Rfc3339).ok()?;
        let stored = Self {
            path: entry["path"].as_str()?.to_owned(),
            data: entry["data"].as_object()?.clone(),
            internal_data: secret["internal_data"].as_object()?.clone(),
            issue_time: Duration::try_from(issued - OffsetDateTime::UNIX_EPOCH).ok()?,
            ttl: nanoseconds(&secret["lease"])?,
            max_ttl: nanoseconds(&secret["max_ttl"])?,
            renewable: secret["renewable"].as_bool()?,
        };
        Some((entry["lease_id"].as_str()?.to_owned(), stored))
    }
}

/// The leases of one mount.
#[derive(Default)]
pub(crate) struct Leases {
    by_id: Mutex<(u64, BTreeMap<String, Stored>)>,
}

/// The mount's own lease settings.
#[derive(Clone, Copy)]
pub(crate) struct MountTtl {
    pub(crate) default: Duration,
    pub(crate) max: Duration,
}

impl Leases {
    /// Stores a lease for an answer; the warning is the server's, where it had to cap.
    pub(crate) fn register(
        &self,
        path: &str,
        data: Map<String, Value>,
        secret: &Secret,
        now: Duration,
        mount: MountTtl,
    ) -> (LeaseInfo, Option<String>) {
        let (ttl, warning) = capped(secret.ttl, secret.max_ttl, mount, Duration::ZERO);
        let stored = Stored {
            path: path.to_owned(),
            data,
            internal_data: secret.internal_data.clone(),
            issue_time: now,
            ttl,
            max_ttl: secret.max_ttl,
            renewable: secret.renewable,
        };
        let mut leases = self.lock();
        leases.0 += 1;
        let id = format!("{path}/{:024}", leases.0);
        let info = LeaseInfo { id: id.clone(), duration: ttl.as_secs(), renewable: secret.renewable };
        leases.1.insert(id, stored);
        (info, warning)
    }

    /// Stores a lease that was made before this server's time.
    pub(crate) fn plant(&self, id: String, stored: Stored) {
        self.lock().1.insert(id, stored);
    }

    /// What the engine sees of a lease when it is renewed or revoked.
    pub(crate) fn lease(&self, id: &str, increment: Option<Duration>) -> Option<(Stored, Lease)> {
        let stored = self.lock().1.get(id)?.clone();
        let lease = Lease {
            // The server names the lease on revoke only, and the increment on renew only.
            id: if increment.is_some() { String::new() } else { id.to_owned() },
            issue_time: stored.issue_time,
            ttl: stored.ttl,
            max_ttl: stored.max_ttl,
            increment: increment.unwrap_or_default(),
            renewable: stored.renewable,
            internal_data: stored.internal_data.clone(),
        };
        Some((stored, lease))
    }

    /// Replaces what is stored by what a renewal answered.
    pub(crate) fn renewed(
        &self,
        id: &str,
        data: Map<String, Value>,
        secret: &Secret,
        increment: Duration,
        now: Duration,
        mount: MountTtl,
    ) -> Option<(LeaseInfo, Option<String>)> {
        let mut leases = self.lock();
        let stored = leases.1.get_mut(id)?;
        let asked = if increment.is_zero() { secret.ttl } else { increment };
        let elapsed = now.saturating_sub(stored.issue_time);
        let (ttl, warning) = capped(asked, secret.max_ttl, mount, elapsed);
        stored.ttl = ttl;
        stored.max_ttl = secret.max_ttl;
        stored.internal_data = secret.internal_data.clone();
        stored.data = data;
        stored.renewable = secret.renewable;
        Some((LeaseInfo { id: id.to_owned(), duration: ttl.as_secs(), renewable: secret.renewable }, warning))
    }

    pub(crate) fn remove(&self, id: &str) {
        self.lock().1.remove(id);
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.lock().1.keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<String, Stored>)> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Zero = the mount's default; never past the smaller maximum, counted from the issue time.
fn capped(ttl: Duration, max_ttl: Duration, mount: MountTtl, elapsed: Duration) -> (Duration, Option<String>) {
    let asked = if ttl.is_zero() { mount.default } else { ttl };
    let max = if max_ttl.is_zero() { mount.max } else { max_ttl.min(mount.max) };
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
        let mount = MountTtl { default: Duration::from_secs(100), max: Duration::from_secs(1000) };
        let seconds = Duration::from_secs;
        let rows = [
            (0, 0, 0, 100, false),
            (500, 0, 0, 500, false),
            (5000, 0, 0, 1000, true),
            (500, 300, 0, 300, true),
            (500, 5000, 0, 500, false),
            (500, 0, 800, 200, true),
            (500, 0, 2000, 0, true),
        ];
        for (ttl, max, elapsed, expected, warns) in rows {
            let (granted, warning) = capped(seconds(ttl), seconds(max), mount, seconds(elapsed));
            assert_eq!((granted, warning.is_some()), (seconds(expected), warns), "{ttl} {max} {elapsed}");
        }
    }
}
