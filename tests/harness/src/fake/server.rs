//! The fake server: from what a client asks to what it sees, with leases.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use secrets_framework::{Error, Identity, Lease, Operation, Request, Response, Secret};
use serde_json::{Map, Value};

use super::lease::{Leases, MountTtl, Stored};
use super::{FakeClock, FakeStorage};
use crate::outcome::outcome;
use crate::{Ask, Driver, DriverKind, Outcome, Verb};

/// How a fake server's mount is set up.
#[derive(Clone, Debug)]
pub struct FakeOptions {
    /// Path of the mount, with trailing slash.
    pub mount_point: String,
    /// Transactions, as OpenBao has them.
    pub transactional: bool,
    /// Age at which a write-ahead entry counts as left behind.
    pub wal_minimum_age: Duration,
    /// The mount's lease settings: default and maximum.
    pub default_ttl: Duration,
    /// See `default_ttl`.
    pub max_ttl: Duration,
    /// Origins that the engine may call, beside Astra's own.
    pub egress: Vec<String>,
}

impl Default for FakeOptions {
    /// As a dev server of OpenBao.
    fn default() -> Self {
        const THIRTY_TWO_DAYS: Duration = Duration::from_secs(2_764_800);
        Self {
            mount_point: "astra/".to_owned(),
            transactional: true,
            wal_minimum_age: Duration::from_secs(600),
            default_ttl: THIRTY_TWO_DAYS,
            max_ttl: THIRTY_TWO_DAYS,
            egress: Vec::new(),
        }
    }
}

/// What tests see of a fake server, and how they make it fail.
pub struct Fake {
    /// The mount's storage.
    pub storage: FakeStorage,
    /// The mount's clock; moves the native driver only.
    pub clock: FakeClock,
    pub(crate) options: FakeOptions,
    pub(crate) backend_uuid: String,
    leases: Leases,
    lose_next_answer: AtomicBool,
    upstream_read_only: AtomicBool,
    identity: Mutex<Identity>,
    rollback_errors: Mutex<Vec<String>>,
}

impl Fake {
    pub(crate) fn new(options: FakeOptions, backend_uuid: String) -> Self {
        let identity = Identity {
            display_name: "token".to_owned(),
            entity_id: String::new(),
            token_accessor: "accessor-of-root".to_owned(),
            remote_address: "127.0.0.1".to_owned(),
        };
        Self {
            storage: FakeStorage::new(options.transactional),
            clock: FakeClock::default(),
            options,
            backend_uuid,
            leases: Leases::default(),
            lose_next_answer: AtomicBool::new(false),
            upstream_read_only: AtomicBool::new(false),
            identity: Mutex::new(identity),
            rollback_errors: Mutex::default(),
        }
    }

    /// The server dies after the engine's next answer and before it stores the lease.
    pub fn lose_next_answer(&self) {
        self.lose_next_answer.store(true, Ordering::SeqCst);
    }

    /// From now on, the mount may only read from Astra, or do all again: as after a reload with other arguments.
    pub fn set_upstream_read_only(&self, read_only: bool) {
        self.upstream_read_only.store(read_only, Ordering::SeqCst);
    }

    pub(crate) fn is_upstream_read_only(&self) -> bool {
        self.upstream_read_only.load(Ordering::SeqCst)
    }

    /// A lease from before the engine's time: issued just now, with the mount's own times; its ID.
    pub fn seed_lease(&self, path: &str, internal_data: Value) -> String {
        let secret = Secret {
            ttl: Duration::ZERO,
            max_ttl: Duration::ZERO,
            renewable: true,
            internal_data: internal_data.as_object().cloned().unwrap_or_default(),
        };
        let path = format!("{}{path}", self.options.mount_point);
        self.leases.register(&path, Map::new(), &secret, self.clock.now(), self.mount_ttl()).0.id
    }

    /// A lease as a server keeps it, with its own ID, times and data.
    ///
    /// # Panics
    /// When it is none of this mount.
    pub fn plant_lease(&self, entry: &Value) {
        let (id, stored) = Stored::of_server_entry(entry).unwrap_or_else(|| panic!("not a lease: {entry}"));
        assert!(stored.path.starts_with(&self.options.mount_point), "a lease of another mount: `{id}`");
        self.leases.plant(id, stored);
    }

