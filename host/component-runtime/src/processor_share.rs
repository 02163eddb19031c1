//! Processor time that a mount may use before its requests must take turns.
//!
//! Each mount has a budget of processor time that refills with time, and each poll of its requests is charged to the
//! budget. A mount that has spent more than its budget is in debt until the refill has paid for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::limits::Limits;

/// Processor time of one mount. All its requests share it.
pub(crate) struct ProcessorShare {
    began: Instant,
    rates: Rates,
    /// The moment, counted from `began`, at which the refill has paid for everything so far.
    paid_at_ns: AtomicU64,
    /// Processor time that the mount got while in debt. The mount with the least is next.
    had_ns: AtomicU64,
    /// All processor time so far.
    used_ns: AtomicU64,
}

/// The limits as durations of the clock.
#[derive(Clone, Copy)]
struct Rates {
    percent: u64,
    /// How far the payment may lie ahead without a debt: the time in which a burst refills.
    ahead_ns: u64,
    /// How far the payment lies ahead at most.
    ahead_max_ns: u64,
}

impl Rates {
    fn new(limits: &Limits) -> Self {
        let percent = u64::from(limits.processor_percent_per_mount.max(1));
        let ahead_ns = nanoseconds(limits.processor_burst_per_mount) * 100 / percent;
        Self { percent, ahead_ns, ahead_max_ns: ahead_ns.saturating_add(nanoseconds(limits.processor_debt_max)) }
    }

    /// The moment at which everything is paid, after `spent_ns` more.
    fn paid_at(self, paid_at_ns: u64, now_ns: u64, spent_ns: u64) -> u64 {
        let refill_ns = spent_ns.saturating_mul(100) / self.percent;
        let paid_at_ns = paid_at_ns.max(now_ns).saturating_add(refill_ns);
        paid_at_ns.min(now_ns.saturating_add(self.ahead_max_ns))
    }

    fn in_debt(self, paid_at_ns: u64, now_ns: u64) -> bool {
        paid_at_ns > now_ns.saturating_add(self.ahead_ns)
    }
}

impl ProcessorShare {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            rates: Rates::new(limits),
            paid_at_ns: AtomicU64::new(0),
            had_ns: AtomicU64::new(0),
            used_ns: AtomicU64::new(0),
        })
    }

    /// Must requests of this mount take turns now?
    pub(crate) fn in_debt(&self) -> bool {
        self.rates.in_debt(self.paid_at_ns.load(Ordering::Relaxed), self.now_ns())
    }

    /// Charges one poll of a request to the mount.
    pub(crate) fn charge(&self, spent: Duration) {
        let (now_ns, spent_ns) = (self.now_ns(), nanoseconds(spent));
        let paid_at = |paid_at_ns| Some(self.rates.paid_at(paid_at_ns, now_ns, spent_ns));
        let _ = self.paid_at_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid_at);
        self.had_ns.fetch_add(spent_ns, Ordering::Relaxed);
        self.used_ns.fetch_add(spent_ns, Ordering::Relaxed);
    }

    /// The processor time that the mount has used.
    pub(crate) fn used(&self) -> Duration {
        Duration::from_nanos(self.used_ns.load(Ordering::Relaxed))
    }

    /// The processor time that decides the order of turns.
    pub(crate) fn had_ns(&self) -> u64 {
        self.had_ns.load(Ordering::Relaxed)
    }

    /// Raises that time: a mount that begins to take turns late has no claim to time that it did not use before.
    pub(crate) fn had_at_least(&self, ns: u64) {
        self.had_ns.fetch_max(ns, Ordering::Relaxed);
    }

    fn now_ns(&self) -> u64 {
        nanoseconds(self.began.elapsed())
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// A burst of 60 ms at 60 % of a core refills in 100 ms.
    fn rates() -> Rates {
        Rates::new(&Limits {
            processor_percent_per_mount: 60,
            processor_burst_per_mount: Duration::from_millis(60),
            processor_debt_max: Duration::from_millis(500),
            ..Limits::default()
        })
    }

    #[test]
    fn a_burst_is_free_and_what_comes_after_it_is_a_debt_until_the_refill_paid() {
        let rates = rates();
        let now = 1_000 * MS;
        let after_burst = rates.paid_at(0, now, 60 * MS);
        assert!(!rates.in_debt(after_burst, now));
        let after_more = rates.paid_at(after_burst, now, 6 * MS);
        assert!(rates.in_debt(after_more, now));
        assert!(rates.in_debt(after_more, now + 9 * MS));
        assert!(!rates.in_debt(after_more, now + 10 * MS), "10 ms of the clock pay for 6 ms");
    }

    #[test]
    fn time_without_work_saves_no_more_than_the_burst() {
        let rates = rates();
        let rested = 3_600_000 * MS;
        assert!(rates.in_debt(rates.paid_at(0, rested, 61 * MS), rested));
    }

    #[test]
    fn the_used_time_of_a_mount_does_not_depend_on_other_mounts() {
        let share = ProcessorShare::new(&Limits::default());
        share.charge(Duration::from_millis(7));
        share.had_at_least(1_000 * MS);
        share.charge(Duration::from_millis(5));
        assert_eq!(share.used(), Duration::from_millis(12));
    }

    #[test]
    fn a_debt_has_a_limit() {
        let rates = rates();
        let now = 1_000 * MS;
        let deep = (0..100).fold(0, |paid_at, _| rates.paid_at(paid_at, now, 1_000 * MS));
        assert!(rates.in_debt(deep, now + 499 * MS));
        assert!(!rates.in_debt(deep, now + 500 * MS));
    }

    #[test]
    fn a_steady_load_of_the_share_is_never_in_debt() {
        let rates = rates();
        let paid_at = (0..10_000).fold(0, |paid_at, second_tenth| {
            let now = second_tenth * 10 * MS;
            let paid_at = rates.paid_at(paid_at, now, 6 * MS);
            assert!(!rates.in_debt(paid_at, now), "{second_tenth}");
            paid_at
        });
        assert!(paid_at > 0);
    }
}
