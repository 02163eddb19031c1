//! Requests. `Debug` leaves out data, headers and internal data: they may hold secrets.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

/// What the server asks an engine for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the server's")]
pub enum Operation {
    Create,
    Read,
    Update,
    Patch,
    Delete,
    List,
    Help,
    Renew,
    Revoke,
    Rollback,
}

/// The client; all fields are empty on renew, revoke and rollback.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Display name of the client's token.
    pub display_name: String,
    /// ID of the identity entity.
    pub entity_id: String,
    /// Accessor of the client's token.
    pub token_accessor: String,
    /// Address of the client, without port.
    pub remote_address: String,
}

/// The lease that a renew or revoke is about.
#[derive(Clone, PartialEq, Eq)]
pub struct Lease {
    /// The server's ID of the lease, which the server names on revoke only.
    pub id: Option<String>,
    /// The time at which the server issued the lease.
    pub issue_time: SystemTime,
    /// Time to live as last granted.
    pub ttl: Duration,
    /// Longest time to live, as set when the lease was issued; `None` = the mount's.
    pub max_ttl: Option<Duration>,
    /// Time to live that a renew asks for.
    pub increment: Option<Duration>,
    /// May the lease be renewed?
    pub renewable: bool,
    /// JSON object text.
    pub internal_data: String,
}

/// One request.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The ID in the audit log; `None` on internal requests.
    pub id: Option<String>,
    /// What the server asks for.
    pub operation: Operation,
    /// Path below the mount, without leading slash.
    pub path: String,
    /// JSON text: an object or `null`. May hold secrets, so the last owner clears the memory.
    pub data: String,
    /// The mount's path, with trailing slash.
    pub mount_point: String,
    /// The client.
    pub identity: Identity,
    /// On renew and revoke.
    pub lease: Option<Lease>,
    /// The headers that the mount lets pass, by lower-case name.
    pub headers: BTreeMap<String, Vec<String>>,
    /// Time until the server gives up, if the server says so.
    pub timeout: Option<Duration>,
}

impl Request {
    /// A request that names nothing but operation, path and data.
    #[must_use]
    pub fn new(operation: Operation, path: impl Into<String>, data: impl Into<String>) -> Self {
        Self {
            id: None,
            operation,
            path: path.into(),
            data: data.into(),
            mount_point: String::new(),
            identity: Identity::default(),
            lease: None,
            headers: BTreeMap::new(),
            timeout: None,
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Lease")
            .field("id", &self.id)
            .field("issue_time", &self.issue_time)
            .field("ttl", &self.ttl)
            .field("max_ttl", &self.max_ttl)
            .field("increment", &self.increment)
            .field("renewable", &self.renewable)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Request")
            .field("id", &self.id)
            .field("operation", &self.operation)
            .field("path", &self.path)
            .field("mount_point", &self.mount_point)
            .field("lease", &self.lease)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_may_be_secret_is_in_debug() {
        const CANARY: &str = "AstraCS:canary";
        let lease = Lease {
            id: Some("lease".into()),
            issue_time: SystemTime::UNIX_EPOCH,
            ttl: Duration::ZERO,
            max_ttl: None,
            increment: None,
            renewable: true,
            internal_data: CANARY.into(),
        };
        let headers = [("x-secret".into(), vec![CANARY.into()])].into();
        let request = Request { lease: Some(lease), headers, ..Request::new(Operation::Revoke, "org/token", CANARY) };
        let shown = format!("{request:?}");
        assert!(shown.contains("org/token") && shown.contains("Revoke"), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
