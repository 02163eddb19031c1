//! Standard output and standard error of a guest, as lines for the log.
//!
//! Programs of several languages write there: a panic, a traceback, `print`. The text of a request is kept until the
//! guest is done, and then counts against the guest's budget of log lines.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::limits::OUTPUT_BYTES_MAX;
use crate::memory_account::Held;

/// One of the two streams. Clones share its text.
#[derive(Clone)]
pub(crate) struct Output(Arc<Mutex<Written>>);

struct Written {
    text: Vec<u8>,
    /// Bytes beyond the limit.
    dropped: usize,
    held: Held,
}

impl Output {
    /// `held` is an empty reservation on the account of the request.
    pub(crate) fn new(held: Held) -> Self {
        Self(Arc::new(Mutex::new(Written { text: Vec::new(), dropped: 0, held })))
    }

    /// The lines since the last call, and the number of dropped bytes.
    pub(crate) fn take(&self) -> (Vec<String>, usize) {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = std::mem::take(&mut written.text);
        // Returns the memory: a smaller reservation always fits.
        let _ = written.held.resize(0);
        let lines =
            String::from_utf8_lossy(&text).lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
        (lines, std::mem::take(&mut written.dropped))
    }
}

impl Written {
    /// Adds bytes. Bytes beyond the limit are dropped, and the guest continues.
    fn add(&mut self, bytes: &[u8]) {
        let room = OUTPUT_BYTES_MAX.saturating_sub(self.text.len());
        let kept = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        let kept = if self.held.resize(self.text.len() + kept.len()).is_ok() { kept } else { &[] };
        self.text.extend_from_slice(kept);
        self.dropped += bytes.len() - kept.len();
    }
}

#[async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl OutputStream for Output {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(OUTPUT_BYTES_MAX)
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    /// Belongs to a later version of WASI, which is not linked.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::memory_account::ProcessMemory;

    #[test]
    fn output_becomes_lines_and_dropped_bytes_are_counted() {
        let account = ProcessMemory::new(0).mount().account(2 * OUTPUT_BYTES_MAX);
        let output = Output::new(account.nothing());
        let mut stream = output.p2_stream();
        stream.write("one\n\n tw".into()).unwrap();
        stream.write("o\r\nthr\u{e9}e".as_bytes().to_vec().into()).unwrap();
        assert_eq!(output.take(), (vec!["one".to_owned(), " two".to_owned(), "thr\u{e9}e".to_owned()], 0));
        assert_eq!(output.take(), (vec![], 0));
        stream.write(vec![b'x'; OUTPUT_BYTES_MAX - 1].into()).unwrap();
        stream.write("yz".into()).unwrap();
        assert!(account.take(OUTPUT_BYTES_MAX + 1).is_err(), "the text is on the account");
        let (lines, dropped) = output.take();
        assert_eq!((lines.len(), lines[0].len(), dropped), (1, OUTPUT_BYTES_MAX, 1));
        let _all = account.take(2 * OUTPUT_BYTES_MAX).unwrap();
        stream.write("no room".into()).unwrap();
        assert_eq!(output.take(), (vec![], 7));
    }
}
