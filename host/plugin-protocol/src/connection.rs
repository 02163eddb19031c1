//! The connection back to the server, for one mount: Unix socket, TLS, HTTP/2.
//!
//! Calls go straight to HTTP/2, without the buffer and the reconnects of tonic's own channel: the server never listens
//! a second time for a mount.

use std::future::Future;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use thiserror::Error as ThisError;
use tokio::net::UnixStream;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::body::Body;
use tower::Service;

use crate::limits::{DIAL_TIMEOUT, MOUNT_CLOSE_GRACE, RESET_CALLS_MAX, WINDOW_BYTES};
use crate::mtls::SERVER_NAME;
use crate::task;

/// Why there is no connection.
#[derive(Debug, ThisError)]
pub(crate) enum DialError {
    #[error("failed to connect to `{path}`: {source}")]
    Socket { path: String, source: io::Error },
    #[error("failed to agree on HTTP/2 with the server at `{path}`: {source}")]
    Http { path: String, source: hyper::Error },
    #[error("the server at `{path}` did not answer within {} s", DIAL_TIMEOUT.as_secs())]
    TimedOut { path: String },
}

/// One HTTP/2 connection, which closes with the drop of the last clone.
#[derive(Clone)]
pub(crate) struct Connection {
    sender: SendRequest<Body>,
}

/// Ends a connection that may still have users.
#[derive(Debug)]
pub(crate) struct Closer {
    close: Arc<Notify>,
    #[cfg(any(test, feature = "testing"))]
    socket: StdUnixStream,
}

impl Connection {
    /// Connects to the services of a mount.
    pub(crate) async fn dial(path: &str, tls: &TlsConnector) -> Result<(Self, Closer), DialError> {
        timeout(DIAL_TIMEOUT, Self::dial_now(path, tls))
            .await
            .unwrap_or_else(|_| Err(DialError::TimedOut { path: path.to_owned() }))
    }

    async fn dial_now(path: &str, tls: &TlsConnector) -> Result<(Self, Closer), DialError> {
        let socket_error = |source| DialError::Socket { path: path.to_owned(), source };
        let stream = UnixStream::connect(Path::new(path)).await.map_err(socket_error)?;
        let socket = second_handle(&stream).map_err(socket_error)?;
        let name = ServerName::try_from(SERVER_NAME).map_err(|error| socket_error(io::Error::other(error)))?;
        let stream = tls.connect(name, stream).await.map_err(socket_error)?;
        let (sender, driver) = Builder::new(TokioExecutor::new())
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_concurrent_reset_streams(RESET_CALLS_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|source| DialError::Http { path: path.to_owned(), source })?;
        let close = Arc::new(Notify::new());
        let closer = Closer {
            close: close.clone(),
            #[cfg(any(test, feature = "testing"))]
            socket: socket.try_clone().map_err(socket_error)?,
        };
        task::spawn(drive(driver, close, socket));
        Ok((Self { sender }, closer))
    }

    /// The origin for generated clients.
    pub(crate) fn origin() -> Uri {
        Uri::from_static("http://localhost")
    }
}

/// The socket once more, beside the handle that goes into TLS.
fn second_handle(stream: &UnixStream) -> io::Result<StdUnixStream> {
    stream.as_fd().try_clone_to_owned().map(StdUnixStream::from)
}

/// Moves the connection's bytes until nobody uses it or it is closed.
async fn drive(driver: impl Future<Output = hyper::Result<()>>, close: Arc<Notify>, socket: StdUnixStream) {
    let closed = async {
        close.notified().await;
        tokio::time::sleep(MOUNT_CLOSE_GRACE).await;
        // Also with calls in progress: the server waits for the end of the connection.
        let _ = socket.shutdown(Shutdown::Both);
    };
    tokio::select! {
        outcome = driver => {
            if let Err(error) = outcome {
                tracing::debug!(%error, "the connection to the server's storage failed");
            }
        }
        () = closed => {}
    }
}

impl Closer {
    /// Closes the connection after a moment for calls in progress.
    pub(crate) fn close(&self) {
        self.close.notify_one();
    }

    /// Closes the connection in the middle of a call.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn close_now(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl Service<http::Request<Body>> for Connection {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.sender.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.sender.send_request(request))
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Connection").field("closed", &self.sender.is_closed()).finish()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::UnixListener;
    use tokio::time::Instant;

    use super::*;
    use crate::mtls::Identity;

    fn connector() -> TlsConnector {
        let (ours, servers) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        Arc::new(ours.client_config(servers.certificate().clone()).unwrap()).into()
    }

    async fn refusal(path: &Path) -> DialError {
        Connection::dial(path.to_str().unwrap(), &connector()).await.map(|_| ()).unwrap_err()
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_does_not_answer_is_given_up() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("silent");
        let _listener = UnixListener::bind(&path).unwrap();
        let begin = Instant::now();
        assert!(matches!(refusal(&path).await, DialError::TimedOut { .. }));
        assert_eq!(begin.elapsed(), DIAL_TIMEOUT);
    }

    #[tokio::test]
    async fn nobody_and_nonsense_are_errors_that_name_the_socket() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let error = refusal(&path).await;
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        let listener = UnixListener::bind(&path).unwrap();
        let nonsense = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            stream
        };
        let (error, _stream) = tokio::join!(refusal(&path), nonsense);
        assert!(matches!(error, DialError::Socket { .. }), "{error:?}");
    }
}
