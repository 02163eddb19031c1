//! Advances the engine's epoch, and measures the processor time of a request.
//!
//! The ticker is a thread of the operating system: a guest that spins can hold every worker of the async
//! runtime, and with them any task that would tick. The epoch only ever ticks; who has to stop is decided
//! by each store's own budget, never by a bump of the epoch.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use thiserror::Error;
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::LoadError;
use crate::store_state::StoreState;

/// How often running guests are looked at. A millisecond costs nothing measurable and bounds how long
/// a guest keeps its worker from others.
const TICK: Duration = Duration::from_millis(1);

/// Marks that the request is not on a processor.
const OFF: u64 = u64::MAX;

/// Ticks until dropped.
pub(crate) struct Ticker {
    /// Closed by the drop, which wakes and ends the thread.
    _stop: mpsc::SyncSender<()>,
}

impl Ticker {
    /// Starts the thread.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(crate) fn start(engine: &Engine) -> Result<Self, LoadError> {
        let (stop, stopped) = mpsc::sync_channel::<()>(0);
        let engine = engine.weak();
        let tick = move || {
            // A late tick is skipped, not caught up in a burst: guests were not running faster meanwhile.
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
            }
        };
        let thread = std::thread::Builder::new().name("epoch".into()).spawn(tick);
        thread.map_err(|error| LoadError::Engine(format!("no thread for the epoch: {error}")))?;
        Ok(Self { _stop: stop })
    }
}

/// The request used up its processor time.
#[derive(Debug, Error)]
#[error("out of processor time")]
pub(crate) struct OutOfProcessorTime;

/// Processor time of one request: the time that its future was being polled. Time that it waits for a
/// host call is not counted, however often it is woken.
pub(crate) struct ProcessorMeter {
    started: Instant,
    budget: Duration,
    spent_ns: AtomicU64,
    on_since_ns: AtomicU64,
}

impl ProcessorMeter {
    pub(crate) fn new(budget: Duration) -> Self {
        Self { started: Instant::now(), budget, spent_ns: AtomicU64::new(0), on_since_ns: AtomicU64::new(OFF) }
    }

    /// Counts until the guard is dropped.
    pub(crate) fn enter(&self) -> impl Drop + '_ {
        self.on_since_ns.store(self.now_ns(), Ordering::Relaxed);
        Running(self)
    }

    /// Is the budget used up?
    fn exhausted(&self) -> bool {
        let on_since = self.on_since_ns.load(Ordering::Relaxed);
        let running = if on_since == OFF { 0 } else { self.now_ns().saturating_sub(on_since) };
        Duration::from_nanos(self.spent_ns.load(Ordering::Relaxed).saturating_add(running)) >= self.budget
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(OFF - 1)
    }
}

struct Running<'a>(&'a ProcessorMeter);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let on_since = self.0.on_since_ns.swap(OFF, Ordering::Relaxed);
        self.0.spent_ns.fetch_add(self.0.now_ns().saturating_sub(on_since), Ordering::Relaxed);
    }
}

/// Makes the guest yield at each tick, and ends it once its budget is spent.
pub(crate) fn bound_processor_time(store: &mut Store<StoreState>) {
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|context| {
        if context.data().meter.exhausted() { Err(OutOfProcessorTime.into()) } else { Ok(UpdateDeadline::Yield(1)) }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_off_the_processor_is_not_counted() {
        let meter = ProcessorMeter::new(Duration::from_nanos(1));
        assert!(!meter.exhausted(), "nothing ran yet");
        let running = meter.enter();
        while meter.started.elapsed() < Duration::from_micros(1) {}
        assert!(meter.exhausted(), "the running poll counts");
        drop(running);
        assert!(meter.exhausted(), "and stays counted");
    }

    #[test]
    fn polls_add_up() {
        let meter = ProcessorMeter::new(Duration::from_secs(3600));
        for _ in 0..3 {
            drop(meter.enter());
        }
        assert!(meter.spent_ns.load(Ordering::Relaxed) > 0);
        assert!(!meter.exhausted());
    }
}
