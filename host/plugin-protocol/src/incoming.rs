//! Accepts connections on the socket of the plugin, verifies the peer by TLS, and hands the connection to the gRPC
//! server.
//!
//! A peer that is not the server gets no further than TLS, and delays no other peer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::limits::{TLS_HANDSHAKE_TIMEOUT, TLS_HANDSHAKES_MAX};
use crate::scrub::Scrubbing;
use crate::task;

/// Pause after a failed `accept`, so that a process without free file descriptors does not spin.
const ACCEPT_RETRY_PAUSE: Duration = Duration::from_millis(50);

/// A connection to the server: the peer has shown the server's certificate.
pub(crate) struct Verified(TlsStream<Scrubbing<UnixStream>>);

/// The verified connections, in the order in which they were verified.
pub(crate) fn accept(listener: UnixListener, acceptor: TlsAcceptor) -> impl Stream<Item = Verified> + Send + 'static {
    let (sender, receiver) = mpsc::channel(1);
    task::spawn(accept_all(listener, acceptor, sender));
    stream::unfold(receiver, |mut receiver| async move {
        let connection = receiver.recv().await?;
        Some((connection, receiver))
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
                    tracing::warn!(%error, "failed to accept a connection to the plugin's socket");
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
    match timeout(TLS_HANDSHAKE_TIMEOUT, acceptor.accept(Scrubbing::new(stream))).await {
        // Fails only when the process ends.
        Ok(Ok(stream)) => drop(verified.send(Verified(stream)).await),
        Ok(Err(error)) => tracing::warn!(%error, "refused a connection to the plugin's socket: TLS failed"),
        Err(_) => tracing::warn!("refused a connection to the plugin's socket: TLS took too long"),
    }
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

/// No vectored writes: then HTTP/2 copies short frames into one buffer, so that an answer (headers, data, trailers) is
/// one write and wakes the server once.
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
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use futures_util::StreamExt as _;
    use rustls::pki_types::ServerName;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::mtls::{Identity, SERVER_NAME};
    use crate::socket::Socket;

    #[tokio::test(start_paused = true)]
    async fn idle_peers_are_limited_in_number_and_time() {
        let (ours, servers) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let directory = tempfile::tempdir().unwrap();
        let Socket { listener, file } = Socket::bind(Some(directory.path()), None).unwrap();
        let acceptor = Arc::new(ours.server_config(servers.certificate().clone()).unwrap()).into();
        let mut strangers = Vec::new();
        for _ in 0..TLS_HANDSHAKES_MAX {
            strangers.push(UnixStream::connect(&file).await.unwrap());
        }
        let mut verified = std::pin::pin!(accept(listener, acceptor));
        let begin = Instant::now();
        let connector = TlsConnector::from(Arc::new(servers.client_config(ours.certificate().clone()).unwrap()));
        let server = async {
            let stream = UnixStream::connect(&file).await.unwrap();
            let mut stream = connector.connect(ServerName::try_from(SERVER_NAME).unwrap(), stream).await.unwrap();
            stream.write_all(b"hello").await.unwrap();
            stream
        };
        let (accepted, _server) = tokio::join!(verified.next(), server);
        // Only when the strangers' time was over was there room for the server.
        assert_eq!(begin.elapsed().as_secs(), TLS_HANDSHAKE_TIMEOUT.as_secs());
        let mut text = [0; 5];
        accepted.unwrap().read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"hello");
    }
}
