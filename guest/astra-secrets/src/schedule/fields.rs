//! The fields that set a schedule, for everything that has one, and what a
//! write of them makes of the schedule that is stored.

use secrets_framework::{Field, FieldData, FieldType};

use super::Schedule;
use crate::names::NameError;

/// `rotation_period`.
pub(crate) const ROTATION_PERIOD: Field = Field::new(
    "rotation_period",
    FieldType::SignedDurationSecond,
    "Rotate each time this long after the last rotation, such as `24h`: from 1 minute to 10 years, 0 = not. Setting it takes the place of a `rotation_schedule`.",
);

/// `rotation_schedule`.
pub(crate) const ROTATION_SCHEDULE: Field = Field::new(
    "rotation_schedule",
    FieldType::String,
    "Rotate at these times: a cron expression of five fields (minute, hour, day of month, month, day of week) in UTC, such as `30 3 * * SUN`. Empty = not. Setting it takes the place of a `rotation_period`.",
);

/// `rotation_window`.
pub(crate) const ROTATION_WINDOW: Field = Field::new(
    "rotation_window",
    FieldType::SignedDurationSecond,
    "How long after a time of its `rotation_schedule` a rotation may still begin, at least 5 minutes; then it waits for the next time. 0 = it begins whenever it can.",
);

/// What a write says of a schedule; a field that was not sent is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScheduleChange {
    /// `rotation_period`, in seconds.
    pub(crate) period: Option<i64>,
    /// `rotation_schedule`.
    pub(crate) expression: Option<String>,
    /// `rotation_window`, in seconds.
    pub(crate) window: Option<i64>,
}

impl ScheduleChange {
    /// What the fields of a request say.
    pub(crate) fn of(data: &FieldData) -> Self {
        let seconds = |name: &str| data.is_set(name).then(|| data.seconds(name)).flatten();
        let text = |name: &str| data.is_set(name).then(|| data.text(name)).flatten();
        Self {
            period: seconds("rotation_period"),
            expression: text("rotation_schedule").map(|text| text.trim().to_owned()),
            window: seconds("rotation_window"),
        }
    }

    /// Was none of them sent?
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The schedule that it makes of the stored one: what is left out stays,
    /// but a period and an expression each take the place of the other, as in
    /// the server's own engines.
    pub(crate) fn applied_to(&self, stored: Option<&Schedule>) -> Result<Option<Schedule>, NameError> {
        if self.is_empty() {
            return Ok(stored.cloned());
        }
        let (mut period, mut expression, mut window) = match stored {
            Some(Schedule::Period(period)) => (as_seconds(*period), String::new(), 0),
            Some(Schedule::Cron { expression, window }) => {
                (0, expression.clone(), as_seconds(window.unwrap_or_default()))
            }
            None => (0, String::new(), 0),
        };
        if self.period.is_some_and(|period| period != 0) {
            (expression, window) = (String::new(), 0);
        }
        if let Some(new) = &self.expression {
            (period, window) = (0, if new.is_empty() { 0 } else { window });
            expression.clone_from(new);
        }
        // A window goes with its expression; both given are for `parse` to refuse.
        period = self.period.unwrap_or(period);
        window = self.window.unwrap_or(window);
        Schedule::parse(period, &expression, window)
    }
}

fn as_seconds(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn change(period: Option<i64>, expression: Option<&str>, window: Option<i64>) -> ScheduleChange {
        ScheduleChange { period, expression: expression.map(str::to_owned), window }
    }

    fn cron(expression: &str, window_minutes: u64) -> Option<Schedule> {
        let window = (window_minutes != 0).then(|| Duration::from_secs(60 * window_minutes));
        Some(Schedule::Cron { expression: expression.to_owned(), window })
    }

    #[test]
    fn what_is_left_out_stays() {
        let daily = Some(Schedule::Period(Duration::from_secs(86400)));
        let nightly = cron("0 3 * * *", 60);
        for (change, stored, expected) in [
            (change(None, None, None), &daily, daily.clone()),
            (change(Some(0), None, None), &daily, None),
            (change(Some(60), None, None), &daily, Some(Schedule::Period(Duration::from_secs(60)))),
            (change(None, None, Some(600)), &nightly, cron("0 3 * * *", 10)),
            (change(None, None, Some(0)), &nightly, cron("0 3 * * *", 0)),
            (change(None, Some("0 4 * * *"), None), &nightly, cron("0 4 * * *", 60)),
            (change(Some(0), None, None), &nightly, nightly.clone()),
            (change(None, Some(""), None), &nightly, None),
            (change(None, Some(""), None), &daily, None),
        ] {
            assert_eq!(change.applied_to(stored.as_ref()), Ok(expected), "{change:?} {stored:?}");
        }
    }

    #[test]
    fn one_kind_takes_the_place_of_the_other() {
        let daily = Some(Schedule::Period(Duration::from_secs(86400)));
        let nightly = cron("0 3 * * *", 60);
        for (change, stored, expected) in [
            (change(None, Some("0 3 * * *"), Some(3600)), &daily, nightly.clone()),
            (change(Some(0), Some("0 3 * * *"), Some(3600)), &daily, nightly.clone()),
            (change(Some(86400), None, None), &nightly, daily.clone()),
            (change(Some(86400), Some(""), Some(0)), &nightly, daily.clone()),
        ] {
            assert_eq!(change.applied_to(stored.as_ref()), Ok(expected), "{change:?} {stored:?}");
        }
    }

    #[test]
    fn both_kinds_at_once_and_a_window_alone_are_refused() {
        let daily = Some(Schedule::Period(Duration::from_secs(86400)));
        for (change, stored, field) in [
            (change(Some(60), Some("0 3 * * *"), None), &None, "rotation_period"),
            (change(None, None, Some(600)), &daily, "rotation_window"),
            (change(None, None, Some(600)), &None, "rotation_window"),
            (change(Some(60), None, Some(600)), &cron("0 3 * * *", 0), "rotation_window"),
        ] {
            let refused = change.applied_to(stored.as_ref()).map_err(|error| error.to_string());
            assert!(refused.is_err_and(|text| text.contains(field)), "{change:?} {stored:?}");
        }
    }
}
