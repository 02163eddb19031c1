//! Work on disks, which may hang: one job runs at a time, away from the threads that serve requests, with a deadline.
//!
//! A job cannot be stopped. A job that hangs keeps its thread; later jobs wait for that job without a thread, up to
//! their own deadlines. So a directory that never answers blocks one thread, however often it is read.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::timeout;

/// The state that jobs share.
pub(crate) struct OneAtATime<T> {
    state: Arc<Mutex<T>>,
    /// Start of the running job.
    began: Arc<std::sync::Mutex<Option<Instant>>>,
    deadline: Duration,
}

impl<T: Send + 'static> OneAtATime<T> {
    pub(crate) fn new(state: T, deadline: Duration) -> Self {
        Self { state: Arc::new(Mutex::new(state)), began: Arc::default(), deadline }
    }

    /// # Errors
    /// The reason, as the end of a sentence, such as `did not end: …`.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> Result<R, String> {
        let late = format!("took longer than {:?}", self.deadline);
        if self.began().is_some_and(|began| began.elapsed() > self.deadline) {
            return Err(late);
        }
        let work = async {
            // The thread holds the lock also after its caller has gone away.
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

/// A job runs until this value is dropped.
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
    async fn a_job_that_hangs_keeps_one_thread_and_later_jobs_fail_at_the_deadline() {
        let jobs = OneAtATime::new(0, Duration::from_millis(50));
        let (go, wait) = sync_channel::<()>(0);
        // This test has one thread, which must not block.
        let hung = jobs.run(move |_| wait.recv()).await;
        assert_eq!(hung, Err("took longer than 50ms".to_owned()));
        tokio::time::pause();
        let (late, before) = (Err("took longer than 50ms".to_owned()), tokio::time::Instant::now());
        for _ in 0..20 {
            assert_eq!(jobs.run(|begun| *begun += 1).await, late);
        }
        assert_eq!(before.elapsed(), Duration::ZERO, "no job waits for a job that hangs");
        tokio::time::resume();
        go.send(()).unwrap();
        let jobs = OneAtATime { deadline: Duration::from_secs(60), ..jobs };
        assert_eq!(jobs.run(|begun| *begun).await, Ok(0), "no other job got a thread");
    }

    #[tokio::test]
    async fn a_job_that_panics_fails_alone() {
        let jobs = OneAtATime::new(0, Duration::from_secs(60));
        let failed = jobs.run(|_| panic!("of a test")).await;
        assert!(failed.is_err_and(|text: String| text.starts_with("did not end: ")));
        assert_eq!(jobs.run(|_| 3).await, Ok(3));
    }
}
