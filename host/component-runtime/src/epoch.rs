//! Measures the processor time of a request, and checks it at each tick of the epoch.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use thiserror::Error;
use wasmtime::{Store, UpdateDeadline};

use crate::egress::Received;
use crate::limits::Limits;

const MIB: usize = 1024 * 1024;

/// The request used up its processor time.
#[derive(Debug, Error)]
#[error("out of processor time")]
pub(crate) struct OutOfProcessorTime;

/// Processor time of one request: the time of the threads that polled its future, by the clocks of the threads.
///
/// Neither waits nor the time of other threads count, so a request has its whole budget also on a busy machine. Only a poll
/// shorter than [`SHORT_POLL`] counts with the time that passed.
/// Received bytes of answers add to the budget, up to a maximum.
pub(crate) struct ProcessorMeter {
    basic: Duration,
    per_received_mib: Duration,
    most: Duration,
    received: Received,
    spent_ns: AtomicU64,
    /// The polling thread's clock at the start of the poll; [`OFF`] between polls.
    on_since_ns: AtomicU64,
}

/// A shorter poll counts with the time that passed: most polls are short and keep the processor all the time, and a look at
/// the thread's clock is a system call. If the thread lost the processor meanwhile, the request pays this much too much.
const SHORT_POLL: Duration = Duration::from_micros(100);

/// The mark of a request that is not being polled.
const OFF: u64 = u64::MAX;

impl ProcessorMeter {
    pub(crate) fn new(limits: &Limits, received: Received) -> Self {
        Self {
            basic: limits.processor_time,
            per_received_mib: limits.processor_time_per_received_mib,
            most: limits.processor_time_max.max(limits.processor_time),
            received,
            spent_ns: AtomicU64::new(0),
            on_since_ns: AtomicU64::new(OFF),
        }
    }

    /// A meter for work that has no budget of its own.
    pub(crate) fn without_limit() -> Self {
        Self {
            basic: Duration::MAX,
            per_received_mib: Duration::ZERO,
            most: Duration::MAX,
            received: Received::default(),
            spent_ns: AtomicU64::new(0),
            on_since_ns: AtomicU64::new(OFF),
        }
    }

    /// The budget of the request, including the share for received bytes.
    pub(crate) fn budget(&self) -> Duration {
        let mib = u32::try_from(self.received.bytes() / MIB).unwrap_or(u32::MAX);
        self.basic.saturating_add(self.per_received_mib.saturating_mul(mib)).min(self.most)
    }

    /// Processor time of all finished polls.
    pub(crate) fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent_ns.load(Ordering::Relaxed))
    }

    /// Counts until the drop of the guard, which must happen on the same thread.
    pub(crate) fn enter(&self) -> impl Drop + '_ {
        self.on_since_ns.store(thread_ns(), Ordering::Relaxed);
        Running { meter: self, began: Instant::now() }
    }

    /// Is the budget used up? Only called within a poll, on its thread.
    fn exhausted(&self) -> bool {
        let on_since = self.on_since_ns.load(Ordering::Relaxed);
        let running = if on_since == OFF { 0 } else { thread_ns().saturating_sub(on_since) };
        Duration::from_nanos(self.spent_ns.load(Ordering::Relaxed).saturating_add(running)) >= self.budget()
    }
}

struct Running<'a> {
    meter: &'a ProcessorMeter,
    began: Instant,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let on_since = self.meter.on_since_ns.swap(OFF, Ordering::Relaxed);
        let elapsed = self.began.elapsed();
        let spent_ns = if elapsed < SHORT_POLL {
            u64::try_from(elapsed.as_nanos()).unwrap_or(OFF)
        } else {
            thread_ns().saturating_sub(on_since)
        };
        self.meter.spent_ns.fetch_add(spent_ns, Ordering::Relaxed);
    }
}

/// The processor time of this thread so far. The system call takes about 1 µs.
fn thread_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = Duration::from_secs(time.tv_sec.try_into().unwrap_or_default());
    let spent = seconds + Duration::from_nanos(time.tv_nsec.try_into().unwrap_or_default());
    u64::try_from(spent.as_nanos()).unwrap_or(OFF - 1)
}

