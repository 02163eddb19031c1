//! Limits the rate of large answers of a mount: each costs the server, which all mounts share, as much time as hundreds
//! of ordinary requests.
//!
//! Large answers of a mount take from a budget of bytes that refills with time. An answer of a mount that used more than
//! its budget waits until the budget has refilled. The waiting answers of a mount have a limit; an answer beyond the
//! limit is refused late.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::InvokeError;
use crate::budget::{Budget, MountBudget, Refill};
use crate::limits::Limits;
use crate::permits::refuse_late;

/// The name of this limit in errors.
const LARGE_ANSWERS: &str = "large answers of this mount";
/// Longest debt of a budget: longer than the largest answer needs at the rate of a busy mount, so that the budget
/// forgives no answer.
const DEBT_MAX: Duration = Duration::from_secs(10);

/// The share of one mount.
pub(crate) struct AnswerShare {
    large_from: usize,
    budget: MountBudget,
    waiting_bytes_max: usize,
    refusal_wait: Duration,
    waiting_bytes: Mutex<usize>,
}

/// Bytes that refill by a number in a second.
fn refill(limits: &Limits, bytes_per_second: usize) -> Refill {
    Refill {
        units: bytes_per_second as u64,
        nanoseconds: 1_000_000_000,
        burst: limits.large_answer_burst_bytes as u64,
        debt_max: DEBT_MAX,
    }
}

impl AnswerShare {
    pub(crate) fn new(limits: &Limits, of_all: &Arc<Budget>) -> Self {
        let own = refill(limits, limits.large_answer_bytes_per_second);
        let busy = refill(limits, limits.large_answer_bytes_per_second_of_busy_mount);
        Self {
            large_from: limits.large_answer_bytes,
            budget: MountBudget::new(own, busy, of_all),
            waiting_bytes_max: limits.waiting_bytes_per_mount_max,
            refusal_wait: limits.permit_wait,
            waiting_bytes: Mutex::default(),
        }
    }

    /// The budget of all mounts of a process: as much as that of one.
    pub(crate) fn of_all(limits: &Limits) -> Arc<Budget> {
        Arc::new(Budget::new(refill(limits, limits.large_answer_bytes_per_second)))
    }

    /// Waits until an answer of this size may go out.
    ///
    /// # Errors
    /// When the wait would end after `until`, or when too many answers of this mount wait already.
    pub(crate) async fn admit(&self, bytes: usize, until: Instant) -> Result<(), InvokeError> {
        if bytes < self.large_from {
            return Ok(());
        }
        if self.budget.try_take(bytes as u64) {
            return Ok(());
        }
        let Some(_waiting) = self.enqueue(bytes) else {
            let wait = until.saturating_duration_since(Instant::now()).min(self.refusal_wait);
            return Err(refuse_late(wait, LARGE_ANSWERS).await);
        };
        timeout_at(until, self.budget.take(bytes as u64)).await.map_err(|_| InvokeError::Busy(LARGE_ANSWERS))
    }

    /// The answer's place in the queue; `None` if too many answers of this mount wait already.
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

/// The place of a waiting answer, until its drop.
struct Waiting<'a> {
    share: &'a AnswerShare,
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
    fn share() -> AnswerShare {
        let limits = Limits {
            large_answer_bytes: 100,
            large_answer_bytes_per_second: 1_000,
            large_answer_burst_bytes: 2_000,
            waiting_bytes_per_mount_max: 5_000,
            ..Limits::default()
        };
        AnswerShare::new(&limits, &AnswerShare::of_all(&limits))
    }

    async fn taken(share: &AnswerShare, bytes: usize) -> Duration {
        let begin = Instant::now();
        share.admit(bytes, begin + Duration::from_secs(60)).await.unwrap();
        begin.elapsed()
    }

    fn seconds(whole: u64) -> Duration {
        Duration::from_secs(whole)
    }

    #[tokio::test(start_paused = true)]
    async fn small_answers_never_wait_and_large_ones_after_a_burst() {
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
    async fn waiting_answers_are_limited_and_a_refusal_comes_late() {
        let share = share();
        share.admit(10_000, Instant::now()).await.unwrap();
        let begin = Instant::now();
        let answers = join_all((0..8).map(|_| share.admit(1_000, begin + seconds(60)))).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 5, "{answers:?}");
        assert!(answers.contains(&Err(InvokeError::Busy(LARGE_ANSWERS))));
        assert_eq!(*share.waiting_bytes(), 0);
        let begin = Instant::now();
        let late = share.admit(1_000, begin + Duration::from_millis(100)).await;
        assert_eq!(late, Err(InvokeError::Busy(LARGE_ANSWERS)), "its turn comes after the end of its request");
        assert!(begin.elapsed() >= Duration::from_millis(50));
    }
}
