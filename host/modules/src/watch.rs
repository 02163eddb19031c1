//! Notices changes of the directory of modules. It only triggers a pass, which finds out what changed.
//!
//! The kernel's notices make the trigger fast. A periodic look makes it reliable: on a network, with a directory that
//! vanishes and comes back, and with a link that is moved to another directory.

use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::limits::{DIRECTORY_DEADLINE, WATCH_QUIET, WATCH_QUIET_MAX};
use crate::notices::Notices;
use crate::reader::Reader;

/// Watches until the value is dropped.
pub(crate) struct Watcher(JoinHandle<()>);

impl Watcher {
    /// Counts `changes` up once soon, then with each change. Looks at least once in each `interval`.
    #[expect(clippy::disallowed_methods, reason = "owned: it ends with the watcher")]
    pub(crate) fn start(reader: Reader, changes: watch::Sender<u64>, interval: Duration) -> Self {
        Self(tokio::spawn(watch(reader, changes, interval)))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn watch(reader: Reader, changes: watch::Sender<u64>, interval: Duration) {
    let mut notices = Some(Notices::new());
    let mut seen = None;
    loop {
        // The watch begins before the look, so that a change after the look causes a notice.
        notices = expect(notices, reader.path()).await;
        let now = Some(reader.stamps().await.ok());
        if now != seen {
            seen = now;
            changes.send_modify(|count| *count += 1);
        }
        if timeout(interval, next(notices.as_ref())).await.is_ok() {
            let quiet = async { while timeout(WATCH_QUIET, next(notices.as_ref())).await.is_ok() {} };
            let _ = timeout(WATCH_QUIET_MAX, quiet).await;
        }
    }
}

/// Makes the kernel watch the directory. A path that hangs keeps one thread and ends the notices; the periodic look
/// continues.
async fn expect(notices: Option<Notices>, path: &Path) -> Option<Notices> {
    let (mut notices, path) = (notices?, path.to_owned());
    let expecting = tokio::task::spawn_blocking(move || {
        notices.expect(&path);
        notices
    });
    timeout(DIRECTORY_DEADLINE, expecting).await.ok()?.ok()
}

async fn next(notices: Option<&Notices>) {
    match notices {
        Some(notices) => notices.next().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
