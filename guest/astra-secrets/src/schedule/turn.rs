//! When something that a schedule drives is done next, and what its failures
//! make of that. Its owner keeps the turn, and an entry of the schedule queue beside it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Schedule;
use crate::back_off;
use crate::limits::{RENEWAL_LEAD, ROTATION_BACK_OFF_FIRST, ROTATION_BACK_OFF_MAX};
use crate::time_text;

/// How the rotation of a token stands. Times are in seconds since
/// 1970-01-01T00:00:00Z, 0 = none.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub(crate) struct Turn {
    /// The time under which it stands in the schedule queue.
    pub(crate) due: u64,
    /// The time of its schedule that it waits for, from which its window runs;
    /// `due` is later after a failure, and earlier where `renew_at` is.
    pub(crate) scheduled: u64,
    /// When it must be done though its schedule says later, for Astra ends the token by itself.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) renew_at: u64,
    /// How often in a row it failed.
    pub(crate) failures: u32,
    /// Why it failed last: a sentence without secrets; empty = it did not.
    pub(crate) error: String,
}

impl Turn {
    /// The turn after one that was done at `now`, for a token that is to be renewed at `renew_at`.
    pub(crate) fn after(schedule: Option<&Schedule>, now: u64, renew_at: u64) -> Self {
        let mut turn = Self { renew_at, ..Self::default() };
        turn.wait(schedule, now, now);
        turn
    }

    /// Fits it to a schedule that was perhaps changed, from `before`. A new
    /// period counts from `last`, when it was done last. A schedule that stays
    /// keeps its time, unless that is further away than it can be: then the
    /// clock was wrong when it was set.
    pub(crate) fn plan(&mut self, schedule: Option<&Schedule>, before: Option<&Schedule>, last: u64, now: u64) {
        let Some(new) = schedule else {
            // What failed of a schedule went with it.
            *self = Self { renew_at: self.renew_at, ..Self::default() };
            return;
        };
        if schedule != before || self.due == 0 {
            let counts = matches!(new, Schedule::Period(_)) && last != 0;
            self.wait(schedule, if counts { last.min(now) } else { now }, now);
        } else if self.due > new.next_after(now).unwrap_or_default() {
            self.wait(schedule, now, now);
        }
    }

    /// Begins it at `now`, unless it is outside of its window: then it waits
    /// for the next time. It moves first: one that does not come back must not
    /// stand first in line again a minute later.
    pub(crate) fn begin(&mut self, schedule: Option<&Schedule>, now: u64) -> bool {
        let may_begin = |at| schedule.is_some_and(|schedule| schedule.may_begin(self.scheduled, at));
        let begins = may_begin(now);
        let retry = now + retry_pause(self.failures.saturating_add(1)).as_secs();
        if begins && may_begin(retry) {
            self.due = retry;
        } else {
            self.wait(schedule, now, now);
        }
        begins
    }

    /// Brings it forward to `now`, whatever its schedule says, unless it has failed and waits to be tried again.
    pub(crate) fn hurry(&mut self, now: u64) {
        if !self.waits_for_retry(now) {
            (self.due, self.scheduled) = (now, now);
        }
    }

    /// Does it come too late for a token that is to be renewed at `renew_at`? One that has failed is tried again soon enough.
    pub(crate) fn is_late_for(&self, renew_at: u64, now: u64) -> bool {
        renew_at != 0 && renew_at.max(now) < self.due && !self.waits_for_retry(now)
    }

    /// Brings it forward to `renew_at`, or to `now` if that time has passed.
    pub(crate) fn bring_forward(&mut self, renew_at: u64, now: u64) {
        (self.renew_at, self.due) = (renew_at, renew_at.max(now));
    }

    /// It failed; [`Self::begin`] has set when it is tried again.
    pub(crate) fn fail(&mut self, error: String) {
        self.failures = self.failures.saturating_add(1);
        self.error = error;
    }

    /// What whoever relies on the schedule is to be told: it comes too late for the token.
    pub(crate) fn told_early(&self) -> Option<String> {
        let at = time_text::format(Duration::from_secs(self.renew_at))?;
        (self.renew_at != 0 && self.renew_at < self.scheduled)
            .then(|| format!("it is rotated at {at} already, before its schedule says so"))
    }

    /// Has it failed, and waits to be tried again?
    fn waits_for_retry(&self, now: u64) -> bool {
        let latest_retry = now + ROTATION_BACK_OFF_MAX.as_secs();
        self.failures > 0 && (now..=latest_retry).contains(&self.due)
    }

    /// Waits for the first time of the schedule after `last`, or for the renewal if that is earlier. A time that has passed
    /// is now: rollback looks for tasks of an earlier hour only once an hour.
    fn wait(&mut self, schedule: Option<&Schedule>, last: u64, now: u64) {
        self.scheduled = schedule.and_then(|schedule| schedule.next_after(last)).unwrap_or_default();
        let times = [self.scheduled, self.renew_at].into_iter().filter(|at| *at != 0);
        let first = times.min().filter(|_| schedule.is_some());
        self.due = first.map_or(0, |first| first.max(now));
    }
}

/// When a token made at `now` must be replaced, if Astra ends it at `expires_at`, as [`renewal_before`]. 0 = never.
pub(crate) fn renewal(expires_at: Option<&str>, now: u64, grace_period: Duration) -> u64 {
    expires_at.and_then(time_text::parse).map_or(0, |expiry| renewal_before(expiry.as_secs(), now, grace_period))
}

/// When a token that Astra ends at `ends` must be replaced: early enough for the grace period, and for some attempts; but
/// not before half the life that is left at `now`.
pub(crate) fn renewal_before(ends: u64, now: u64, grace_period: Duration) -> u64 {
    ends - lead(grace_period).min(ends.saturating_sub(now) / 2)
}

/// The earliest end of a token for which a rotation at `due` surely comes in time.
pub(crate) fn in_time_for(due: u64, grace_period: Duration) -> u64 {
    due.saturating_add(lead(grace_period))
}

fn lead(grace_period: Duration) -> u64 {
    grace_period.saturating_add(RENEWAL_LEAD).as_secs()
}

/// How long what failed `failures` times in a row waits until it is tried again.
pub(super) fn retry_pause(failures: u32) -> Duration {
    back_off::pause(ROTATION_BACK_OFF_FIRST, failures, ROTATION_BACK_OFF_MAX)
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
