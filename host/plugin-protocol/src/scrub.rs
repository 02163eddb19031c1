//! Clears what TLS decrypted. TLS decrypts in the buffer into which it reads, and keeps this buffer for the next read, for as
//! long as the connection lives.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream below TLS, which clears the buffer of TLS before each read. TLS reads until nothing is left to read, and reads
/// behind what it still needs: what is in the rest of the buffer then was given away already.
pub(crate) struct Scrubbing<S>(pub(crate) S);

impl<S: AsyncRead + Unpin> AsyncRead for Scrubbing<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        buffer.initialize_unfilled().fill(0);
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Scrubbing<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
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
        let mut stream = Scrubbing(ours);
        let mut bytes = *b"kept|what was decrypted before";
        let mut buffer = ReadBuf::new(&mut bytes);
        buffer.set_filled(5);
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut stream).poll_read(&mut context, &mut buffer).is_pending());
        assert_eq!(bytes, *b"kept|\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    }

    #[tokio::test]
    async fn what_is_read_and_written_stays_as_it_is() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        let (ours, mut theirs) = tokio::io::duplex(16);
        let mut stream = Scrubbing(ours);
        stream.write_all(b"question").await.unwrap();
        theirs.write_all(b"answer").await.unwrap();
        let (mut answer, mut question) = ([0; 6], [0; 8]);
        stream.read_exact(&mut answer).await.unwrap();
        theirs.read_exact(&mut question).await.unwrap();
        assert_eq!((&answer, &question), (b"answer", b"question"));
    }
}
