//! Runs the calls of mounts in debt on threads of their own, one for each turn, at a lower priority.
//!
//! A guest that computes keeps its thread until the next tick of the epoch. On the threads that serve all mounts, other
//! requests would wait for the tick; from a thread of the lane the system takes the processor at once.

use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use futures_util::future::BoxFuture;
use tokio::runtime::{self, Handle};
use tokio::task::JoinSet;
use tracing::Instrument as _;
use tracing::instrument::WithSubscriber as _;

use crate::epoch::ProcessorMeter;
use crate::priority::lower_priority_by;
use crate::processor_share::ProcessorShare;
use crate::ticker::Ticker;
use crate::turns::Turns;

/// Lower than the threads that serve, and higher than all background work: with 10, requests of a mount in debt made no
/// progress beside other programs.
const NICE: i32 = 1;

/// The turns of a process, and the threads that run the calls with a turn.
pub(crate) struct Lane {
    count: usize,
    turns: Turns,
    /// Started with the first mount in debt. `None` if the system gives no threads.
    threads: OnceLock<Option<runtime::Runtime>>,
}

/// A call of a guest, with the accounts that its polls are charged to.
pub(crate) struct PaidCall<T> {
    pub(crate) call: BoxFuture<'static, T>,
    pub(crate) meter: Arc<ProcessorMeter>,
    pub(crate) share: Arc<ProcessorShare>,
    pub(crate) ticker: Arc<Ticker>,
}

impl<T> PaidCall<T> {
    /// One poll. The epoch ticks meanwhile, and the time is charged to the request and to its mount.
    fn poll(&mut self, context: &mut std::task::Context<'_>) -> Poll<T> {
        let spent_before = self.meter.spent();
        let polled = {
            let _running = (self.ticker.enter(), self.meter.enter());
            self.call.as_mut().poll(context)
        };
        self.share.charge(self.meter.spent().saturating_sub(spent_before));
        polled
    }
}

impl Lane {
    pub(crate) fn new() -> Self {
        let count = Self::turns_of_this_machine();
        Self { count, turns: Turns::new(count), threads: OnceLock::new() }
    }

