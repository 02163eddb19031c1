//! Makes connections: only to checked addresses, counted for each authority, with TLS where the origin asks for it, all
//! within the connect timeout.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::Uri;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower::Service;

use super::connect_error::{ConnectError, ProxyFailure};
use super::lookup::Lookups;
use super::origin::{Host, Scheme};
use super::policy::{Destination, Policy};
use super::pool::Egress;
use super::progress::{Phase, Progress};
use super::proxy::Proxy;
use super::race::first_connected;
use super::resolve::{all_addresses, vetted};
use super::slots::Slots;
use super::trust::TrustError;
use super::tunnel::tunnel;
use super::wire::Wire;
use crate::limits::TLS_SESSIONS_PER_MOUNT_MAX;

/// ALPN's name of HTTP/2.
const HTTP2: &[u8] = b"h2";

/// Connects for one mount. Clones share the counts.
#[derive(Clone)]
pub(crate) struct Connector {
    egress: Arc<Egress>,
    policy: Arc<Policy>,
    slots: Arc<Slots>,
    lookups: Arc<Lookups>,
    tls: Arc<OnceCell<Arc<ClientConfig>>>,
}

impl Connector {
    pub(crate) fn new(egress: &Arc<Egress>, policy: &Arc<Policy>) -> Self {
        let slots = Arc::new(Slots::new(&egress.limits));
        let lookups = Arc::new(Lookups::new(&egress.resolver, &egress.limits, &egress.lookups));
        Self { egress: Arc::clone(egress), policy: Arc::clone(policy), slots, lookups, tls: Arc::default() }
    }

    /// The settings that all mounts share, with TLS sessions of this mount alone: a resumed session would tell a server
    /// that two mounts belong to one client.
    async fn tls(&self) -> Result<Arc<ClientConfig>, Arc<TrustError>> {
        let own = async {
            let mut config = ClientConfig::clone(&*self.egress.tls().await?);
            config.resumption = Resumption::in_memory_sessions(TLS_SESSIONS_PER_MOUNT_MAX);
            Ok(Arc::new(config))
        };
        self.tls.get_or_try_init(|| own).await.cloned()
    }

    async fn connect(self, uri: Uri, progress: Progress) -> Result<Wire, ConnectError> {
        let host = uri.host().unwrap_or_default();
        let destination = self.policy.destination(uri.scheme_str().unwrap_or_default(), host, uri.port_u16());
        let destination = destination.ok_or(ConnectError::Denied)?;
        // TLS settings come first: without a trusted authority there is no reason to connect.
        let tls = match destination.scheme {
            Scheme::Http => None,
            Scheme::Https => Some(self.tls().await.map_err(ConnectError::TrustStore)?),
        };
        progress.enter(Phase::Connection);
        let slot = self.slots.take(format!("{}:{}", destination.host, destination.port)).await;
        let slot = slot.ok_or(ConnectError::TimedOut(Phase::Connection))?;
        let stream = match self.egress.proxies.of(&destination) {
            Some(proxy) => self.through(proxy, &destination, &progress).await?,
            None => self.directly(&destination, &progress).await?,
        };
        let Some(tls) = tls else { return Ok(Wire::new(Box::new(stream), false, slot)) };
        progress.enter(Phase::Tls);
        let name = server_name(&destination.host).ok_or(ConnectError::Denied)?;
        let secured = TlsConnector::from(tls).connect(name, stream).await.map_err(ConnectError::Tls)?;
        let is_http2 = secured.get_ref().1.alpn_protocol() == Some(HTTP2);
        Ok(Wire::new(Box::new(secured), is_http2, slot))
    }

    async fn directly(&self, destination: &Destination, progress: &Progress) -> Result<TcpStream, ConnectError> {
        progress.enter(Phase::Name);
        let addresses = vetted(&self.lookups, destination).await?;
        progress.enter(Phase::Address);
        self.first_connected(&addresses).await.map_err(ConnectError::Addresses)
    }

    /// Connects through the proxy, which may be at any address because the operator named it. The proxy resolves the
    /// name of the destination, so only a literal address can be checked here.
    async fn through(
        &self,
        proxy: &Proxy,
        destination: &Destination,
        progress: &Progress,
    ) -> Result<TcpStream, ConnectError> {
        if matches!(destination.host, Host::Address(ip) if !destination.may_be_at(ip)) {
            return Err(ConnectError::AddressRefused);
        }
        progress.enter(Phase::Proxy);
        let failed = |failure| ConnectError::Proxy { proxy: proxy.to_string(), failure };
        let addresses = all_addresses(&self.lookups, &proxy.host, proxy.port).await.map_err(|error| match error {
            ConnectError::Dns(error) => failed(ProxyFailure::Name(error)),
            ConnectError::TimedOut(_) => ConnectError::TimedOut(Phase::Proxy),
            error => error,
        })?;
        let connected = self.first_connected(&addresses).await;
        let stream = connected.map_err(|errors| failed(ProxyFailure::Addresses(errors)))?;
        tunnel(stream, proxy, destination).await.map_err(failed)
    }

    async fn first_connected(&self, addresses: &[SocketAddr]) -> Result<TcpStream, Vec<(SocketAddr, io::Error)>> {
        let connect = async |address| {
            let stream = TcpStream::connect(address).await?;
            // A request is written at once, so waiting to fill a packet would only cost time.
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        first_connected(addresses, self.egress.limits.address_stagger, connect).await
    }
}

/// The name that the certificate must contain.
fn server_name(host: &Host) -> Option<ServerName<'static>> {
    match host {
        Host::Name(name) => ServerName::try_from(name.clone()).ok(),
        Host::Address(ip) => Some(ServerName::from(*ip)),
        Host::Below(_) => None,
    }
}

impl Service<Uri> for Connector {
    type Response = Wire;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<Wire, ConnectError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    /// Limited here, too: the pool continues a connect although no request waits for it, and a server that never
    /// answers must not keep its slot.
    fn call(&mut self, uri: Uri) -> Self::Future {
        let (bound, progress) = (self.egress.limits.connect_timeout, Progress::of_this_request());
        let connecting = self.clone().connect(uri, progress.clone());
        Box::pin(async move {
            timeout(bound, connecting).await.unwrap_or_else(|_| Err(ConnectError::TimedOut(progress.phase())))
        })
    }
}
