//! Candidates that could not be activated. A permanently rejected candidate is not tried again until something changes;
//! a transiently rejected one is tried again after a wait.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::select::Ranked;
use crate::limits::{RETRY_WAIT, RETRY_WAIT_MAX};
use crate::{Approval, Candidate, Digest, ModuleId, Rejection};

/// Failed attempts, by name and bytes. An attempt counts while the approval of the candidate is the same.
#[derive(Default)]
pub(super) struct FailedAttempts(BTreeMap<(ModuleId, Digest), Entry>);

struct Entry {
    approval: Result<Approval, Rejection>,
    rejection: Rejection,
    /// Failed attempts in a row.
    times: u32,
    /// Time of the next attempt; `None` after a permanent rejection.
    again: Option<Instant>,
}

impl FailedAttempts {
    /// Why this candidate is not tried now.
    pub(super) fn rejection(&self, candidate: &Candidate) -> Option<Rejection> {
        let entry = self.0.get(&candidate.key()).filter(|entry| entry.approval == candidate.approval)?;
        let is_due = entry.again.is_some_and(|again| again <= Instant::now());
        (!is_due).then(|| entry.rejection.clone())
    }

    /// Has an attempt with this candidate failed, whether the next one is due or not?
    pub(super) fn has(&self, candidate: &(ModuleId, Digest)) -> bool {
        self.0.contains_key(candidate)
    }

    /// Records an attempt. An attempt whose retry is not due yet stays as it is.
    pub(super) fn record(&mut self, candidate: &Candidate, rejection: Rejection) {
        if self.rejection(candidate).is_some() {
            return;
        }
        let times = self.0.get(&candidate.key()).map_or(0, |entry| entry.times).saturating_add(1);
        let again = matches!(rejection, Rejection::Transient(_)).then(|| Instant::now() + wait(times));
        self.0.insert(candidate.key(), Entry { approval: candidate.approval.clone(), rejection, times, again });
    }

    /// Forgets the attempts of all other candidates.
    pub(super) fn retain(&mut self, ranked: &[Ranked]) {
        self.0.retain(|key, _| ranked.iter().any(|ranked| ranked.candidate.key() == *key));
    }

    /// Makes all candidates be tried again.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Forgets permanent rejections, because another active module may make them obsolete. Transient rejections keep
    /// their time.
    pub(super) fn forget_permanent(&mut self) {
        self.0.retain(|_, entry| entry.again.is_some());
    }

    /// Time of the next retry.
    pub(super) fn next_retry(&self) -> Option<Instant> {
        let now = Instant::now();
        self.0.values().filter_map(|entry| entry.again).filter(|again| *again > now).min()
    }
}

/// Wait before the next retry: twice as long after each attempt.
pub(super) fn wait(times: u32) -> Duration {
    let doubled = 2_u32.checked_pow(times.saturating_sub(1)).and_then(|factor| RETRY_WAIT.checked_mul(factor));
    doubled.unwrap_or(RETRY_WAIT_MAX).min(RETRY_WAIT_MAX)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::Origin;

    fn candidate(approval: Result<Approval, Rejection>) -> Candidate {
        let id = ModuleId::new("tiny", "2.0.0").unwrap();
        Candidate { id, digest: Digest::of(b"x"), origin: Origin::File("x".to_owned()), approval }
    }

    fn rejection() -> Rejection {
        Rejection::Permanent("it is bad".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_permanent_rejection_is_kept_until_the_approval_changes() {
        let mut failed_attempts = FailedAttempts::default();
        let lasting = rejection();
        let signed = |key: &str| candidate(Ok(Approval::Signed(vec![key.to_owned()])));
        failed_attempts.record(&signed("a"), lasting.clone());
        tokio::time::advance(RETRY_WAIT_MAX * 2).await;
        assert_eq!(failed_attempts.rejection(&signed("a")), Some(lasting));
        assert_eq!(failed_attempts.rejection(&signed("b")), None);
        assert_eq!(failed_attempts.next_retry(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_transient_rejection_is_retried_after_growing_waits_without_end() {
        let mut failed_attempts = FailedAttempts::default();
        let (candidate, passing) = (candidate(Ok(Approval::AllowListed)), rejection().into_transient());
        for times in 1..50 {
            failed_attempts.record(&candidate, passing.clone());
            // A second look before that time does not postpone the retry.
            failed_attempts.record(&candidate, passing.clone());
            let due = failed_attempts.next_retry().unwrap();
            assert_eq!(due - Instant::now(), wait(times));
            assert!(wait(times) <= RETRY_WAIT_MAX && wait(times) >= wait(times - 1), "{times}");
            assert_eq!(failed_attempts.rejection(&candidate), Some(passing.clone()));
            tokio::time::advance(wait(times)).await;
            assert_eq!(failed_attempts.rejection(&candidate), None);
            assert_eq!(failed_attempts.next_retry(), None, "the retry is due now");
        }
        assert_eq!(wait(50), RETRY_WAIT_MAX);
    }
}
