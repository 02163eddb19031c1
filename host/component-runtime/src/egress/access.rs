//! The upstream access of a mount's guests. On a copy of a server they may only read, so that no request can change or
//! end what the live server uses.

use std::collections::BTreeMap;

use http::{HeaderMap, Method};
use wasmtime_wasi_http::Error;

use super::failure::Failure;

/// The mount option that limits the upstream access of guests.
pub const UPSTREAM_OPTION: &str = "upstream";

/// The value of [`UPSTREAM_OPTION`] with which guests may only read.
pub const UPSTREAM_READ_ONLY: &str = "read-only";

/// Headers with which some frameworks let a request stand for one with another method or path.
const OVERRIDES: [&str; 5] =
    ["x-http-method", "x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url"];

/// True for a request that an upstream may take for another one: by a header, or by a body where the method gives a body no
/// meaning, as for GET and DELETE. An upstream that ignores such a body would take it for the next request.
pub(crate) fn may_stand_for_another(method: &Method, headers: &HeaderMap, body: &[u8]) -> bool {
    let may_have_body = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
    OVERRIDES.iter().any(|name| headers.contains_key(*name)) || (!may_have_body && !body.is_empty())
}

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

    /// Refuses a request that asks for more than reading.
    ///
    /// # Errors
    /// The code of a request that the policy denies.
    pub(crate) fn check(self, method: &Method, headers: &HeaderMap, body: &[u8]) -> Result<(), Failure> {
        let reads = matches!(*method, Method::GET | Method::HEAD) && !may_stand_for_another(method, headers, body);
        if self == Self::Full || reads { Ok(()) } else { Err(denied(method)) }
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
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn check(access: Access, method: &str, header: &'static str, body: &[u8]) -> Result<(), Failure> {
        let headers = HeaderMap::from_iter([(HeaderName::from_static(header), HeaderValue::from_static("x"))]);
        access.check(&method.parse().unwrap(), &headers, body)
    }

    #[test]
    fn only_get_and_head_read() {
        for method in ["GET", "HEAD"] {
            check(Access::ReadOnly, method, "accept", b"").unwrap();
        }
        let others = ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "get", "Get", "head", "PURGE"];
        for method in others {
            let refused = check(Access::ReadOnly, method, "accept", b"");
            assert!(matches!(refused, Err(Failure::Refused(Error::HttpRequestDenied, _))), "{method}");
            check(Access::Full, method, "accept", b"").unwrap();
        }
    }

    #[test]
    fn a_get_may_not_stand_for_another_method_or_carry_a_body() {
        for header in OVERRIDES {
            assert!(check(Access::ReadOnly, "GET", header, b"").is_err(), "{header}");
            check(Access::Full, "GET", header, b"").unwrap();
        }
        assert!(check(Access::ReadOnly, "GET", "accept", b"DELETE / HTTP/1.1").is_err());
        check(Access::Full, "GET", "accept", b"x").unwrap();
    }

    #[test]
    fn a_body_counts_as_another_request_unless_the_method_has_one() {
        let body = b"DELETE / HTTP/1.1";
        for method in ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "PURGE", "post"] {
            let method = method.parse().unwrap();
            assert!(may_stand_for_another(&method, &HeaderMap::new(), body), "{method}");
            assert!(!may_stand_for_another(&method, &HeaderMap::new(), b""), "{method}");
        }
        for method in ["POST", "PUT", "PATCH"] {
            assert!(!may_stand_for_another(&method.parse().unwrap(), &HeaderMap::new(), body), "{method}");
        }
    }

    #[test]
    fn one_option_makes_a_mount_read_only() {
        let of = |name: &str, value: &str| Access::of_options(&BTreeMap::from([(name.to_owned(), value.to_owned())]));
        assert_eq!(of("upstream", "read-only"), Access::ReadOnly);
        assert_eq!(of("upstream", "read-write"), Access::Full);
        assert_eq!(of("other", "read-only"), Access::Full);
    }
}
