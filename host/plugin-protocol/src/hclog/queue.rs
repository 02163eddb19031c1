//! The bounded queue of log lines for stderr.
//!
//! stderr is a pipe, and the server may read slowly. Lines wait in the queue, a thread writes them, and a line that
//! finds no room is dropped and counted.
//!
//! Guests leave a part of the queue to the host's own lines, and share the rest: a mount adds a line while fewer lines of
//! its guests wait than guests may still add. So a mount that floods the log takes half of the room, and a line of
//! another mount finds some.

use std::collections::{HashMap, VecDeque};
use std::io::Write;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tracing::Level;

use super::line;
use crate::limits::{
    LOG_FLUSH_WAIT, LOG_QUEUE_BYTES_MAX, LOG_QUEUE_GUEST_BYTES_MAX, LOG_QUEUE_GUEST_LINES_MAX, LOG_QUEUE_LINES_MAX,
};

/// The log. Clones share the queue.
pub(crate) struct Log(Arc<Queue>);

struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    all: Waiting,
    guests: Waiting,
    of_mount: HashMap<String, Waiting>,
    dropped_lines: u64,
    /// Clones of the log: the thread ends after the last one.
    logs: usize,
}

/// Lines that wait.
#[derive(Clone, Copy, Default)]
struct Waiting {
    lines: usize,
    bytes: usize,
}

enum Item {
    Line(Source, Vec<u8>),
    /// Asks for an answer when all lines before this item are written.
    Flush(SyncSender<()>),
}

/// Who wrote a line.
pub(super) enum Source {
    Host,
    /// A guest of the mount with this name.
    Guest(String),
}

impl Waiting {
    fn add(&mut self, bytes: usize) {
        self.lines += 1;
        self.bytes += bytes;
    }

    fn take(&mut self, bytes: usize) {
        self.lines -= 1;
        self.bytes -= bytes;
    }

    fn has_room(self, bytes: usize, lines_max: usize, bytes_max: usize) -> bool {
        self.lines < lines_max && self.bytes + bytes <= bytes_max
    }
}

impl State {
    fn has_room(&self, source: &Source, bytes: usize) -> bool {
        if !self.all.has_room(bytes, LOG_QUEUE_LINES_MAX, LOG_QUEUE_BYTES_MAX) {
            return false;
        }
        let Source::Guest(mount) = source else { return true };
        let lines_free = LOG_QUEUE_GUEST_LINES_MAX.saturating_sub(self.guests.lines);
        let bytes_free = LOG_QUEUE_GUEST_BYTES_MAX.saturating_sub(self.guests.bytes);
        let own = self.of_mount.get(mount).copied().unwrap_or_default();
        own.has_room(bytes, lines_free, bytes_free)
    }

    fn add(&mut self, source: Source, line: Vec<u8>) {
        let bytes = line.len();
        self.all.add(bytes);
        if let Source::Guest(mount) = &source {
            self.guests.add(bytes);
            self.of_mount.entry(mount.clone()).or_default().add(bytes);
        }
        self.items.push_back(Item::Line(source, line));
    }

    fn take(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        if let Item::Line(source, line) = &item {
            self.all.take(line.len());
            if let Source::Guest(mount) = source {
                self.guests.take(line.len());
                self.take_of(mount, line.len());
            }
        }
        Some(item)
    }

