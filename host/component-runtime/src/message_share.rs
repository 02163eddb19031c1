//! Limits the rate of large requests and answers of a mount: each costs the server, which all mounts share, as much time
//! as hundreds of ordinary requests.
//!
//! Large messages of a mount take from a budget of bytes that refills with time. A message of a mount that used more than
//! its budget waits until the budget has refilled. The waiting messages of a mount have a limit; a message beyond the
//! limit is refused late.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::budget::{CommonBudget, MountBudget, Refill};
use crate::limits::Limits;
use crate::permits::Refusal;

/// The name of this limit in errors.
pub(crate) const LARGE_MESSAGES: &str = "large requests and answers of this mount";
/// Longest debt of a budget: as long as the largest request of a server, of 32 MiB, needs at the rate of a busy mount, so
/// that the budget forgives no message.
const DEBT_MAX: Duration = Duration::from_secs(32);

/// The share of one mount.
pub(crate) struct MessageShare {
    large_from: usize,
    budget: MountBudget,
    waiting_bytes_max: usize,
    waiting_bytes: Mutex<usize>,
}

/// Bytes that refill by a number in a second.
fn refill(limits: &Limits, bytes_per_second: usize) -> Refill {
    Refill {
        units: bytes_per_second as u64,
        nanoseconds: 1_000_000_000,
        burst: limits.large_message_burst_bytes as u64,
        debt_max: DEBT_MAX,
    }
}

impl MessageShare {
    pub(crate) fn new(limits: &Limits, of_all: &Arc<CommonBudget>) -> Self {
        let own = refill(limits, limits.large_message_bytes_per_second);
        let busy = refill(limits, limits.large_message_bytes_per_second_of_busy_mount);
        Self {
            large_from: limits.large_message_bytes,
            budget: MountBudget::new(own, busy, of_all),
            waiting_bytes_max: limits.waiting_bytes_per_mount_max,
            waiting_bytes: Mutex::default(),
        }
    }

    /// The budget of all mounts of a process: as much as that of one.
    pub(crate) fn of_all(limits: &Limits) -> Arc<CommonBudget> {
        CommonBudget::new(refill(limits, limits.large_message_bytes_per_second))
    }

    /// Waits until a message of this size may go on.
    ///
    /// # Errors
    /// When the wait would end after `until`, or when too many messages of this mount wait already.
    pub(crate) async fn admit(&self, bytes: usize, until: Instant) -> Result<(), Refusal> {
        if bytes < self.large_from || self.budget.try_take(bytes as u64) {
            return Ok(());
        }
        let _waiting = self.enqueue(bytes).ok_or(Refusal::Full)?;
        timeout_at(until, self.budget.take(bytes as u64)).await.map_err(|_| Refusal::Waited(LARGE_MESSAGES))
    }

    /// The message's place in the queue; `None` if too many messages of this mount wait already.
    fn enqueue(&self, bytes: usize) -> Option<Waiting<'_>> {
        let mut waiting_bytes = self.waiting_bytes();
        let with_this = waiting_bytes.saturating_add(bytes);
        if with_this > self.waiting_bytes_max {
            return None;
        }
        *waiting_bytes = with_this;
        Some(Waiting { share: self, bytes })
    }

    fn waiting_bytes(&self) -> MutexGuard<'_, usize> {
        self.waiting_bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a waiting message, until its drop.
struct Waiting<'a> {
    share: &'a MessageShare,
    bytes: usize,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        *self.share.waiting_bytes() -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use futures_util::future::join_all;

    use super::*;

    /// 100 bytes count as large; 1,000 bytes a second are allowed, after a burst of 2,000.
    fn share() -> MessageShare {
        let limits = Limits {
            large_message_bytes: 100,
            large_message_bytes_per_second: 1_000,
            large_message_burst_bytes: 2_000,
            waiting_bytes_per_mount_max: 5_000,
            ..Limits::default()
        };
        MessageShare::new(&limits, &MessageShare::of_all(&limits))
    }

    async fn taken(share: &MessageShare, bytes: usize) -> Duration {
        let begin = Instant::now();
        share.admit(bytes, begin + Duration::from_secs(60)).await.unwrap();
        begin.elapsed()
    }

    fn seconds(whole: u64) -> Duration {
        Duration::from_secs(whole)
    }

    #[tokio::test(start_paused = true)]
    async fn small_messages_never_wait_and_large_ones_after_a_burst() {
        let share = share();
        for _ in 0..1_000 {
            assert_eq!(taken(&share, 99).await, Duration::ZERO);
        }
        assert_eq!(taken(&share, 2_000).await, Duration::ZERO);
        assert_eq!(taken(&share, 1_000).await, Duration::ZERO, "the burst covered what came before");
        assert!(taken(&share, 1_000).await.abs_diff(seconds(1)) <= Duration::from_millis(2));
        assert_eq!(taken(&share, 99).await, Duration::ZERO);
        tokio::time::advance(seconds(60)).await;
        assert_eq!(taken(&share, 2_000).await, Duration::ZERO, "it refilled");
    }

    #[tokio::test(start_paused = true)]
    async fn the_debt_of_a_mount_has_a_limit() {
        let share = share();
        assert_eq!(taken(&share, 1_000_000).await, Duration::ZERO);
        assert!(taken(&share, 100).await.abs_diff(seconds(32)) <= Duration::from_millis(2));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_messages_are_limited_and_each_waits_until_the_end_of_its_request() {
        let share = share();
        share.admit(10_000, Instant::now()).await.unwrap();
        let begin = Instant::now();
        let answers = join_all((0..8).map(|_| share.admit(1_000, begin + seconds(60)))).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 5, "{answers:?}");
        assert!(answers.contains(&Err(Refusal::Full)));
        assert_eq!(*share.waiting_bytes(), 0);
        let begin = Instant::now();
        let late = share.admit(1_000, begin + Duration::from_millis(100)).await;
        assert_eq!(late, Err(Refusal::Waited(LARGE_MESSAGES)), "its turn comes after the end of its request");
        assert!(begin.elapsed() >= Duration::from_millis(100));
    }
}
