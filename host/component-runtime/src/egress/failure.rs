//! Why a request of a guest was not answered: the code that the guest gets, and what the log says.

use sealed_secrets::Violation;
use wasmtime_wasi_http::Error;

use crate::memory_account::MemoryLimit;

/// Why a request of a guest was not answered.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The mount may not send it.
    Refused(Error, String),
    /// There is no connection.
    NotConnected(Error, String),
    /// There is no TLS at all: this host trusts no certificate.
    NoTrustStore(Error, String),
    /// The guest's own request, or an answer of the upstream.
    Other(Error),
}

impl Failure {
    /// For the guest.
    pub(crate) fn code(self) -> Error {
        match self {
            Self::Refused(code, _) | Self::NotConnected(code, _) | Self::NoTrustStore(code, _) | Self::Other(code) => {
                code
            }
        }
    }
}

impl From<Violation> for Failure {
    /// The request of the server fails; the guest learns no more than that nothing was sent.
    fn from(violation: Violation) -> Self {
        Self::Refused(Error::HttpRequestDenied, violation.to_string())
    }
}

impl From<MemoryLimit> for Failure {
    /// Nothing was sent.
    fn from(limit: MemoryLimit) -> Self {
        Self::NotConnected(Error::ConnectionLimitReached, format!("it met its limit of {limit}"))
    }
}

impl From<Error> for Failure {
    fn from(code: Error) -> Self {
        Self::Other(code)
    }
}
