//! Makes connections: to checked addresses only, counted for each authority, within the connect timeout.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Service;

use super::connect_error::ConnectError;
use super::policy::Policy;
use super::resolve::{Resolve, vetted};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Connects for one mount. Clones share the count.
#[derive(Clone)]
pub(crate) struct Connector {
    policy: Arc<Policy>,
    resolver: Arc<dyn Resolve>,
    slots: Arc<Slots>,
}

impl Connector {
    pub(crate) fn new(policy: Arc<Policy>, resolver: Arc<dyn Resolve>, per_authority_max: usize) -> Self {
        Self { policy, resolver, slots: Arc::new(Slots { per_authority_max, by_authority: Mutex::default() }) }
    }

    async fn connect(self, uri: Uri) -> Result<Wire, ConnectError> {
        let host = uri.host().unwrap_or_default();
        let destination = self.policy.destination(uri.scheme_str().unwrap_or_default(), host, uri.port_u16());
        let destination = destination.ok_or(ConnectError::Denied)?;
        let slot = self.slots.take(format!("{}:{}", destination.host, destination.port)).await?;
        let addresses = vetted(&*self.resolver, &destination).await?;
        let stream = first(&addresses).await?;
        Ok(Wire { io: TokioIo::new(stream), _slot: slot })
    }
}

/// Connects to the first address that answers.
async fn first(addresses: &[SocketAddr]) -> Result<TcpStream, ConnectError> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // A request is written at once; waiting for more to fill a packet only costs time.
                stream.set_nodelay(true).map_err(ConnectError::Io)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(ConnectError::Io(last))
}

impl Service<Uri> for Connector {
    type Response = Wire;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<Wire, ConnectError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// Connections of one mount, by authority.
struct Slots {
    per_authority_max: usize,
    by_authority: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Slots {
    async fn take(&self, authority: String) -> Result<OwnedSemaphorePermit, ConnectError> {
        let semaphore = {
            let mut by_authority = self.by_authority.lock().unwrap_or_else(PoisonError::into_inner);
            // Those without connections are nobody's: a wildcard origin can have any number of hosts.
            by_authority
                .retain(|_, slots| slots.available_permits() < self.per_authority_max || Arc::strong_count(slots) > 1);
            let semaphore =
                by_authority.entry(authority).or_insert_with(|| Arc::new(Semaphore::new(self.per_authority_max)));
            Arc::clone(semaphore)
        };
        semaphore.acquire_owned().await.map_err(|_| ConnectError::TimedOut)
    }
}

/// A connection, which counts until it is closed.
pub(crate) struct Wire {
    io: TokioIo<TcpStream>,
    _slot: OwnedSemaphorePermit,
}

impl Read for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
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
        Connected::new()
    }
}

/// Bounds a connector, TLS included: the pool goes on with a connect that no request waits for any more, and
/// a server that never answers must not hold its slot.
#[derive(Clone)]
pub(crate) struct Timed<S> {
    pub(crate) inner: S,
    pub(crate) timeout: Duration,
}

impl<S> Service<Uri> for Timed<S>
where
    S: Service<Uri>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, timeout) = (self.inner.call(uri), self.timeout);
        Box::pin(async move {
            match tokio::time::timeout(timeout, connecting).await {
                Ok(connected) => connected.map_err(Into::into),
                Err(_) => Err(ConnectError::TimedOut.into()),
            }
        })
    }
}
