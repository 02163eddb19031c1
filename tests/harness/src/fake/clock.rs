//! A clock that tests can move. A wait moves the clock instead: the native driver never sleeps.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Real time plus the time that tests and waits added. Clones share it.
#[derive(Clone, Default)]
pub struct FakeClock {
    ahead: Arc<Mutex<Duration>>,
}

impl FakeClock {
    /// Time since 1970-01-01T00:00:00Z.
    pub fn now(&self) -> Duration {
        let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        real + *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves time forward.
    pub fn advance(&self, by: Duration) {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}
