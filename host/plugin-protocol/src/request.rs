//! Requests and responses, free of wire types. Dynamic data stays JSON text.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

/// What the server asks a backend for. All other operations of the wire
/// (`header`, `scan`, `resolve-path`, `alias-lookahead`, `recover` …) are
/// answered "unsupported operation" before a backend sees them.
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

/// Who asks; all empty on renew, revoke and rollback.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Display name of the client's token.
    pub display_name: String,
    /// Identity entity.
    pub entity_id: String,
    /// Accessor of the client's token.
    pub token_accessor: String,
    /// Address of the client, without port.
    pub remote_address: String,
}

/// The lease that a renew or revoke is about. `Debug` leaves out its internal data: it may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Lease {
    /// The server's name of it; empty on renew.
    pub id: String,
    /// When it was issued.
    pub issue_time: SystemTime,
    /// As last granted.
    pub ttl: Duration,
    /// As set when issued; zero = the mount's.
    pub max_ttl: Duration,
    /// Asked for on renew; zero = nothing.
    pub increment: Duration,
    /// May it be renewed?
    pub renewable: bool,
    /// JSON object text.
    pub internal_data: String,
}

/// One request. `Debug` leaves out its data and headers: they may hold secrets.
#[derive(PartialEq, Eq)]
pub struct Request {
    /// As in the audit log; empty on internal requests.
    pub id: String,
    /// What to do.
    pub operation: Operation,
    /// Below the mount, without leading slash.
    pub path: String,
    /// JSON text: an object or `null`. May hold secrets; zeroed on drop by who holds it last.
    pub data: String,
    /// The mount's path, with trailing slash.
    pub mount_point: String,
    /// The mount's accessor; may be empty.
    pub mount_accessor: String,
    /// Who asks.
    pub identity: Identity,
    /// On renew and revoke.
    pub lease: Option<Lease>,
    /// Those that the mount lets pass, by lower-case name.
    pub headers: BTreeMap<String, Vec<String>>,
    /// What is left until the server gives up, where it says so.
    pub timeout: Option<Duration>,
}

/// Asks for a lease. `Debug` leaves out its internal data.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// Zero = the mount's default.
    pub ttl: Duration,
    /// Zero = the mount's maximum.
    pub max_ttl: Duration,
    /// May it be renewed?
    pub renewable: bool,
    /// JSON object text.
    pub internal_data: String,
}

/// An answer. `Debug` leaves out its data and headers.
#[derive(Default, PartialEq, Eq)]
pub struct Response {
    /// JSON object text; none = null.
    pub data: Option<String>,
    /// Shown beside the data.
    pub warnings: Vec<String>,
    /// Present = leased.
    pub secret: Option<Secret>,
    /// Response headers.
    pub headers: BTreeMap<String, Vec<String>>,
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

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Secret")
            .field("ttl", &self.ttl)
            .field("max_ttl", &self.max_ttl)
            .field("renewable", &self.renewable)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Response")
            .field("warnings", &self.warnings)
            .field("secret", &self.secret)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_may_be_secret_is_in_debug() {
        const CANARY: &str = "AstraCS:canary";
        let request = Request {
            id: "1".into(),
            operation: Operation::Revoke,
            path: "org/token".into(),
            data: CANARY.into(),
            mount_point: "astra/".into(),
            mount_accessor: String::new(),
            identity: Identity::default(),
            lease: Some(Lease {
                id: "lease".into(),
                issue_time: SystemTime::UNIX_EPOCH,
                ttl: Duration::ZERO,
                max_ttl: Duration::ZERO,
                increment: Duration::ZERO,
                renewable: true,
                internal_data: CANARY.into(),
            }),
            headers: [("x-secret".into(), vec![CANARY.into()])].into(),
            timeout: None,
        };
        let response = Response {
            data: Some(CANARY.into()),
            secret: Some(Secret {
                ttl: Duration::ZERO,
                max_ttl: Duration::ZERO,
                renewable: false,
                internal_data: CANARY.into(),
            }),
            headers: [("x-secret".into(), vec![CANARY.into()])].into(),
            ..Response::default()
        };
        let shown = format!("{request:?} {response:?}");
        assert!(shown.contains("org/token") && shown.contains("Revoke"), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
