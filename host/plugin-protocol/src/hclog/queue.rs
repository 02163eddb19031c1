//! The bounded queue of log lines for stderr.
//!
//! stderr is a pipe, and the server may read slowly. Lines wait in the queue, a thread writes them, and a line that
//! finds no room is dropped and counted.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use tracing::Level;

use super::line;
use crate::limits::{LOG_FLUSH_WAIT, LOG_QUEUE_BYTES_MAX, LOG_QUEUE_LINES_MAX};

/// The log. Clones share the queue.
#[derive(Clone)]
pub(crate) struct Log {
    queue: SyncSender<Item>,
    counts: Arc<Counts>,
}

enum Item {
    Line(Vec<u8>),
    /// Asks for an answer when all lines before this item are written.
    Flush(SyncSender<()>),
}

#[derive(Default)]
struct Counts {
    queued_bytes: AtomicUsize,
    dropped_lines: AtomicU64,
}

impl Log {
    /// Starts the thread that writes. The thread calls `open` for its output.
    pub(super) fn start<W: Write + 'static>(open: impl FnOnce() -> W + Send + 'static) -> Self {
        let (queue, items) = sync_channel(LOG_QUEUE_LINES_MAX);
        let counts = Arc::<Counts>::default();
        let shared = counts.clone();
        // Without the thread all lines are dropped.
        drop(thread::Builder::new().name("hclog".into()).spawn(move || write_all(open(), &items, &shared)));
        Self { queue, counts }
    }

    /// Adds a line, with its newline, if the queue has room.
    pub(super) fn write(&self, line: Vec<u8>) {
        let bytes = line.len();
        let queued = self.counts.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        let full = queued + bytes > LOG_QUEUE_BYTES_MAX;
        if full || self.queue.try_send(Item::Line(line)).is_err() {
            self.counts.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.counts.dropped_lines.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until the lines so far are written, but no longer than a moment.
    pub(crate) fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.queue.try_send(Item::Flush(done)).is_ok() {
            // A server that does not read gets no more time.
            let _ = wait.recv_timeout(LOG_FLUSH_WAIT);
        }
    }
}

/// Writes lines until the last `Log` is dropped. Errors are ignored: there is no other place for them.
fn write_all(mut output: impl Write, items: &Receiver<Item>, counts: &Counts) {
    for item in items {
        match item {
            Item::Line(line) => {
                counts.queued_bytes.fetch_sub(line.len(), Ordering::Relaxed);
                drop(output.write_all(&line));
            }
            Item::Flush(done) => {
                drop(output.flush());
                let _ = done.try_send(());
            }
        }
        let dropped = counts.dropped_lines.swap(0, Ordering::Relaxed);
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
            log.write(b"line\n".to_vec());
        }
        let passed = release(&log, &written, go, lines);
        // One line may be in the writer's hands beside those that wait.
        assert!((LOG_QUEUE_LINES_MAX..=LOG_QUEUE_LINES_MAX + 1).contains(&passed), "{passed}");
    }

    #[test]
    fn a_flush_ends_although_nobody_reads() {
        let (log, written, go) = stuck();
        log.write(b"line\n".to_vec());
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
            log.write(long.clone());
        }
        let passed = release(&log, &written, go, LOG_QUEUE_LINES_MAX);
        let room = LOG_QUEUE_BYTES_MAX / LOG_LINE_BYTES_MAX;
        assert!((room..=room + 1).contains(&passed), "{passed}");
    }
}
