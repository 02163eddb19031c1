//! Counts the requests of a mount, without a lock on their way. The counts go with the mount.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use component_runtime::InvokeError;
use envelope::Operation;
use modules::controller::ServeError;

/// The operations that are told apart, in the order of [`place`].
const OPERATIONS: [&str; 10] =
    ["create", "read", "update", "patch", "delete", "list", "help", "renew", "revoke", "rollback"];
/// What became of a request.
const OUTCOMES: [&str; 3] = ["answered", "refused", "failed"];
/// Why a request failed, in the order of [`Cause`].
const CAUSES: [&str; 9] =
    ["no_module", "busy", "limit", "processor_time", "deadline", "trap", "contract", "secret", "host"];
/// What became of leases.
const LEASES: [&str; 3] = ["issued", "renewed", "revoked"];
/// Seconds of the buckets of time; the last bucket has no end.
const BUCKETS: [f64; 9] = [0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0];

/// The counts of a mount.
pub(crate) struct MountMetrics {
    since: SystemTime,
    requests: [[AtomicU64; OUTCOMES.len()]; OPERATIONS.len()],
    causes: [AtomicU64; CAUSES.len()],
    leases: [AtomicU64; LEASES.len()],
    times: [AtomicU64; BUCKETS.len() + 1],
    microseconds: AtomicU64,
    in_flight: AtomicI64,
}

/// A request of a mount, from its begin to its answer or the client's leaving.
pub(crate) struct InFlight<'a>(&'a MountMetrics);

/// One value of a metric, with its labels.
pub(crate) type Value = (Vec<(&'static str, String)>, f64);

/// What became of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    /// The engine or the host answered; `leased` is true if the answer has a lease.
    Answered { leased: bool },
    /// The engine or the host refused it.
    Refused,
    /// It failed for a cause that is no refusal.
    Failed(Cause),
}

/// Why a request failed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cause {
    /// No module may serve the mount.
    NoModule,
    /// The mount or the process had too many requests, or held too much memory.
    Busy,
    /// The engine met a limit.
    Limit,
    /// The engine used up its processor time.
    ProcessorTime,
    /// The request took too long.
    Deadline,
    /// The engine trapped.
    Trap,
    /// The engine's answer breaks the interface.
    Contract,
    /// The engine put a sealed secret in a place that is not declared for the secret.
    Secret,
    /// A fault of the host.
    Host,
}

impl Default for MountMetrics {
    fn default() -> Self {
        Self {
            since: SystemTime::now(),
            requests: Default::default(),
            causes: Default::default(),
            leases: Default::default(),
            times: Default::default(),
            microseconds: AtomicU64::default(),
            in_flight: AtomicI64::default(),
        }
    }
}

