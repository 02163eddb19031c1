//! The kernel's notices that something in a directory changed; none where they cannot be had.

use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::net::unix::pipe::Receiver;

/// What is read of notices at once. What they say does not matter.
const BUFFER_BYTES: usize = 4096;

/// The kernel's queue of notices.
pub(crate) struct Notices {
    /// Read like a pipe, which is all that tokio's type does.
    queue: Option<Receiver>,
    /// The directory in the queue's own count: another one when another is there under the same name.
    watched: Option<i32>,
}

impl Notices {
    pub(crate) fn new() -> Self {
        let queue = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok();
        Self { queue: queue.and_then(|queue| Receiver::from_owned_fd_unchecked(queue).ok()), watched: None }
    }

    /// From now on, of what is at this path now.
    pub(crate) fn expect(&mut self, path: &Path) {
        let Some(queue) = &self.queue else { return };
        let changes = WatchFlags::CREATE | WatchFlags::CLOSE_WRITE | WatchFlags::MOVE | WatchFlags::DELETE;
        let itself = WatchFlags::ATTRIB | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
        // Without a watch there is a look now and then.
        let watched = inotify::add_watch(queue, path, changes | itself | WatchFlags::ONLYDIR).ok();
        if let Some(before) = self.watched.filter(|before| watched != Some(*before)) {
            // Fails when the directory is gone, and its watch with it.
            let _ = inotify::remove_watch(queue, before);
        }
        self.watched = watched;
    }

    /// When there were some.
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
                // A queue that fails would be asked again and again.
                Err(_) => return std::future::pending().await,
            }
        }
    }
}
