//! Threads that give way to those that serve requests.
//!
//! Long stretches of work on the threads that serve all mounts would make other requests wait until the stretch ends. The
//! system takes the processor from a thread of a lower priority at once.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::OnceLock;

use tokio::runtime::{self, Handle};
use tokio::task::JoinSet;
use tracing::Instrument as _;
use tracing::instrument::WithSubscriber as _;

/// The highest nice value, which is the lowest priority of a thread.
pub const NICE_MAX: i32 = 19;

/// Lower than the threads that serve, and higher than all background work: with 10, requests made no progress beside other
/// programs.
pub const NICE_OF_REQUESTS: i32 = 1;

/// Lowers the priority of this thread, and of the threads that it starts, by a nice value. On Linux the rest of the process
/// keeps its priority.
pub fn lower_priority_by(nice: i32) {
    if let Err(error) = rustix::process::nice(nice) {
        tracing::debug!(%error, nice, "failed to lower the priority of a thread");
    }
}

/// The cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How many threads may compute for requests while one core is left to all others, if there is another.
pub fn spare_cores() -> usize {
    cores().saturating_sub(1).max(1)
}

/// Threads of the priority [`NICE_OF_REQUESTS`], for futures that compute for long between two waits.
pub struct LowPriorityThreads {
    name: &'static str,
    count: usize,
    /// Started with the first future. `None` if the system gives no threads.
    threads: OnceLock<Option<runtime::Runtime>>,
}

impl LowPriorityThreads {
    /// As many threads as [`spare_cores`] says, of this name. They start when they are needed.
    pub fn new(name: &'static str) -> Self {
        Self { name, count: spare_cores(), threads: OnceLock::new() }
    }

    /// Runs a future to its end on these threads; here, if the system gives none. Timers and connections that the future
    /// makes belong to the runtime of the caller. Dropping this future drops the other.
    ///
    /// # Panics
    /// When the future panics, with the same payload. The caller must run in a Tokio runtime.
    pub async fn run<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        let home = Handle::current();
        let at_home = async move {
            let mut future = pin!(future);
            poll_fn(|context| {
                let _home = home.enter();
                future.as_mut().poll(context)
            })
            .await
        };
        let Some(threads) = self.threads() else { return at_home.await };
        // Ends the future if this one is dropped.
        let mut task = JoinSet::new();
        task.spawn_on(at_home.in_current_span().with_current_subscriber(), threads.handle());
        match task.join_next().await {
            Some(Ok(output)) => output,
            Some(Err(stopped)) if stopped.is_panic() => std::panic::resume_unwind(stopped.into_panic()),
            // The process is ending.
            Some(Err(_)) | None => pending().await,
        }
    }

    fn threads(&self) -> Option<&runtime::Runtime> {
        let start = || {
            let mut threads = runtime::Builder::new_multi_thread();
            threads.worker_threads(self.count).thread_name(self.name);
            let threads = threads.on_thread_start(|| lower_priority_by(NICE_OF_REQUESTS)).build();
            if let Err(error) = &threads {
                tracing::warn!(
                    %error,
                    threads = self.name,
                    "failed to start threads of a lower priority: their requests run among all others"
                );
            }
            threads.ok()
        };
        self.threads.get_or_init(start).as_ref()
    }
}

impl Drop for LowPriorityThreads {
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

    use super::*;

    fn thread_name() -> String {
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn a_future_runs_on_a_thread_of_this_name_and_of_a_lower_priority() {
        let here = rustix::process::nice(0).unwrap();
        let threads = LowPriorityThreads::new("beside");
        let there = threads.run(async { (thread_name(), rustix::process::nice(0).unwrap()) }).await;
        assert_eq!(there, ("beside".to_owned(), here + NICE_OF_REQUESTS));
    }

    /// The threads have neither timers nor sockets of their own.
    #[tokio::test]
    async fn timers_and_tasks_of_a_future_belong_to_the_caller() {
        let threads = LowPriorityThreads::new("beside");
        let name = threads.run(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let mut task = JoinSet::new();
            task.spawn(async { thread_name() });
            task.join_next().await.unwrap().unwrap()
        });
        assert_ne!(name.await, "beside");
    }

    #[tokio::test]
    async fn a_future_that_is_given_up_is_dropped() {
        struct Ends(Option<tokio::sync::oneshot::Sender<()>>);
        impl Drop for Ends {
            fn drop(&mut self) {
                let _ = self.0.take().map(|ended| ended.send(()));
            }
        }
        let threads = LowPriorityThreads::new("beside");
        let (ended, end) = tokio::sync::oneshot::channel();
        let ends = Ends(Some(ended));
        let forever = threads.run(async move {
            let _ends = ends;
            pending::<()>().await;
        });
        assert!(tokio::time::timeout(Duration::from_millis(50), forever).await.is_err());
        end.await.unwrap();
    }

    #[tokio::test]
    #[should_panic(expected = "of a test")]
    async fn a_panic_reaches_whoever_waits() {
        LowPriorityThreads::new("beside").run(async { panic!("of a test") }).await
    }
}
