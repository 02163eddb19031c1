//! The fake server: the local server of `run` around an engine, with access for tests to its state and faults.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use envelope::{Error, Identity, Request, Response, SERVER_LEASE_TTL, StorageError};
use local_server::{Engine, Lease, Leased, Leases, MountSettings, Server};
use serde_json::{Map, Value};

use super::lease::{StoredLeases, of_server_entry, unix_seconds};
use super::{FakeClock, FakeStorage};
use crate::{Ask, Driver, DriverKind, Outcome};

/// Settings of a fake server's mount.
#[derive(Clone, Debug)]
pub struct FakeOptions {
    /// Path of the mount, with trailing slash.
    pub mount_point: String,
    /// Does storage have transactions, as in OpenBao?
    pub transactional: bool,
    /// Age from which a write-ahead entry counts as abandoned.
    pub wal_minimum_age: Duration,
    /// Default time to live of the mount's leases.
    pub default_ttl: Duration,
    /// Longest time to live of the mount's leases.
    pub max_ttl: Duration,
    /// Origins that the engine may call beside Astra's own.
    pub egress: Vec<String>,
}

impl Default for FakeOptions {
    /// The settings of an OpenBao dev server.
    fn default() -> Self {
        Self {
            mount_point: "astra/".to_owned(),
            transactional: true,
            wal_minimum_age: Duration::from_secs(600),
            default_ttl: SERVER_LEASE_TTL,
            max_ttl: SERVER_LEASE_TTL,
            egress: Vec::new(),
        }
    }
}

/// State of a fake server for tests, and its faults.
pub struct Fake {
    /// The mount's storage.
    pub storage: FakeStorage,
    /// The mount's clock. Moving it affects the native driver only.
    pub clock: FakeClock,
    pub(crate) options: FakeOptions,
    pub(crate) backend_uuid: String,
    leases: Mutex<StoredLeases>,
    lose_next_answer: AtomicBool,
    upstream_read_only: AtomicBool,
    tainted: Arc<AtomicBool>,
    rollback_errors: Mutex<Vec<String>>,
}

impl Fake {
    pub(crate) fn new(options: FakeOptions, backend_uuid: String) -> Self {
        Self {
            storage: FakeStorage::new(options.transactional),
            clock: FakeClock::default(),
            options,
            backend_uuid,
            leases: Mutex::default(),
            lose_next_answer: AtomicBool::new(false),
            upstream_read_only: AtomicBool::new(false),
            tainted: Arc::default(),
            rollback_errors: Mutex::default(),
        }
    }

    /// The server crashes after the engine's next answer, before it stores the lease.
    pub fn lose_next_answer(&self) {
        self.lose_next_answer.store(true, Ordering::SeqCst);
    }

    /// Sets whether the mount may only read from Astra, as a reload with other arguments would.
    pub fn set_upstream_read_only(&self, read_only: bool) {
        self.upstream_read_only.store(read_only, Ordering::SeqCst);
    }

    pub(crate) fn is_upstream_read_only(&self) -> bool {
        self.upstream_read_only.load(Ordering::SeqCst)
    }

    /// True after a disable of the mount has begun. This server keeps the paths of such a mount open, so that a test
    /// can read the end state.
    pub(crate) fn tainted(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.tainted)
    }

    /// Stores a lease that the engine did not make, issued now, with the mount's lease settings. Returns its ID.
    pub fn seed_lease(&self, path: &str, internal_data: Value) -> String {
        let mut leases = self.lock();
        let lease = Lease {
            id: leases.new_id(&format!("{}{path}", self.options.mount_point)),
            path: path.to_owned(),
            issued_unix_seconds: unix_seconds(self.now()),
            ttl_seconds: self.options.default_ttl.as_secs(),
            max_ttl_seconds: 0,
            renewable: true,
            internal_data: internal_data.as_object().cloned().unwrap_or_default(),
        };
        let id = lease.id.clone();
        leases.put(Leased { lease, data: Value::Object(Map::new()) });
        id
    }

    /// Stores a lease from the entry of a real server, with its own ID, times and data.
    ///
    /// # Panics
    /// When the entry is not a lease of this mount.
    pub fn plant_lease(&self, entry: &Value) {
        let leased = of_server_entry(entry, &self.options.mount_point);
        self.lock().put(leased.unwrap_or_else(|| panic!("not a lease of this mount: {entry}")));
    }

    /// Errors of rollback calls since the last call of this function. A real server logs them.
    pub fn take_rollback_errors(&self) -> Vec<String> {
        std::mem::take(&mut *self.rollback_errors.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The backend UUID: a part of each token's mark.
    pub fn backend_uuid(&self) -> &str {
        &self.backend_uuid
    }

    fn mount(&self) -> MountSettings {
        MountSettings {
            mount_point: self.options.mount_point.clone(),
            request_id: Some("00000000-0000-4000-8000-000000000000".to_owned()),
            identity: Identity {
                display_name: "token".to_owned(),
                entity_id: String::new(),
                token_accessor: "accessor-of-root".to_owned(),
                remote_address: "127.0.0.1".to_owned(),
            },
            default_lease_ttl: self.options.default_ttl,
            max_lease_ttl: self.options.max_ttl,
        }
    }

    fn lock(&self) -> MutexGuard<'_, StoredLeases> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leases for Fake {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.clock.now()
    }

    fn new_id(&self, path: &str) -> Result<String, StorageError> {
        Ok(self.lock().new_id(path))
    }

    fn get(&self, id: &str) -> Result<Option<Leased>, StorageError> {
        Ok(self.lock().by_id.get(id).cloned())
    }

    fn put(&self, leased: Leased) -> Result<(), StorageError> {
        if self.lose_next_answer.swap(false, Ordering::SeqCst) {
            return Err(StorageError::Failed("the server died".to_owned()));
        }
        self.lock().put(leased);
        Ok(())
    }

    fn remove(&self, id: &str) -> Result<(), StorageError> {
        self.lock().by_id.remove(id);
        Ok(())
    }
}

