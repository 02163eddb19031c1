//! Budgets that refill as time passes, for what all mounts of a process share.
//!
//! A mount may use its budget at once, and what refills over time. Several mounts can use up what they share while each
//! stays within its budget. So there is a budget of all mounts, too; while several mounts together have overdrawn that
//! budget, the budget of each mount is a small one. A mount that shares with no other is held to its own budget only.
//!
//! A use is charged when it begins, and never before: a use that waits, or is given up while it waits, takes nothing from
//! other mounts. Processor time is charged after each poll, when the time is known.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// How a budget refills.
#[derive(Clone, Copy)]
pub(crate) struct Refill {
    /// So many units in each `nanoseconds`.
    pub(crate) units: u64,
    pub(crate) nanoseconds: u64,
    /// Units that can be used at once after a rest.
    pub(crate) burst: u64,
    /// Longest time until a budget from which nothing is used any more is full again, besides the time of a burst.
    pub(crate) debt_max: Duration,
}

impl Refill {
    /// The time in which so many units refill.
    fn time_ns(self, units: u64) -> u64 {
        units.saturating_mul(self.nanoseconds) / self.units.max(1)
    }

    /// The moment at which everything is paid, after the use of more units.
    fn paid_at(self, paid_at_ns: u64, now_ns: u64, units: u64) -> u64 {
        let paid_at_ns = paid_at_ns.max(now_ns).saturating_add(self.time_ns(units));
        let ahead_max_ns = self.time_ns(self.burst).saturating_add(nanoseconds(self.debt_max));
        paid_at_ns.min(now_ns.saturating_add(ahead_max_ns))
    }

    /// Time until the burst covers what is not paid. Zero: no debt.
    fn debt_ns(self, paid_at_ns: u64, now_ns: u64) -> u64 {
        paid_at_ns.saturating_sub(now_ns.saturating_add(self.time_ns(self.burst)))
    }
}

/// What was used of a refill.
struct Budget {
    began: Instant,
    refill: Refill,
    /// The moment, counted from `began`, at which the refill has paid for all that was used.
    paid_at_ns: AtomicU64,
}

impl Budget {
    fn new(refill: Refill) -> Self {
        Self { began: Instant::now(), refill, paid_at_ns: AtomicU64::new(0) }
    }

    fn charge(&self, now: Instant, units: u64) {
        let now_ns = nanoseconds(now.duration_since(self.began));
        let paid_at = |paid_at_ns| Some(self.refill.paid_at(paid_at_ns, now_ns, units));
        let _ = self.paid_at_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid_at);
    }

    fn debt(&self, now: Instant) -> Duration {
        let now_ns = nanoseconds(now.duration_since(self.began));
        Duration::from_nanos(self.refill.debt_ns(self.paid_at_ns.load(Ordering::Relaxed), now_ns))
    }
}

/// How long mounts count as sharing after two of them used something one after the other. A mount with few requests so
/// finds the others slowed down already.
const SHARED_FOR: Duration = Duration::from_secs(10);

/// The budget of all mounts, and who uses it.
pub(crate) struct CommonBudget {
    budget: Budget,
    /// Mounts so far. The number of a mount is how many there were with it.
    mounts: AtomicUsize,
    /// The number of the mount that used something last; zero: none did.
    last: AtomicUsize,
    /// The moment, counted from the start of the budget, until which several mounts share.
    shared_until_ns: AtomicU64,
}

impl CommonBudget {
    pub(crate) fn new(refill: Refill) -> Arc<Self> {
        Arc::new(Self {
            budget: Budget::new(refill),
            mounts: AtomicUsize::new(0),
            last: AtomicUsize::new(0),
            shared_until_ns: AtomicU64::new(0),
        })
    }

    fn charge(&self, mount: usize, now: Instant, units: u64) {
        self.budget.charge(now, units);
        let last = self.last.swap(mount, Ordering::Relaxed);
        if last != mount && last != 0 {
            let until = self.since_start_ns(now).saturating_add(nanoseconds(SHARED_FOR));
            self.shared_until_ns.store(until, Ordering::Relaxed);
        }
    }

    fn debt(&self, now: Instant) -> Duration {
        let is_shared = self.since_start_ns(now) < self.shared_until_ns.load(Ordering::Relaxed);
        if is_shared { self.budget.debt(now) } else { Duration::ZERO }
    }

