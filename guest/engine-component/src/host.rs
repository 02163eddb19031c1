//! The framework's host traits over the component's imports, but for storage
//! and HTTP, which have files of their own.

use std::time::Duration;

use secrets_framework::Backend;
use secrets_framework::host::{
    Clock, Counter, Host, Http, LockError, LockGuard, Locks, Log, LogLevel, Metrics, Random, Replication, Storage,
    SystemView, SystemViewError, UPSTREAM_OPTION, UPSTREAM_READ_ONLY,
};

use crate::bindings::secrets_engine::host::{locks, logging, system_view};
use crate::bindings::secrets_engine::metrics::counters;
use crate::bindings::wasi::clocks::{monotonic_clock, wall_clock};
use crate::bindings::wasi::random::random;
use crate::limits::RANDOM_BYTES_PER_CALL_MAX;

/// All of the outside: the imports, which have no state on this side. The
/// engine is there to be named to upstreams.
pub(crate) struct ComponentHost(pub(crate) &'static Backend);

impl Host for ComponentHost {
    fn storage(&self) -> &dyn Storage {
        self
    }
    fn locks(&self) -> &dyn Locks {
        self
    }
    fn system_view(&self) -> &dyn SystemView {
        self
    }
    fn clock(&self) -> &dyn Clock {
        self
    }
    fn random(&self) -> &dyn Random {
        self
    }
    fn log(&self) -> &dyn Log {
        self
    }
    fn metrics(&self) -> &dyn Metrics {
        self
    }
    fn http(&self) -> &dyn Http {
        self
    }
}

impl Locks for ComponentHost {
    fn acquire(&self, key: &str) -> Result<Box<dyn LockGuard + '_>, LockError> {
        match locks::acquire(key) {
            Ok(guard) => Ok(Box::new(Held { _guard: guard })),
            Err(locks::Error::TimedOut) => Err(LockError::TimedOut(key.to_owned())),
            Err(locks::Error::Limit(text)) => Err(LockError::Limit(text)),
        }
    }
}

/// The host's lock; dropping the handle frees it.
struct Held {
    _guard: locks::Guard,
}

impl LockGuard for Held {}

impl SystemView for ComponentHost {
    fn backend_uuid(&self) -> String {
        system_view::backend_uuid()
    }
    fn wal_minimum_age(&self) -> Duration {
        Duration::from_nanos(system_view::wal_minimum_age())
    }
    fn is_upstream_read_only(&self) -> bool {
        let options = system_view::mount_options();
        options.iter().any(|(name, value)| name == UPSTREAM_OPTION && value == UPSTREAM_READ_ONLY)
    }
    fn is_tainted(&self) -> Result<bool, SystemViewError> {
        system_view::tainted().map_err(error_of("tainted"))
    }
    fn is_local_mount(&self) -> Result<bool, SystemViewError> {
        system_view::local_mount().map_err(error_of("local-mount"))
    }
    fn replication(&self) -> Result<Replication, SystemViewError> {
        let replication = system_view::replication_state().map_err(error_of("replication-state"))?;
        Ok(Replication {
            is_performance_secondary: replication.performance_secondary,
            is_performance_standby: replication.performance_standby,
            is_dr_secondary: replication.dr_secondary,
        })
    }
    fn default_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        system_view::default_lease_ttl().map(Duration::from_nanos).map_err(error_of("default-lease-ttl"))
    }
    fn max_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        system_view::max_lease_ttl().map(Duration::from_nanos).map_err(error_of("max-lease-ttl"))
    }
    // A component imports only the functions that it calls, and an operator allows each engine these two.
    #[cfg(feature = "entities")]
    fn entity_name(&self, entity_id: &str) -> Result<Option<String>, SystemViewError> {
        let entity = system_view::entity_info(entity_id).map_err(error_of("entity-info"))?;
        Ok(entity.map(|entity| entity.name))
    }
    #[cfg(feature = "passwords")]
    fn generate_password(&self, policy: &str) -> Result<secrets_framework::Sensitive, SystemViewError> {
        let password = system_view::generate_password(policy).map_err(error_of("generate-password"))?;
        Ok(secrets_framework::Sensitive::new(password))
    }
}

/// The error of a function of the interface.
fn error_of(function: &'static str) -> impl Fn(system_view::Error) -> SystemViewError {
    move |error| match error {
        system_view::Error::Unsupported => SystemViewError::Unsupported(function),
        system_view::Error::Failed(text) => SystemViewError::Failed(text),
    }
}

impl Clock for ComponentHost {
    fn now(&self) -> Duration {
        let now = wall_clock::now();
        Duration::new(now.seconds, now.nanoseconds)
    }
    fn sleep(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        monotonic_clock::subscribe_duration(nanos).block();
    }
}

impl Random for ComponentHost {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(RANDOM_BYTES_PER_CALL_MAX) {
            // The host answers as many bytes as were asked for.
            let bytes = random::get_random_bytes(chunk.len() as u64);
            chunk.copy_from_slice(&bytes);
        }
    }
}

impl Log for ComponentHost {
    fn log(&self, level: LogLevel, message: &str, fields: &[(&str, &str)]) {
        let level = match level {
            LogLevel::Debug => logging::Level::Debug,
            LogLevel::Info => logging::Level::Info,
            LogLevel::Warn => logging::Level::Warn,
            LogLevel::Error => logging::Level::Error,
        };
        logging::log(level, message, &owned(fields));
    }
}

impl Metrics for ComponentHost {
    fn add(&self, counter: &Counter, labels: &[(&str, &str)], number: u64) {
        counters::add(counter.name, counter.help, &owned(labels), number);
    }
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}
