//! The connection back to the server, for one mount: Unix socket, TLS, HTTP/2.
//!
//! Calls go straight to HTTP/2, without the buffer and the reconnects of tonic's own channel: the server never listens
//! a second time for a mount. Head and body of a call are queued together, so that they leave in one write: the usual
//! client sends the body from a task of its own, which costs a second write and a second wake-up for each call.

use std::future::Future;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::Uri;
use http_body::{Body as _, Frame};
use rustls::pki_types::ServerName;
use thiserror::Error as ThisError;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use crate::limits::{DIAL_TIMEOUT, MOUNT_CLOSE_GRACE, RESET_CALLS_MAX, WINDOW_BYTES};
use crate::mtls::SERVER_NAME;
use crate::scrub::Scrubbing;
use crate::task;

/// Why there is no connection.
#[derive(Debug, ThisError)]
pub(crate) enum DialError {
    #[error("failed to connect to `{path}`: {source}")]
    Socket { path: String, source: io::Error },
    #[error("failed to agree on HTTP/2 with the server at `{path}`: {source}")]
    Http { path: String, source: h2::Error },
    #[error("the server at `{path}` did not answer within {} s", DIAL_TIMEOUT.as_secs())]
    TimedOut { path: String },
}

/// One HTTP/2 connection, which closes with the drop of the last clone.
#[derive(Clone)]
pub(crate) struct Connection {
    sender: SendRequest<Bytes>,
}

/// Ends a connection that may still have users.
#[derive(Debug)]
pub(crate) struct Closer {
    close: watch::Sender<bool>,
    #[cfg(any(test, feature = "testing"))]
    socket: StdUnixStream,
}

impl Connection {
    /// Connects to the services of a mount, which has this name in the log.
    pub(crate) async fn dial(path: &str, tls: &TlsConnector, mount: &str) -> Result<(Self, Closer), DialError> {
        timeout(DIAL_TIMEOUT, Self::dial_now(path, tls, mount))
            .await
            .unwrap_or_else(|_| Err(DialError::TimedOut { path: path.to_owned() }))
    }