    fn since_start_ns(&self, now: Instant) -> u64 {
        nanoseconds(now.duration_since(self.budget.began))
    }
}

/// The budget of one mount, beside that of all mounts.
pub(crate) struct MountBudget {
    own: Budget,
    /// What the mount may use while several mounts together use too much.
    busy: Budget,
    of_all: Arc<CommonBudget>,
    number: usize,
    /// Held by the first of those that wait for the end of the mount's debt.
    queue: Mutex<()>,
}

impl MountBudget {
    pub(crate) fn new(own: Refill, busy: Refill, of_all: &Arc<CommonBudget>) -> Self {
        Self {
            own: Budget::new(own),
            busy: Budget::new(busy),
            of_all: Arc::clone(of_all),
            number: 1 + of_all.mounts.fetch_add(1, Ordering::Relaxed),
            queue: Mutex::default(),
        }
    }

    /// Charges what the mount uses, whether or not the mount has a debt.
    pub(crate) fn charge(&self, units: u64) {
        let now = Instant::now();
        self.own.charge(now, units);
        self.busy.charge(now, units);
        self.of_all.charge(self.number, now, units);
    }

    /// Charges what the mount uses, unless the mount has a debt, or others wait for its end.
    pub(crate) fn try_take(&self, units: u64) -> bool {
        let Ok(_first) = self.queue.try_lock() else { return false };
        let may = self.debt(Instant::now()).is_zero();
        if may {
            self.charge(units);
        }
        may
    }

    /// Waits until the mount has no debt, first come, first served; then charges what the mount uses.
    pub(crate) async fn take(&self, units: u64) {
        let _first = self.queue.lock().await;
        loop {
            let debt = self.debt(Instant::now());
            if debt.is_zero() {
                break;
            }
            // Others add to the debt of all mounts meanwhile.
            sleep(debt).await;
        }
        self.charge(units);
    }

