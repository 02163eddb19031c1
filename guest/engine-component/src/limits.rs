//! Limits of the component: each with its unit and its reason. The host has
//! its own for all of them; these keep within it.

use std::time::Duration;

/// 250 ms, at most a fifth of the time: a connection that is not made in time ends so much before the engine stops to
/// wait, so that the host can say what it waited for. Longer than a busy host takes to wake a guest.
pub(crate) const HOST_SPEAKS_FIRST: Duration = Duration::from_millis(250);

/// 64 KiB: read from a body in one call of the host.
pub(crate) const READ_BYTES_MAX: u64 = 64 * 1024;

/// 64 KiB: written to a body in one call of the host.
pub(crate) const WRITE_BYTES_MAX: usize = 64 * 1024;

/// 256 bytes: a date or an identifier is shorter, and it goes into a log line.
pub(crate) const HEADER_BYTES_MAX: usize = 256;

/// 1 KiB: random bytes of one call; the host answers up to 4 KiB.
pub(crate) const RANDOM_BYTES_PER_CALL_MAX: usize = 1024;
