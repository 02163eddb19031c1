//! Clock, randomness, log and system view of a test's mount.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use super::lock;
use crate::Sensitive;
use crate::host::{Clock, Counter, Log, LogLevel, Metrics, Random, Replication, SystemView, SystemViewError};

/// A clock that stands until it is moved; sleeping moves it.
pub struct ManualClock {
    now: Mutex<Duration>,
    slept: Mutex<Vec<Duration>>,
}

impl ManualClock {
    /// Sets the time since 1970-01-01T00:00:00Z.
    pub fn set(&self, now: Duration) {
        *lock(&self.now) = now;
    }
    /// Moves the time on.
    pub fn advance(&self, by: Duration) {
        *lock(&self.now) += by;
    }
    /// All sleeps so far, in order.
    pub fn slept(&self) -> Vec<Duration> {
        lock(&self.slept).clone()
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        // 2026-01-01T00:00:00Z.
        Self { now: Mutex::new(Duration::from_secs(1_767_225_600)), slept: Mutex::default() }
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        *lock(&self.now)
    }
    fn sleep(&self, duration: Duration) {
        lock(&self.slept).push(duration);
        self.advance(duration);
    }
}

/// Random bytes that are the same in each run (splitmix64).
pub struct SeededRandom(Mutex<u64>);

impl SeededRandom {
    /// Starts again from `seed`.
    pub fn reseed(&self, seed: u64) {
        *lock(&self.0) = seed;
    }
}

impl Default for SeededRandom {
    fn default() -> Self {
        Self(Mutex::new(1))
    }
}

impl Random for SeededRandom {
    fn fill(&self, buffer: &mut [u8]) {
        let mut state = lock(&self.0);
        for chunk in buffer.chunks_mut(8) {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = *state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
            chunk.copy_from_slice(&mixed.to_le_bytes()[..chunk.len()]);
        }
    }
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Its level.
    pub level: LogLevel,
    /// Its message.
    pub message: String,
    /// Its fields, in order.
    pub fields: Vec<(String, String)>,
}

/// Keeps all lines logged.
#[derive(Default)]
pub struct CapturedLog(Mutex<VecDeque<LogLine>>);

impl CapturedLog {
    /// All lines so far.
    pub fn lines(&self) -> Vec<LogLine> {
        lock(&self.0).iter().cloned().collect()
    }
    /// All lines as one text, to look for what must not be in it.
    pub fn text(&self) -> String {
        lock(&self.0).iter().map(|line| format!("{line:?}\n")).collect()
    }
    /// Forgets the lines so far.
    pub fn clear(&self) {
        lock(&self.0).clear();
    }
}

impl Log for CapturedLog {
    fn log(&self, level: LogLevel, message: &str, fields: &[(&str, &str)]) {
        let fields = fields.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        lock(&self.0).push_back(LogLine { level, message: message.to_owned(), fields });
    }
}

/// Keeps what was counted.
#[derive(Default)]
pub struct CapturedMetrics(Mutex<BTreeMap<Series, u64>>);

