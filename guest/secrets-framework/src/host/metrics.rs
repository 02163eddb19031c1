//! Counters among the metrics of the mount.

/// A counter of the engine, which the path `metrics` of the mount shows: `secrets-engine:metrics/counters` says what its
/// name may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Its name, which ends in `_total`.
    pub name: &'static str,
    /// What it counts, in one sentence.
    pub help: &'static str,
}

/// The counters.
pub trait Metrics {
    /// Adds to a counter. A label's value is one of a few, and nothing secret.
    fn add(&self, counter: &Counter, labels: &[(&str, &str)], number: u64);
}
