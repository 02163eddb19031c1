//! When something is done again and again: each period, or by a cron
//! expression in UTC, perhaps only within a window after its time. Only times
//! are computed here; the schedule queue keeps them, and rollback acts on them.

pub(crate) mod fields;
mod turn;

use std::time::Duration;

use chrono::{DateTime, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

pub(crate) use turn::{Turn, in_time_for, renewal, renewal_before};

use crate::limits::{SCHEDULE_BYTES_MAX, SCHEDULE_PERIOD_MAX, SCHEDULE_PERIOD_MIN, SCHEDULE_WINDOW_MIN};
use crate::names::NameError;

/// When something is done again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// Each time this long after the last.
    Period(Duration),
    /// At the times of a cron expression.
    Cron {
        /// Minute, hour, day of month, month, day of week; UTC.
        expression: String,
        /// How long after its time it may still begin; none = until the next time.
        window: Option<Duration>,
    },
}

/// A schedule as the three fields that clients write and read.
#[derive(Debug, Default)]
pub(crate) struct ScheduleFields<'a> {
    /// `rotation_period`; zero = none.
    pub(crate) period: Duration,
    /// `rotation_schedule`; empty = none.
    pub(crate) expression: &'a str,
    /// `rotation_window`; zero = none.
    pub(crate) window: Duration,
}

impl<'a> ScheduleFields<'a> {
    /// The fields of a schedule.
    pub(crate) fn of(schedule: Option<&'a Schedule>) -> Self {
        match schedule {
            None => Self::default(),
            Some(Schedule::Period(period)) => Self { period: *period, ..Self::default() },
            Some(Schedule::Cron { expression, window }) => {
                Self { expression, window: window.unwrap_or_default(), ..Self::default() }
            }
        }
    }
}

impl Schedule {
    /// The schedule that the fields `rotation_period`, `rotation_schedule` and
    /// `rotation_window` give, durations in seconds; a period of 0 and empty
    /// texts are absent. None = never.
    pub(crate) fn parse(period: i64, expression: &str, window: i64) -> Result<Option<Self>, NameError> {
        let expression = expression.trim();
        match (period, expression.is_empty()) {
            (0, true) if window != 0 => {
                Err(NameError::new("rotation_window", &seconds(window), "needs a `rotation_schedule`"))
            }
            (0, true) => Ok(None),
            (0, false) => Self::parse_cron(expression, window).map(Some),
            (_, false) => Err(NameError::new(
                "rotation_period",
                &seconds(period),
                "cannot stand beside `rotation_schedule`: give one of them, and 0 or nothing for the other",
            )),
            (_, true) if window != 0 => Err(NameError::new(
                "rotation_window",
                &seconds(window),
                "belongs to a `rotation_schedule`, not to a `rotation_period`",
            )),
            (_, true) => Self::parse_period(period).map(Some),
        }
    }

    /// As storage holds it; what cannot be read any more never fires.
    pub(crate) fn stored(period: Duration, expression: &str, window: Duration) -> Option<Self> {
        if !expression.is_empty() {
            let window = (!window.is_zero()).then_some(window);
            return Some(Self::Cron { expression: expression.to_owned(), window });
        }
        (!period.is_zero()).then_some(Self::Period(period))
    }

    /// The first time after `last`, both in seconds since 1970-01-01T00:00:00Z.
    /// None = it never comes.
    pub(crate) fn next_after(&self, last: u64) -> Option<u64> {
        match self {
            Self::Period(period) => last.checked_add(period.as_secs()),
            Self::Cron { expression, .. } => {
                let after = DateTime::<Utc>::from_timestamp(i64::try_from(last).ok()?, 0)?;
                let next = cron(expression).ok()?.find_next_occurrence(&after, false).ok()?;
                u64::try_from(next.timestamp()).ok()
            }
        }
    }

    /// May what was due at `due` still begin at `now`? Beyond the window it
    /// waits for the next time.
    pub(crate) fn may_begin(&self, due: u64, now: u64) -> bool {
        match self {
            Self::Cron { window: Some(window), .. } => now <= due.saturating_add(window.as_secs()),
            _ => true,
        }
    }

    /// The shortest time between two of its times, as far as a look at the
    /// next few tells: a grace period must be shorter.
    pub(crate) fn shortest_pause(&self, now: u64) -> Option<Duration> {
        match self {
            Self::Period(period) => Some(*period),
            Self::Cron { .. } => {
                let mut times = Vec::new();
                let mut last = now;
                for _ in 0..PAUSES_LOOKED_AT {
                    last = self.next_after(last)?;
                    times.push(last);
                }
                times.windows(2).map(|pair| Duration::from_secs(pair[1] - pair[0])).min()
            }
        }
    }

    fn parse_period(period: i64) -> Result<Self, NameError> {
        let parsed = u64::try_from(period).map(Duration::from_secs).ok();
        match parsed.filter(|period| (SCHEDULE_PERIOD_MIN..=SCHEDULE_PERIOD_MAX).contains(period)) {
            Some(period) => Ok(Self::Period(period)),
            None => Err(NameError::new(
                "rotation_period",
                &seconds(period),
                "must be from 1 minute to 10 years: what is due is looked at once a minute",
            )),
        }
    }

    fn parse_cron(expression: &str, window: i64) -> Result<Self, NameError> {
        let refuse = |reason: &str| Err(NameError::new("rotation_schedule", expression, reason));
        if expression.len() > SCHEDULE_BYTES_MAX {
            return refuse("must have at most 128 bytes");
        }
        if cron(expression).is_err() {
            return refuse(
                "is no cron expression: give minute, hour, day of month, month and day of week, such as `30 3 * * SUN`",
            );
        }
        let window = match u64::try_from(window).map(Duration::from_secs) {
            Ok(Duration::ZERO) => None,
            Ok(window) if window >= SCHEDULE_WINDOW_MIN => Some(window),
            _ => {
                return Err(NameError::new(
                    "rotation_window",
                    &seconds(window),
                    "must be at least 5 minutes, or 0 for no window: what is due is looked at once a minute",
                ));
            }
        };
        let schedule = Self::Cron { expression: expression.to_owned(), window };
        if schedule.next_after(0).is_none() {
            return refuse("names a time that never comes");
        }
        Ok(schedule)
    }
}

/// Times of a cron expression that are compared: a day of one each half hour, a week of one each few hours.
const PAUSES_LOOKED_AT: usize = 50;

fn cron(expression: &str) -> Result<Cron, croner::errors::CronError> {
    // Five fields, as crontab has them: seconds and years would be finer or rarer than anything here acts.
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build().parse(expression)
}

fn seconds(number: i64) -> String {
    format!("{number} s")
}

#[cfg(test)]
mod tests;
