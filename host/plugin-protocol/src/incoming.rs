//! Connections to our socket: accepted, through TLS, handed to the server.
//!
//! Strangers get no further than TLS, and cannot hold up anybody there.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use futures_util::stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use crate::limits::{ACCEPT_RETRY_PAUSE, TLS_HANDSHAKE_TIMEOUT, TLS_HANDSHAKES_MAX};
use crate::task;

/// A connection whose peer has proved to be the server.
pub(crate) struct Verified(TlsStream<UnixStream>);

/// The verified connections, in the order in which they were verified.
pub(crate) fn accept(
    listener: UnixListener,
    acceptor: TlsAcceptor,
) -> impl Stream<Item = io::Result<Verified>> + Send + 'static {
    let (sender, receiver) = mpsc::channel(1);
    task::spawn(accept_all(listener, acceptor, sender));
    stream::unfold(receiver, |mut receiver| async move {
        let connection = receiver.recv().await?;
        Some((Ok(connection), receiver))
    })
}

async fn accept_all(listener: UnixListener, acceptor: TlsAcceptor, verified: mpsc::Sender<Verified>) {
    let permits = Arc::new(Semaphore::new(TLS_HANDSHAKES_MAX));
    while let Ok(permit) = permits.clone().acquire_owned().await {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    task::spawn(verify(stream, acceptor.clone(), verified.clone(), permit));
                }
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection");
                    sleep(ACCEPT_RETRY_PAUSE).await;
                }
            },
            () = verified.closed() => return,
        }
    }
}

async fn verify(
    stream: UnixStream,
    acceptor: TlsAcceptor,
    verified: mpsc::Sender<Verified>,
    _permit: OwnedSemaphorePermit,
) {
    match timeout(TLS_HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        // Fails only when the process ends.
        Ok(Ok(stream)) => drop(verified.send(Verified(stream)).await),
        Ok(Err(error)) => tracing::warn!(%error, "refused a connection: TLS failed"),
        Err(_) => tracing::warn!("refused a connection: TLS took too long"),
    }
}

impl Connected for Verified {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

impl AsyncRead for Verified {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Verified {
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
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}