/// The name of a counter and its labels.
type Series = (&'static str, BTreeMap<String, String>);

impl CapturedMetrics {
    /// The number of a series; 0 where nothing was added.
    pub fn value(&self, name: &'static str, labels: &[(&str, &str)]) -> u64 {
        lock(&self.0).get(&(name, owned(labels))).copied().unwrap_or_default()
    }
}

impl Metrics for CapturedMetrics {
    fn add(&self, counter: &Counter, labels: &[(&str, &str)], number: u64) {
        *lock(&self.0).entry((counter.name, owned(labels))).or_default() += number;
    }
}

fn owned(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The server's settings, each of which a test can change.
pub struct TestSystemView(Mutex<Settings>);

#[derive(Clone)]
struct Settings {
    backend_uuid: String,
    wal_minimum_age: Duration,
    upstream_read_only: bool,
    tainted: bool,
    tainted_asked: usize,
    local_mount: bool,
    replication: Result<Replication, SystemViewError>,
    default_lease_ttl: Result<Duration, SystemViewError>,
    max_lease_ttl: Result<Duration, SystemViewError>,
    entity_names: Result<BTreeMap<String, String>, SystemViewError>,
    passwords: BTreeMap<String, String>,
}

impl TestSystemView {
    /// Sets the mount's identifier.
    pub fn set_backend_uuid(&self, uuid: &str) {
        lock(&self.0).backend_uuid = uuid.to_owned();
    }
    /// Sets the age at which a write-ahead entry counts as left behind.
    pub fn set_wal_minimum_age(&self, age: Duration) {
        lock(&self.0).wal_minimum_age = age;
    }
    /// Sets whether the host refuses every upstream request but GET and HEAD.
    pub fn set_upstream_read_only(&self, read_only: bool) {
        lock(&self.0).upstream_read_only = read_only;
    }
    /// Sets whether the server is removing the mount.
    pub fn set_tainted(&self, tainted: bool) {
        lock(&self.0).tainted = tainted;
    }
    /// How often the server was asked whether it is removing the mount.
    pub fn tainted_asked(&self) -> usize {
        lock(&self.0).tainted_asked
    }
    /// Sets whether the mount is local to this cluster.
    pub fn set_local_mount(&self, local: bool) {
        lock(&self.0).local_mount = local;
    }
    /// Sets what the server answers as the part of this node in replication.
    pub fn set_replication(&self, replication: Result<Replication, SystemViewError>) {
        lock(&self.0).replication = replication;
    }
    /// Sets what the server answers as the mount's default time to live.
    pub fn set_default_lease_ttl(&self, ttl: Result<Duration, SystemViewError>) {
        lock(&self.0).default_lease_ttl = ttl;
    }
    /// Names an identity entity.
    pub fn set_entity_name(&self, entity_id: &str, name: &str) {
        let mut settings = lock(&self.0);
        let mut names = settings.entity_names.clone().unwrap_or_default();
        names.insert(entity_id.to_owned(), name.to_owned());
        settings.entity_names = Ok(names);
    }
    /// Lets a password policy make this password.
    pub fn set_password(&self, policy: &str, password: &str) {
        lock(&self.0).passwords.insert(policy.to_owned(), password.to_owned());
    }
    /// Lets each question for an entity fail.
    pub fn fail_entities(&self, error: SystemViewError) {
        lock(&self.0).entity_names = Err(error);
    }
    /// Sets what the server answers as the mount's longest time to live.
    pub fn set_max_lease_ttl(&self, ttl: Result<Duration, SystemViewError>) {
        lock(&self.0).max_lease_ttl = ttl;
    }
}

impl Default for TestSystemView {
    /// The server's own defaults: 32 days for both times to live.
    fn default() -> Self {
        Self(Mutex::new(Settings {
            backend_uuid: "11111111-2222-4333-8444-555555555555".to_owned(),
            wal_minimum_age: Duration::from_secs(600),
            upstream_read_only: false,
            tainted: false,
            tainted_asked: 0,
            local_mount: false,
            replication: Ok(Replication::default()),
            default_lease_ttl: Ok(Duration::from_secs(768 * 3600)),
            max_lease_ttl: Ok(Duration::from_secs(768 * 3600)),
            entity_names: Ok(BTreeMap::new()),
            passwords: BTreeMap::new(),
        }))
    }
}

impl SystemView for TestSystemView {
    fn backend_uuid(&self) -> String {
        lock(&self.0).backend_uuid.clone()
    }
    fn wal_minimum_age(&self) -> Duration {
        lock(&self.0).wal_minimum_age
    }
    fn is_upstream_read_only(&self) -> bool {
        lock(&self.0).upstream_read_only
    }
    fn is_tainted(&self) -> Result<bool, SystemViewError> {
        let mut settings = lock(&self.0);
        settings.tainted_asked += 1;
        Ok(settings.tainted)
    }
    fn is_local_mount(&self) -> Result<bool, SystemViewError> {
        Ok(lock(&self.0).local_mount)
    }
    fn replication(&self) -> Result<Replication, SystemViewError> {
        lock(&self.0).replication.clone()
    }
    fn default_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        lock(&self.0).default_lease_ttl.clone()
    }
    fn max_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        lock(&self.0).max_lease_ttl.clone()
    }
    fn entity_name(&self, entity_id: &str) -> Result<Option<String>, SystemViewError> {
        lock(&self.0).entity_names.clone().map(|names| names.get(entity_id).cloned())
    }
    fn generate_password(&self, policy: &str) -> Result<Sensitive, SystemViewError> {
        let password = lock(&self.0).passwords.get(policy).cloned();
        password.map(Sensitive::new).ok_or_else(|| SystemViewError::Failed("no such password policy".to_owned()))
    }
}
