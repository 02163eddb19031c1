//! Errors of outbound requests as the codes of `wasi:http`, so that a guest can tell "certainly not sent" from
//! "may have been acted on".
//!
//! | what happened | code | sent? |
//! |---|---|---|
//! | policy, or all addresses refused | http-request-denied, destination-ip-prohibited | no |
//! | no name, no connection, no TLS, no slot | dns-error, connection-refused, connection-timeout, tls-…, … | no |
//! | no head of an answer in time | http-response-timeout | maybe |
//! | no more of its body in time | connection-read-timeout | yes |
//! | answer too large | http-response-header-section-size, http-response-body-size | yes |
//! | cut off, reset | connection-terminated | maybe |
//! | not HTTP | http-protocol-error | maybe |

use std::error::Error as StdError;
use std::io;

use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::p2::bindings::http::types::{DnsErrorPayload, ErrorCode};

use super::connect_error::ConnectError;
use super::pool::SendError;

/// The code of a request that failed before its answer began.
pub(crate) fn of_send(error: &SendError) -> Error {
    match error {
        SendError::TrustStore(reason) => {
            tracing::error!(%reason, "no TLS: this host's trusted certificates cannot be read");
            Error::TlsCertificateError
        }
        SendError::Client(error) if error.is_connect() => {
            tracing::warn!(reason = causes(error), "no connection to an upstream");
            of_connect(error)
        }
        SendError::Client(error) => match find::<hyper::Error>(error) {
            // The pool's word for a request that it could not even begin to send.
            Some(cause) if cause.is_canceled() => Error::DestinationUnavailable,
            Some(cause) => of_hyper(cause),
            None => Error::HttpProtocolError,
        },
    }
}

/// An error and its causes, the outermost first.
fn causes(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

fn of_connect(error: &(dyn StdError + 'static)) -> Error {
    if let Some(error) = find::<ConnectError>(error) {
        return match error {
            ConnectError::Denied => Error::HttpRequestDenied,
            ConnectError::AddressRefused => Error::DestinationIpProhibited,
            ConnectError::Dns(_) => Error::DnsError { rcode: None, info_code: None },
            ConnectError::Io(cause) if cause.kind() == io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
            ConnectError::Io(_) => Error::DestinationUnavailable,
            ConnectError::TimedOut => Error::ConnectionTimeout,
        };
    }
    match find_rustls(error) {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            Error::TlsCertificateError
        }
        Some(rustls::Error::AlertReceived(alert)) => Error::TlsAlertReceived {
            alert_id: Some((*alert).into()),
            alert_message: alert.as_str().map(str::to_owned),
        },
        Some(_) => Error::TlsProtocolError,
        // TLS or HTTP/2 could not be agreed on because the peer went away.
        None => Error::DestinationUnavailable,
    }
}

/// The code of an error of HTTP itself, in head or body.
pub(crate) fn of_hyper(error: &hyper::Error) -> Error {
    if error.is_parse() {
        let text = error.to_string();
        return if text.contains("too large") {
            Error::HttpResponseHeaderSectionSize(None)
        } else {
            Error::HttpProtocolError
        };
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() || find::<io::Error>(error).is_some() {
        return Error::ConnectionTerminated;
    }
    Error::HttpProtocolError
}

/// The first of this type among the causes.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// TLS errors come wrapped in `io::Error`, whose `source` skips what it wraps.
fn find_rustls<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = find::<rustls::Error>(error) {
        return Some(found);
    }
    let mut next = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(inner) = inner {
            let inner: &(dyn StdError + 'static) = inner;
            return find_rustls(inner);
        }
        next = error.source();
    }
    None
}

/// The code of an error that a stream of a body reported; none for other errors.
pub(crate) fn error_code(error: &wasmtime::Error) -> Option<ErrorCode> {
    if let Some(code) = error.downcast_ref::<ErrorCode>() {
        return Some(code.clone());
    }
    Some(match error.downcast_ref::<Error>()? {
        Error::ConnectionReadTimeout => ErrorCode::ConnectionReadTimeout,
        Error::ConnectionTerminated => ErrorCode::ConnectionTerminated,
        Error::HttpResponseTimeout => ErrorCode::HttpResponseTimeout,
        Error::HttpResponseBodySize(size) => ErrorCode::HttpResponseBodySize(*size),
        Error::HttpResponseTrailerSectionSize(size) => ErrorCode::HttpResponseTrailerSectionSize(*size),
        Error::DnsError { .. } => ErrorCode::DnsError(DnsErrorPayload { rcode: None, info_code: None }),
        _ => ErrorCode::HttpProtocolError,
    })
}
