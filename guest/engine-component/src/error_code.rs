//! What the host's HTTP error codes mean for a caller: the one question is
//! whether the upstream can have acted on the request. In doubt it can.

use secrets_framework::host::HttpError;

use crate::bindings::wasi::http::types::ErrorCode;

/// Judges a code. `egress` answers the sentence for the operator where the
/// policy refuses the destination.
pub(crate) fn http_error(code: &ErrorCode, egress: impl FnOnce() -> Result<(), String>) -> HttpError {
    match code {
        ErrorCode::HttpRequestDenied => denied(egress(), "the host refuses this request"),
        ErrorCode::DestinationIpProhibited => {
            denied(egress(), "the host refuses the address that the name resolves to")
        }

        // Before a connection was had.
        ErrorCode::DnsTimeout => not_sent("the name was not resolved in time"),
        ErrorCode::DnsError(_) | ErrorCode::DestinationNotFound => not_sent("the name does not resolve"),
        ErrorCode::DestinationUnavailable | ErrorCode::DestinationIpUnroutable => {
            not_sent("the address cannot be reached")
        }
        ErrorCode::ConnectionRefused => not_sent("the connection was refused"),
        ErrorCode::ConnectionTimeout => not_sent("no connection in time"),
        ErrorCode::ConnectionLimitReached => not_sent("too many connections are open"),
        ErrorCode::TlsCertificateError => not_sent("the server's certificate is not trusted"),
        // Our host says so of the handshake only; a later alert is a connection that broke off.
        ErrorCode::TlsProtocolError | ErrorCode::TlsAlertReceived(_) => not_sent("TLS could not be agreed on"),

        // Refused by the host for its form.
        ErrorCode::HttpRequestLengthRequired
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpRequestHeaderSize(_) => not_sent("the request cannot be sent in this form"),

        ErrorCode::ConnectionReadTimeout | ErrorCode::ConnectionWriteTimeout | ErrorCode::HttpResponseTimeout => {
            HttpError::TimedOut
        }

        ErrorCode::HttpResponseHeaderSectionSize(_)
        | ErrorCode::HttpResponseHeaderSize(_)
        | ErrorCode::HttpResponseBodySize(_)
        | ErrorCode::HttpResponseTrailerSectionSize(_)
        | ErrorCode::HttpResponseTrailerSize(_) => HttpError::TooLarge,

        ErrorCode::ConnectionTerminated | ErrorCode::HttpResponseIncomplete => lost("the connection broke off"),
        ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpRequestTrailerSectionSize(_)
        | ErrorCode::HttpRequestTrailerSize(_) => lost("the request was not sent as a whole"),
        ErrorCode::HttpResponseTransferCoding(_)
        | ErrorCode::HttpResponseContentCoding(_)
        | ErrorCode::HttpUpgradeFailed
        | ErrorCode::HttpProtocolError
        | ErrorCode::LoopDetected => lost("the answer was no proper HTTP"),
        // Their texts are the host's own and not for callers.
        ErrorCode::ConfigurationError | ErrorCode::InternalError(_) => lost("the host's HTTP failed"),
    }
}

fn denied(egress: Result<(), String>, otherwise: &str) -> HttpError {
    HttpError::Denied(egress.err().unwrap_or_else(|| otherwise.to_owned()))
}

fn not_sent(why: &str) -> HttpError {
    HttpError::NotSent(why.to_owned())
}

fn lost(why: &str) -> HttpError {
    HttpError::Lost(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: ErrorCode, expected: HttpError) {
        assert_eq!(http_error(&code, || Ok(())), expected, "{code:?}");
    }

    #[test]
    fn only_what_surely_was_not_sent_counts_as_not_sent() {
        check(ErrorCode::ConnectionRefused, not_sent("the connection was refused"));
        check(ErrorCode::ConnectionTimeout, not_sent("no connection in time"));
        check(ErrorCode::TlsCertificateError, not_sent("the server's certificate is not trusted"));
        check(ErrorCode::TlsProtocolError, not_sent("TLS could not be agreed on"));
        check(ErrorCode::ConnectionReadTimeout, HttpError::TimedOut);
        check(ErrorCode::HttpResponseBodySize(None), HttpError::TooLarge);
        for code in [
            ErrorCode::ConnectionTerminated,
            ErrorCode::HttpResponseIncomplete,
            ErrorCode::HttpProtocolError,
            ErrorCode::HttpRequestBodySize(None),
            ErrorCode::InternalError(None),
        ] {
            assert!(matches!(http_error(&code, || Ok(())), HttpError::Lost(_)), "{code:?}");
        }
    }

    #[test]
    fn a_refused_destination_names_the_setting() {
        let sentence = || Err("start the plugin with --allow-egress=https://x".to_owned());
        let expected = HttpError::Denied("start the plugin with --allow-egress=https://x".to_owned());
        assert_eq!(http_error(&ErrorCode::HttpRequestDenied, sentence), expected);
        check(ErrorCode::HttpRequestDenied, HttpError::Denied("the host refuses this request".to_owned()));
    }

    #[test]
    fn texts_of_the_host_do_not_reach_the_caller() {
        let code = ErrorCode::InternalError(Some("canary".to_owned()));
        assert!(!http_error(&code, || Ok(())).to_string().contains("canary"));
    }
}
