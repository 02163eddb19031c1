//! Advances the engine's epoch while guests run.
//!
//! The ticker is an operating system thread: guests that spin can hold all workers of the async runtime, and with them
//! any task that would tick. The ticker only advances the epoch; the budget of each store decides whether its guest
//! stops. While no guest runs, the thread sleeps, so that a plugin without requests wakes no processor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmtime::{Engine, EngineWeak};

use crate::LoadError;

/// Time between two checks of a running guest. A millisecond has no measurable cost, and limits how long a guest keeps
/// its worker from other requests.
const TICK: Duration = Duration::from_millis(1);

/// Ticks without a running guest before the thread sleeps. A wake-up takes a system call, which should not happen for
/// each of several consecutive requests.
const IDLE_TICKS: u32 = 50;

/// Ticks until its drop.
pub(crate) struct Ticker {
    guests: Arc<RunningGuests>,
    thread: JoinHandle<()>,
}

/// Number of running guests, that is of futures that are being polled.
#[derive(Default)]
pub(crate) struct RunningGuests {
    running: AtomicUsize,
    /// True when the thread sleeps or is about to sleep. Whoever resets it wakes the thread.
    asleep: AtomicBool,
    stopped: AtomicBool,
}

impl Ticker {
    /// Starts the thread.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(engine: &Engine) -> Result<Self, LoadError> {
        let guests = Arc::<RunningGuests>::default();
        let (engine, counted) = (engine.weak(), Arc::clone(&guests));
        let thread = thread::Builder::new().name("epoch".into()).spawn(move || tick(&engine, &counted));
        let thread = thread.map_err(|error| LoadError::Engine(format!("failed to start the epoch thread: {error}")))?;
        Ok(Self { guests, thread })
    }

    /// Counts a running guest until the drop of the guard.
    pub(crate) fn enter(&self) -> impl Drop + '_ {
        self.guests.running.fetch_add(1, Ordering::SeqCst);
        // The thread sets its mark before it checks for guests, and a guest counts before it checks for the mark, so at
        // least one sees the other.
        if self.guests.asleep.load(Ordering::SeqCst) && self.guests.asleep.swap(false, Ordering::SeqCst) {
            self.thread.thread().unpark();
        }
        Running(&self.guests)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.guests.stopped.store(true, Ordering::SeqCst);
        self.thread.thread().unpark();
    }
}

struct Running<'a>(&'a RunningGuests);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn tick(engine: &EngineWeak, guests: &RunningGuests) {
    let mut idle_ticks = 0;
    loop {
        // A late tick is skipped: a burst of ticks would stop guests too early.
        thread::park_timeout(TICK);
        if guests.stopped.load(Ordering::SeqCst) {
            return;
        }
        let Some(engine) = engine.upgrade() else { return };
        engine.increment_epoch();
        idle_ticks = if guests.running.load(Ordering::SeqCst) == 0 { idle_ticks + 1 } else { 0 };
        if idle_ticks == IDLE_TICKS {
            guests.sleep();
            idle_ticks = 0;
        }
    }
}

impl RunningGuests {
    /// Sleeps until a guest runs, or until the ticker is dropped.
    fn sleep(&self) {
        self.asleep.store(true, Ordering::SeqCst);
        while self.running.load(Ordering::SeqCst) == 0
            && self.asleep.load(Ordering::SeqCst)
            && !self.stopped.load(Ordering::SeqCst)
        {
            thread::park();
        }
        self.asleep.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn until(condition: impl Fn() -> bool) {
        while !condition() {
            thread::yield_now();
        }
    }

    #[test]
    fn it_sleeps_while_no_guest_runs_and_wakes_with_the_first() {
        let engine = Engine::default();
        let ticker = Ticker::start(&engine).unwrap();
        let is_asleep = || ticker.guests.asleep.load(Ordering::SeqCst);
        for _ in 0..3 {
            until(is_asleep);
            let running = ticker.enter();
            assert!(!is_asleep(), "the guest woke it");
            // Longer than the time until it falls asleep.
            thread::park_timeout(TICK * IDLE_TICKS * 3);
            assert!(!is_asleep(), "a guest runs");
            drop(running);
        }
        until(is_asleep);
    }

    #[test]
    fn it_ends_with_its_drop_awake_and_asleep() {
        let engine = Engine::default();
        for asleep in [false, true] {
            let ticker = Ticker::start(&engine).unwrap();
            until(|| !asleep || ticker.guests.asleep.load(Ordering::SeqCst));
            let guests = Arc::clone(&ticker.guests);
            drop(ticker);
            until(|| Arc::strong_count(&guests) == 1);
        }
    }
}
