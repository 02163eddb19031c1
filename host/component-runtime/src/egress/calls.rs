//! Counts the requests of a mount to its upstreams, without a lock: by method and class of the answer, and by the time
//! to the head of the answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;

/// The methods that are counted separately; the last stands for all others.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "other"];
/// Outcomes of a request: the class of its answer, `429`, or no answer.
const OUTCOMES: [&str; 7] = ["1xx", "2xx", "3xx", "4xx", "429", "5xx", "failed"];
/// Ends of the buckets of time, in seconds; the last bucket has no end.
const BUCKETS: [f64; 9] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The counts of a mount.
#[derive(Default)]
pub(crate) struct CallCounts {
    calls: [[AtomicU64; OUTCOMES.len()]; METHODS.len()],
    times: [AtomicU64; BUCKETS.len() + 1],
    microseconds: AtomicU64,
}

/// The counts of a mount at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpstreamCalls {
    /// Method, class of the answer or `failed`, and number. Combinations that did not occur are left out.
    pub calls: Vec<(&'static str, &'static str, u64)>,
    /// End of each bucket in seconds, and the number of answers up to that end (cumulative).
    pub buckets: Vec<(f64, u64)>,
    /// Number of all answers.
    pub answered: u64,
    /// Sum of the times of all answers, in seconds.
    pub seconds: f64,
}

impl CallCounts {
    /// Counts a request. `status` is `None` if there was no answer.
    pub(crate) fn count(&self, method: &Method, status: Option<u16>, elapsed: Duration) {
        let method = METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(METHODS.len() - 1);
        let outcome = match status {
            Some(429) => 4,
            Some(500..) => 5,
            Some(400..=499) => 3,
            Some(300..=399) => 2,
            Some(200..=299) => 1,
            Some(_) => 0,
            None => 6,
        };
        add(self.calls.get(method).and_then(|outcomes| outcomes.get(outcome)), 1);
        if status.is_some() {
            let bucket = BUCKETS.iter().position(|end| elapsed.as_secs_f64() <= *end).unwrap_or(BUCKETS.len());
            add(self.times.get(bucket), 1);
            add(Some(&self.microseconds), u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX));
        }
    }

    pub(crate) fn snapshot(&self) -> UpstreamCalls {
        let all = METHODS.iter().zip(&self.calls).flat_map(|(method, outcomes)| {
            OUTCOMES
                .iter()
                .zip(outcomes)
                .map(move |(outcome, count)| (*method, *outcome, count.load(Ordering::Relaxed)))
        });
        let mut answered = 0;
        let mut sum = |count: &AtomicU64| {
            answered += count.load(Ordering::Relaxed);
            answered
        };
        let buckets = BUCKETS.iter().zip(&self.times).map(|(end, count)| (*end, sum(count))).collect();
        let beyond = self.times.last().map_or(0, |count| count.load(Ordering::Relaxed));
        #[expect(clippy::cast_precision_loss, reason = "a sum for a chart")]
        let seconds = self.microseconds.load(Ordering::Relaxed) as f64 / 1_000_000.0;
        UpstreamCalls {
            calls: all.filter(|(_, _, count)| *count > 0).collect(),
            buckets,
            answered: answered + beyond,
            seconds,
        }
    }
}

fn add(counter: Option<&AtomicU64>, number: u64) {
    if let Some(counter) = counter {
        counter.fetch_add(number, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_method_class_and_time() {
        let counts = CallCounts::default();
        assert_eq!(counts.snapshot().calls, []);
        for (status, milliseconds) in [(Some(201), 40), (Some(429), 60), (Some(503), 60_000), (None, 5)] {
            counts.count(&Method::POST, status, Duration::from_millis(milliseconds));
        }
        counts.count(&Method::PATCH, Some(404), Duration::from_millis(1));
        let counted = counts.snapshot();
        let expected =
            [("POST", "2xx", 1), ("POST", "429", 1), ("POST", "5xx", 1), ("POST", "failed", 1), ("other", "4xx", 1)];
        assert_eq!(counted.calls, expected);
        assert_eq!(counted.buckets.first(), Some(&(0.05, 2)));
        assert_eq!(counted.buckets.last(), Some(&(30.0, 3)));
        assert_eq!((counted.answered, counted.seconds > 60.0), (4, true));
    }
}
