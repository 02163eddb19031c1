//! Native stand-ins for all that an engine reaches: storage, locks, clock,
//! random, log, system view and HTTP, each with what tests need to steer and
//! to look at. Nothing of this is compiled into a component.
//!
//! A [`TestHost`] is one mount. Clones share everything, so that several
//! requests, in turn or in threads, act on the same mount.

mod http;
mod locks;
mod outside;
mod storage;
mod table;
mod transaction;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::host::{Clock, Host, Http, Locks, Log, Metrics, Random, Storage, SystemView};
use crate::{Lease, Operation, Request};

pub use http::{RecordedRequest, ScriptedBody, ScriptedHttp};
pub use locks::MemoryLocks;
pub use outside::{CapturedLog, CapturedMetrics, LogLine, ManualClock, SeededRandom, TestSystemView};
pub use storage::{MemoryStorage, READ_ONLY_TEXT, StorageCall};
pub use table::check_table;

/// One mount, with everything outside it in memory.
#[derive(Clone)]
pub struct TestHost {
    /// The mount's storage.
    pub storage: Arc<MemoryStorage>,
    /// Locks among all requests to the mount.
    pub locks: Arc<MemoryLocks>,
    /// The server's settings.
    pub system_view: Arc<TestSystemView>,
    /// A clock that stands until it is moved.
    pub clock: Arc<ManualClock>,
    /// Random bytes, the same in each run.
    pub random: Arc<SeededRandom>,
    /// All lines logged.
    pub log: Arc<CapturedLog>,
    /// All that was counted.
    pub metrics: Arc<CapturedMetrics>,
    /// Outbound HTTP.
    pub http: Arc<ScriptedHttp>,
}

impl TestHost {
    /// An empty mount: transactions on, no HTTP script, time at 2026-01-01T00:00:00Z.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Default for TestHost {
    fn default() -> Self {
        let clock = Arc::default();
        Self {
            storage: Arc::default(),
            locks: Arc::default(),
            system_view: Arc::default(),
            random: Arc::default(),
            log: Arc::default(),
            metrics: Arc::default(),
            http: Arc::new(ScriptedHttp::new(&clock)),
            clock,
        }
    }
}

impl Host for TestHost {
    fn storage(&self) -> &dyn Storage {
        &*self.storage
    }
    fn locks(&self) -> &dyn Locks {
        &*self.locks
    }
    fn system_view(&self) -> &dyn SystemView {
        &*self.system_view
    }
    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }
    fn random(&self) -> &dyn Random {
        &*self.random
    }
    fn log(&self) -> &dyn Log {
        &*self.log
    }
    fn metrics(&self) -> &dyn Metrics {
        &*self.metrics
    }
    fn http(&self) -> &dyn Http {
        &*self.http
    }
}

/// A request with the given data (a JSON object, else no data) and an identity.
pub fn request(operation: Operation, path: &str, data: Value) -> Request {
    let data = match data {
        Value::Object(data) => data,
        _ => serde_json::Map::new(),
    };
    Request {
        id: "00000000-0000-4000-8000-000000000001".to_owned(),
        operation,
        path: path.to_owned(),
        data,
        mount_point: "astra/".to_owned(),
        identity: crate::Identity {
            display_name: "userpass-alice".to_owned(),
            entity_id: "entity-alice".to_owned(),
            token_accessor: "accessor-alice".to_owned(),
            remote_address: "127.0.0.1".to_owned(),
        },
        lease: None,
    }
}

/// A renew or revoke, as the server sends it: without identity.
pub fn lease_request(operation: Operation, path: &str, lease: Lease) -> Request {
    let identity = crate::Identity::default();
    Request { id: String::new(), identity, lease: Some(lease), ..request(operation, path, Value::Null) }
}

/// A rollback call, as the server sends it each minute.
pub fn rollback_request(immediate: bool) -> Request {
    let data = if immediate { serde_json::json!({ "immediate": true }) } else { Value::Null };
    let identity = crate::Identity::default();
    Request { id: String::new(), identity, ..request(Operation::Rollback, "", data) }
}

/// Locks, also after another test thread panicked: its own failure is reported anyway.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_host_is_shared_among_threads() {
        fn shared<T: Send + Sync + 'static>() {}
        shared::<TestHost>();
    }
}
