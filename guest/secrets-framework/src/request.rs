//! One request, as the server sent it.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

/// What the server asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// A write to what is not there yet.
    Create,
    /// GET.
    Read,
    /// A write.
    Update,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// LIST.
    List,
    /// Help text and OpenAPI.
    Help,
    /// Extend a lease.
    Renew,
    /// End a lease.
    Revoke,
    /// Periodic work.
    Rollback,
}

impl Operation {
    /// The server's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Help => "help",
            Self::Renew => "renew",
            Self::Revoke => "revoke",
            Self::Rollback => "rollback",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who asks, as far as the server tells; all empty on renew, revoke and rollback.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Display name of the client's token.
    pub display_name: String,
    /// Identity entity.
    pub entity_id: String,
    /// Accessor of the client's token.
    pub token_accessor: String,
    /// Address of the client.
    pub remote_address: String,
}

/// The lease that a renew or revoke is about.
#[derive(Default)]
pub struct Lease {
    /// The server's name of it; empty on renew.
    pub id: String,
    /// When it was issued, since 1970-01-01T00:00:00Z.
    pub issue_time: Duration,
    /// As last granted.
    pub ttl: Duration,
    /// Set when it was issued; zero = the mount's.
    pub max_ttl: Duration,
    /// Asked for on renew; zero = nothing.
    pub increment: Duration,
    /// May it be renewed?
    pub renewable: bool,
    /// What the engine stored with it.
    pub internal_data: Map<String, Value>,
}

/// One request.
pub struct Request {
    /// As in the audit log; empty on internal requests.
    pub id: String,
    /// What to do.
    pub operation: Operation,
    /// Below the mount, without leading slash.
    pub path: String,
    /// Fields of body or query.
    pub data: Map<String, Value>,
    /// The mount's path, with trailing slash.
    pub mount_point: String,
    /// The client that asks, as the server knows the client.
    pub identity: Identity,
    /// On renew and revoke.
    pub lease: Option<Lease>,
}

impl fmt::Debug for Lease {
    /// Without the internal data: it may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("id", &self.id).field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

impl fmt::Debug for Request {
    /// Without the data: it may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Request");
        debug.field("id", &self.id).field("operation", &self.operation).field("path", &self.path);
        debug.field("lease", &self.lease).finish_non_exhaustive()
    }
}