impl MountMetrics {
    /// A request begins.
    pub(crate) fn begin(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self)
    }

    /// A request ended.
    pub(crate) fn count(&self, operation: Operation, outcome: Outcome, elapsed: Duration) {
        let at = match outcome {
            Outcome::Answered { .. } => 0,
            Outcome::Refused => 1,
            Outcome::Failed(cause) => {
                add(self.causes.get(cause as usize));
                2
            }
        };
        add(self.requests.get(place(operation)).and_then(|outcomes| outcomes.get(at)));
        match (operation, outcome) {
            (Operation::Renew, Outcome::Answered { .. }) => add(self.leases.get(1)),
            (Operation::Revoke, Outcome::Answered { .. }) => add(self.leases.get(2)),
            (_, Outcome::Answered { leased: true }) => add(self.leases.first()),
            _ => {}
        }
        let bucket = BUCKETS.iter().position(|end| elapsed.as_secs_f64() <= *end).unwrap_or(BUCKETS.len());
        add(self.times.get(bucket));
        self.microseconds.fetch_add(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// When the counts began, in seconds since 1970-01-01T00:00:00Z.
    pub(crate) fn since(&self) -> f64 {
        self.since.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64().floor()
    }

    /// Requests in progress, the one that asks among them.
    pub(crate) fn in_flight(&self) -> f64 {
        number(u64::try_from(self.in_flight.load(Ordering::Relaxed)).unwrap_or_default())
    }

    /// Requests by operation and outcome, without those that never were.
    pub(crate) fn requests(&self) -> Vec<Value> {
        let all = OPERATIONS.iter().zip(&self.requests).flat_map(|(operation, outcomes)| {
            OUTCOMES.iter().zip(outcomes).map(move |(outcome, count)| {
                (vec![("operation", (*operation).to_owned()), ("outcome", (*outcome).to_owned())], load(count))
            })
        });
        all.filter(|(_, count)| *count > 0.0).collect()
    }

    /// Failures by cause.
    pub(crate) fn causes(&self) -> Vec<Value> {
        CAUSES
            .iter()
            .zip(&self.causes)
            .map(|(cause, count)| (vec![("cause", (*cause).to_owned())], load(count)))
            .collect()
    }

    /// Leases by what became of them.
    pub(crate) fn leases(&self) -> Vec<Value> {
        LEASES
            .iter()
            .zip(&self.leases)
            .map(|(event, count)| (vec![("event", (*event).to_owned())], load(count)))
            .collect()
    }

    /// The buckets of time, with all requests and their seconds.
    pub(crate) fn times(&self) -> (Vec<(f64, u64)>, u64, f64) {
        let mut all = 0;
        let mut sum = |count: &AtomicU64| {
            all += count.load(Ordering::Relaxed);
            all
        };
        let buckets = BUCKETS.iter().zip(&self.times).map(|(end, count)| (*end, sum(count))).collect();
        let beyond = self.times.last().map_or(0, |count| count.load(Ordering::Relaxed));
        (buckets, all + beyond, load(&self.microseconds) / 1_000_000.0)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The cause of a failure; none of a refusal by the engine, or by the host for a mistake of the client.
pub(crate) fn cause(error: &ServeError) -> Option<Cause> {
    let error = match error {
        ServeError::NoModule(_) => return Some(Cause::NoModule),
        ServeError::Invoke(error) => error,
    };
    Some(match error {
        InvokeError::Guest(_) | InvokeError::Refused(_) => return None,
        InvokeError::Busy(_) | InvokeError::Memory(_) => Cause::Busy,
        InvokeError::Limit { .. } => Cause::Limit,
        InvokeError::ProcessorTime(_) => Cause::ProcessorTime,
        InvokeError::Deadline(_) => Cause::Deadline,
        InvokeError::Trap(_) => Cause::Trap,
        InvokeError::Contract(_) => Cause::Contract,
        InvokeError::Sealed(_) => Cause::Secret,
        _ => Cause::Host,
    })
}

fn place(operation: Operation) -> usize {
    match operation {
        Operation::Create => 0,
        Operation::Read => 1,
        Operation::Update => 2,
        Operation::Patch => 3,
        Operation::Delete => 4,
        Operation::List => 5,
        Operation::Help => 6,
        Operation::Renew => 7,
        Operation::Revoke => 8,
        Operation::Rollback => 9,
    }
}

fn add(counter: Option<&AtomicU64>) {
    if let Some(counter) = counter {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn load(counter: &AtomicU64) -> f64 {
    number(counter.load(Ordering::Relaxed))
}

#[expect(clippy::cast_precision_loss, reason = "a number for a chart: exact below 2^53")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_operation_outcome_and_time() {
        let metrics = MountMetrics::default();
        let fast = Duration::from_millis(2);
        metrics.count(Operation::Read, Outcome::Answered { leased: true }, fast);
        metrics.count(Operation::Read, Outcome::Answered { leased: false }, fast);
        metrics.count(Operation::Renew, Outcome::Answered { leased: true }, fast);
        metrics.count(Operation::Revoke, Outcome::Failed(Cause::Trap), Duration::from_secs(90));
        let count = |values: Vec<Value>, label: &str| -> f64 {
            let has = |(labels, _): &&Value| labels.iter().any(|(_, value)| value == label);
            values.iter().filter(has).map(|(_, value)| value).sum()
        };
        assert_eq!((count(metrics.requests(), "read"), count(metrics.requests(), "failed")), (2.0, 1.0));
        assert_eq!((count(metrics.leases(), "issued"), count(metrics.leases(), "renewed")), (1.0, 1.0));
        assert_eq!((count(metrics.leases(), "revoked"), count(metrics.causes(), "trap")), (0.0, 1.0));
        let (buckets, all, seconds) = metrics.times();
        assert_eq!((buckets.first(), buckets.last(), all), (Some(&(0.001, 0)), Some(&(60.0, 3)), 4));
        assert!(seconds > 90.0);
    }

    #[test]
    fn each_failure_has_a_cause_of_its_own_and_a_refusal_has_none() {
        let host = || "a fault".to_owned();
        let failures = [
            (InvokeError::Busy("slots"), "busy"),
            (InvokeError::Limit { limit: host() }, "limit"),
            (InvokeError::ProcessorTime(Duration::from_secs(1)), "processor_time"),
            (InvokeError::Deadline(Duration::from_secs(1)), "deadline"),
            (InvokeError::Trap(host()), "trap"),
            (InvokeError::Contract(host()), "contract"),
            (InvokeError::Sealed(host()), "secret"),
            (InvokeError::Host(host()), "host"),
        ];
        for (error, expected) in failures {
            let cause = cause(&ServeError::Invoke(error)).and_then(|cause| CAUSES.get(cause as usize));
            assert_eq!(cause, Some(&expected));
        }
        assert!(cause(&ServeError::Invoke(InvokeError::Refused(host()))).is_none());
    }

    #[test]
    fn a_request_that_is_dropped_is_no_longer_in_flight() {
        let metrics = MountMetrics::default();
        let one = metrics.begin();
        let other = metrics.begin();
        assert!((metrics.in_flight() - 2.0).abs() < f64::EPSILON);
        drop((one, other));
        assert!(metrics.in_flight().abs() < f64::EPSILON);
    }
}