/// Makes the guest yield at each tick, and stops the guest once the budget of the store's meter is used up.
pub(crate) fn bound_processor_time<T: 'static>(store: &mut Store<T>, meter: fn(&T) -> &ProcessorMeter) {
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |context| {
        if meter(context.data()).exhausted() { Err(OutOfProcessorTime.into()) } else { Ok(UpdateDeadline::Yield(1)) }
    });
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, RecvTimeoutError};

    use super::*;

    /// Uses the processor for `time`.
    fn work(time: Duration) {
        let until = thread_ns() + u64::try_from(time.as_nanos()).unwrap_or_default();
        while thread_ns() < until {}
    }

    const BUDGET: Duration = Duration::from_millis(30);

    fn meter(received: &Received) -> ProcessorMeter {
        let limits = Limits {
            processor_time: BUDGET,
            processor_time_per_received_mib: BUDGET,
            processor_time_max: BUDGET * 3,
            ..Limits::default()
        };
        ProcessorMeter::new(&limits, received.clone())
    }

    #[test]
    fn received_bytes_add_to_the_budget_up_to_a_maximum() {
        let received = Received::default();
        let meter = meter(&received);
        let after = |bytes: usize| {
            received.add(bytes);
            meter.budget()
        };
        assert_eq!([after(0), after(MIB - 1), after(1)], [BUDGET, BUDGET, BUDGET * 2]);
        assert_eq!([after(MIB), after(MIB), after(usize::MAX / 2)], [BUDGET * 3; 3]);
        let _running = meter.enter();
        work(BUDGET);
        assert!(!meter.exhausted(), "that was the basic budget");
        work(BUDGET * 2);
        assert!(meter.exhausted());
    }

    #[test]
    fn a_maximum_below_the_basic_budget_takes_nothing_of_it() {
        let limits = Limits { processor_time: Duration::from_secs(30), ..Limits::default() };
        assert_eq!(ProcessorMeter::new(&limits, Received::default()).budget(), Duration::from_secs(30));
    }

    #[test]
    fn time_on_the_processor_is_counted_within_a_poll_and_stays_counted() {
        let meter = meter(&Received::default());
        work(BUDGET);
        assert!(!meter.exhausted(), "that was no poll");
        let running = meter.enter();
        assert!(!meter.exhausted(), "the poll has just begun");
        work(BUDGET);
        assert!(meter.exhausted(), "within the poll");
        drop(running);
        assert!(meter.exhausted(), "after it");
    }

    #[test]
    fn short_polls_add_up() {
        let meter = meter(&Received::default());
        let (polls, each) = (1_000, SHORT_POLL / 5);
        for _ in 0..polls {
            let _running = meter.enter();
            work(each);
        }
        assert!(meter.spent() >= each * polls, "{:?}", meter.spent());
    }

    #[test]
    fn a_thread_that_is_kept_from_running_spends_nothing() {
        let meter = meter(&Received::default());
        let running = meter.enter();
        // A wait, as if other threads had the processor.
        let (_sender, never) = mpsc::sync_channel::<()>(0);
        assert_eq!(never.recv_timeout(BUDGET * 2), Err(RecvTimeoutError::Timeout));
        assert!(!meter.exhausted(), "within the poll");
        drop(running);
        assert!(!meter.exhausted(), "after it");
    }

    #[test]
    fn polls_on_any_threads_add_up() {
        let meter = meter(&Received::default());
        let poll = |life_before: Duration| {
            // Each thread has a clock of its own.
            work(life_before);
            let _running = meter.enter();
            work(BUDGET / 3);
        };
        for (life_before, exhausted) in [(BUDGET * 2, false), (Duration::ZERO, false), (BUDGET / 2, true)] {
            std::thread::scope(|scope| drop(scope.spawn(|| poll(life_before)).join()));
            assert_eq!(meter.exhausted(), exhausted);
        }
    }
}
