//! What an engine reaches of the outside, as traits.
//!
//! All calls are synchronous: in a component the host suspends the instance,
//! in native tests the thread waits. Implementations live elsewhere.

mod http;
mod http_error;
mod metrics;

use std::time::Duration;

use thiserror::Error;

use crate::Sensitive;

pub use http::{Http, HttpBody, HttpMethod, HttpRequest, HttpResponse, StreamedResponse};
pub use http_error::{HttpError, Loss, NotSent};
pub use metrics::{Counter, Metrics};

/// All of the outside, as one request sees it.
pub trait Host {
    /// The mount's storage.
    fn storage(&self) -> &dyn Storage;
    /// Locks on keys of this mount.
    fn locks(&self) -> &dyn Locks;
    /// Settings of the mount and of the server.
    fn system_view(&self) -> &dyn SystemView;
    /// Time.
    fn clock(&self) -> &dyn Clock;
    /// Secure randomness.
    fn random(&self) -> &dyn Random;
    /// The log.
    fn log(&self) -> &dyn Log;
    /// Counters among the metrics of the mount.
    fn metrics(&self) -> &dyn Metrics;
    /// Outbound HTTP.
    fn http(&self) -> &dyn Http;
}

/// One stored value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageEntry {
    /// Key below the mount, without leading slash.
    pub key: String,
    /// The value.
    pub value: Vec<u8>,
    /// Ask the server's seal to wrap this entry.
    pub seal_wrap: bool,
}

/// Why a storage call failed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StorageError {
    /// This node cannot write; the text is the server's and is passed on
    /// unchanged so that the server forwards the request.
    #[error("{0}")]
    ReadOnly(String),
    /// Another transaction changed the same data first.
    #[error("{0}")]
    Conflict(String),
    /// A limit of the host was reached.
    #[error("{0}")]
    Limit(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// Reads and writes, of the storage itself or within a transaction.
pub trait StorageView {
    /// Reads one entry.
    fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError>;
    /// Writes one entry.
    fn put(&self, entry: StorageEntry) -> Result<(), StorageError>;
    /// Deletes one entry; it need not exist.
    fn delete(&self, key: &str) -> Result<(), StorageError>;
    /// Direct children below `prefix`, sorted, folders with a trailing `/`.
    fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError>;
    /// As `list`: the first `limit` names greater than `after`.
    fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError>;
}

/// The mount's storage.
pub trait Storage: StorageView {
    /// As many `get`, where the host can in the time of one.
    fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<StorageEntry>>, StorageError> {
        keys.iter().map(|key| self.get(key)).collect()
    }
    /// Begins a transaction; none where the server has none.
    fn begin(&self) -> Result<Option<Box<dyn Transaction + '_>>, StorageError>;
}

/// Happens as a whole on commit; dropped without, it is rolled back.
pub trait Transaction: StorageView {
    /// Makes it happen.
    fn commit(self: Box<Self>) -> Result<(), StorageError>;
}

/// Why a lock was not had.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LockError {
    /// Another request held the lock on this key for the whole of the host's bounded wait.
    #[error("another request holds the lock `{0}`: try again in a few seconds")]
    TimedOut(String),
    /// A limit of the host was reached.
    #[error("{0}")]
    Limit(String),
}

/// Held until dropped.
pub trait LockGuard {}

/// Locks on keys of this mount, among all requests in the process.
pub trait Locks {
    /// Waits for the lock on `key`.
    fn acquire(&self, key: &str) -> Result<Box<dyn LockGuard + '_>, LockError>;
}

/// Why a question to the server was not answered.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SystemViewError {
    /// The server does not offer the function with this name of the interface.
    #[error("the server does not offer `{0}`")]
    Unsupported(&'static str),
    /// The engine was built without the feature that imports the function.
    #[error("the engine was built without the feature `{0}` of `engine-component`: build the engine with this feature")]
    NotBuiltIn(&'static str),
    /// The server's text.
    #[error("{0}")]
    Failed(String),
}

/// The mount option by which the host tells what it lets an engine do upstream.
pub const UPSTREAM_OPTION: &str = "upstream";
/// The value of [`UPSTREAM_OPTION`] with which the host refuses every request but GET and HEAD.
pub const UPSTREAM_READ_ONLY: &str = "read-only";

/// The part of this node in replication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replication {
    /// The cluster forwards writes to shared storage to the primary cluster.
    pub is_performance_secondary: bool,
    /// The node forwards all writes to the active node.
    pub is_performance_standby: bool,
    /// The cluster is for disaster recovery, and serves no requests.
    pub is_dr_secondary: bool,
}

/// Settings of the mount and of the server.
pub trait SystemView {
    /// Identifies the mount for as long as it exists.
    fn backend_uuid(&self) -> String;
    /// Age at which a write-ahead entry counts as left behind.
    fn wal_minimum_age(&self) -> Duration;
    /// Does the host refuse every upstream request but GET and HEAD?
    fn is_upstream_read_only(&self) -> bool;
    /// Is the server removing the mount? Then it lets only revocations and rollback calls through, for good where a
    /// disable failed.
    fn is_tainted(&self) -> Result<bool, SystemViewError>;
    /// Is the mount local to this cluster, that is, not replicated?
    fn is_local_mount(&self) -> Result<bool, SystemViewError>;
    /// The part of this node in replication.
    fn replication(&self) -> Result<Replication, SystemViewError>;
    /// Time to live of leases that name none.
    fn default_lease_ttl(&self) -> Result<Duration, SystemViewError>;
    /// The longest time to live of a lease of this mount.
    fn max_lease_ttl(&self) -> Result<Duration, SystemViewError>;
    /// The name of an identity entity; none if the server has no such entity. The name can be some seconds old. An engine
    /// without the feature `entities` of `engine-component` is answered [`SystemViewError::NotBuiltIn`].
    fn entity_name(&self, _entity_id: &str) -> Result<Option<String>, SystemViewError> {
        Err(SystemViewError::NotBuiltIn("entities"))
    }
    /// A new password, made by one of the server's password policies. An engine without the feature `passwords` of
    /// `engine-component` is answered [`SystemViewError::NotBuiltIn`].
    fn generate_password(&self, _policy: &str) -> Result<Sensitive, SystemViewError> {
        Err(SystemViewError::NotBuiltIn("passwords"))
    }
}

/// Time.
pub trait Clock {
    /// Time since 1970-01-01T00:00:00Z.
    fn now(&self) -> Duration;
    /// Waits; the request's own deadline still holds.
    fn sleep(&self, duration: Duration);
}

/// Secure randomness.
pub trait Random {
    /// Fills `buffer`.
    fn fill(&self, buffer: &mut [u8]);
}

/// How important a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// For developers.
    Debug,
    /// For operators.
    Info,
    /// Something to look at.
    Warn,
    /// Something failed.
    Error,
}

/// The log.
pub trait Log {
    /// Writes one line. Nothing secret belongs in it.
    fn log(&self, level: LogLevel, message: &str, fields: &[(&str, &str)]);
}

/// Writes one line of the log, without the fields that are empty. Nothing secret belongs in the line.
pub fn log_line(host: &dyn Host, level: LogLevel, message: &str, fields: &[(&str, &str)]) {
    let fields: Vec<(&str, &str)> = fields.iter().copied().filter(|(_, text)| !text.is_empty()).collect();
    host.log().log(level, message, &fields);
}
