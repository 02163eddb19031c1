//! Durations and times.

use std::time::{Duration, SystemTime};

use prost_types::Timestamp;

/// Go's "no time": the first second of year 1.
pub(super) const YEAR_ONE: Timestamp = Timestamp { seconds: -62_135_596_800, nanos: 0 };

/// Nanoseconds on the wire; a duration that does not fit becomes the longest one.
pub(crate) fn nanos_from_duration(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// On the wire, zero and negative durations stand for none.
pub(crate) fn duration_from_nanos(nanos: i64) -> Option<Duration> {
    u64::try_from(nanos).ok().filter(|nanos| *nanos > 0).map(Duration::from_nanos)
}

/// A time. One before 1970, such as Go's "no time", becomes 1970.
pub(super) fn time_from_pb(timestamp: Option<Timestamp>) -> SystemTime {
    let since_epoch = timestamp.and_then(|timestamp| {
        let seconds = u64::try_from(timestamp.seconds).ok()?;
        let nanos = u32::try_from(timestamp.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
        Some(Duration::new(seconds, nanos))
    });
    SystemTime::UNIX_EPOCH.checked_add(since_epoch.unwrap_or_default()).unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_saturate() {
        assert_eq!(nanos_from_duration(Duration::MAX), i64::MAX);
        assert_eq!(nanos_from_duration(Duration::from_secs(2)), 2_000_000_000);
        assert_eq!(duration_from_nanos(2), Some(Duration::from_nanos(2)));
        for none in [0, -1, i64::MIN] {
            assert_eq!(duration_from_nanos(none), None);
        }
    }

    #[test]
    fn odd_times_are_1970() {
        let odd = [
            None,
            Some(YEAR_ONE),
            Some(Timestamp { seconds: 1, nanos: -1 }),
            Some(Timestamp { seconds: 1, nanos: 1_000_000_000 }),
        ];
        for timestamp in odd {
            assert_eq!(time_from_pb(timestamp), SystemTime::UNIX_EPOCH, "{timestamp:?}");
        }
    }
}