    /// The errors that rollback calls answered since the last look, which a real server logs.
    pub fn take_rollback_errors(&self) -> Vec<String> {
        std::mem::take(&mut *self.rollback_errors.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note_rollback<T>(&self, answer: Result<T, Error>) {
        let mut errors = self.rollback_errors.lock().unwrap_or_else(PoisonError::into_inner);
        errors.extend(answer.err().map(|error| error.to_string()));
    }

    /// The backend UUID: a part of each token's mark.
    pub fn backend_uuid(&self) -> &str {
        &self.backend_uuid
    }

    fn mount_ttl(&self) -> MountTtl {
        MountTtl { default: self.options.default_ttl, max: self.options.max_ttl }
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

impl<E: EngineCalls> FakeServer<E> {
    fn request(&self, operation: Operation, path: &str, data: Map<String, Value>, lease: Option<Lease>) -> Request {
        let internal = matches!(operation, Operation::Renew | Operation::Revoke | Operation::Rollback);
        let identity = if internal {
            Identity::default()
        } else {
            self.fake.identity.lock().unwrap_or_else(PoisonError::into_inner).clone()
        };
        Request {
            id: if internal { String::new() } else { "00000000-0000-4000-8000-000000000000".to_owned() },
            operation,
            path: path.to_owned(),
            data,
            mount_point: self.fake.options.mount_point.clone(),
            identity,
            lease,
        }
    }

    /// A write becomes a create where the existence check says that nothing is there.
    fn write_operation(&self, path: &str, data: &Map<String, Value>) -> Operation {
        let request = self.request(Operation::Update, path, data.clone(), None);
        match self.engine.check_existence(&self.fake, request) {
            Some(false) => Operation::Create,
            Some(true) | None => Operation::Update,
        }
    }

    fn serve(&self, operation: Operation, path: &str, data: Map<String, Value>) -> Outcome {
        let answer = self.engine.handle(&self.fake, self.request(operation, path, data, None));
        let mut outcome = outcome(operation, answer.as_ref().map(Option::as_ref));
        if let Ok(Some(Response { secret: Some(secret), .. })) = &answer
            && outcome.status == 200
        {
            if self.fake.lose_next_answer.swap(false, Ordering::SeqCst) {
                return Outcome { status: 500, errors: vec!["the server died".to_owned()], ..Outcome::default() };
            }
            let data = outcome.data.as_object().cloned().unwrap_or_default();
            let full_path = format!("{}{path}", self.fake.options.mount_point);
            let (lease, warning) =
                self.fake.leases.register(&full_path, data, secret, self.fake.clock.now(), self.fake.mount_ttl());
            outcome.lease = Some(lease);
            outcome.warnings.extend(warning);
        }
        outcome
    }

    fn lease_request(&self, operation: Operation, stored: Stored, lease: Lease) -> Result<Option<Response>, Error> {
        let path = stored.path.strip_prefix(&self.fake.options.mount_point).unwrap_or(&stored.path).to_owned();
        self.engine.handle(&self.fake, self.request(operation, &path, stored.data, Some(lease)))
    }
}

impl<E: EngineCalls> Driver for FakeServer<E> {
    fn kind(&self) -> DriverKind {
        E::KIND
    }

    fn ask(&self, ask: Ask) -> Outcome {
        let data = ask.data.as_object().cloned().unwrap_or_default();
        let path = ask.path.trim_end_matches('/');
        match ask.verb {
            Verb::Write => self.serve(self.write_operation(path, &data), path, data),
            Verb::Read => self.serve(Operation::Read, path, as_query(data)),
            Verb::Delete => self.serve(Operation::Delete, path, as_query(data)),
            Verb::Patch => self.serve(Operation::Patch, path, data),
            Verb::Help => self.serve(Operation::Help, path, Map::new()),
            Verb::List => {
                let path = if path.is_empty() { String::new() } else { format!("{path}/") };
                self.serve(Operation::List, &path, as_query(data))
            }
        }
    }

    fn renew(&self, lease_id: &str, increment: Option<Duration>) -> Outcome {
        let increment = increment.unwrap_or_default();
        let Some((stored, lease)) = self.fake.leases.lease(lease_id, Some(increment)) else {
            return refused("lease not found");
        };
        if !stored.renewable {
            return refused("lease is not renewable");
        }
        let answer = self.lease_request(Operation::Renew, stored, lease);
        let outcome = outcome(Operation::Renew, answer.as_ref().map(Option::as_ref));
        match answer {
            Ok(Some(Response { secret: Some(secret), warnings, .. })) if outcome.status == 200 => {
                let data = outcome.data.as_object().cloned().unwrap_or_default();
                let now = self.fake.clock.now();
                let renewed = self.fake.leases.renewed(lease_id, data, &secret, increment, now, self.fake.mount_ttl());
                let (lease, warning) = renewed.unzip();
                let warnings = warnings.into_iter().chain(warning.flatten()).collect();
                Outcome { lease, warnings, ..outcome }
            }
            Ok(_) if outcome.status < 300 => Outcome { status: 204, ..Outcome::default() },
            _ => Outcome { status: 400, ..outcome },
        }
    }

    fn revoke(&self, lease_id: &str) -> Outcome {
        let Some((stored, lease)) = self.fake.leases.lease(lease_id, None) else {
            return refused("lease not found");
        };
        let answer = self.lease_request(Operation::Revoke, stored, lease);
        let outcome = outcome(Operation::Revoke, answer.as_ref().map(Option::as_ref));
        if outcome.status >= 300 {
            return Outcome { status: 400, ..outcome };
        }
        self.fake.leases.remove(lease_id);
        Outcome { status: 204, ..Outcome::default() }
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
        self.fake.leases.ids()
    }

    fn settle(&self, done: &dyn Fn() -> bool) -> bool {
        (0..TURNS_MAX).any(|_| {
            // The server logs what a rollback answers and goes on; the end state tells the rest.
            let request = self.request(Operation::Rollback, "", Map::new(), None);
            self.fake.note_rollback(self.engine.handle(&self.fake, request));
            done()
        })
    }

    fn disable(&self) -> Outcome {
        let mut data = Map::new();
        data.insert("immediate".to_owned(), Value::Bool(true));
        let request = self.request(Operation::Rollback, "", data, None);
        self.fake.note_rollback(self.engine.handle(&self.fake, request));
        self.revoke_prefix("")
    }

    fn logs(&self) -> String {
        self.engine.logs()
    }

    fn fake(&self) -> Option<&Fake> {
        Some(&self.fake)
    }
}

/// Bounded work per call: what is left is done in the next few.
const TURNS_MAX: u32 = 5;

fn refused(text: &str) -> Outcome {
    Outcome { status: 400, errors: vec![text.to_owned()], ..Outcome::default() }
}

/// Query parameters are text; a repeated one is a list of texts.
fn as_query(data: Map<String, Value>) -> Map<String, Value> {
    let text = |value: Value| if value.is_string() { value } else { Value::from(value.to_string()) };
    data.into_iter()
        .map(|(key, value)| match value {
            Value::Array(items) => (key, items.into_iter().map(text).collect()),
            other => (key, text(other)),
        })
        .collect()
}
