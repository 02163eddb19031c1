//! Compiling: one component at a time in the process, on threads of lowest priority, so that requests do not feel it.

use std::sync::Arc;
use std::time::Duration;

use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::Semaphore;
use tokio::task::JoinError;
use tokio::time::timeout;

use crate::LoadError;

/// The least that a thread can ask of the processor.
const NICE_MAX: i32 = 19;

/// See the module's head. One in a runtime.
pub(crate) struct Compiler {
    turn: Arc<Semaphore>,
    deadline: Duration,
}

impl Compiler {
    pub(crate) fn new(deadline: Duration) -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), deadline }
    }

    /// Waits for its turn, then runs the job. A job cannot be stopped: at the deadline only the wait for it ends,
    /// and the next one waits until it is done.
    ///
    /// # Errors
    /// At the deadline, or when the job panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, LoadError> {
        let work = async {
            let turn = Arc::clone(&self.turn).acquire_owned().await;
            let turn = turn.map_err(|closed| LoadError::Engine(closed.to_string()))?;
            let done = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                Ok(pool()?.install(job))
            });
            done.await.unwrap_or_else(|stopped| Err(given_up(&stopped)))
        };
        timeout(self.deadline, work).await.unwrap_or(Err(LoadError::Deadline(self.deadline)))
    }
}

/// A job that panics does so again with the same bytes.
fn given_up(stopped: &JoinError) -> LoadError {
    if stopped.is_panic() {
        return LoadError::Invalid("the compiler panicked".to_owned());
    }
    LoadError::Engine(format!("compiling did not end: {stopped}"))
}

/// Threads for one job, which end with it: components are compiled seldom.
fn pool() -> Result<ThreadPool, LoadError> {
    let pool = ThreadPoolBuilder::new().thread_name(|_| "compile".to_owned()).start_handler(|_| be_nice());
    pool.build().map_err(|error| LoadError::Engine(format!("threads to compile on: {error}")))
}

/// On Linux it is a thread that is nice, not its process.
fn be_nice() {
    if let Err(error) = rustix::process::nice(NICE_MAX) {
        tracing::debug!(%error, "compiling at the priority of everything else");
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[tokio::test]
    async fn jobs_run_on_threads_of_lowest_priority_and_no_other_thread_gets_slower() {
        let compiler = Compiler::new(Duration::from_secs(30));
        let before = rustix::process::nice(0).unwrap();
        assert_eq!(compiler.run(|| rustix::process::nice(0)).await.unwrap(), Ok(NICE_MAX));
        assert_eq!(rustix::process::nice(0), Ok(before));
    }

    #[tokio::test]
    async fn one_job_runs_at_a_time_and_who_waits_too_long_is_told() {
        let compiler = Compiler::new(Duration::from_millis(50));
        let (go, wait) = sync_channel::<()>(0);
        let slow = compiler.run(move || wait.recv()).await.err().unwrap();
        assert_eq!(slow.to_string(), "compiling it took longer than 50ms, the wait for its turn included");
        // The slow one is still at it, so that the next has no turn, and is not begun later either.
        let (begun, was_begun) = sync_channel::<()>(1);
        let second = compiler.run(move || begun.try_send(())).await;
        assert!(matches!(second, Err(LoadError::Deadline(_))));
        assert!(was_begun.try_recv().is_err());
        go.send(()).unwrap();
        let compiler = Compiler { deadline: Duration::from_secs(30), ..compiler };
        assert_eq!(compiler.run(|| 3).await.unwrap(), 3);
        assert!(was_begun.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_job_that_panics_fails_alone() {
        let compiler = Compiler::new(Duration::from_secs(30));
        let failed = compiler.run(|| panic!("of a test")).await;
        assert!(matches!(failed, Err(LoadError::Invalid(_))));
        assert_eq!(compiler.run(|| 3).await.unwrap(), 3);
    }
}
