//! Errors of outbound requests as the codes of `wasi:http`, so that a guest can tell "certainly not sent" from
//! "may have been acted on", and which reason it is.
//!
//! | what happened | code | sent? |
//! |---|---|---|
//! | policy, or all addresses refused | http-request-denied, destination-ip-prohibited | no |
//! | DNS: no address, no answer in time | dns-error, dns-timeout | no |
//! | connect: refused, no route, no answer in time, closed | connection-refused, destination-ip-unroutable, connection-timeout, destination-unavailable | no |
//! | all connections of the mount to the host in use | connection-limit-reached | no |
//! | TLS: the server's alert | tls-alert-received with its number | no |
//! | TLS: the host refuses the server's certificate | tls-alert-received, its message is [`HOST_ALERT`] and a word | no |
//! | TLS: no common version, no TLS at all | tls-protocol-error | no |
//! | what `wasi:http` has no code for | internal-error, its text is [`NOT_SENT`] and a word | no |
//! | no head of an answer in time | http-response-timeout | maybe |
//! | no more of its body in time | connection-read-timeout | yes |
//! | answer too large | http-response-header-section-size, http-response-body-size | yes |
//! | cut off, reset | connection-terminated | maybe |
//! | not HTTP | http-protocol-error | maybe |
//!
//! Guests read the two prefixes and their words (`error_code.rs` of `engine-component`), so a word never changes.
//! docs/engine-authors.md lists the words.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription, CertificateError};
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::p2::bindings::http::types::{DnsErrorPayload, ErrorCode};

use super::connect_error::{ConnectError, ProxyFailure};
use super::failure::Failure;
use super::progress::Phase;
use super::wire::PeerAlert;

/// Begin of the message of a TLS alert with which this host refused the server's certificate.
const HOST_ALERT: &str = "host:";

/// Begin of the text of an internal error after which certainly nothing was sent.
const NOT_SENT: &str = "not-sent:";

/// The failure of a request before its answer began.
pub(crate) fn of_send(error: &hyper_util::client::legacy::Error) -> Failure {
    if let Some(error) = find::<ConnectError>(error) {
        return of_connect(error);
    }
    if let Some(alert) = refused_our_certificate(error) {
        return Failure::NotConnected(of_alert(alert), causes(error));
    }
    match find::<hyper::Error>(error) {
        // The pool says so of a request that it could not begin to send.
        Some(cause) if cause.is_canceled() => of_closed(causes(error), error.connect_info().and_then(PeerAlert::of)),
        Some(cause) => of_hyper(cause).into(),
        None if error.is_connect() => Failure::NotConnected(Error::DestinationUnavailable, causes(error)),
        None => Error::HttpProtocolError.into(),
    }
}

/// The failure of a request whose connection the peer ended before the request was sent.
pub(crate) fn of_closed(reason: String, alert: Option<AlertDescription>) -> Failure {
    match alert {
        Some(alert) => {
            let told = rustls::Error::AlertReceived(alert);
            Failure::NotConnected(of_alert(alert), format!("{reason}: {told}"))
        }
        None => Failure::NotConnected(Error::DestinationUnavailable, reason),
    }
}

/// The failure of a request that has no connection.
pub(crate) fn of_connect(error: &ConnectError) -> Failure {
    let code = match error {
        ConnectError::Denied => return Failure::Refused(Error::HttpRequestDenied, error.to_string()),
        ConnectError::AddressRefused => return Failure::Refused(Error::DestinationIpProhibited, error.to_string()),
        ConnectError::TrustStore(reason) => {
            return Failure::NoTrustStore(not_sent("no-trusted-certificates"), reason.to_string());
        }
        ConnectError::Dns(_) => Error::DnsError { rcode: None, info_code: None },
        ConnectError::Addresses(failed) => of_addresses(failed.iter().map(|(_, error)| error.kind())),
        ConnectError::Tls(error) => of_tls(error),
        ConnectError::Proxy { failure, .. } => of_proxy(failure),
        ConnectError::TimedOut(phase) => of_timeout(*phase),
    };
    Failure::NotConnected(code, causes(error))
}

