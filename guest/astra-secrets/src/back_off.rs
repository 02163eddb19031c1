//! The pause before the next attempt, after attempts that failed in a row.

use std::time::Duration;

use crate::limits::BACK_OFF_DOUBLINGS_MAX;

/// `first` after one failure, twice as long after each further one, at most `max`.
pub(crate) fn pause(first: Duration, failures: u32, max: Duration) -> Duration {
    let doublings = failures.saturating_sub(1).min(BACK_OFF_DOUBLINGS_MAX);
    first.saturating_mul(1 << doublings).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_with_each_failure_up_to_its_limit() {
        let (first, max) = (Duration::from_secs(60), Duration::from_secs(3600));
        let pauses: Vec<u64> = [0, 1, 2, 3, 7, u32::MAX].map(|failures| pause(first, failures, max).as_secs()).into();
        assert_eq!(pauses, [60, 60, 120, 240, 3600, 3600]);
        assert_eq!(pause(first, u32::MAX, Duration::MAX), first * (1 << BACK_OFF_DOUBLINGS_MAX));
    }
}
