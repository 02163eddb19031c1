//! How long to wait before repeating: exponential back-off with jitter, or
//! what Astra asks for, within a bound.

use std::time::{Duration, SystemTime};

use secrets_framework::host::Host;

use super::error::{ClientError, RetryAfter};
use crate::back_off;
use crate::limits::{BACK_OFF_FIRST, BACK_OFF_MAX};

/// The pause before the repetition that follows `attempts` failures. None =
/// Astra asks for more patience than a request has.
pub(super) fn pause(host: &dyn Host, error: &ClientError, attempts: u32) -> Option<Duration> {
    let asked = error.asked_pause(host.clock().now().as_secs()).ok()?;
    let step = back_off::pause(BACK_OFF_FIRST, attempts, BACK_OFF_MAX);
    // Full jitter on top, so that requests that failed together part.
    let mut random = [0_u8; 2];
    host.random().fill(&mut random);
    let jitter = step * u32::from(u16::from_le_bytes(random)) / u32::from(u16::MAX);
    Some(asked.unwrap_or(step) + jitter)
}

/// Reads a `Retry-After` header: seconds or an HTTP date; else it is as if absent.
pub(super) fn parse_retry_after(text: &str) -> Option<RetryAfter> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit mean a wait without end.
        return Some(RetryAfter::Seconds(text.parse().unwrap_or(u64::MAX)));
    }
    parse_http_date(text).map(RetryAfter::At)
}

/// A date in one of the three forms that RFC 9110 has recipients read, in seconds since 1970-01-01T00:00:00Z.
pub(super) fn parse_http_date(text: &str) -> Option<u64> {
    let date = httpdate::parse_http_date(text).ok()?;
    date.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms() {
        assert_eq!(parse_retry_after("7"), Some(RetryAfter::Seconds(7)));
        assert_eq!(parse_retry_after(" 0 "), Some(RetryAfter::Seconds(0)));
        assert_eq!(parse_retry_after("99999999999999999999999"), Some(RetryAfter::Seconds(u64::MAX)));
        for date in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(parse_retry_after(date), Some(RetryAfter::At(784_111_777)), "{date}");
        }
    }

    #[test]
    fn garbage_is_as_if_absent() {
        for text in ["", "soon", "-1", "1.5", "Sun, 06 Nov 1994", "Sun, 99 Nov 1994 08:49:37 GMT", "é, é é é é GMT"]
        {
            assert_eq!(parse_retry_after(text), None, "{text}");
        }
    }
}
