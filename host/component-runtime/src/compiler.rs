//! Compiles one component at a time. A process that serves compiles at the lowest priority, so that requests do not
//! become slower. The compiler is a separate process, or threads of this process if no program is known.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use low_priority::{NICE_MAX, lower_priority_by};
use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;
use tokio::time::timeout;
use wasmtime::component::Component;

use crate::compiler_process::Failed;
use crate::pool::Pools;
use crate::{CompilerProgram, LoadError, aot, compiler_process};

/// The compiler of one runtime.
pub(crate) struct Compiler {
    turn: Arc<Semaphore>,
    deadline: Duration,
    idle_max: Duration,
    priority: CompilePriority,
    pub(crate) program: OnceLock<CompilerProgram>,
}

/// The priority of the compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompilePriority {
    /// The lowest priority: requests take precedence.
    Background,
    /// The priority of the process: a person waits for the compiler, and the process has no other work.
    Normal,
}

impl Compiler {
    /// `deadline` counts the time of a busy machine, too. A process that uses no processor time for `idle_max` is ended
    /// earlier.
    pub(crate) fn new(deadline: Duration, idle_max: Duration, priority: CompilePriority) -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), deadline, idle_max, priority, program: OnceLock::new() }
    }

    /// Waits for the turn of this component, then compiles.
    ///
    /// # Errors
    /// When the bytes are no component, or at the deadline.
    pub(crate) async fn compile(&self, pools: &Arc<Pools>, wasm: &[u8]) -> Result<Component, LoadError> {
        if let Some(program) = self.program.get() {
            match self.in_process(program, pools, wasm).await {
                Err(Failed::NotAllowed(error)) => {
                    let reason = error.to_string();
                    tracing::warn!(
                        reason,
                        "no compiler process could be started, so the component is compiled in the process that serves"
                    );
                }
                Err(Failed::Load(error)) => return Err(error),
                Ok(component) => return Ok(component),
            }
        }
        let (pools, wasm) = (Arc::clone(pools), wasm.to_vec());
        let compiled = self.run(move || pools.load(|engine| Component::from_binary(engine, &wasm))).await?;
        compiled.map_err(|error| aot::not_loaded(&error))
    }

    /// Waits for the compiler, as long as the running job may take at most.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, LoadError> {
        match timeout(self.deadline, Arc::clone(&self.turn).acquire_owned()).await {
            Ok(turn) => turn.map_err(|closed| LoadError::Engine(closed.to_string())),
            Err(_) => Err(LoadError::Turn(self.deadline)),
        }
    }

    /// Compiles in a process, which ends when it makes no progress, or at the deadline.
    async fn in_process(
        &self,
        program: &CompilerProgram,
        pools: &Arc<Pools>,
        wasm: &[u8],
    ) -> Result<Component, Failed> {
        let _turn = self.turn().await.map_err(Failed::Load)?;
        let work = compiler_process::compile(program, pools, wasm, self.idle_max);
        timeout(self.deadline, work).await.unwrap_or(Err(Failed::Load(LoadError::Deadline(self.deadline))))
    }

    /// Waits for the compiler, then runs the job. A job cannot be stopped: at the deadline only the wait ends, and the
    /// next job waits until the late one is done.
    ///
    /// # Errors
    /// At the deadline, or when the job panicked.
    async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, LoadError> {
        let (turn, priority) = (self.turn().await?, self.priority);
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            Ok(pool(priority)?.install(job))
        });
        match timeout(self.deadline, done).await {
            Ok(done) => done.unwrap_or_else(|stopped| Err(given_up(&stopped))),
            Err(_) => Err(LoadError::Deadline(self.deadline)),
        }
    }
}

/// The error of a job that did not finish. A job that panics would panic again with the same bytes.
fn given_up(stopped: &JoinError) -> LoadError {
    if stopped.is_panic() {
        return LoadError::Invalid("the compiler panicked".to_owned());
    }
    LoadError::Engine(format!("the compiler did not end: {stopped}"))
}

/// Threads for one job. They end with the job, because the host compiles seldom.
fn pool(priority: CompilePriority) -> Result<ThreadPool, LoadError> {
    let start = move |_| {
        if priority == CompilePriority::Background {
            lower_priority_by(NICE_MAX);
        }
    };
    let pool = ThreadPoolBuilder::new().thread_name(|_| "compile".to_owned()).start_handler(start);
    pool.build().map_err(|error| LoadError::Engine(format!("failed to start compiler threads: {error}")))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::sync::mpsc::sync_channel;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn jobs_run_on_threads_of_lowest_priority_and_no_other_thread_gets_slower() {
        let compiler = Compiler::new(LONG, LONG, CompilePriority::Background);
        let before = rustix::process::nice(0).unwrap();
        assert_eq!(compiler.run(|| rustix::process::nice(0)).await.unwrap(), Ok(NICE_MAX));
        assert_eq!(rustix::process::nice(0), Ok(before));
        let for_a_person = Compiler::new(LONG, LONG, CompilePriority::Normal);
        assert_eq!(for_a_person.run(|| rustix::process::nice(0)).await.unwrap(), Ok(before));
    }

    #[tokio::test]
    async fn one_job_runs_at_a_time_and_a_job_that_waits_too_long_fails() {
        let compiler = Compiler::new(Duration::from_millis(50), LONG, CompilePriority::Background);
        let (go, wait) = sync_channel::<()>(0);
        let slow = compiler.run(move || wait.recv()).await.err().unwrap();
        assert_eq!(slow.to_string(), "compiling it took longer than 50ms");
        // The slow job still runs, so the next one does not start, and does not start later either.
        let (begun, was_begun) = sync_channel::<()>(1);
        let second = compiler.run(move || begun.try_send(())).await;
        assert!(matches!(second, Err(LoadError::Turn(_))));
        assert!(was_begun.try_recv().is_err());
        go.send(()).unwrap();
        let compiler = Compiler { deadline: LONG, ..compiler };
        assert_eq!(compiler.run(|| 3).await.unwrap(), 3);
        assert!(was_begun.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_job_that_panics_fails_alone() {
        let compiler = Compiler::new(LONG, LONG, CompilePriority::Background);
        let failed = compiler.run(|| panic!("of a test")).await;
        assert!(matches!(failed, Err(LoadError::Invalid(_))));
        assert_eq!(compiler.run(|| 3).await.unwrap(), 3);
    }
}
