//! Times as text: RFC 3339 in UTC, as Astra and the server write them.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A time since 1970-01-01T00:00:00Z as text, in whole seconds; none beyond the year 9999.
pub(crate) fn format(time: Duration) -> Option<String> {
    let seconds = i64::try_from(time.as_secs()).ok()?;
    OffsetDateTime::from_unix_timestamp(seconds).ok()?.format(&Rfc3339).ok()
}

/// A time in whole seconds since then, as text; none for 0, which storage has where there is no time.
pub(crate) fn of_seconds(seconds: u64) -> Option<String> {
    (seconds != 0).then(|| format(Duration::from_secs(seconds))).flatten()
}

/// The time that a text stands for, since 1970-01-01T00:00:00Z.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let seconds = u64::try_from(time.unix_timestamp()).ok()?;
    Some(Duration::new(seconds, time.nanosecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_text_and_back() {
        let time = Duration::from_secs(1_767_225_600);
        assert_eq!(format(time).as_deref(), Some("2026-01-01T00:00:00Z"));
        assert_eq!(parse("2026-01-01T00:00:00Z"), Some(time));
        assert_eq!(parse("2026-01-01T01:00:00.000+01:00"), Some(time));
        assert_eq!(parse("2021-04-30T19:38:26.147847107Z").map(|time| time.subsec_nanos()), Some(147_847_107));
        assert_eq!(parse("soon"), None);
        assert_eq!(format(Duration::MAX), None);
    }
}
