//! Why an exchange has no answer. Each reason is a case of its own, so that an engine can say what failed and what to do;
//! none carries text from outside.

use thiserror::Error;

/// Why there is no answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum HttpError {
    /// The egress policy refuses the destination; the text names the setting that would allow it.
    #[error("{0}")]
    Denied(String),
    /// Certainly not sent.
    #[error("{0}")]
    NotSent(NotSent),
    /// No head of an answer in time; the request may have been acted on.
    #[error("no answer in time")]
    TimedOut,
    /// The body of the answer began and then did not come in time; the request was acted on.
    #[error("the body of the answer did not come in time")]
    BodyTimedOut,
    /// The answer was larger than the host allows; the request was acted on.
    #[error("the answer was too large")]
    TooLarge,
    /// Cut off or malformed; the request may have been acted on.
    #[error("{0}")]
    Lost(Loss),
}

/// Why a request was certainly not sent.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NotSent {
    /// DNS has no address for the host.
    #[error("the host name does not resolve")]
    NameUnknown,
    /// DNS did not answer.
    #[error("DNS did not answer in time")]
    NameTimedOut,
    /// Nothing listens there, or a firewall says so.
    #[error("the connection was refused")]
    Refused,
    /// No address of the host can be routed to.
    #[error("no route leads to the address")]
    Unreachable,
    /// A connection was made, and closed again before it could be used.
    #[error("the connection was closed while it was set up")]
    Closed,
    /// No address of the host answered.
    #[error("no connection in time")]
    ConnectTimedOut,
    /// The peer did not finish the TLS handshake.
    #[error("no TLS in time")]
    TlsTimedOut,
    /// All connections that the mount may have to this host were in use.
    #[error("all connections to the host, or of the mount, stayed in use")]
    Busy,
    /// Nobody that the host trusts signed the server's certificate; it may be self-signed.
    #[error("the server's certificate is signed by an unknown authority")]
    UnknownAuthority,
    /// By this machine's clock.
    #[error("the server's certificate has expired")]
    CertificateExpired,
    /// By this machine's clock.
    #[error("the server's certificate is not valid yet")]
    CertificateNotYetValid,
    /// The certificate does not name the host of the request.
    #[error("the server's certificate is for another name")]
    CertificateForAnotherName,
    /// Revoked, malformed, or not meant for servers.
    #[error("the server's certificate cannot be used")]
    CertificateUnusable,
    /// The server ends TLS with clients that have no certificate.
    #[error("the server wants a client certificate")]
    ClientCertificateWanted,
    /// The server ended TLS with this alert of RFC 8446.
    #[error("the server ended TLS with alert {0}")]
    TlsAlert(u8),
    /// No common version or cipher, or what answered does not speak TLS.
    #[error("TLS could not be agreed on")]
    TlsFailed,
    /// The host of the engine trusts no certificate at all.
    #[error("the trusted certificates of this machine cannot be read")]
    NoTrustedCertificates,
    /// DNS has no address for the proxy.
    #[error("the proxy's host name does not resolve")]
    ProxyNameUnknown,
    /// The connection to the proxy was refused, or no route leads there.
    #[error("the proxy cannot be connected to")]
    ProxyUnreachable,
    /// The proxy did not accept or answer.
    #[error("the proxy did not answer in time")]
    ProxyTimedOut,
    /// The proxy answered with this status.
    #[error("the proxy refused with status {0}")]
    ProxyRefused(u16),
    /// The proxy answered with status 407.
    #[error("the proxy wants other credentials")]
    ProxyWantsCredentials,
    /// What the proxy answered is no HTTP.
    #[error("the proxy's answer was no proper HTTP")]
    ProxyNotHttp,
    /// The proxy closed the connection instead of answering.
    #[error("the proxy closed the connection")]
    ProxyClosed,
    /// The engine made a request that cannot be sent.
    #[error("the request cannot be sent: {0}")]
    Unsendable(&'static str),
}

impl NotSent {
    /// Did the time run out?
    #[must_use]
    pub fn is_timeout(self) -> bool {
        matches!(self, Self::NameTimedOut | Self::ConnectTimedOut | Self::TlsTimedOut | Self::ProxyTimedOut)
    }

    /// Is the reason likely to pass by itself, so that a repetition makes sense?
    #[must_use]
    pub fn may_pass(self) -> bool {
        match self {
            Self::NameUnknown
            | Self::NameTimedOut
            | Self::Refused
            | Self::Unreachable
            | Self::Closed
            | Self::ConnectTimedOut
            | Self::TlsTimedOut
            | Self::Busy
            | Self::ProxyNameUnknown
            | Self::ProxyUnreachable
            | Self::ProxyTimedOut
            | Self::ProxyClosed => true,
            Self::ProxyRefused(status) => status == 429 || status >= 500,
            Self::UnknownAuthority
            | Self::CertificateExpired
            | Self::CertificateNotYetValid
            | Self::CertificateForAnotherName
            | Self::CertificateUnusable
            | Self::ClientCertificateWanted
            | Self::TlsAlert(_)
            | Self::TlsFailed
            | Self::NoTrustedCertificates
            | Self::ProxyWantsCredentials
            | Self::ProxyNotHttp
            | Self::Unsendable(_) => false,
        }
    }
}

/// How an answer was lost.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Loss {
    /// Closed or reset by the peer, or by something on the way.
    #[error("the connection was lost after the request was sent")]
    Closed,
    /// What came is not HTTP.
    #[error("the answer was no proper HTTP")]
    NotHttp,
    /// The engine did not send the request as a whole.
    #[error("the request was not sent as a whole")]
    RequestCut,
    /// The host of the engine failed; its log says why.
    #[error("the HTTP of the plugin's host failed")]
    HostFailed,
}
