//! What a plugin writes to stderr, line by line.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::ChildStderr;
use tokio::sync::watch;

use crate::task;

/// Lines read so far. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct LogLines {
    lines: Arc<Mutex<Vec<String>>>,
    progress: watch::Receiver<Progress>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    lines: usize,
    finished: bool,
}

impl LogLines {
    /// Reads until the process closes its stderr.
    pub(super) fn read(stderr: ChildStderr) -> Self {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let (sender, progress) = watch::channel(Progress::default());
        let shared = lines.clone();
        task::spawn(async move {
            let mut reader = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = reader.next_line().await {
                shared.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                sender.send_modify(|progress| progress.lines += 1);
            }
            sender.send_modify(|progress| progress.finished = true);
        });
        Self { lines, progress }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything, once the process has closed its stderr.
    pub(super) async fn finished(&self) -> String {
        let _ = self.progress.clone().wait_for(|progress| progress.finished).await;
        self.lines().join("\n")
    }

    /// The line that is number `count` to hold `text`, as soon as it is there. `None` if the process ended without it.
    pub(super) async fn wait_for(&self, text: &str, count: usize) -> Option<String> {
        let mut progress = self.progress.clone();
        loop {
            let seen = *progress.borrow_and_update();
            if let Some(line) = self.find(text, count) {
                return Some(line);
            }
            if seen.finished || progress.changed().await.is_err() {
                return None;
            }
        }
    }

    fn find(&self, text: &str, count: usize) -> Option<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter(|line| line.contains(text)).nth(count.saturating_sub(1)).cloned()
    }
}
