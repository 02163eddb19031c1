//! The failure of a guest's request: the code for the guest, and the text for the log.

use sealed_secrets::Violation;
use wasmtime_wasi_http::Error;

use crate::memory_account::MemoryLimit;

/// A request of a guest was not answered.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The mount may not send the request.
    Refused(Error, String),
    /// There is no connection.
    NotConnected(Error, String),
    /// This host trusts no certificate, so there is no TLS.
    NoTrustStore(Error, String),
    /// A mistake in the guest's request or in the upstream's answer.
    Other(Error),
}

impl Failure {
    /// The code for the guest.
    pub(crate) fn code(self) -> Error {
        match self {
            Self::Refused(code, _) | Self::NotConnected(code, _) | Self::NoTrustStore(code, _) | Self::Other(code) => {
                code
            }
        }
    }
}

impl From<Violation> for Failure {
    /// The server's request fails; the guest learns only that the request was not sent.
    fn from(violation: Violation) -> Self {
        Self::Refused(Error::HttpRequestDenied, violation.to_string())
    }
}

impl From<MemoryLimit> for Failure {
    /// The request was not sent.
    fn from(limit: MemoryLimit) -> Self {
        Self::NotConnected(Error::ConnectionLimitReached, format!("it met its limit of {limit}"))
    }
}

impl From<Error> for Failure {
    fn from(code: Error) -> Self {
        Self::Other(code)
    }
}
