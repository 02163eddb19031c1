//! The upstream access of a mount's guests. On a copy of a server they may only read, so that no request can change or
//! end what the live server uses.

use std::collections::BTreeMap;

use http::{Method, Request};
use wasmtime_wasi_http::Error;

use super::failure::Failure;

/// The mount option that limits the upstream access of guests.
pub const UPSTREAM_OPTION: &str = "upstream";

/// The value of [`UPSTREAM_OPTION`] with which guests may only read.
pub const UPSTREAM_READ_ONLY: &str = "read-only";

/// Headers with which some frameworks let a GET stand for another method.
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method", "x-http-method-override", "x-method-override"];

/// Upstream access of a mount's guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Guests may send any request.
    Full,
    /// Guests may send GET and HEAD without a body.
    ReadOnly,
}

impl Access {
    /// The access that the options of a mount set.
    pub(crate) fn of_options(options: &BTreeMap<String, String>) -> Self {
        let is_read_only = options.get(UPSTREAM_OPTION).is_some_and(|value| value == UPSTREAM_READ_ONLY);
        if is_read_only { Self::ReadOnly } else { Self::Full }
    }

    /// Refuses a request whose head asks for more than reading.
    ///
    /// # Errors
    /// The code of a request that the policy denies.
    pub(crate) fn check_head<B>(self, request: &Request<B>) -> Result<(), Failure> {
        if self == Self::Full {
            return Ok(());
        }
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        if reads && !METHOD_OVERRIDES.iter().any(|name| request.headers().contains_key(*name)) {
            return Ok(());
        }
        Err(denied(request.method()))
    }

    /// Refuses a body: an upstream that ignores the body of a GET would take it for the next request.
    ///
    /// # Errors
    /// The code of a request that the policy denies.
    pub(crate) fn check_body(self, method: &Method, body: &[u8]) -> Result<(), Failure> {
        if self == Self::Full || body.is_empty() { Ok(()) } else { Err(denied(method)) }
    }
}

fn denied(method: &Method) -> Failure {
    // An extension method is the guest's own text, so its length is limited.
    let method: String = method.as_str().chars().take(METHOD_CHARS_SHOWN_MAX).collect();
    let reason = format!("this mount may only read from its upstream: method {method}");
    Failure::Refused(Error::HttpRequestDenied, reason)
}

/// Characters of a method that a log line shows; the standard ones have at most seven.
const METHOD_CHARS_SHOWN_MAX: usize = 20;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn request(method: &str, header: &str) -> Request<()> {
        Request::builder().method(method).header(header, "x").body(()).unwrap()
    }

    #[test]
    fn only_get_and_head_read() {
        for method in ["GET", "HEAD"] {
            Access::ReadOnly.check_head(&request(method, "accept")).unwrap();
        }
        let others = ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "get", "Get", "head", "PURGE"];
        for method in others {
            let refused = Access::ReadOnly.check_head(&request(method, "accept"));
            assert!(matches!(refused, Err(Failure::Refused(Error::HttpRequestDenied, _))), "{method}");
            Access::Full.check_head(&request(method, "accept")).unwrap();
        }
    }

    #[test]
    fn a_get_may_not_stand_for_another_method_or_carry_a_body() {
        for header in METHOD_OVERRIDES {
            assert!(Access::ReadOnly.check_head(&request("GET", header)).is_err(), "{header}");
            Access::Full.check_head(&request("GET", header)).unwrap();
        }
        Access::ReadOnly.check_body(&Method::GET, b"").unwrap();
        assert!(Access::ReadOnly.check_body(&Method::GET, b"DELETE / HTTP/1.1").is_err());
        Access::Full.check_body(&Method::GET, b"x").unwrap();
    }

    #[test]
    fn one_option_makes_a_mount_read_only() {
        let of = |name: &str, value: &str| Access::of_options(&BTreeMap::from([(name.to_owned(), value.to_owned())]));
        assert_eq!(of("upstream", "read-only"), Access::ReadOnly);
        assert_eq!(of("upstream", "read-write"), Access::Full);
        assert_eq!(of("other", "read-only"), Access::Full);
    }
}