fn of_timeout(phase: Phase) -> Error {
    match phase {
        Phase::Connection => Error::ConnectionLimitReached,
        Phase::Name => Error::DnsTimeout,
        Phase::Address => Error::ConnectionTimeout,
        Phase::Proxy => not_sent("proxy-timeout"),
        Phase::Tls => not_sent("tls-timeout"),
    }
}

fn of_proxy(failure: &ProxyFailure) -> Error {
    not_sent(match failure {
        ProxyFailure::Name(_) => "proxy-name",
        ProxyFailure::Addresses(_) => "proxy-unreachable",
        ProxyFailure::Status(status) => return not_sent(&format!("proxy-status:{status}")),
        ProxyFailure::Credentials => "proxy-credentials",
        ProxyFailure::Http(error) if error.is_parse() => "proxy-protocol",
        ProxyFailure::Http(_) => "proxy-closed",
        ProxyFailure::TooMuch | ProxyFailure::Target => "proxy-protocol",
    })
}

/// The most telling of the errors: an address that refuses says more than one without a route.
fn of_addresses(kinds: impl Iterator<Item = io::ErrorKind> + Clone) -> Error {
    let any = |kind| kinds.clone().any(|found| found == kind);
    let unroutable =
        [io::ErrorKind::NetworkUnreachable, io::ErrorKind::HostUnreachable, io::ErrorKind::AddrNotAvailable];
    if any(io::ErrorKind::ConnectionRefused) {
        Error::ConnectionRefused
    } else if any(io::ErrorKind::TimedOut) {
        Error::ConnectionTimeout
    } else if kinds.clone().all(|kind| unroutable.contains(&kind)) {
        Error::DestinationIpUnroutable
    } else {
        Error::DestinationUnavailable
    }
}

fn of_tls(error: &io::Error) -> Error {
    match find_rustls(error) {
        Some(rustls::Error::InvalidCertificate(reason)) => refused_by_us(reason),
        Some(rustls::Error::NoCertificatesPresented) => Error::TlsCertificateError,
        Some(rustls::Error::AlertReceived(alert)) => of_alert(*alert),
        Some(_) => Error::TlsProtocolError,
        // TLS failed because the peer closed the connection.
        None => Error::DestinationUnavailable,
    }
}

fn of_alert(alert: AlertDescription) -> Error {
    Error::TlsAlertReceived { alert_id: Some(alert.into()), alert_message: alert.as_str().map(str::to_owned) }
}

/// The alert that this host sent, with its reason.
fn refused_by_us(reason: &CertificateError) -> Error {
    use CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, UnknownIssuer,
    };
    let word = match reason {
        Expired | ExpiredContext { .. } => "expired",
        NotValidYet | NotValidYetContext { .. } => "not-yet-valid",
        NotValidForName | NotValidForNameContext { .. } => "another-name",
        // A wrong signature comes from another authority with the name of a trusted one.
        UnknownIssuer | BadSignature => "unknown-authority",
        _ => "unusable",
    };
    let alert = AlertDescription::from(reason.clone());
    Error::TlsAlertReceived { alert_id: Some(alert.into()), alert_message: Some(format!("{HOST_ALERT}{word}")) }
}

/// In TLS 1.3 a server refuses the client's certificate, or its absence, after the client's side of the handshake. The
/// server then ends the handshake, so it has not read the request.
fn refused_our_certificate(error: &(dyn StdError + 'static)) -> Option<AlertDescription> {
    let alert = find_alert(error)?;
    let is_about_us = matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateRequired
    );
    is_about_us.then_some(alert)
}

/// The alert with which the peer ended TLS.
pub(crate) fn find_alert(error: &(dyn StdError + 'static)) -> Option<AlertDescription> {
    if let Some(rustls::Error::AlertReceived(alert)) = find_rustls(error) { Some(*alert) } else { None }
}

/// The code for a reason that has none in `wasi:http`.
fn not_sent(reason: &str) -> Error {
    Error::InternalError(Some(format!("{NOT_SENT}{reason}")))
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

/// The code of an HTTP error, in head or body.
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

/// The first cause of this type.
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

/// TLS errors are wrapped in `io::Error`, whose `source` skips the wrapped error.
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

/// The code of an error of a body's stream; `None` for other errors.
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
