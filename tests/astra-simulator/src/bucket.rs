//! A token bucket that runs on the simulator's clock: the real rate-limit mode.

use crate::clock::Timestamp;

/// A bucket of calls that fills with time.
#[derive(Debug)]
pub(crate) struct Bucket {
    level: f64,
    at: Timestamp,
}

impl Bucket {
    pub(crate) fn full(burst: f64, now: Timestamp) -> Self {
        Self { level: burst, at: now }
    }

    /// Takes one call out, if there is one.
    pub(crate) fn take(&mut self, per_second: f64, burst: f64, now: Timestamp) -> bool {
        let filled = now.seconds_since(self.at) * per_second;
        self.level = (self.level + filled).min(burst);
        self.at = now;
        let room = self.level >= 1.0;
        if room {
            self.level -= 1.0;
        }
        room
    }
}