    /// A mount is known while lines of its guests wait.
    fn take_of(&mut self, mount: &str, bytes: usize) {
        if let Some(waiting) = self.of_mount.get_mut(mount) {
            waiting.take(bytes);
            if waiting.lines == 0 {
                self.of_mount.remove(mount);
            }
        }
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next item, and how many lines were dropped since the last one. None after the end of the last log.
    fn next(&self) -> Option<(Item, u64)> {
        let mut state = self.state();
        loop {
            if let Some(item) = state.take() {
                return Some((item, std::mem::take(&mut state.dropped_lines)));
            }
            if state.logs == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Log {
    /// Starts the thread that writes. The thread calls `open` for its output.
    pub(super) fn start<W: Write + 'static>(open: impl FnOnce() -> W + Send + 'static) -> Self {
        let state = Mutex::new(State { logs: 1, ..State::default() });
        let queue = Arc::new(Queue { state, changed: Condvar::new() });
        let shared = Arc::clone(&queue);
        // Without the thread the queue fills, and then all lines are dropped.
        drop(thread::Builder::new().name("hclog".into()).spawn(move || write_all(open(), &shared)));
        Self(queue)
    }

    /// Adds a line, with its newline, if the queue has room.
    pub(super) fn write(&self, source: Source, line: Vec<u8>) {
        let mut state = self.0.state();
        if state.has_room(&source, line.len()) {
            state.add(source, line);
            drop(state);
            self.0.changed.notify_one();
        } else {
            state.dropped_lines += 1;
        }
    }

    /// Waits until the lines so far are written, but no longer than a moment.
    pub(crate) fn flush(&self) {
        let (done, wait) = sync_channel(1);
        self.0.state().items.push_back(Item::Flush(done));
        self.0.changed.notify_one();
        // A server that does not read gets no more time.
        let _ = wait.recv_timeout(LOG_FLUSH_WAIT);
    }
}

impl Clone for Log {
    fn clone(&self) -> Self {
        self.0.state().logs += 1;
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.0.state().logs -= 1;
        self.0.changed.notify_one();
    }
}

/// Writes lines until the last `Log` is dropped. Errors are ignored: there is no other place for them.
fn write_all(mut output: impl Write, queue: &Queue) {
    while let Some((item, dropped)) = queue.next() {
        match item {
            Item::Line(_, line) => drop(output.write_all(&line)),
            Item::Flush(done) => {
                drop(output.flush());
                let _ = done.try_send(());
            }
        }
        if dropped > 0 {
            let fields = [("lines".to_owned(), dropped.into())];
            drop(output.write_all(&line::encode(Level::WARN, module_path!(), "log lines were dropped", fields)));
        }
    }
}

#[cfg(test)]
pub(super) mod testing {
    use std::io;
    use std::sync::{Mutex, PoisonError};

    use super::*;

    /// Keeps what was written.
    #[derive(Clone, Default)]
    pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        pub(crate) fn text(&self) -> String {
            String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
        }
    }

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::io;
    use std::sync::mpsc::Receiver;
    use std::time::{Duration, Instant};

    use super::testing::Written;
    use super::*;
    use crate::limits::LOG_LINE_BYTES_MAX;

    /// Takes nothing before it is told to.
    struct Stuck {
        go: Receiver<()>,
        written: Written,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // After the sender has gone everything passes.
            let _ = self.go.recv();
            self.written.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn stuck() -> (Log, Written, SyncSender<()>) {
        let (sender, go) = sync_channel(0);
        let written = Written::default();
        let stuck = Stuck { go, written: written.clone() };
        (Log::start(move || stuck), written, sender)
    }

    /// Reads on until each of the `lines` that were logged is written or reported as dropped, and
    /// returns how many were written.
    ///
    /// A report of dropped lines can stand before lines that are still in the queue, so a report
    /// alone does not end the wait.
    fn release(log: &Log, written: &Written, go: SyncSender<()>, lines: usize) -> usize {
        drop(go);
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            log.flush();
            let text = written.text();
            // The last line may be half there.
            let complete = text.rfind('\n').map_or("", |end| &text[..end]);
            let (reports, passed): (Vec<_>, Vec<_>) =
                complete.lines().partition(|line| line.contains("log lines were dropped"));
            let dropped: u64 = reports
                .iter()
                .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["lines"].as_u64().unwrap())
                .sum();
            if passed.len() as u64 + dropped == lines as u64 {
                return passed.len();
            }
            assert!(Instant::now() < end, "{} of {lines} lines written, {dropped} reported as dropped", passed.len());
        }
    }

    #[test]
    fn a_reader_that_is_stuck_delays_nobody_and_gets_the_number_of_dropped_lines() {
        let (log, written, go) = stuck();
        let lines = LOG_QUEUE_LINES_MAX + 100;
        for _ in 0..lines {
            log.write(Source::Host, b"line\n".to_vec());
        }
        let passed = release(&log, &written, go, lines);
        // One line may be in the writer's hands beside those that wait.
        assert!((LOG_QUEUE_LINES_MAX..=LOG_QUEUE_LINES_MAX + 1).contains(&passed), "{passed}");
    }

    #[test]
    fn a_flush_ends_although_nobody_reads() {
        let (log, written, go) = stuck();
        log.write(Source::Host, b"line\n".to_vec());
        log.flush();
        assert_eq!(written.text(), "");
        drop(go);
        log.flush();
        assert_eq!(written.text(), "line\n");
    }

    #[test]
    fn long_lines_are_bounded_by_their_bytes() {
        let (log, written, go) = stuck();
        let long = [vec![b'x'; LOG_LINE_BYTES_MAX - 1], vec![b'\n']].concat();
        for _ in 0..LOG_QUEUE_LINES_MAX {
            log.write(Source::Host, long.clone());
        }
        let passed = release(&log, &written, go, LOG_QUEUE_LINES_MAX);
        let room = LOG_QUEUE_BYTES_MAX / LOG_LINE_BYTES_MAX;
        assert!((room..=room + 1).contains(&passed), "{passed}");
    }

    /// How many of so many lines of a guest of the mount find room.
    fn guest_lines(log: &Log, mount: &str, lines: usize) -> usize {
        let waiting = || log.0.state().of_mount.get(mount).map_or(0, |waiting| waiting.lines);
        let before = waiting();
        for _ in 0..lines {
            log.write(Source::Guest(mount.to_owned()), b"line\n".to_vec());
        }
        waiting() - before
    }

    #[test]
    fn a_mount_that_floods_the_log_takes_half_of_the_guests_room_and_none_of_the_hosts() {
        let (log, written, go) = stuck();
        let lines = LOG_QUEUE_LINES_MAX * 2;
        let of_flood = guest_lines(&log, "flood/", lines);
        // The writer may have taken one line.
        assert!(of_flood.abs_diff(LOG_QUEUE_GUEST_LINES_MAX / 2) <= 1, "{of_flood}");
        assert_eq!(guest_lines(&log, "quiet/", 100), 100);
        let host = LOG_QUEUE_LINES_MAX - LOG_QUEUE_GUEST_LINES_MAX;
        for _ in 0..host {
            log.write(Source::Host, b"line\n".to_vec());
        }
        let passed = release(&log, &written, go, lines + 100 + host);
        assert!(passed >= of_flood + 100 + host, "{passed}");
        assert!(log.0.state().of_mount.is_empty());
    }

    #[test]
    fn the_thread_ends_with_the_last_log() {
        let (log, written, go) = stuck();
        drop(go);
        let (queue, clone) = (Arc::downgrade(&log.0), log.clone());
        drop(log);
        clone.write(Source::Host, b"last\n".to_vec());
        drop(clone);
        let end = Instant::now() + Duration::from_secs(30);
        while queue.strong_count() > 0 {
            assert!(Instant::now() < end, "the thread goes on");
            thread::yield_now();
        }
        assert_eq!(written.text(), "last\n");
    }
}