/// The engine behind a fake server.
pub(crate) trait EngineCalls: Send + Sync {
    const KIND: DriverKind;
    fn handle(&self, fake: &Fake, request: Request) -> Result<Option<Response>, Error>;
    fn check_existence(&self, fake: &Fake, request: Request) -> Option<bool>;
    fn logs(&self) -> String;
}

/// A fake server with one mount.
pub(crate) struct FakeServer<E> {
    pub(crate) fake: Fake,
    pub(crate) engine: E,
}

impl<E: EngineCalls> Engine for FakeServer<E> {
    async fn handle(&self, request: Request) -> Result<Option<Response>, Error> {
        self.engine.handle(&self.fake, request)
    }

    async fn check_existence(&self, request: Request) -> Option<bool> {
        self.engine.check_existence(&self.fake, request)
    }
}

impl<E: EngineCalls> FakeServer<E> {
    fn serve(
        &self,
        call: impl AsyncFnOnce(Server<'_, Self, Fake>) -> Result<local_server::Outcome, StorageError>,
    ) -> Outcome {
        let server = Server { engine: self, leases: &self.fake, mount: self.fake.mount() };
        match ready(call(server)) {
            Ok(outcome) => outcome.into(),
            Err(error) => Outcome { status: 500, errors: vec![error.to_string()], ..Outcome::default() },
        }
    }

    /// Calls rollback. The server logs the errors and continues; a test asserts the end state.
    fn rollback(&self, data: Map<String, Value>) {
        let outcome = self.serve(async |server| server.rollback(data).await);
        self.fake.rollback_errors.lock().unwrap_or_else(PoisonError::into_inner).extend(outcome.errors);
    }

    fn with_lease(
        &self,
        id: &str,
        call: impl AsyncFnOnce(Server<'_, Self, Fake>, Leased) -> Result<local_server::Outcome, StorageError>,
    ) -> Outcome {
        self.serve(async |server| match server.leases.get(id)? {
            Some(leased) => call(server, leased).await,
            None => Ok(local_server::Outcome::refused(400, "lease not found")),
        })
    }
}

/// The value of a future that never waits: engines behind a fake server answer before they return.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("an engine waits"),
    }
}

impl<E: EngineCalls> Driver for FakeServer<E> {
    fn kind(&self) -> DriverKind {
        E::KIND
    }

    fn ask(&self, ask: Ask) -> Outcome {
        let data = ask.data.as_object().cloned().unwrap_or_default();
        self.serve(async |server| server.ask(ask.verb, &ask.path, data).await)
    }

    fn renew(&self, lease_id: &str, increment: Option<Duration>) -> Outcome {
        self.with_lease(lease_id, async |server, leased| server.renew(leased, increment).await)
    }

    fn revoke(&self, lease_id: &str) -> Outcome {
        self.with_lease(lease_id, async |server, leased| server.revoke(leased).await)
    }

    fn revoke_prefix(&self, prefix: &str) -> Outcome {
        let prefix = format!("{}{prefix}", self.fake.options.mount_point);
        for id in self.leases().into_iter().filter(|id| id.starts_with(&prefix)) {
            let outcome = self.revoke(&id);
            if outcome.status != 204 {
                return outcome;
            }
        }
        Outcome { status: 204, ..Outcome::default() }
    }

    fn leases(&self) -> Vec<String> {
        self.fake.lock().by_id.keys().cloned().collect()
    }

    fn settle(&self, done: &dyn Fn() -> bool) -> bool {
        (0..TURNS_MAX).any(|_| {
            self.rollback(Map::new());
            done()
        })
    }

    fn disable(&self) -> Outcome {
        self.fake.tainted.store(true, Ordering::SeqCst);
        self.rollback(Map::from_iter([("immediate".to_owned(), Value::Bool(true))]));
        self.revoke_prefix("")
    }

    fn logs(&self) -> String {
        self.engine.logs()
    }

    fn fake(&self) -> Option<&Fake> {
        Some(&self.fake)
    }
}

/// A rollback call does a limited amount of work; the next few calls do the rest. On a busy machine
/// a long list takes longer than the time of a call, so the limit is far above what a quiet one needs.
const TURNS_MAX: u32 = 20;
