//! Work on disks, which may hang: one job at a time, off the serving threads, each with a deadline.
//!
//! A job cannot be stopped. One that hangs keeps its thread, and those after it wait for it until their deadline without
//! one of their own: a directory that never answers holds one thread, however often it is looked at.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;

/// What jobs work on.
pub(crate) struct OneAtATime<T> {
    state: Arc<Mutex<T>>,
    deadline: Duration,
}

impl<T: Send + 'static> OneAtATime<T> {
    pub(crate) fn new(state: T, deadline: Duration) -> Self {
        Self { state: Arc::new(Mutex::new(state)), deadline }
    }

    /// # Errors
    /// What became of it instead of an end, as in `it did not end`.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> Result<R, String> {
        let work = async {
            // The thread holds the lock, whatever becomes of who waits.
            let mut state = Arc::clone(&self.state).lock_owned().await;
            tokio::task::spawn_blocking(move || job(&mut state)).await
        };
        match timeout(self.deadline, work).await {
            Ok(done) => done.map_err(|stopped| format!("did not end: {stopped}")),
            Err(_) => Err(format!("took longer than {:?}", self.deadline)),
        }
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
        for _ in 0..20 {
            assert_eq!(jobs.run(|begun| *begun += 1).await, Err("took longer than 50ms".to_owned()));
        }
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