    /// How many requests of mounts in debt run at once: one core is left to all others, if there is another.
    pub(crate) fn turns_of_this_machine() -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        cores.saturating_sub(1).max(1)
    }

    /// Runs a call to its end: here while its mount has no debt, and in the lane from the first poll with a debt on.
    /// Dropping this future drops the call.
    pub(crate) async fn run<T: Send + 'static>(&self, call: PaidCall<T>) -> T {
        let mut running = Some(call);
        let done = poll_fn(|context| match &mut running {
            Some(call) if !call.share.in_debt() => call.poll(context).map(Some),
            _ => Poll::Ready(None),
        });
        match (done.await, running) {
            (Some(answer), _) => answer,
            (None, Some(call)) => self.take_turns(call).await,
            // The call is never taken out.
            (None, None) => std::future::pending().await,
        }
    }

    async fn take_turns<T: Send + 'static>(&self, mut call: PaidCall<T>) -> T {
        let mut place = self.turns.place(&call.share);
        // Timers and connections of the call stay on the runtime where it began.
        let home = Handle::current();
        let turns = async move {
            poll_fn(|context| {
                let turn = match call.share.in_debt() {
                    true => match place.poll_turn(context) {
                        Poll::Ready(turn) => Some(turn),
                        Poll::Pending => return Poll::Pending,
                    },
                    false => None,
                };
                let _home = home.enter();
                let polled = call.poll(context);
                drop(turn);
                polled
            })
            .await
        };
        let Some(threads) = self.threads() else { return turns.await };
        // Ends the call if this future is dropped.
        let mut task = JoinSet::new();
        task.spawn_on(turns.in_current_span().with_current_subscriber(), threads.handle());
        match task.join_next().await {
            Some(Ok(answer)) => answer,
            Some(Err(stopped)) if stopped.is_panic() => std::panic::resume_unwind(stopped.into_panic()),
            // The process is ending.
            Some(Err(_)) | None => std::future::pending().await,
        }
    }

    fn threads(&self) -> Option<&runtime::Runtime> {
        let start = || {
            let mut threads = runtime::Builder::new_multi_thread();
            threads.worker_threads(self.count).thread_name("lane").on_thread_start(|| lower_priority_by(NICE));
            let threads = threads.build();
            if let Err(error) = &threads {
                tracing::warn!(%error, "failed to start threads for mounts that use much processor time: their requests run among all others");
            }
            threads.ok()
        };
        self.threads.get_or_init(start).as_ref()
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if let Some(Some(threads)) = self.threads.take() {
            // Works also on a thread that must not block.
            threads.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::time::Duration;

    use wasmtime::Engine;

    use super::*;
    use crate::egress::Received;
    use crate::limits::Limits;

    /// A mount with the context of its calls.
    struct Mount {
        lane: Arc<Lane>,
        share: Arc<ProcessorShare>,
        ticker: Arc<Ticker>,
    }

    impl Mount {
        fn new() -> Self {
            let engine = Engine::default();
            let ticker = Arc::new(Ticker::start(&engine).unwrap());
            Self { lane: Arc::new(Lane::new()), share: ProcessorShare::alone(), ticker }
        }

        fn in_debt() -> Self {
            let mount = Self::new();
            mount.share.charge(Duration::from_secs(3_600));
            mount
        }

        async fn run<T: Send + 'static>(&self, call: impl Future<Output = T> + Send + 'static) -> T {
            let meter = Arc::new(ProcessorMeter::new(&Limits::default(), Received::default()));
            let (share, ticker) = (Arc::clone(&self.share), Arc::clone(&self.ticker));
            self.lane.run(PaidCall { call: Box::pin(call), meter, share, ticker }).await
        }
    }

    fn thread_name() -> String {
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn calls_of_a_mount_in_debt_run_in_the_lane_with_a_lower_priority_and_others_where_they_began() {
        let here = (thread_name(), rustix::process::nice(0).unwrap());
        let call = async || (thread_name(), rustix::process::nice(0).unwrap());
        assert_eq!(Mount::new().run(call()).await, here);
        assert_eq!(Mount::in_debt().run(call()).await, ("lane".to_owned(), here.1 + NICE));
    }

    #[tokio::test]
    async fn a_call_moves_to_the_lane_when_its_mount_gets_into_debt() {
        let mount = Mount::new();
        let share = Arc::clone(&mount.share);
        let threads = mount.run(async move {
            let before = thread_name();
            share.charge(Duration::from_secs(3_600));
            tokio::task::yield_now().await;
            (before, thread_name())
        });
        let (before, after) = threads.await;
        assert_ne!(before, "lane");
        assert_eq!(after, "lane");
    }

    /// The lane has neither timers nor sockets of its own.
    #[tokio::test]
    async fn a_call_in_the_lane_uses_the_timers_and_tasks_of_the_place_where_it_began() {
        let mount = Mount::in_debt();
        let answer = mount.run(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let mut task = JoinSet::new();
            task.spawn(async { thread_name() });
            task.join_next().await.unwrap().unwrap()
        });
        assert_ne!(answer.await, "lane");
    }

    #[tokio::test]
    async fn a_call_that_is_dropped_in_the_lane_ends_and_gives_its_turn_back() {
        struct Ends(Option<tokio::sync::oneshot::Sender<()>>);
        impl Drop for Ends {
            fn drop(&mut self) {
                let _ = self.0.take().map(|ended| ended.send(()));
            }
        }
        let mount = Mount::in_debt();
        let (ended, end) = tokio::sync::oneshot::channel();
        let ends = Ends(Some(ended));
        let forever = mount.run(async move {
            let _ends = ends;
            loop {
                tokio::task::yield_now().await;
            }
        });
        assert!(tokio::time::timeout(Duration::from_millis(50), forever).await.is_err());
        end.await.unwrap();
        assert_eq!(mount.run(async { 3 }).await, 3, "the turn is free");
    }

    #[tokio::test]
    async fn a_call_that_waits_in_the_lane_holds_no_turn() {
        let mount = Arc::new(Mount::in_debt());
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        // More calls than turns wait for one that needs a turn.
        let mut waiting = JoinSet::new();
        let wait = futures_util::FutureExt::shared(wait);
        for _ in 0..mount.lane.count * 3 {
            let (mount, wait) = (Arc::clone(&mount), wait.clone());
            waiting.spawn(async move { mount.run(wait).await.is_ok() });
        }
        tokio::task::yield_now().await;
        mount.run(async move { go.send(()) }).await.unwrap();
        assert!(waiting.join_all().await.iter().all(|&answered| answered));
    }

    #[tokio::test]
    #[should_panic(expected = "of a test")]
    async fn a_panic_in_the_lane_reaches_whoever_waits() {
        Mount::in_debt().run(async { panic!("of a test") }).await
    }
}
