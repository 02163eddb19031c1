//! What the server's thread and a test's threads share: the state behind one lock, the counters
//! of connections, and the switch of the listener. No lock is held across a wait.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use crate::faults::Faults;
use crate::limits::LISTENER_SWITCH_MS_MAX;
use crate::record::Records;
use crate::state::World;

/// Everything behind the lock.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) world: World,
    pub(crate) faults: Faults,
    pub(crate) records: Records,
    /// Held back on each new connection before its first byte is read, from and to.
    pub(crate) connect_delay_ms: (u64, u64),
}

#[derive(Debug)]
pub(crate) struct Hub {
    state: Mutex<State>,
    /// The state at the start, for a reset.
    start: World,
    pub(crate) connections: Connections,
    pub(crate) listener: ListenerSwitch,
    /// Counts up when all open connections are to be dropped.
    pub(crate) drop_connections: watch::Sender<u64>,
}

impl Hub {
    pub(crate) fn new(state: State) -> Self {
        Self {
            start: state.world.clone(),
            state: Mutex::new(state),
            connections: Connections::default(),
            listener: ListenerSwitch::new(),
            drop_connections: watch::Sender::new(0),
        }
    }

    /// The state. A panic of another thread while it held the lock is that thread's failure.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Comes back to the state at the start, and forgets rules, records and counts.
    pub(crate) fn reset(&self) {
        let mut state = self.state();
        state.world = self.start.clone();
        state.faults.clear();
        state.records = Records::default();
        drop(state);
        self.connections.reset();
    }
}

/// TCP connections, as the server counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ConnectionCounts {
    /// Accepted since the start or the last reset.
    pub accepted: usize,
    /// Open now.
    pub open: usize,
    /// Most that were open at once since the start or the last reset.
    pub open_max: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Connections {
    accepted: AtomicUsize,
    open: AtomicUsize,
    open_max: AtomicUsize,
}

impl Connections {
    /// Counts a connection until the guard is dropped.
    pub(crate) fn open(&self) -> OpenConnection<'_> {
        self.accepted.fetch_add(1, Ordering::SeqCst);
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.open_max.fetch_max(open, Ordering::SeqCst);
        OpenConnection(self)
    }

    pub(crate) fn counts(&self) -> ConnectionCounts {
        ConnectionCounts {
            accepted: self.accepted.load(Ordering::SeqCst),
            open: self.open.load(Ordering::SeqCst),
            open_max: self.open_max.load(Ordering::SeqCst),
        }
    }

    pub(crate) fn reset(&self) {
        self.accepted.store(0, Ordering::SeqCst);
        self.open_max.store(self.open.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

pub(crate) struct OpenConnection<'hub>(&'hub Connections);

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Turns the listener off, so that connections are refused, and on again.
#[derive(Debug)]
pub(crate) struct ListenerSwitch {
    wanted: watch::Sender<bool>,
    actual: Mutex<bool>,
    moved: Condvar,
}

impl ListenerSwitch {
    fn new() -> Self {
        Self { wanted: watch::Sender::new(true), actual: Mutex::new(true), moved: Condvar::new() }
    }

    /// Asks for a position and waits until the server has taken it; false when it did not in time.
    pub(crate) fn turn(&self, on: bool) -> bool {
        self.turn_within(on, Duration::from_millis(LISTENER_SWITCH_MS_MAX))
    }

    fn turn_within(&self, on: bool, bound: Duration) -> bool {
        self.wanted.send_replace(on);
        let actual = self.actual.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.moved.wait_timeout_while(actual, bound, |actual| *actual != on);
        waited.map(|(actual, _)| *actual == on).unwrap_or(false)
    }

    pub(crate) fn wanted(&self) -> watch::Receiver<bool> {
        self.wanted.subscribe()
    }

    pub(crate) fn taken(&self, on: bool) {
        *self.actual.lock().unwrap_or_else(PoisonError::into_inner) = on;
        self.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_that_nobody_serves_gives_up() {
        let switch = ListenerSwitch::new();
        assert!(!switch.turn_within(false, Duration::from_millis(5)));
        switch.taken(false);
        assert!(switch.turn(false));
    }
}
