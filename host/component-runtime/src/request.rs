//! Requests and responses of any WIT version. Dynamic data stays JSON text.

use std::time::{Duration, SystemTime};

/// What the server asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "documented in the WIT")]
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

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "documented in the WIT")]
pub struct Identity {
    pub display_name: String,
    pub entity_id: String,
    pub token_accessor: String,
    pub remote_address: String,
}

/// The lease that a renew or revoke is about.
#[derive(Clone)]
#[expect(missing_docs, reason = "documented in the WIT")]
pub struct Lease {
    pub id: String,
    pub issue_time: SystemTime,
    pub ttl: Duration,
    pub max_ttl: Duration,
    pub increment: Duration,
    pub renewable: bool,
    pub internal_data: String,
}

/// One request.
#[derive(Clone)]
#[expect(missing_docs, reason = "documented in the WIT")]
pub struct Request {
    pub id: String,
    pub operation: Operation,
    pub path: String,
    /// JSON text; may hold secrets.
    pub data: String,
    pub mount_point: String,
    pub identity: Identity,
    pub lease: Option<Lease>,
    pub headers: Vec<(String, Vec<String>)>,
    /// What is left until the server gives up, where it says so; the host's own bound holds as well.
    pub timeout: Option<Duration>,
}

/// Asks for a lease.
#[expect(missing_docs, reason = "documented in the WIT")]
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    pub ttl: Duration,
    pub max_ttl: Duration,
    pub renewable: bool,
    pub internal_data: String,
}

/// An answer; data and internal data were checked to be JSON.
#[expect(missing_docs, reason = "documented in the WIT")]
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Response {
    pub data: Option<String>,
    pub warnings: Vec<String>,
    pub secret: Option<Secret>,
    pub headers: Vec<(String, Vec<String>)>,
}

/// See the WIT of the same name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "documented in the WIT")]
pub struct SpecialPaths {
    pub root: Vec<String>,
    pub unauthenticated: Vec<String>,
    pub local_storage: Vec<String>,
    pub seal_wrap_storage: Vec<String>,
}
