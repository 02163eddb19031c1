//! Notices of the kernel about changes in a directory, where the kernel offers them.

use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::net::unix::pipe::Receiver;

/// Size of one read. The content does not matter.
const BUFFER_BYTES: usize = 4096;

/// The kernel's queue of notices.
pub(crate) struct Notices {
    /// Read like a pipe: tokio's pipe type needs no more than a readable descriptor.
    queue: Option<Receiver>,
    /// The watch of the directory. It stays with the old directory when another one takes the name.
    watched: Option<i32>,
}

impl Notices {
    pub(crate) fn new() -> Self {
        let queue = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok();
        Self { queue: queue.and_then(|queue| Receiver::from_owned_fd_unchecked(queue).ok()), watched: None }
    }

    /// Watches the directory that is at this path now.
    pub(crate) fn expect(&mut self, path: &Path) {
        let Some(queue) = &self.queue else { return };
        let changes = WatchFlags::CREATE | WatchFlags::CLOSE_WRITE | WatchFlags::MOVE | WatchFlags::DELETE;
        let itself = WatchFlags::ATTRIB | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
        // Without a watch, the periodic look finds changes.
        let watched = inotify::add_watch(queue, path, changes | itself | WatchFlags::ONLYDIR).ok();
        if let Some(before) = self.watched.filter(|before| watched != Some(*before)) {
            // Fails if the directory and its watch are gone.
            let _ = inotify::remove_watch(queue, before);
        }
        self.watched = watched;
    }

    /// Waits for the next notices.
    pub(crate) async fn next(&self) {
        let Some(queue) = &self.queue else { return std::future::pending().await };
        let mut buffer = [0; BUFFER_BYTES];
        loop {
            if queue.readable().await.is_err() {
                return std::future::pending().await;
            }
            match queue.try_read(&mut buffer) {
                Ok(_) => return,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                // A queue that fails would fail in a busy loop.
                Err(_) => return std::future::pending().await,
            }
        }
    }
}
