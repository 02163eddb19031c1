//! Keeps connections alive: each mount has its own pool, so that mounts share no connection.

use std::sync::Arc;

use bytes::Bytes;
use http::Version;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use tokio::sync::{OnceCell, Semaphore};

use super::calls::CallCounts;
use super::connect::Connector;
use super::egress_log::EgressLog;
use super::policy::Policy;
use super::proxy::Proxies;
use super::resolve::Resolve;
use super::settings::EgressSettings;
use super::trust::{Authorities, ClientIdentity, TrustError, client_config};
use super::work::MountWork;
use crate::capability::LogRate;
use crate::limits::{EgressLimits, LOOKUPS_MAX};

/// Header fields of an answer. Each takes memory beside its bytes.
const HEADER_FIELDS_MAX: usize = 128;
/// Flow control of HTTP/2: bytes of a stream that an upstream may send before the guest reads.
const H2_STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// The same for a connection, whose streams share it.
const H2_CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// Most bytes of an answer that are received and not read yet.
pub(crate) fn answer_window(version: Version, limits: &EgressLimits) -> usize {
    match version {
        Version::HTTP_2 => H2_STREAM_WINDOW_BYTES as usize,
        // HTTP/1: the buffer of the connection.
        _ => limits.header_bytes_max,
    }
}

/// State that all mounts share: limits, trust store, proxies.
pub(crate) struct Egress {
    pub(crate) limits: EgressLimits,
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) proxies: Proxies,
    /// Limit of the look-ups of all mounts.
    pub(crate) lookups: Arc<Semaphore>,
    authorities: Authorities,
    identity: Option<ClientIdentity>,
    tls: OnceCell<Arc<ClientConfig>>,
}

impl Egress {
    pub(crate) fn new(settings: EgressSettings, limits: &EgressLimits) -> Arc<Self> {
        let EgressSettings { authorities, identity, proxies, resolver } = settings;
        Arc::new(Self {
            limits: limits.clone(),
            resolver,
            proxies,
            lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)),
            authorities,
            identity,
            tls: OnceCell::new(),
        })
    }

    /// An egress with a TLS identity of the test.
    #[cfg(test)]
    pub(crate) fn with_tls(limits: &EgressLimits, config: ClientConfig) -> Arc<Self> {
        let egress = Self::new(EgressSettings::default(), limits);
        assert!(egress.tls.set(Arc::new(super::trust::with_alpn(config))).is_ok(), "it is new");
        egress
    }

    #[cfg(test)]
    pub(crate) fn has_read_trust_store(&self) -> bool {
        self.tls.initialized()
    }

    /// Reads the trust store when the first request needs it, away from the threads that serve.
    pub(crate) async fn tls(&self) -> Result<Arc<ClientConfig>, Arc<TrustError>> {
        let (authorities, identity) = (self.authorities.clone(), self.identity.clone());
        let read = async {
            let built = tokio::task::spawn_blocking(move || client_config(&authorities, identity.as_ref())).await;
            let built = built.unwrap_or_else(|stopped| Err(TrustError::NoAuthorities(vec![stopped.to_string()])));
            built.map(Arc::new).map_err(Arc::new)
        };
        self.tls.get_or_try_init(|| read).await.cloned()
    }
}

type Pool = Client<Connector, Full<Bytes>>;

/// State of one mount: its policy, connections, number of requests, and share of the log.
pub(crate) struct MountEgress {
    pub(crate) shared: Arc<Egress>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) requests: Arc<Semaphore>,
    pub(crate) log: EgressLog,
    pub(crate) calls: CallCounts,
    pub(crate) work: Arc<dyn MountWork>,
    pool: Pool,
}

impl MountEgress {
    pub(crate) fn new(shared: &Arc<Egress>, policy: Policy, log_rate: &Arc<LogRate>, work: Arc<dyn MountWork>) -> Self {
        let policy = Arc::new(policy);
        Self {
            requests: Arc::new(Semaphore::new(shared.limits.requests_per_mount_max)),
            pool: pool(&shared.limits, Connector::new(shared, &policy)),
            log: EgressLog::new(log_rate),
            calls: CallCounts::default(),
            work,
            shared: Arc::clone(shared),
            policy,
        }
    }

    /// Sends on a pooled or a new connection. Sends a request again only if the pool knows that the connection was
    /// closed before any part of the request was sent.
    ///
    /// # Errors
    /// As `upstream_error` describes.
    pub(crate) async fn request(
        &self,
        request: http::Request<Full<Bytes>>,
    ) -> Result<http::Response<Incoming>, hyper_util::client::legacy::Error> {
        self.pool.request(request).await
    }
}

fn pool(limits: &EgressLimits, connector: Connector) -> Pool {
    let header_bytes_max = limits.header_bytes_max;
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(limits.idle_timeout)
        .pool_max_idle_per_host(limits.connections_per_authority_max)
        .http1_max_buf_size(header_bytes_max)
        .http1_max_headers(HEADER_FIELDS_MAX)
        .http2_max_header_list_size(u32::try_from(header_bytes_max).unwrap_or(u32::MAX))
        .http2_initial_stream_window_size(H2_STREAM_WINDOW_BYTES)
        .http2_initial_connection_window_size(H2_CONNECTION_WINDOW_BYTES);
    builder.build(connector)
}
