//! Limits a mount's storage calls per second and its open transactions, because the server, which all mounts share,
//! does the work.
//!
//! The calls of a mount take from a budget that refills with time. A call that the budget does not cover waits until
//! the budget covers it, or until the end of its request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use crate::limits::Limits;

/// Cost of a call. A write costs more: the nodes of a cluster agree on it and write it to disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StorageCost {
    Read,
    Write,
}

impl StorageCost {
    fn calls(self) -> u64 {
        match self {
            Self::Read => 1,
            Self::Write => 4,
        }
    }
}

/// The budget of one mount.
pub(crate) struct StorageShare {
    began: Instant,
    call_ns: u64,
    /// How far the payment may lie ahead without a wait: the time in which the burst refills.
    ahead_ns: u64,
    /// The moment, counted from `began`, at which the refill has paid for all calls so far.
    paid_at_ns: AtomicU64,
    transactions: Arc<Semaphore>,
    transaction_wait: Duration,
}

impl StorageShare {
    pub(crate) fn new(limits: &Limits) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        Self::of_cores(limits, cores)
    }

    fn of_cores(limits: &Limits, cores: u64) -> Self {
        let calls_per_second = u64::from(limits.storage_calls_per_second_and_core.max(1)).saturating_mul(cores);
        let call_ns = (NANOSECONDS / calls_per_second).max(1);
        Self {
            began: Instant::now(),
            call_ns,
            ahead_ns: u64::from(limits.storage_calls_burst).saturating_mul(call_ns),
            paid_at_ns: AtomicU64::new(0),
            transactions: Arc::new(Semaphore::new(limits.transactions_open_per_mount_max)),
            transaction_wait: limits.permit_wait,
        }
    }

    /// Waits until the budget covers `count` calls more.
    pub(crate) async fn admit(&self, cost: StorageCost, count: usize) {
        let calls = cost.calls().saturating_mul(count as u64);
        let wait = self.charge(calls);
        if !wait.is_zero() {
            sleep(wait).await;
        }
    }

    /// Charges calls; returns how long they wait.
    fn charge(&self, calls: u64) -> Duration {
        let now_ns = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let refill_ns = calls.saturating_mul(self.call_ns);
        let paid_after = |paid_at_ns: u64| paid_at_ns.max(now_ns).saturating_add(refill_ns);
        let paid_at = |paid_at_ns| Some(paid_after(paid_at_ns));
        // The closure always returns `Some`, so the update succeeds.
        let (Ok(before) | Err(before)) = self.paid_at_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid_at);
        Duration::from_nanos(paid_after(before).saturating_sub(now_ns.saturating_add(self.ahead_ns)))
    }

    /// A place among the open transactions of the mount; `None` if all were taken for as long as a request may wait.
    pub(crate) async fn transaction(&self) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.transactions).acquire_owned();
        timeout(self.transaction_wait, place).await.ok()?.ok()
    }
}

const NANOSECONDS: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// A share of 100 calls a second after a burst of 50, and of two transactions.
    fn share() -> StorageShare {
        let limits = Limits {
            storage_calls_per_second_and_core: 50,
            storage_calls_burst: 50,
            transactions_open_per_mount_max: 2,
            permit_wait: Duration::from_secs(5),
            ..Limits::default()
        };
        StorageShare::of_cores(&limits, 2)
    }

    async fn taken(share: &StorageShare, cost: StorageCost, count: usize) -> Duration {
        let begin = Instant::now();
        share.admit(cost, count).await;
        begin.elapsed()
    }

    fn is_about(time: Duration, milliseconds: u64) -> bool {
        time.abs_diff(Duration::from_millis(milliseconds)) <= Duration::from_millis(2)
    }

    #[tokio::test(start_paused = true)]
    async fn calls_wait_after_a_burst_and_no_longer_than_the_refill_takes() {
        let share = share();
        assert_eq!(taken(&share, StorageCost::Read, 50).await, Duration::ZERO);
        assert!(is_about(taken(&share, StorageCost::Read, 1).await, 10));
        assert!(is_about(taken(&share, StorageCost::Write, 1).await, 40), "a write costs four reads");
        assert!(is_about(taken(&share, StorageCost::Read, 100).await, 1_000), "as many as one call reads");
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(taken(&share, StorageCost::Read, 50).await, Duration::ZERO, "it refilled");
        assert!(is_about(taken(&share, StorageCost::Read, 1).await, 10), "and no more than that");
    }

    #[tokio::test(start_paused = true)]
    async fn a_steady_load_of_the_share_never_waits() {
        let share = share();
        for _ in 0..1_000 {
            assert_eq!(taken(&share, StorageCost::Read, 10).await, Duration::ZERO);
            tokio::time::advance(Duration::from_millis(100)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_transaction_waits_for_another_to_end_and_not_for_ever() {
        let share = share();
        let (first, _second) = (share.transaction().await.unwrap(), share.transaction().await.unwrap());
        let begin = Instant::now();
        assert!(share.transaction().await.is_none());
        assert!(is_about(begin.elapsed(), 5_000));
        drop(first);
        assert!(share.transaction().await.is_some());
    }
}
