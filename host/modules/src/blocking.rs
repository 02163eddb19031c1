//! Work on disks, which may hang: one job at a time, off the serving threads, each with a deadline.
//!
//! A job cannot be stopped. One that hangs keeps its thread, and those after it wait for it without one of their own,
//! until its deadline and no longer: a directory that never answers holds one thread, however often it is looked at.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::timeout;

/// What jobs work on.
pub(crate) struct OneAtATime<T> {
    state: Arc<Mutex<T>>,
    /// Of the job that runs.
    began: Arc<std::sync::Mutex<Option<Instant>>>,
    deadline: Duration,
}

impl<T: Send + 'static> OneAtATime<T> {
    pub(crate) fn new(state: T, deadline: Duration) -> Self {
        Self { state: Arc::new(Mutex::new(state)), began: Arc::default(), deadline }
    }

    /// # Errors
    /// What became of it instead of an end, as in `it did not end`.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> Result<R, String> {
        let late = format!("took longer than {:?}", self.deadline);
        if self.began().is_some_and(|began| began.elapsed() > self.deadline) {
            return Err(late);
        }
        let work = async {
            // The thread holds the lock, whatever becomes of who waits.
            let mut state = Arc::clone(&self.state).lock_owned().await;
            let running = Running::new(&self.began);
            tokio::task::spawn_blocking(move || {
                let _running = running;
                job(&mut state)
            })
            .await
        };
        match timeout(self.deadline, work).await {
            Ok(done) => done.map_err(|stopped| format!("did not end: {stopped}")),
            Err(_) => Err(late),
        }
    }

    fn began(&self) -> Option<Instant> {
        *self.began.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until it is dropped, a job runs.
struct Running(Arc<std::sync::Mutex<Option<Instant>>>);

impl Running {
    fn new(began: &Arc<std::sync::Mutex<Option<Instant>>>) -> Self {
        *began.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Self(Arc::clone(began))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[tokio::test]
    async fn a_job_that_hangs_keeps_one_thread_and_those_after_it_are_told_at_the_deadline() {
        let jobs = OneAtATime::new(0, Duration::from_millis(50));
        let (go, wait) = sync_channel::<()>(0);
        // This test has one thread, which goes on.
        let hung = jobs.run(move |_| wait.recv()).await;
        assert_eq!(hung, Err("took longer than 50ms".to_owned()));
        tokio::time::pause();
        let (late, before) = (Err("took longer than 50ms".to_owned()), tokio::time::Instant::now());
        for _ in 0..20 {
            assert_eq!(jobs.run(|begun| *begun += 1).await, late);
        }
        assert_eq!(before.elapsed(), Duration::ZERO, "nobody waits for a job that hangs");
        tokio::time::resume();
        go.send(()).unwrap();
        let jobs = OneAtATime { deadline: Duration::from_secs(60), ..jobs };
        assert_eq!(jobs.run(|begun| *begun).await, Ok(0), "none of the others had a thread");
    }

    #[tokio::test]
    async fn a_job_that_panics_fails_alone() {
        let jobs = OneAtATime::new(0, Duration::from_secs(60));
        let failed = jobs.run(|_| panic!("of a test")).await;
        assert!(failed.is_err_and(|text: String| text.starts_with("did not end: ")));
        assert_eq!(jobs.run(|_| 3).await, Ok(3));
    }
}
