//! Limits of the framework: each with its unit and its reason.

use std::time::Duration;

/// Write-ahead entries whose names one call lists: 20 lists, and a twelfth of the
/// names that the host lists for a request.
pub(crate) const WAL_NAMES_MAX: usize = 20_000;

/// Names that one storage call lists: some 40 KiB.
pub(crate) const WAL_NAMES_PER_PAGE: u32 = 1_000;

/// Write-ahead entries looked at in one rollback call. The server calls each
/// minute; the host bounds the storage calls of a request.
pub(crate) const WAL_ENTRIES_PER_CALL_MAX: u32 = 256;

/// The same when the mount is being disabled, for then there is one call only.
/// At up to ten storage calls each it stays within the host's 10,000.
pub(crate) const WAL_ENTRIES_IMMEDIATE_MAX: u32 = 1000;

/// Time after which no further write-ahead entry is begun. The host ends a
/// request after 60 s: the entry begun last, and the periodic work, must have
/// their turn.
pub(crate) const WAL_TIME_MAX: Duration = Duration::from_secs(10);

/// Work that takes this long is slow: most upstreams answer within a fraction
/// of a second.
pub(crate) const SLOW_AFTER: Duration = Duration::from_secs(1);

/// Keys of unusable entries that are remembered, so that each is logged once. At up to 1 KiB each they fit the entry
/// that keeps them.
pub(crate) const PASSED_OVER_KEPT_MAX: usize = 500;

/// Failures that one rollback call spells out; the rest is counted.
pub(crate) const ROLLBACK_FAILURES_SHOWN_MAX: usize = 10;

/// 8 MiB: the body of an answer that is read whole. An instance has 64 MiB of memory, and what is parsed takes several
/// times the body; what may be longer is read piece by piece.
pub(crate) const HTTP_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
