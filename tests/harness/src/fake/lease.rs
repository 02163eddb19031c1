//! The fake server's leases, in memory and in the form of the recorded run of the Go plugin.

use std::collections::BTreeMap;
use std::time::SystemTime;

use local_server::{Lease, Leased};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The leases of one mount.
#[derive(Default)]
pub(super) struct StoredLeases {
    /// Number of leases made so far.
    made: u64,
    pub(super) by_id: BTreeMap<String, Leased>,
}

impl StoredLeases {
    pub(super) fn new_id(&mut self, path: &str) -> String {
        self.made += 1;
        format!("{path}/{:024}", self.made)
    }

    pub(super) fn put(&mut self, leased: Leased) {
        self.by_id.insert(leased.lease.id.clone(), leased);
    }
}

/// The lease of an entry that a real server stored for the mount at this path.
pub(super) fn of_server_entry(entry: &Value, mount_point: &str) -> Option<Leased> {
    let secret = &entry["secret"];
    let seconds = |value: &Value| value.as_u64().map(|nanoseconds| nanoseconds / 1_000_000_000);
    let issued = OffsetDateTime::parse(entry["issue_time"].as_str()?, &Rfc3339).ok()?;
    let lease = Lease {
        id: entry["lease_id"].as_str()?.to_owned(),
        path: entry["path"].as_str()?.strip_prefix(mount_point)?.to_owned(),
        issued_unix_seconds: unix_seconds(issued.into()),
        ttl_seconds: seconds(&secret["lease"])?,
        max_ttl_seconds: seconds(&secret["max_ttl"])?,
        renewable: secret["renewable"].as_bool()?,
        internal_data: secret["internal_data"].as_object()?.clone(),
    };
    Some(Leased { lease, data: Value::Object(entry["data"].as_object()?.clone()) })
}

pub(super) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
