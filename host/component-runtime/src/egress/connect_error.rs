//! Errors of connections to upstreams.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use thiserror::Error;

use super::progress::Phase;
use super::trust::TrustError;

/// There is no connection. In each case nothing was sent.
#[derive(Debug, Error)]
pub(crate) enum ConnectError {
    #[error("the policy does not allow the destination")]
    Denied,
    #[error("the name resolves only to addresses that are refused")]
    AddressRefused,
    #[error("the name does not resolve: {0}")]
    Dns(Arc<io::Error>),
    #[error("no address could be connected to{}", listed(.0))]
    Addresses(Vec<(SocketAddr, io::Error)>),
    #[error("no TLS")]
    Tls(#[source] io::Error),
    #[error("no TLS: this host's trusted certificates cannot be read: {0}")]
    TrustStore(Arc<TrustError>),
    #[error("the proxy {proxy}")]
    Proxy {
        proxy: String,
        #[source]
        failure: ProxyFailure,
    },
    #[error("not in time: {}", waited_for(*.0))]
    TimedOut(Phase),
}

/// A proxy made no connection.
#[derive(Debug, Error)]
pub(crate) enum ProxyFailure {
    #[error("its name does not resolve: {0}")]
    Name(Arc<io::Error>),
    #[error("it could not be connected to{}", listed(.0))]
    Addresses(Vec<(SocketAddr, io::Error)>),
    #[error("it refused with status {0}")]
    Status(u16),
    #[error("it wants other credentials (status 407)")]
    Credentials,
    #[error("its answer")]
    Http(#[source] hyper::Error),
    #[error("it sent more than its answer")]
    TooMuch,
    #[error("the destination cannot be named to it")]
    Target,
}

impl ConnectError {
    /// DNS knows the name, but the name has no address.
    pub(crate) fn no_address() -> Self {
        Self::Dns(Arc::new(io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
    }
}

fn listed(failed: &[(SocketAddr, io::Error)]) -> String {
    let mut text = String::new();
    for (address, error) in failed {
        let separator = if text.is_empty() { ": " } else { "; " };
        // Writing to a text cannot fail.
        let _ = write!(text, "{separator}{address}: {error}");
    }
    text
}

fn waited_for(phase: Phase) -> &'static str {
    match phase {
        Phase::Connection => "all connections to the host, or of the mount, stayed in use",
        Phase::Name => "DNS did not answer",
        Phase::Address => "no address accepted the connection",
        Phase::Proxy => "the proxy did not connect",
        Phase::Tls => "the peer did not finish the TLS handshake",
    }
}
