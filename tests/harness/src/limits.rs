//! The harness's deadlines, and its limits of answers.
//!
//! Deadlines are long: they end a hang, and measure nothing.

use std::time::Duration;

/// Time of one request to a server: longer than the server's own limit of 90 s.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(100);

/// Time from the exec of a server to its first answer. A loaded machine takes seconds.
pub const SERVER_START_DEADLINE: Duration = Duration::from_secs(60);

/// Time of one health check. A failed check is repeated at once.
pub const HEALTH_DEADLINE: Duration = Duration::from_secs(5);

/// Time from the end of a cluster's leader to the next leader, including several rounds of votes.
pub const FAILOVER_DEADLINE: Duration = Duration::from_secs(240);

/// Pause between two checks of a condition.
pub const POLL_INTERVAL: Duration = Duration::from_millis(25);

/// Wait for the server's rollback, which runs each 60 s without a setting. One missed call is allowed for.
pub const ROLLBACK_DEADLINE: Duration = Duration::from_secs(150);

/// Wait for a condition that does not need the server's rollback. Modules compile at the lowest priority, so an update
/// takes minutes on a machine whose cores are all busy.
pub const CONDITION_DEADLINE: Duration = Duration::from_secs(240);

/// Bytes of an answer of the simulator.
pub const UPSTREAM_RESPONSE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes of an answer of a server, far more than any list of a scenario.
pub const SERVER_RESPONSE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Attempts to start a server, because another process may take the free port in the meantime.
pub const SERVER_START_ATTEMPTS: u32 = 3;

/// Rows of a fault walk that are played at the same time. Most of them wait, for a hanging Astra or for a pause between
/// attempts.
pub const ROWS_AT_ONCE: usize = 8;

/// Rows of all fault walks of a test program that are played at the same time. Each may have a runtime of its own.
pub const ROWS_IN_ALL_MAX: usize = 16;

/// Requests at once of a runtime of the component driver. Linux allows a process 65,530 memory mappings by default, and
/// many tests, each with a runtime, run in one process: with the 1,000 of a plugin, 30 runtimes would be too many.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 100;
