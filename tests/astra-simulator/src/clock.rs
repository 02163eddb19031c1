//! The simulator's own clock. Tests move it, so that expiry needs no waiting; it never goes back
//! and never sleeps.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How the simulator's clock starts and whether it runs by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockSettings {
    /// Starts at the machine's time plus `skew_seconds` and runs with it.
    Running {
        /// How far the simulator's clock is ahead (or, negative, behind).
        skew_seconds: i64,
    },
    /// Stands still at this Unix time until a test advances it.
    Frozen {
        /// Seconds since 1970.
        unix_seconds: i64,
    },
}

impl Default for ClockSettings {
    fn default() -> Self {
        Self::Running { skew_seconds: 0 }
    }
}

/// A clock that runs or stands, and can be moved forward.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    settings: ClockSettings,
    advanced_nanos: i128,
}

impl Clock {
    pub(crate) fn new(settings: ClockSettings) -> Self {
        Self { settings, advanced_nanos: 0 }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let base = match self.settings {
            ClockSettings::Running { skew_seconds } => machine_nanos() + i128::from(skew_seconds) * NANOS_PER_SECOND,
            ClockSettings::Frozen { unix_seconds } => i128::from(unix_seconds) * NANOS_PER_SECOND,
        };
        Timestamp(base + self.advanced_nanos)
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        self.advanced_nanos += nanos(by);
    }
}

/// A moment, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp(i128);

impl Timestamp {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        Some(Self(parsed.unix_timestamp_nanos()))
    }

    pub(crate) fn plus(self, by: Duration) -> Self {
        Self(self.0 + nanos(by))
    }

    /// Seconds since an earlier moment; 0 when that is later.
    pub(crate) fn seconds_since(self, earlier: Self) -> f64 {
        let nanos = u64::try_from(self.0 - earlier.0).unwrap_or(0);
        Duration::from_nanos(nanos).as_secs_f64()
    }

    /// As a POST answers it: nanoseconds (DOC-src).
    pub(crate) fn with_nanoseconds(self) -> String {
        let at = self.date_time();
        format!("{}.{:09}Z", date_and_time(at), at.nanosecond())
    }

    /// As a list shows it: milliseconds (SDK, CLI fixtures).
    pub(crate) fn with_milliseconds(self) -> String {
        let at = self.date_time();
        format!("{}.{:03}Z", date_and_time(at), at.millisecond())
    }

    /// As the `Date` header shows it (RFC 9110 5.6.7).
    pub(crate) fn http_date(self) -> String {
        let at = self.date_time();
        let month = at.month().to_string();
        let day = at.weekday().to_string();
        format!(
            "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
            day.get(..3).unwrap_or("Mon"),
            at.day(),
            month.get(..3).unwrap_or("Jan"),
            at.year(),
            at.hour(),
            at.minute(),
            at.second()
        )
    }

    fn date_time(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(self.0).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

fn date_and_time(at: OffsetDateTime) -> String {
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

fn machine_nanos() -> i128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    nanos(since)
}

fn nanos(of: Duration) -> i128 {
    i128::try_from(of.as_nanos()).unwrap_or(i128::MAX)
}

const NANOS_PER_SECOND: i128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_frozen_clock_moves_only_when_told() {
        let mut clock = Clock::new(ClockSettings::Frozen { unix_seconds: 1_619_811_506 });
        assert_eq!(clock.now(), clock.now());
        clock.advance(Duration::from_millis(1_500));
        assert_eq!(clock.now().with_milliseconds(), "2021-04-30T19:38:27.500Z");
        assert_eq!(clock.now().with_nanoseconds(), "2021-04-30T19:38:27.500000000Z");
        assert_eq!(clock.now().http_date(), "Fri, 30 Apr 2021 19:38:27 GMT");
    }

    #[test]
    fn a_running_clock_keeps_its_skew() {
        let ahead = Clock::new(ClockSettings::Running { skew_seconds: 3_600 });
        let level = Clock::new(ClockSettings::default());
        let difference = ahead.now().seconds_since(level.now());
        assert!((3_590.0..3_610.0).contains(&difference), "{difference}");
    }

    #[test]
    fn times_are_read_as_rfc_3339_only() {
        let first = Timestamp::parse("1970-01-01T00:00:01Z").unwrap();
        assert_eq!(Timestamp::parse("1970-01-01T01:00:01+01:00").unwrap(), first);
        assert_eq!(first.with_milliseconds(), "1970-01-01T00:00:01.000Z");
        assert_eq!(Timestamp::parse("1970-01-01"), None);
        assert_eq!(Timestamp::parse("tomorrow"), None);
    }
}
