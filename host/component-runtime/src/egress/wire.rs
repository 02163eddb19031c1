//! A connection of the pool.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::AlertDescription;
use tokio::io::{AsyncRead, AsyncWrite};

use super::slots::Slot;
use super::upstream_error::find_alert;

/// A stream with or without TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The TLS alert with which the peer ended a connection. The pool keeps no reason for a connection that ends while no request
/// is on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct PeerAlert(Arc<OnceLock<AlertDescription>>);

impl PeerAlert {
    /// The alert that ended the connection that the pool describes.
    pub(crate) fn of(connection: &Connected) -> Option<AlertDescription> {
        let mut extras = http::Extensions::new();
        connection.get_extras(&mut extras);
        extras.get::<Self>()?.0.get().copied()
    }
}

/// A connection. It counts until it is closed.
pub(crate) struct Wire {
    io: TokioIo<Box<dyn Stream>>,
    is_http2: bool,
    alert: PeerAlert,
    _slot: Slot,
}

impl Wire {
    pub(crate) fn new(stream: Box<dyn Stream>, is_http2: bool, slot: Slot) -> Self {
        Self { io: TokioIo::new(stream), is_http2, alert: PeerAlert::default(), _slot: slot }
    }
}

impl Read for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.io).poll_read(cx, buf));
        if let Some(alert) = read.as_ref().err().and_then(|error| find_alert(error)) {
            // The first one is the reason.
            let _ = self.alert.0.set(alert);
        }
        Poll::Ready(read)
    }
}

impl Write for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        let connected = Connected::new().extra(self.alert.clone());
        if self.is_http2 { connected.negotiated_h2() } else { connected }
    }
}
