//! The rules of `ttl` and `max_ttl`: zero is the mount's own, nothing is
//! negative, and what is cut is said.

use std::time::Duration;

use secrets_framework::Context;

use crate::names::NameError;

use super::go_text;

/// Longest `ttl` that storage can hold: Go's durations end after 292 years.
const SECONDS_MAX: u64 = i64::MAX as u64 / 1_000_000_000;

/// A `ttl` or `max_ttl` as it was sent, in seconds.
pub(crate) fn parse_ttl(field: &'static str, seconds: i64) -> Result<Duration, NameError> {
    let refuse = |reason| NameError::new(field, &format!("{seconds} s"), reason);
    match u64::try_from(seconds) {
        Err(_) => Err(refuse("must not be negative; 0 means the mount's own")),
        Ok(seconds) if seconds > SECONDS_MAX => Err(refuse("must be at most 292 years")),
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
    }
}

/// Cuts `ttl` to `max_ttl`; answers a warning if it did.
pub(crate) fn clamp(ttl: &mut Duration, max_ttl: Duration) -> Option<String> {
    if max_ttl.is_zero() || *ttl <= max_ttl {
        return None;
    }
    let warning = format!(
        "`ttl` of {} is above `max_ttl` of {}: it was set to {}",
        go_text(*ttl),
        go_text(max_ttl),
        go_text(max_ttl)
    );
    *ttl = max_ttl;
    Some(warning)
}

/// What the mount itself will cut when a token is made. The role keeps its
/// values, for a mount can be tuned later.
pub(crate) fn above_mount(context: &Context<'_>, ttl: Duration, max_ttl: Duration) -> Option<String> {
    // A server that does not tell its maximum still holds leases to it.
    let mount_max = context.host.system_view().max_lease_ttl().ok().filter(|max| !max.is_zero())?;
    let (field, value) = if max_ttl > mount_max {
        ("max_ttl", max_ttl)
    } else if ttl > mount_max {
        ("ttl", ttl)
    } else {
        return None;
    };
    Some(format!(
        "`{field}` of {} is above the mount's maximum of {}: leases will end by the mount's",
        go_text(value),
        go_text(mount_max)
    ))
}
