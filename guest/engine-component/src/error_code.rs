//! What the host's HTTP error codes mean for a caller: could the upstream have acted on the request (in doubt it could),
//! and which reason is it.
//!
//! `wasi:http` has no code for some reasons. The host tells those by a convention, which docs/engine-authors.md describes
//! and `egress/upstream_error.rs` of the host writes: a reason of [`HOST_ALERT`] in a TLS alert, or of [`NOT_SENT`] in
//! an internal error. Any other text of the host stays here.

use secrets_framework::host::{HttpError, Loss, NotSent};

use crate::bindings::wasi::http::types::{ErrorCode, TlsAlertReceivedPayload};

/// Begins the message of a TLS alert with which the host itself refused the certificate of the server.
const HOST_ALERT: &str = "host:";

/// Begins the text of an internal error after which certainly nothing was sent.
const NOT_SENT: &str = "not-sent:";

/// The alert `certificate_required` of RFC 8446.
const CERTIFICATE_REQUIRED: u8 = 116;

/// Judges a code. `egress` answers the sentence for the operator where the
/// policy refuses the destination.
pub(crate) fn http_error(code: &ErrorCode, origin: &str, egress: impl FnOnce() -> Result<(), String>) -> HttpError {
    match code {
        ErrorCode::HttpRequestDenied => denied(egress(), || format!("the host refuses requests to `{origin}`")),
        ErrorCode::DestinationIpProhibited => denied(egress(), || addresses_refused(origin)),

        // Before a connection was had.
        ErrorCode::DnsTimeout => HttpError::NotSent(NotSent::NameTimedOut),
        ErrorCode::DnsError(_) | ErrorCode::DestinationNotFound => HttpError::NotSent(NotSent::NameUnknown),
        ErrorCode::DestinationUnavailable => HttpError::NotSent(NotSent::Closed),
        ErrorCode::DestinationIpUnroutable => HttpError::NotSent(NotSent::Unreachable),
        ErrorCode::ConnectionRefused => HttpError::NotSent(NotSent::Refused),
        ErrorCode::ConnectionTimeout => HttpError::NotSent(NotSent::ConnectTimedOut),
        ErrorCode::ConnectionLimitReached => HttpError::NotSent(NotSent::Busy),
        ErrorCode::TlsCertificateError => HttpError::NotSent(NotSent::CertificateUnusable),
        ErrorCode::TlsProtocolError => HttpError::NotSent(NotSent::TlsFailed),
        // Our host says so of the handshake only; a later alert is a connection that broke off.
        ErrorCode::TlsAlertReceived(alert) => HttpError::NotSent(of_alert(alert)),

        // Refused by the host for its form.
        ErrorCode::HttpRequestLengthRequired
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpRequestHeaderSize(_) => {
            HttpError::NotSent(NotSent::Unsendable("the host refuses its URL, method or headers"))
        }

        ErrorCode::ConnectionWriteTimeout | ErrorCode::HttpResponseTimeout => HttpError::TimedOut,
        ErrorCode::ConnectionReadTimeout => HttpError::BodyTimedOut,

        ErrorCode::HttpResponseHeaderSectionSize(_)
        | ErrorCode::HttpResponseHeaderSize(_)
        | ErrorCode::HttpResponseBodySize(_)
        | ErrorCode::HttpResponseTrailerSectionSize(_)
        | ErrorCode::HttpResponseTrailerSize(_) => HttpError::TooLarge,

        ErrorCode::ConnectionTerminated | ErrorCode::HttpResponseIncomplete => HttpError::Lost(Loss::Closed),
        ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpRequestTrailerSectionSize(_)
        | ErrorCode::HttpRequestTrailerSize(_) => HttpError::Lost(Loss::RequestCut),
        ErrorCode::HttpResponseTransferCoding(_)
        | ErrorCode::HttpResponseContentCoding(_)
        | ErrorCode::HttpUpgradeFailed
        | ErrorCode::HttpProtocolError
        | ErrorCode::LoopDetected => HttpError::Lost(Loss::NotHttp),
        ErrorCode::InternalError(text) => {
            let reason = text.as_deref().and_then(|text| text.strip_prefix(NOT_SENT)).and_then(not_sent);
            reason.map_or(HttpError::Lost(Loss::HostFailed), HttpError::NotSent)
        }
        ErrorCode::ConfigurationError => HttpError::Lost(Loss::HostFailed),
    }
}

fn of_alert(alert: &TlsAlertReceivedPayload) -> NotSent {
    match alert.alert_message.as_deref().and_then(|message| message.strip_prefix(HOST_ALERT)) {
        Some("unknown-authority") => NotSent::UnknownAuthority,
        Some("expired") => NotSent::CertificateExpired,
        Some("not-yet-valid") => NotSent::CertificateNotYetValid,
        Some("another-name") => NotSent::CertificateForAnotherName,
        Some(_) => NotSent::CertificateUnusable,
        None => match alert.alert_id {
            Some(CERTIFICATE_REQUIRED) => NotSent::ClientCertificateWanted,
            Some(number) => NotSent::TlsAlert(number),
            None => NotSent::TlsFailed,
        },
    }
}

