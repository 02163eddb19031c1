//! Runs the calls of mounts in debt on threads of their own, one for each turn, at a lower priority.
//!
//! A guest that computes keeps its thread until the next tick of the epoch. On the threads that serve all mounts, other
//! requests would wait for the tick; from a thread of the lane the system takes the processor at once.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use futures_util::future::BoxFuture;
use low_priority::{LowPriorityThreads, spare_cores};

use crate::egress::MountWork;
use crate::epoch::ProcessorMeter;
use crate::processor_share::ProcessorShare;
use crate::ticker::Ticker;
use crate::turns::Turns;

/// The turns of a process, and the threads that run the calls with a turn.
pub(crate) struct Lane {
    turns: Turns,
    threads: LowPriorityThreads,
}

/// A call of a guest, or work of the host for one, with the accounts that its polls are charged to.
pub(crate) struct PaidCall<T> {
    pub(crate) call: BoxFuture<'static, T>,
    pub(crate) meter: Arc<ProcessorMeter>,
    pub(crate) share: Arc<ProcessorShare>,
    /// `None` if no guest runs in the call.
    pub(crate) ticker: Option<Arc<Ticker>>,
}

impl<T> PaidCall<T> {
    /// One poll. The epoch ticks meanwhile, and the time is charged to the request and to its mount.
    fn poll(&mut self, context: &mut std::task::Context<'_>) -> Poll<T> {
        let spent_before = self.meter.spent();
        let polled = {
            let _running = (self.ticker.as_ref().map(|ticker| ticker.enter()), self.meter.enter());
            self.call.as_mut().poll(context)
        };
        self.share.charge(self.meter.spent().saturating_sub(spent_before));
        polled
    }
}

impl Lane {
    /// As many requests of mounts in debt run at once as there are threads.
    pub(crate) fn new() -> Self {
        Self { turns: Turns::new(spare_cores()), threads: LowPriorityThreads::new("lane") }
    }

    /// Runs a call to its end: here while its mount has no debt, and in the lane from the first poll with a debt on.
    /// Dropping this future drops the call.
    pub(crate) async fn run<T: Send + 'static>(&self, call: PaidCall<T>) -> T {
        let mut call = call;
        let answered = poll_fn(|context| match call.share.in_debt() {
            true => Poll::Ready(None),
            false => call.poll(context).map(Some),
        });
        match answered.await {
            Some(answer) => answer,
            None => self.take_turns(call).await,
        }
    }

    async fn take_turns<T: Send + 'static>(&self, mut call: PaidCall<T>) -> T {
        let mut place = self.turns.place(&call.share);
        let turns = poll_fn(move |context| {
            let turn = match call.share.in_debt() {
                true => match place.poll_turn(context) {
                    Poll::Ready(turn) => Some(turn),
                    Poll::Pending => return Poll::Pending,
                },
                false => {
                    place.leave();
                    None
                }
            };
            let polled = call.poll(context);
            drop(turn);
            polled
        });
        self.threads.run(turns).await
    }
}

/// The lane of one mount.
pub(crate) struct MountLane {
    lane: Arc<Lane>,
    share: Arc<ProcessorShare>,
}

impl MountLane {
    pub(crate) fn new(lane: &Arc<Lane>, share: &Arc<ProcessorShare>) -> Arc<Self> {
        Arc::new(Self { lane: Arc::clone(lane), share: Arc::clone(share) })
    }
}

impl MountWork for MountLane {
    fn run(&self, work: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        let (lane, share) = (Arc::clone(&self.lane), Arc::clone(&self.share));
        let call = PaidCall { call: work, meter: Arc::new(ProcessorMeter::without_limit()), share, ticker: None };
        Box::pin(async move { lane.run(call).await })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::time::{Duration, Instant};

    use tokio::task::JoinSet;
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
            self.lane.run(PaidCall { call: Box::pin(call), meter, share, ticker: Some(ticker) }).await
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
        assert_eq!(Mount::in_debt().run(call()).await, ("lane".to_owned(), here.1 + low_priority::NICE_OF_REQUESTS));
    }

    #[tokio::test]
    async fn the_hosts_work_for_a_mount_is_charged_to_the_mount_and_moves_to_the_lane_with_it() {
        let mount = Mount::new();
        let work = MountLane::new(&mount.lane, &mount.share);
        let (sender, mut threads) = tokio::sync::mpsc::channel(2);
        for _ in 0..2 {
            let sender = sender.clone();
            let task = async move {
                sender.try_send(thread_name()).unwrap();
                let began = Instant::now();
                while began.elapsed() < Duration::from_millis(1) {
                    std::hint::spin_loop();
                }
            };
            work.run(Box::pin(task)).await;
            assert!(!mount.share.used().is_zero());
            mount.share.charge(Duration::from_secs(3_600));
        }
        assert_ne!(threads.recv().await.unwrap(), "lane");
        assert_eq!(threads.recv().await.unwrap(), "lane");
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
        for _ in 0..spare_cores() * 3 {
            let (mount, wait) = (Arc::clone(&mount), wait.clone());
            waiting.spawn(async move { mount.run(wait).await.is_ok() });
        }
        tokio::task::yield_now().await;
        mount.run(async move { go.send(()) }).await.unwrap();
        assert!(waiting.join_all().await.iter().all(|&answered| answered));
    }
}
