//! Processor time that a mount may use before its requests must take turns.
//!
//! Each mount has a budget of processor time that refills as time passes, and each poll of its requests is charged
//! to the budget. A mount that has spent more than its budget is in debt until the refill has paid for it.
//!
//! On one core, a single mount can fill the processor beside the server while it stays within its budget. So a mount that
//! has requests in the queue for a turn stays in debt until the queue is empty.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::budget::{CommonBudget, MountBudget, Refill};
use crate::limits::Limits;

/// Processor time of one mount. All its requests share it.
pub(crate) struct ProcessorShare {
    budget: MountBudget,
    /// Its requests in the queue for a turn.
    queued: AtomicUsize,
    /// Virtual processor time, which decides the order of turns: all that the mount used, raised to the virtual time of
    /// the last mount that got a turn when this mount begins to wait for turns. The mount with the least is next.
    virtual_ns: AtomicU64,
    /// All processor time so far.
    used_ns: AtomicU64,
}

/// Nanoseconds of processor time that refill with this percentage of the time that passes.
fn refill(limits: &Limits, percent: u32) -> Refill {
    Refill {
        units: u64::from(percent),
        nanoseconds: 100,
        burst: nanoseconds(limits.processor_burst_per_mount),
        debt_max: limits.processor_debt_max,
    }
}

impl ProcessorShare {
    pub(crate) fn new(limits: &Limits, of_all: &Arc<CommonBudget>) -> Arc<Self> {
        let own = refill(limits, limits.processor_percent_per_mount);
        let busy = refill(limits, limits.processor_percent_per_busy_mount);
        Arc::new(Self {
            budget: MountBudget::new(own, busy, of_all),
            queued: AtomicUsize::new(0),
            virtual_ns: AtomicU64::new(0),
            used_ns: AtomicU64::new(0),
        })
    }

    /// The budget of all mounts of a process with so many turns on so many cores.
    pub(crate) fn of_all(limits: &Limits, turns: usize, cores: usize) -> Arc<CommonBudget> {
        let turns = u32::try_from(turns).unwrap_or(u32::MAX);
        let percent = match cores {
            1 => limits.processor_percent_of_all_on_one_core,
            _ => limits.processor_percent_per_mount.saturating_mul(turns),
        };
        CommonBudget::new(refill(limits, percent))
    }

    /// Must requests of this mount take turns now?
    pub(crate) fn in_debt(&self) -> bool {
        self.queued.load(Ordering::Relaxed) > 0 || !self.debt().is_zero()
    }

    /// Time until the refill has paid for the debt; requests that wait for turns can make the mount's debt last longer.
    pub(crate) fn debt(&self) -> Duration {
        self.budget.debt(Instant::now())
    }

    /// Charges one poll of a request to the mount.
    pub(crate) fn charge(&self, spent: Duration) {
        let spent_ns = nanoseconds(spent);
        self.budget.charge(spent_ns);
        self.virtual_ns.fetch_add(spent_ns, Ordering::Relaxed);
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

    /// The virtual processor time, which decides the order of turns.
    pub(crate) fn virtual_ns(&self) -> u64 {
        self.virtual_ns.load(Ordering::Relaxed)
    }

    /// Raises that time: a mount that begins to take turns late has no claim to time that it did not use before.
    pub(crate) fn raise_virtual_to(&self, ns: u64) {
        self.virtual_ns.fetch_max(ns, Ordering::Relaxed);
    }
}

#[cfg(test)]
impl ProcessorShare {
    /// Of the only mount of a process.
    pub(crate) fn alone() -> Arc<Self> {
        let limits = Limits::default();
        Self::new(&limits, &Self::of_all(&limits, 1, 2))
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[tokio::test(start_paused = true)]
    async fn mounts_that_together_use_half_a_core_are_in_debt_if_it_is_the_only_one() {
        let limits = Limits::default();
        for (cores, expected) in [(1, true), (2, false)] {
            let of_all = ProcessorShare::of_all(&limits, 1, cores);
            let mounts = [(); 2].map(|()| ProcessorShare::new(&limits, &of_all));
            // Four seconds, in which each mount uses a quarter of a core.
            for _ in 0..100 {
                mounts.iter().for_each(|mount| mount.charge(Duration::from_millis(10)));
                tokio::time::advance(Duration::from_millis(40)).await;
            }
            assert_eq!(mounts.map(|mount| mount.in_debt()), [expected; 2], "{cores} cores");
        }
    }

    #[test]
    fn what_a_mount_used_is_what_it_spent_whatever_others_had() {
        let share = ProcessorShare::alone();
        share.charge(Duration::from_millis(7));
        share.raise_virtual_to(1_000_000_000);
        share.charge(Duration::from_millis(5));
        assert_eq!(share.used(), Duration::from_millis(12));
    }
}
