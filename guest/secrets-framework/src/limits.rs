//! Limits of the framework: each with its unit and its reason.

use std::time::Duration;

/// Write-ahead entries looked at in one rollback call. The server calls each
/// minute; the host bounds the storage calls of a request.
pub(crate) const WAL_ENTRIES_PER_CALL_MAX: u32 = 256;

/// The same when the mount is being disabled, for then there is one call only.
pub(crate) const WAL_ENTRIES_IMMEDIATE_MAX: u32 = 4096;

/// Time that a rollback call gives to write-ahead entries, of the 90 s that
/// the server gives to the call: the periodic work must have its turn.
pub(crate) const WAL_TIME_MAX: Duration = Duration::from_secs(40);

/// Failures that one rollback call spells out; the rest is counted.
pub(crate) const ROLLBACK_FAILURES_SHOWN_MAX: usize = 10;