    async fn dial_now(path: &str, tls: &TlsConnector, mount: &str) -> Result<(Self, Closer), DialError> {
        let socket_error = |source| DialError::Socket { path: path.to_owned(), source };
        let stream = UnixStream::connect(Path::new(path)).await.map_err(socket_error)?;
        let socket = second_handle(&stream).map_err(socket_error)?;
        let name = ServerName::try_from(SERVER_NAME).map_err(|error| socket_error(io::Error::other(error)))?;
        let stream = tls.connect(name, Scrubbing::new(stream)).await.map_err(socket_error)?;
        let (sender, driver) = Builder::new()
            .enable_push(false)
            .initial_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_concurrent_reset_streams(RESET_CALLS_MAX)
            // Two limits against strangers end a connection after a number of answers to calls that were given up: answers
            // that come when the call is forgotten, and small ones. Both numbers grow over the life of the connection, and
            // there is no second one: the server, whose certificate is pinned, listens once for each mount.
            .max_local_error_reset_streams(None)
            .data_frame_budget(usize::MAX)
            .handshake(stream)
            .await
            .map_err(|source| DialError::Http { path: path.to_owned(), source })?;
        let (close, closing) = watch::channel(false);
        let closer = Closer {
            close,
            #[cfg(any(test, feature = "testing"))]
            socket: socket.try_clone().map_err(socket_error)?,
        };
        task::spawn(drive(driver, closing, socket, mount.to_owned()));
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
async fn drive(
    driver: impl Future<Output = Result<(), h2::Error>>,
    closing: watch::Receiver<bool>,
    socket: StdUnixStream,
    mount: String,
) {
    let mut asked = closing.clone();
    let closed = async {
        if asked.wait_for(|is_asked| *is_asked).await.is_err() {
            // The closer has gone: the connection ends with its last user.
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(MOUNT_CLOSE_GRACE).await;
        // Also with calls in progress: the server waits for the end of the connection.
        let _ = socket.shutdown(Shutdown::Both);
    };
    tokio::select! {
        outcome = driver => {
            let is_mount_gone = *closing.borrow() || closing.has_changed().is_err();
            if !is_mount_gone {
                log_loss(&mount, outcome.err());
            }
        }
        () = closed => {}
    }
}

/// Nobody asked for the end of the connection, and there is no other one.
fn log_loss(mount: &str, error: Option<h2::Error>) {
    let reason = error.map_or_else(|| "the server closed it".to_owned(), |error| error.to_string());
    tracing::warn!(
        mount,
        reason,
        "the connection to the server's storage ended: requests of this mount fail until the server reloads the plugin"
    );
}

impl Closer {
    /// Closes the connection after a moment for calls in progress.
    pub(crate) fn close(&self) {
        self.close.send_replace(true);
    }

    /// Closes the connection in the middle of a call.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn close_now(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl Service<http::Request<Body>> for Connection {
    type Response = http::Response<Answer>;
    type Error = CallError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.sender.poll_ready(context).map_err(CallError::from)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let begun = self.begin(request);
        Box::pin(async move { Ok(begun?.await?.map(Answer)) })
    }
}

/// Why a call has no answer. The drop of a call's future resets the call at the server.
pub(crate) type CallError = Box<dyn std::error::Error + Send + Sync>;

impl Connection {
    /// Queues the head, and all of the body that is there.
    fn begin(&mut self, request: http::Request<Body>) -> Result<ResponseFuture, CallError> {
        let (head, mut body) = request.into_parts();
        let (pieces, is_whole) = ready_pieces(&mut body)?;
        let is_empty = is_whole && pieces.is_empty();
        let (answer, mut stream) = self.sender.send_request(http::Request::from_parts(head, ()), is_empty)?;
        let last = pieces.len().saturating_sub(1);
        for (number, piece) in pieces.into_iter().enumerate() {
            stream.send_data(piece, is_whole && number == last)?;
        }
        if !is_whole {
            task::spawn(send_rest(body, stream));
        }
        Ok(answer)
    }
}

/// The pieces of a body that need no waiting, and whether they are all: the message of a call with one message always is.
fn ready_pieces(body: &mut Body) -> Result<(Vec<Bytes>, bool), Status> {
    let mut pieces = Vec::new();
    loop {
        match Pin::new(&mut *body).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(frame)) => pieces.extend(frame?.into_data().ok()),
            Poll::Ready(None) => return Ok((pieces, true)),
            Poll::Pending => return Ok((pieces, false)),
        }
    }
}

/// Sends the messages of a call with many messages as they come.
async fn send_rest(mut body: Body, mut stream: SendStream<Bytes>) {
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Some(piece) = frame.ok().and_then(|frame| frame.into_data().ok()) else { break };
        if stream.send_data(piece, false).is_err() {
            return;
        }
    }
    // The call may be over already.
    let _ = stream.send_data(Bytes::new(), true);
}