/// A reason of [`NOT_SENT`]; none for a reason that this engine does not know, and that so may be anything.
fn not_sent(reason: &str) -> Option<NotSent> {
    if let Some(status) = reason.strip_prefix("proxy-status:") {
        return status.parse().ok().map(NotSent::ProxyRefused);
    }
    Some(match reason {
        "tls-timeout" => NotSent::TlsTimedOut,
        "no-trusted-certificates" => NotSent::NoTrustedCertificates,
        "proxy-name" => NotSent::ProxyNameUnknown,
        "proxy-unreachable" => NotSent::ProxyUnreachable,
        "proxy-timeout" => NotSent::ProxyTimedOut,
        "proxy-credentials" => NotSent::ProxyWantsCredentials,
        "proxy-protocol" => NotSent::ProxyNotHttp,
        "proxy-closed" => NotSent::ProxyClosed,
        _ => return None,
    })
}

fn denied(egress: Result<(), String>, otherwise: impl FnOnce() -> String) -> HttpError {
    HttpError::Denied(egress.err().unwrap_or_else(otherwise))
}

fn addresses_refused(origin: &str) -> String {
    format!(
        "nothing was sent: the host of `{origin}` resolves only to addresses that this plugin refuses; it connects to a \
         private address only if an `--allow-egress=` names that host exactly, and to addresses such as those of metadata \
         services through no name: check what DNS answers for the host"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "https://astra.example";

    fn check(code: ErrorCode, expected: HttpError) {
        assert_eq!(http_error(&code, ORIGIN, || Ok(())), expected, "{code:?}");
    }

    fn alert(alert_id: u8, message: &str) -> ErrorCode {
        ErrorCode::TlsAlertReceived(TlsAlertReceivedPayload {
            alert_id: Some(alert_id),
            alert_message: Some(message.to_owned()),
        })
    }

    #[test]
    fn only_what_surely_was_not_sent_counts_as_not_sent() {
        check(ErrorCode::ConnectionRefused, HttpError::NotSent(NotSent::Refused));
        check(ErrorCode::ConnectionTimeout, HttpError::NotSent(NotSent::ConnectTimedOut));
        check(ErrorCode::TlsProtocolError, HttpError::NotSent(NotSent::TlsFailed));
        check(ErrorCode::HttpResponseTimeout, HttpError::TimedOut);
        check(ErrorCode::ConnectionReadTimeout, HttpError::BodyTimedOut);
        check(ErrorCode::HttpResponseBodySize(None), HttpError::TooLarge);
        for code in [
            ErrorCode::ConnectionTerminated,
            ErrorCode::HttpResponseIncomplete,
            ErrorCode::HttpProtocolError,
            ErrorCode::HttpRequestBodySize(None),
            ErrorCode::InternalError(None),
            ErrorCode::InternalError(Some("not-sent:a-reason-of-a-later-host".to_owned())),
            ErrorCode::InternalError(Some("not-sent:proxy-status:many".to_owned())),
            ErrorCode::InternalError(Some("tls-timeout".to_owned())),
        ] {
            assert!(matches!(http_error(&code, ORIGIN, || Ok(())), HttpError::Lost(_)), "{code:?}");
        }
    }

    #[test]
    fn what_wasi_http_has_no_code_for_is_told_by_the_convention() {
        let rows = [
            ("tls-timeout", NotSent::TlsTimedOut),
            ("no-trusted-certificates", NotSent::NoTrustedCertificates),
            ("proxy-name", NotSent::ProxyNameUnknown),
            ("proxy-unreachable", NotSent::ProxyUnreachable),
            ("proxy-timeout", NotSent::ProxyTimedOut),
            ("proxy-credentials", NotSent::ProxyWantsCredentials),
            ("proxy-protocol", NotSent::ProxyNotHttp),
            ("proxy-closed", NotSent::ProxyClosed),
            ("proxy-status:503", NotSent::ProxyRefused(503)),
        ];
        for (reason, expected) in rows {
            check(ErrorCode::InternalError(Some(format!("{NOT_SENT}{reason}"))), HttpError::NotSent(expected));
        }
    }

    #[test]
    fn a_certificate_that_the_host_refused_is_no_alert_of_the_server() {
        let rows = [
            (alert(48, "host:unknown-authority"), NotSent::UnknownAuthority),
            (alert(45, "host:expired"), NotSent::CertificateExpired),
            (alert(45, "host:not-yet-valid"), NotSent::CertificateNotYetValid),
            (alert(42, "host:another-name"), NotSent::CertificateForAnotherName),
            (alert(42, "host:a-reason-of-a-later-host"), NotSent::CertificateUnusable),
            (alert(48, "UnknownCA"), NotSent::TlsAlert(48)),
            (alert(116, "CertificateRequired"), NotSent::ClientCertificateWanted),
        ];
        for (code, expected) in rows {
            check(code, HttpError::NotSent(expected));
        }
    }

    #[test]
    fn a_refused_destination_names_the_setting() {
        let sentence = || Err("start the plugin with --allow-egress=https://x".to_owned());
        let expected = HttpError::Denied("start the plugin with --allow-egress=https://x".to_owned());
        assert_eq!(http_error(&ErrorCode::HttpRequestDenied, ORIGIN, sentence), expected);
        let HttpError::Denied(text) = http_error(&ErrorCode::DestinationIpProhibited, ORIGIN, || Ok(())) else {
            panic!("not denied")
        };
        assert!(text.contains(ORIGIN) && text.contains("`--allow-egress=`"), "{text}");
    }

    #[test]
    fn texts_of_the_host_do_not_reach_the_caller() {
        for text in ["canary", "not-sent:canary", "not-sent:proxy-status:canary"] {
            let code = ErrorCode::InternalError(Some(text.to_owned()));
            assert!(!http_error(&code, ORIGIN, || Ok(())).to_string().contains("canary"));
        }
        assert!(!http_error(&alert(1, "host:canary"), ORIGIN, || Ok(())).to_string().contains("canary"));
    }
}