    /// The time until the mount has no debt.
    pub(crate) fn debt(&self, now: Instant) -> Duration {
        self.own.debt(now).max(self.busy.debt(now).min(self.of_all.debt(now)))
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use futures_util::future::join_all;
    use tokio::time::timeout;

    use super::*;

    const MS: u64 = 1_000_000;

    /// A burst of 60 units at 60 units in 100 ms.
    fn refill() -> Refill {
        Refill { units: 60, nanoseconds: 100 * MS, burst: 60, debt_max: Duration::from_millis(500) }
    }

    #[test]
    fn a_burst_is_free_and_what_comes_after_it_is_a_debt_until_the_refill_paid() {
        let refill = refill();
        let now = 1_000 * MS;
        let after_burst = refill.paid_at(0, now, 60);
        assert_eq!(refill.debt_ns(after_burst, now), 0);
        let after_more = refill.paid_at(after_burst, now, 6);
        assert_eq!(refill.debt_ns(after_more, now), 10 * MS);
        assert_eq!(refill.debt_ns(after_more, now + 10 * MS), 0, "10 ms of the clock pay for 6 units");
    }

    #[test]
    fn time_without_use_saves_no_more_than_the_burst() {
        let refill = refill();
        let rested = 3_600_000 * MS;
        assert_ne!(refill.debt_ns(refill.paid_at(0, rested, 61), rested), 0);
    }

    #[test]
    fn a_debt_has_a_limit() {
        let refill = refill();
        let now = 1_000 * MS;
        let deep = (0..100).fold(0, |paid_at, _| refill.paid_at(paid_at, now, 1_000));
        assert_eq!(refill.debt_ns(deep, now), 500 * MS);
        assert_eq!(refill.debt_ns(deep, now + 500 * MS), 0);
    }

    #[test]
    fn a_steady_use_of_what_refills_is_never_in_debt() {
        let refill = refill();
        let paid_at = (0..10_000).fold(0, |paid_at, tenth| {
            let now = tenth * 10 * MS;
            let paid_at = refill.paid_at(paid_at, now, 6);
            assert_eq!(refill.debt_ns(paid_at, now), 0, "{tenth}");
            paid_at
        });
        assert!(paid_at > 0);
    }

    #[tokio::test(start_paused = true)]
    async fn mounts_that_are_busy_together_are_in_debt_and_one_that_does_little_is_not() {
        let little = Refill { units: 6, burst: 20, ..refill() };
        let of_all = CommonBudget::new(Refill { burst: 90, ..refill() });
        let [first, second, third] = [(); 3].map(|()| MountBudget::new(refill(), little, &of_all));
        let in_debt = |mount: &MountBudget| !mount.debt(Instant::now()).is_zero();
        first.charge(50);
        assert!(!in_debt(&first), "its own budget covers that, while others use little");
        second.charge(50);
        third.charge(10);
        assert!(in_debt(&first) && in_debt(&second) && !in_debt(&third));
        // All together have no debt any more.
        tokio::time::advance(Duration::from_millis(40)).await;
        assert!(!in_debt(&first) && !in_debt(&second));
    }

    /// A mount of 60 units in 100 ms, 6 of them while others are busy.
    fn mount(of_all: &Arc<CommonBudget>) -> MountBudget {
        MountBudget::new(refill(), Refill { units: 6, burst: 6, ..refill() }, of_all)
    }

    #[tokio::test(start_paused = true)]
    async fn a_use_that_waits_costs_other_mounts_nothing_until_the_use_begins() {
        let of_all = CommonBudget::new(Refill { burst: 300, ..refill() });
        let [flooded, other] = [(); 2].map(|()| mount(&of_all));
        flooded.take(120).await;
        assert!(!flooded.try_take(1), "the mount has a debt of 100 ms");
        for _ in 0..10 {
            assert!(timeout(Duration::from_millis(1), flooded.take(100)).await.is_err(), "given up while it waits");
        }
        for _ in 0..3 {
            assert!(other.try_take(50), "all mounts together have used 120 units of 300");
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        assert!(flooded.try_take(1), "what was given up is not owed");
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_wait_have_their_turns_in_order_at_the_rate_of_the_refill() {
        let of_all = CommonBudget::new(Refill { burst: 300, ..refill() });
        let mount = mount(&of_all);
        mount.take(60).await;
        let begin = Instant::now();
        let order = std::sync::Mutex::new(Vec::new());
        let (mount, order) = (&mount, &order);
        join_all((0..4).map(|number| async move {
            mount.take(60).await;
            order.lock().unwrap().push((number, begin.elapsed().as_millis() / 100));
        }))
        .await;
        assert_eq!(*order.lock().unwrap(), [(0, 0), (1, 1), (2, 2), (3, 3)]);
        assert!(!mount.try_take(1), "the last one has to be paid, too");
    }

    #[tokio::test(start_paused = true)]
    async fn mounts_that_are_busy_together_use_no_more_than_their_small_budgets() {
        let of_all = CommonBudget::new(refill());
        let mounts = [(); 3].map(|()| mount(&of_all));
        let used = std::cell::Cell::new(0);
        let uses = join_all(mounts.iter().map(|mount| async {
            loop {
                mount.take(3).await;
                used.set(used.get() + 3);
            }
        }));
        let _ = timeout(Duration::from_secs(10), uses).await;
        // 6,000 units refilled for all: of these, and not of three times as many, the three have their parts.
        assert!((5_900..6_500).contains(&used.get()), "{}", used.get());
    }

    #[tokio::test(start_paused = true)]
    async fn a_mount_is_held_to_the_budget_of_all_while_another_one_uses_something_now_and_then() {
        let of_all = CommonBudget::new(Refill { units: 30, burst: 30, ..refill() });
        let [busy, other] = [(); 2].map(|()| mount(&of_all));
        let used_in = async |time| {
            let used = std::cell::Cell::new(0);
            let uses = async {
                loop {
                    busy.take(3).await;
                    used.set(used.get() + 3);
                }
            };
            let _ = timeout(time, uses).await;
            used.get()
        };
        let second = Duration::from_secs(1);
        let alone = used_in(second).await;
        assert!((600..700).contains(&alone), "{alone}");
        other.take(1).await;
        let beside = used_in(SHARED_FOR).await;
        assert!((2_500..3_100).contains(&beside), "half of what it may use alone, in ten times the time: {beside}");
        let alone = used_in(second).await;
        assert!((450..700).contains(&alone), "{alone}");
    }
}