/// The body of an answer.
pub(crate) struct Answer(RecvStream);

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match ready!(self.0.poll_data(context)) {
            Some(Ok(data)) => {
                let released = self.0.flow_control().release_capacity(data.len());
                Poll::Ready(Some(released.map(|()| Frame::data(data))))
            }
            // The server has answered, and wants no more of the request.
            Some(Err(error)) if error.reason() == Some(Reason::NO_ERROR) => Poll::Ready(None),
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            None => {
                let trailers = ready!(self.0.poll_trailers(context)).transpose();
                Poll::Ready(trailers.map(|trailers| trailers.map(Frame::trailers)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Connection").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixListener;
    use tokio::sync::mpsc;
    use tokio::time::Instant;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::mtls::Identity;

    fn identities() -> (TlsConnector, TlsAcceptor) {
        let (ours, servers) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let connector = ours.client_config(servers.certificate().clone()).unwrap();
        let acceptor = servers.server_config(ours.certificate().clone()).unwrap();
        (Arc::new(connector).into(), Arc::new(acceptor).into())
    }

    async fn refusal(path: &Path) -> DialError {
        Connection::dial(path.to_str().unwrap(), &identities().0, "").await.map(|_| ()).unwrap_err()
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

    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const SETTINGS: u8 = 4;
    const END_STREAM: u8 = 1;
    const END_HEADERS: u8 = 4;
    /// Status 200 in HPACK.
    const OK: &[u8] = &[0x88];

    fn frame(kind: u8, flags: u8, call: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &call.to_be_bytes(), payload].concat()
    }

    /// A server that answers as the test says, whatever HTTP/2 says.
    struct Peer {
        writer: Box<dyn tokio::io::AsyncWrite + Send + Unpin>,
        /// Kinds and calls of the frames that came.
        frames: mpsc::Receiver<(u8, u32)>,
    }

    impl Peer {
        async fn accept(listener: UnixListener, acceptor: TlsAcceptor) -> Self {
            let (stream, _) = listener.accept().await.unwrap();
            let (mut reader, mut writer) = tokio::io::split(acceptor.accept(stream).await.unwrap());
            writer.write_all(&[frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, 1, 0, &[])].concat()).await.unwrap();
            // Room for all frames of the test, so that the connection is always read.
            let (sender, frames) = mpsc::channel(1 << 16);
            task::spawn(async move {
                let mut preface = [0; 24];
                reader.read_exact(&mut preface).await.unwrap();
                let mut head = [0; 9];
                while reader.read_exact(&mut head).await.is_ok() {
                    let [a, b, c, kind, _, call @ ..] = head;
                    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
                    reader.read_exact(&mut payload).await.unwrap();
                    let _ = sender.send((kind, u32::from_be_bytes(call))).await;
                }
            });
            Self { writer: Box::new(writer), frames }
        }

        /// Waits for as many frames of a kind, and answers the calls that they belong to.
        async fn until(&mut self, kind: u8, count: usize) -> Vec<u32> {
            let mut calls = Vec::new();
            while calls.len() < count {
                let (came, call) = self.frames.recv().await.unwrap();
                calls.extend((came == kind).then_some(call));
            }
            calls
        }
    }

    async fn ask(connection: &mut Connection) -> BoxFuture<'static, Result<http::Response<Answer>, CallError>> {
        std::future::poll_fn(|context| connection.poll_ready(context)).await.unwrap();
        let request = http::Request::post("http://localhost/pb.Storage/Get").body(Body::empty());
        connection.call(request.unwrap())
    }

    #[tokio::test]
    async fn any_number_of_late_answers_to_calls_given_up_does_not_end_the_connection() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let (connector, acceptor) = identities();
        let dialed = Connection::dial(path.to_str().unwrap(), &connector, "mount");
        let (dialed, mut peer) = tokio::join!(dialed, Peer::accept(listener, acceptor));
        let (mut connection, _closer) = dialed.unwrap();

        // Some of them are forgotten at once, and the others remembered for a second.
        const GIVEN_UP: usize = 3 * RESET_CALLS_MAX;
        let mut given_up = Vec::new();
        for _ in 0..GIVEN_UP {
            given_up.push(ask(&mut connection).await);
        }
        peer.until(HEADERS, GIVEN_UP).await;
        drop(given_up);
        let late = async {
            for call in peer.until(RST_STREAM, GIVEN_UP).await {
                let small = frame(DATA, 0, call, b"x");
                let answer = [frame(HEADERS, END_HEADERS, call, OK), small.repeat(3)].concat();
                peer.writer.write_all(&answer).await.unwrap();
            }
            let answer = ask(&mut connection).await;
            let call = peer.until(HEADERS, 1).await;
            peer.writer.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, call[0], OK)).await.unwrap();
            answer.await.unwrap()
        };
        // A connection that ended would leave the test waiting.
        assert!(timeout(std::time::Duration::from_secs(30), late).await.unwrap().status().is_success());
    }
}
