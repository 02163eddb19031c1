//! Every limit and deadline of this crate, with its unit and reason.
//!
//! Each is reached by a test beside the code that keeps it, or in
//! `tests/server`.

use std::time::Duration;

/// How long a setup waits for the broker to say where the mount's services
/// listen. The same as in go-plugin: the message is sent before the call.
pub(crate) const BROKER_WAIT: Duration = Duration::from_secs(5);

/// Broker messages kept for setups that have not asked yet. The server sends
/// one for each setup; so many unused ones mean that something is wrong.
pub(crate) const BROKER_MESSAGES_MAX: usize = 1024;

/// Connecting to the server for one mount: socket, TLS and HTTP/2. It takes
/// milliseconds; a server that takes seconds will not answer storage calls either.
pub(crate) const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// One storage or system view call. Below the server's 90 s for a whole
/// request, and far above what a loaded Raft cluster takes for one write.
pub(crate) const SERVER_CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// After a mount has gone its connection may finish what is under way, such
/// as rolling a transaction back. The server waits for it meanwhile.
pub(crate) const MOUNT_CLOSE_GRACE: Duration = Duration::from_secs(1);

/// TLS with whoever connected to our socket.
pub(crate) const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// TLS handshakes under way at once. The server makes one connection; more
/// come only from strangers, who must not tie up memory.
pub(crate) const TLS_HANDSHAKES_MAX: usize = 32;

/// A request or storage value on the wire. Above the 32 MiB that the server's
/// listener takes by default, for JSON that grew when it was escaped.
pub(crate) const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Calls of the server under way at once; it waits with more. Two of them
/// are the broker's and the stdio stream, which never end.
pub(crate) const CALLS_MAX: u32 = 1024;

/// The window of HTTP/2 flow control, per stream and for the connection: a
/// megabyte at a time instead of the standard's 64 KiB for large answers.
pub(crate) const WINDOW_BYTES: u32 = 1 << 20;

/// Cancelled calls that may wait to be noticed. HTTP/2 servers keep this low
/// against strangers; here it would end the only connection because some
/// clients hung up at once.
pub(crate) const CANCELLED_CALLS_MAX: usize = 16 << 10;

/// A process that the server does not use is one that it has forgotten: its
/// handshake failed on the server's side, which then starts another one.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(60);

/// From the end of the broker's stream to exit. The server closes it right
/// before it calls `Shutdown`, which is to be answered.
pub(crate) const ORPHAN_GRACE: Duration = Duration::from_millis(500);

/// From the decision to exit until calls under way are given up. The server
/// kills the process 2 s after it called `Shutdown`.
pub(crate) const EXIT_GRACE: Duration = Duration::from_secs(1);

/// How long a setup waits for the factory, which starts with the process.
pub(crate) const FACTORY_WAIT: Duration = Duration::from_secs(30);

/// A multiplexing id, which is 10 characters long, as a key of the mount table.
pub(crate) const MULTIPLEX_ID_BYTES_MAX: usize = 64;

/// One log line. The server cuts lines of 64 KiB into pieces that are no
/// longer JSON.
pub(crate) const LOG_LINE_BYTES_MAX: usize = 60 << 10;

/// One text of a log line that became too long: six times as much when every
/// character is escaped, and still below the limit of a line.
pub(crate) const LOG_TEXT_BYTES_MAX: usize = 8 << 10;

/// Log lines that wait for the server to read them. More are dropped and
/// counted, so that a server that reads slowly never holds up a request.
pub(crate) const LOG_QUEUE_LINES_MAX: usize = 1024;

/// Bytes of those lines, so that long lines do not add up to 60 MiB.
pub(crate) const LOG_QUEUE_BYTES_MAX: usize = 4 << 20;

/// How long the end of the process, or a panic, waits for the log. With
/// `EXIT_GRACE` below the 2 s that the server waits.
pub(crate) const LOG_FLUSH_WAIT: Duration = Duration::from_millis(500);

/// Writes of a transaction that wait to go out together: more than most make, and far fewer than the server takes at once.
pub(crate) const WRITES_WAITING_MAX: usize = 32;

/// Bytes of such writes: what they hold in memory besides the request that made them.
pub(crate) const WRITES_WAITING_BYTES_MAX: usize = 1024 * 1024;
