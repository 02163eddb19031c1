//! How long the harness waits for anything, and how much it reads.
//!
//! Deadlines are generous: they end a hang, they measure nothing.

use std::time::Duration;

/// One request to a server: longer than the server's own bound of 90 s on a request.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(100);

/// From exec of a server to its first answer. A loaded machine takes seconds.
pub const SERVER_START_DEADLINE: Duration = Duration::from_secs(60);

/// One question whether a server serves: asked again at once.
pub const HEALTH_DEADLINE: Duration = Duration::from_secs(5);

/// From the end of a cluster's leader to the next one, several rounds of votes included.
pub const FAILOVER_DEADLINE: Duration = Duration::from_secs(240);

/// How often a condition is looked at again while it is waited for.
pub const POLL_INTERVAL: Duration = Duration::from_millis(25);

/// The server runs its rollback each 60 s and offers no setting for it; one missed turn is allowed for.
pub const ROLLBACK_DEADLINE: Duration = Duration::from_secs(150);

/// A condition that needs no turn of the server's rollback. Modules compile at the lowest priority, so on a machine whose
/// cores are all in use an update takes minutes.
pub const CONDITION_DEADLINE: Duration = Duration::from_secs(240);

/// The largest answer that is read whole from the simulator.
pub const UPSTREAM_RESPONSE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The largest answer read from a server: far above any list that a scenario makes.
pub const SERVER_RESPONSE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Attempts to start a server: the free port that was found may be taken by another process meanwhile.
pub const SERVER_START_ATTEMPTS: u32 = 3;

/// Rows of a walk that are played side by side. Most of them wait, for a hanging Astra or for a pause between attempts.
pub const ROWS_AT_ONCE: usize = 8;

/// Rows of all walks of a test program that are played side by side. Each may have a runtime of its own.
pub const ROWS_IN_ALL_MAX: usize = 16;

/// Requests at once of a runtime of the component driver. Linux allows a process 65,530 memory mappings by default, and
/// many tests, each with a runtime, run in one process: with the 1,000 of a plugin, 30 runtimes would be too many.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 100;
