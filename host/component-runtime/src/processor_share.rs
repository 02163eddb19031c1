//! Processor time that a mount may use before its requests must take turns.
//!
//! Each mount has a budget of processor time that refills with the time of day, and each poll of its requests is charged
//! to the budget. A mount that has spent more than its budget is in debt until the refill has paid for it.
//!
//! Several mounts can fill the processor while each stays within its budget, and on one core so can a single mount beside
//! the server. So there are two more rules: while all mounts together spend more than the turns give, the budget of each
//! is a small one; and a mount that has requests in the queue for a turn stays in debt until the queue is empty.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::limits::Limits;

/// Processor time of one mount. All its requests share it.
pub(crate) struct ProcessorShare {
    own: Budget,
    /// What the mount may spend while the process is busy.
    busy: Budget,
    of_all: Arc<Budget>,
    /// Its requests in the queue for a turn.
    queued: AtomicUsize,
    /// What the mount had while it was in debt: whoever had least is next.
    had_ns: AtomicU64,
    /// All processor time so far.
    used_ns: AtomicU64,
}

/// Processor time that refills with the time of day.
pub(crate) struct Budget {
    began: Instant,
    rates: Rates,
    /// The moment, counted from `began`, at which the refill has paid for all that was spent.
    paid_at_ns: AtomicU64,
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
    fn new(limits: &Limits, percent: u32) -> Self {
        let percent = u64::from(percent.max(1));
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

impl Budget {
    /// Of all mounts of a process with so many turns.
    pub(crate) fn of_all(limits: &Limits, turns: usize) -> Arc<Self> {
        let turns = u32::try_from(turns).unwrap_or(u32::MAX);
        Arc::new(Self::new(limits, limits.processor_percent_per_mount.saturating_mul(turns)))
    }

    fn new(limits: &Limits, percent: u32) -> Self {
        Self { began: Instant::now(), rates: Rates::new(limits, percent), paid_at_ns: AtomicU64::new(0) }
    }

    fn in_debt(&self) -> bool {
        self.rates.in_debt(self.paid_at_ns.load(Ordering::Relaxed), nanoseconds(self.began.elapsed()))
    }

    fn charge(&self, spent_ns: u64) {
        let now_ns = nanoseconds(self.began.elapsed());
        let paid_at = |paid_at_ns| Some(self.rates.paid_at(paid_at_ns, now_ns, spent_ns));
        let _ = self.paid_at_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid_at);
    }
}

impl ProcessorShare {
    pub(crate) fn new(limits: &Limits, of_all: &Arc<Budget>) -> Arc<Self> {
        Arc::new(Self {
            own: Budget::new(limits, limits.processor_percent_per_mount),
            busy: Budget::new(limits, limits.processor_percent_per_busy_mount),
            of_all: Arc::clone(of_all),
            queued: AtomicUsize::new(0),
            had_ns: AtomicU64::new(0),
            used_ns: AtomicU64::new(0),
        })
    }

    /// Must requests of this mount take turns now?
    pub(crate) fn in_debt(&self) -> bool {
        self.own.in_debt() || self.queued.load(Ordering::Relaxed) > 0 || (self.busy.in_debt() && self.of_all.in_debt())
    }

    /// Charges one poll of a request to the mount.
    pub(crate) fn charge(&self, spent: Duration) {
        let spent_ns = nanoseconds(spent);
        for budget in [&self.own, &self.busy, &self.of_all] {
            budget.charge(spent_ns);
        }
        self.had_ns.fetch_add(spent_ns, Ordering::Relaxed);
        self.used_ns.fetch_add(spent_ns, Ordering::Relaxed);
    }

    /// A request of the mount waits for a turn from now on.
    pub(crate) fn enqueue(&self) {
        self.queued.fetch_add(1, Ordering::Relaxed);
    }

    /// It has its turn, or has gone.
    pub(crate) fn dequeue(&self) {
        self.queued.fetch_sub(1, Ordering::Relaxed);
    }

    /// The processor time that the mount has used, whatever others had.
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
}

#[cfg(test)]
impl ProcessorShare {
    /// Of the only mount of a process.
    pub(crate) fn alone() -> Arc<Self> {
        let limits = Limits::default();
        Self::new(&limits, &Budget::of_all(&limits, 1))
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
        let limits = Limits {
            processor_burst_per_mount: Duration::from_millis(60),
            processor_debt_max: Duration::from_millis(500),
            ..Limits::default()
        };
        Rates::new(&limits, 60)
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
    fn mounts_that_are_busy_together_are_in_debt_and_one_that_does_little_is_not() {
        let limits = Limits { processor_debt_max: Duration::from_secs(3_600), ..Limits::default() };
        let of_all = Budget::of_all(&limits, 1);
        let [first, second, third] = [(); 3].map(|()| ProcessorShare::new(&limits, &of_all));
        // Less than the burst of one mount, and more than the burst of all.
        for mount in [&first, &second] {
            mount.charge(limits.processor_burst_per_mount - Duration::from_millis(2));
            assert!(!first.in_debt() && !third.in_debt());
        }
        assert!(of_all.in_debt());
        // A little more of each, which the budget of a mount alone would cover.
        first.charge(Duration::from_millis(1));
        assert!(!first.in_debt());
        first.busy.charge(u64::from(u32::MAX));
        assert!(first.in_debt() && !second.in_debt() && !third.in_debt());
    }

    #[test]
    fn a_mount_with_requests_in_the_queue_stays_in_debt_until_the_queue_is_empty() {
        let share = ProcessorShare::alone();
        share.enqueue();
        share.enqueue();
        share.dequeue();
        assert!(share.in_debt());
        share.dequeue();
        assert!(!share.in_debt());
    }

    #[test]
    fn what_a_mount_used_is_what_it_spent_whatever_others_had() {
        let share = ProcessorShare::alone();
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
