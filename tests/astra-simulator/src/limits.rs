//! Every bound of the simulator, with its unit and its reason.

/// Longest request head, in bytes. A real front (CloudFront) stops at about 20 KiB; four times
/// that lets a test send too much on purpose and see 431.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Longest request body, in bytes. No call of the DevOps API needs more than a few KiB.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Requests kept in the record; older ones are dropped and counted. A bench makes hundreds of
/// thousands, a test a few thousand.
pub const RECORDS_MAX: usize = 20_000;

/// Longest body kept in a record, in bytes. A list of thousands of tokens is a megabyte, and
/// every mint may ask for one.
pub const RECORDED_BODY_BYTES_MAX: usize = 16 * 1024;

/// Violations kept; one is enough to fail a test, so the first ones are kept.
pub const VIOLATIONS_MAX: usize = 1_000;

/// Fault rules held at once.
pub const FAULT_RULES_MAX: usize = 256;

/// Connections open at once; further ones are closed at once. Eight times what a pool may open to
/// one organization, and low enough that both ends fit the usual 1,024 file handles of a process.
pub const CONNECTIONS_MAX: usize = 256;

/// Longest time a connection may sit idle, in milliseconds. Longer than any test runs.
pub const IDLE_MS_MAX: u64 = 300_000;

/// Longest time a fault may hold an answer back, in milliseconds. Longer than any timeout of a
/// client of ours, short enough that a forgotten simulator lets go.
pub const HANG_MS_MAX: u64 = 600_000;

/// Longest wait for the listener to be switched on or off, in milliseconds.
pub const LISTENER_SWITCH_MS_MAX: u64 = 10_000;

/// Largest body that the `very_large` fault sends, in bytes.
pub const FAULT_BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
