//! Limits a mount's calls of storage and system view per second, and its open transactions, because the server, which all
//! mounts share, does the work.
//!
//! A call of a mount that used more than its budget waits until the budget has refilled, or until the end of its request.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::budget::{CommonBudget, MountBudget, Refill};
use crate::limits::Limits;

/// Longest debt of a budget, so that a mount that was alone does not wait for long when another mount comes. It is longer
/// than any one call needs at the rate of a busy mount.
const DEBT_MAX: Duration = Duration::from_secs(1);

/// Cost of a call. What is written at once costs more: the nodes of a cluster agree on it and write it to disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StorageCost {
    Read,
    /// A write or deletion in a transaction: the server keeps it in memory until the commit.
    Prepare,
    /// A write or deletion outside a transaction, a commit, or a password from a policy.
    Write,
}

impl StorageCost {
    fn calls(self) -> u64 {
        match self {
            Self::Read | Self::Prepare => 1,
            Self::Write => 4,
        }
    }
}

/// The share of one mount.
pub(crate) struct StorageShare {
    budget: MountBudget,
    transactions: Arc<Semaphore>,
    transaction_wait: Duration,
}

/// Calls that refill by a number in a second for each core, of which so many may come at once after a rest.
fn refill(calls_per_second_and_core: u32, burst: u32, cores: u64) -> Refill {
    Refill {
        units: u64::from(calls_per_second_and_core).saturating_mul(cores),
        nanoseconds: 1_000_000_000,
        burst: burst.into(),
        debt_max: DEBT_MAX,
    }
}

fn cores() -> u64 {
    low_priority::cores() as u64
}

impl StorageShare {
    pub(crate) fn new(limits: &Limits, of_all: &Arc<CommonBudget>) -> Self {
        Self::of_cores(limits, of_all, cores())
    }

    /// The budget of all mounts of a process.
    pub(crate) fn of_all(limits: &Limits) -> Arc<CommonBudget> {
        let burst = limits.storage_calls_burst_of_busy_mounts;
        CommonBudget::new(refill(limits.storage_calls_per_second_and_core_of_all, burst, cores()))
    }

    fn of_cores(limits: &Limits, of_all: &Arc<CommonBudget>, cores: u64) -> Self {
        let own = refill(limits.storage_calls_per_second_and_core, limits.storage_calls_burst, cores);
        let busy = limits.storage_calls_per_second_and_core_of_busy_mount;
        let busy = refill(busy, limits.storage_calls_burst_of_busy_mounts, cores);
        Self {
            budget: MountBudget::new(own, busy, of_all),
            transactions: Arc::new(Semaphore::new(limits.transactions_open_per_mount_max)),
            transaction_wait: limits.permit_wait,
        }
    }

    /// Waits until the mount may make `count` calls.
    pub(crate) async fn admit(&self, cost: StorageCost, count: usize) {
        self.budget.take(cost.calls().saturating_mul(count as u64)).await;
    }

    /// A place among the open transactions of the mount; `None` if all were taken for as long as a request may wait.
    pub(crate) async fn transaction(&self) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.transactions).acquire_owned();
        timeout(self.transaction_wait, place).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use tokio::time::Instant;

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
        StorageShare::of_cores(&limits, &StorageShare::of_all(&limits), 2)
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
        assert_eq!(taken(&share, StorageCost::Read, 1).await, Duration::ZERO, "the burst covered what came before");
        assert!(is_about(taken(&share, StorageCost::Write, 1).await, 10));
        assert!(is_about(taken(&share, StorageCost::Prepare, 1).await, 40), "a write costs four reads");
        assert!(is_about(taken(&share, StorageCost::Read, 100).await, 10), "within a transaction, one");
        assert!(is_about(taken(&share, StorageCost::Read, 1).await, 1_000));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(taken(&share, StorageCost::Read, 51).await, Duration::ZERO, "it refilled");
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
    async fn a_mount_that_was_alone_waits_no_longer_than_a_debt_may_be_when_another_one_comes() {
        let limits = Limits {
            storage_calls_per_second_and_core: 100_000,
            storage_calls_per_second_and_core_of_all: 1,
            storage_calls_per_second_and_core_of_busy_mount: 1,
            storage_calls_burst_of_busy_mounts: 50,
            ..Limits::default()
        };
        let of_all = StorageShare::of_all(&limits);
        let [first, second] = [(); 2].map(|()| StorageShare::of_cores(&limits, &of_all, 1));
        assert_eq!(taken(&first, StorageCost::Read, 100_000).await, Duration::ZERO);
        assert_eq!(taken(&second, StorageCost::Read, 1).await, Duration::ZERO);
        assert!(is_about(taken(&first, StorageCost::Read, 1).await, 1_000));
    }

    #[tokio::test(start_paused = true)]
    async fn mounts_that_make_calls_at_the_same_time_have_a_smaller_burst() {
        let limits = Limits {
            storage_calls_per_second_and_core: 100,
            storage_calls_per_second_and_core_of_all: 100,
            storage_calls_per_second_and_core_of_busy_mount: 100,
            storage_calls_burst: 1_000,
            storage_calls_burst_of_busy_mounts: 50,
            ..Limits::default()
        };
        let of_all = CommonBudget::new(refill(100, limits.storage_calls_burst_of_busy_mounts, 1));
        let [busy, other] = [(); 2].map(|()| StorageShare::of_cores(&limits, &of_all, 1));
        assert_eq!(taken(&busy, StorageCost::Read, 100).await, Duration::ZERO);
        assert_eq!(taken(&busy, StorageCost::Read, 1).await, Duration::ZERO, "alone, it has its own burst");
        assert_eq!(taken(&other, StorageCost::Read, 1).await, Duration::ZERO);
        assert!(is_about(taken(&busy, StorageCost::Read, 1).await, 510));
        assert_eq!(taken(&other, StorageCost::Read, 1).await, Duration::ZERO, "which made few calls");
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
