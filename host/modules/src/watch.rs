//! Notices when a directory of modules changes. Only a trigger: what changed is found by looking.
//!
//! The kernel's notices make it fast; a look now and then makes it sure, also on a network, over a directory that
//! vanishes and comes back, or that is a link which is moved to another one.

use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::limits::{DIRECTORY_DEADLINE, WATCH_QUIET, WATCH_QUIET_MAX};
use crate::notices::Notices;
use crate::reader::Reader;

/// Watches until it is dropped.
pub(crate) struct Watcher(JoinHandle<()>);

impl Watcher {
    /// Counts `changes` up, once soon and then with each change. Looks at least each `interval`.
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
        // Before the look, so that what changes after it is noticed.
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

/// Has the directory watched. A path that hangs keeps one thread and ends the notices; the looks now and then go on.
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
