//! Clears what TLS decrypted. TLS decrypts in the buffer into which it reads, and keeps this buffer for the next read, for as
//! long as the connection lives.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream below TLS, which clears the buffer of TLS before each read. TLS reads until nothing is left to read, and reads
/// behind what it still needs: what is in the rest of the buffer then was given away already.
pub(crate) struct Scrubbing<S> {
    stream: S,
    /// Addresses: behind all bytes that were read into the buffer since they were cleared, and behind the buffer.
    read_until: usize,
    buffer_end: usize,
}

impl<S> Scrubbing<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, read_until: 0, buffer_end: 0 }
    }

    /// Clears what earlier reads left in the free part of the buffer, or all of it if the buffer is another one or has
    /// another length.
    fn clear(&mut self, free: &mut [u8]) {
        let addresses = free.as_ptr_range();
        let (start, end) = (addresses.start.addr(), addresses.end.addr());
        let left = self.read_until.checked_sub(start).filter(|_| end == self.buffer_end);
        let left = left.unwrap_or(free.len()).min(free.len());
        if let Some(left) = free.get_mut(..left) {
            left.fill(0);
        }
        (self.read_until, self.buffer_end) = (start, end);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Scrubbing<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.clear(buffer.initialize_unfilled());
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.read_until = self.read_until.max(buffer.filled().as_ptr_range().end.addr());
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Scrubbing<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::task::Waker;

    use super::*;

    #[test]
    fn a_read_that_finds_nothing_clears_the_buffer() {
        let (ours, _theirs) = tokio::io::duplex(16);
        let mut stream = Scrubbing::new(ours);
        let mut bytes = *b"kept|what was decrypted before";
        let mut buffer = ReadBuf::new(&mut bytes);
        buffer.set_filled(5);
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut stream).poll_read(&mut context, &mut buffer).is_pending());
        assert_eq!(bytes, *b"kept|\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    }

    #[tokio::test]
    async fn what_earlier_reads_left_is_cleared_wherever_the_buffer_begins_to_be_free() {
        use tokio::io::AsyncWriteExt as _;

        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut stream = Scrubbing::new(ours);
        let mut context = Context::from_waker(Waker::noop());
        let mut bytes = *b"................";
        let mut read = async |bytes: &mut [u8], text: &str| {
            theirs.write_all(text.as_bytes()).await.unwrap();
            let mut buffer = ReadBuf::new(bytes);
            let _ = Pin::new(&mut stream).poll_read(&mut context, &mut buffer);
            buffer.filled().len()
        };
        assert_eq!(read(&mut bytes, "first message").await, 13);
        assert_eq!(&bytes, b"first message\0\0\0", "what was in a new buffer is cleared as a whole");
        // A part of the message is kept and moved to the front.
        assert_eq!(read(&mut bytes[3..], "second").await, 6);
        assert_eq!(&bytes, b"firsecond\0\0\0\0\0\0\0");
        assert_eq!(read(&mut bytes, "").await, 0);
        assert_eq!(bytes, [0; 16], "also what was kept");
        assert_eq!(read(&mut bytes, "third").await, 5);
        bytes[8] = b'x';
        assert_eq!(read(&mut bytes[..12], "").await, 0);
        assert_eq!(bytes, [0; 16], "of a shorter buffer all is cleared");
    }

    #[tokio::test]
    async fn what_is_read_and_written_stays_as_it_is() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        let (ours, mut theirs) = tokio::io::duplex(16);
        let mut stream = Scrubbing::new(ours);
        stream.write_all(b"question").await.unwrap();
        theirs.write_all(b"answer").await.unwrap();
        let (mut answer, mut question) = ([0; 6], [0; 8]);
        stream.read_exact(&mut answer).await.unwrap();
        theirs.read_exact(&mut question).await.unwrap();
        assert_eq!((&answer, &question), (b"answer", b"question"));
    }
}
