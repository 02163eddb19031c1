//! Every limit and deadline of this crate, with its unit and reason.
//!
//! A test beside the code, or in `tests/server`, reaches each limit.

use std::time::Duration;

/// Time that a setup waits for the broker's message with the address of the mount's services. As in go-plugin: the
/// server sends the message before the call.
pub(crate) const BROKER_WAIT: Duration = Duration::from_secs(5);

/// Broker messages that wait for their setup. The server sends one for each setup; so many unused messages mean that
/// the server is broken.
pub(crate) const BROKER_MESSAGES_MAX: usize = 1024;

/// Connecting to the server for one mount: socket, TLS and HTTP/2. It takes
/// milliseconds; a server that takes seconds will not answer storage calls either.
pub(crate) const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// One storage or system view call. Below the server's 90 s for a whole
/// request, and far above what a loaded Raft cluster takes for one write.
pub(crate) const SERVER_CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Time that the connection of an unloaded mount has for calls in progress, such as the rollback of a transaction. The
/// server waits for the end of the connection.
pub(crate) const MOUNT_CLOSE_GRACE: Duration = Duration::from_secs(1);

/// TLS with a peer that connected to the plugin's socket.
pub(crate) const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// TLS handshakes in progress at once. The server makes one connection; more come only from other processes, which must
/// not tie up memory.
pub(crate) const TLS_HANDSHAKES_MAX: usize = 32;

/// A request or storage value on the wire. Above the 32 MiB that the server's
/// listener takes by default, for JSON that grew when it was escaped.
pub(crate) const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Calls of the server in progress at once: far more than any server sends. The server has one connection for all mounts
/// and would wait with more calls, also with those of mounts that nobody floods; each mount bounds its own calls by
/// permits and by what may wait for them.
pub(crate) const CALLS_MAX: u32 = 1 << 20;

/// Calls to the server that were given up, and that one connection remembers until the server has noticed: as many as the
/// server's HTTP/2 client has in progress on it.
pub(crate) const RESET_CALLS_MAX: usize = 1024;

/// Reads of one mount in progress at once; further ones wait. A reply of up to [`SMALL_REPLY_BYTES_MAX`] is in memory, on no
/// account, before the mount can count it. Two guests that read many entries at once have so many, and the server answers
/// one in well under a millisecond.
pub(crate) const READS_AT_ONCE: usize = 64;

/// The reply to a read that is one of [`READS_AT_ONCE`]: as large as an entry of the server's Raft storage may be by default.
/// The read of a larger entry is made once more, as one of [`LARGE_REPLIES_AT_ONCE`].
pub(crate) const SMALL_REPLY_BYTES_MAX: usize = 1 << 20;

/// Lists, and reads of large entries, of one mount in progress at once; further ones wait. A reply of [`MESSAGE_BYTES_MAX`]
/// is in memory, on no account, before the mount can count it, and the server makes a list in milliseconds.
pub(crate) const LARGE_REPLIES_AT_ONCE: usize = 4;

/// A message from this size on runs on the threads for large messages: to decode and encode it takes longer than a whole
/// ordinary request. Only long lists and texts are larger.
pub(crate) const LARGE_MESSAGE_BYTES: usize = 256 << 10;

/// The window of HTTP/2 flow control of a stream, and of a connection of one mount to the server: a megabyte at a time
/// instead of the standard's 64 KiB for large messages.
pub(crate) const WINDOW_BYTES: u32 = 1 << 20;

/// The window of the server's connection, which brings the calls of all mounts. No call arrives while this window is used
/// up. 63 large messages that wait for a thread leave room for other calls.
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 64 << 20;

/// Cancelled calls that may wait until they are noticed. HTTP/2 servers keep this number low against strangers; a low
/// number would end the plugin's only connection because many clients hung up at once.
pub(crate) const CANCELLED_CALLS_MAX: usize = 16 << 10;

/// Time after which a process that the server does not use ends: the handshake failed on the server's side, and the
/// server has started another process.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(60);

/// The timer that is always set, so that the timers of a request, all longer, wake no thread. It wakes an idle plugin once
/// in this time.
pub(crate) const TIMER_PERIOD: Duration = Duration::from_secs(5);

/// Time from the end of the broker's stream to the exit. The server closes the stream right before it calls `Shutdown`,
/// and the plugin has to answer that call.
pub(crate) const ORPHAN_GRACE: Duration = Duration::from_millis(500);

/// Time from the decision to exit until calls in progress are given up. The server kills the process 2 s after its call
/// of `Shutdown`.
pub(crate) const EXIT_GRACE: Duration = Duration::from_secs(1);

/// Time that a setup waits for the factory, which starts with the process.
pub(crate) const FACTORY_WAIT: Duration = Duration::from_secs(30);

/// A multiplexing ID. Servers use 10 characters.
pub(crate) const MULTIPLEX_ID_BYTES_MAX: usize = 64;

/// Age from which on a socket without a listener counts as left by a process that was killed: no start takes as long.
pub(crate) const ABANDONED_SOCKET_AGE_MIN: Duration = Duration::from_secs(60);

/// Entries of the directory of sockets that a start looks at, for a temporary directory may be full.
pub(crate) const ABANDONED_SOCKETS_SEEN_MAX: usize = 10_000;

/// Time in which a process that listens on a socket must be heard of.
pub(crate) const SOCKET_ANSWER_DEADLINE: Duration = Duration::from_secs(1);

/// One log line. The server cuts lines of 64 KiB into pieces that are no
/// longer JSON.
pub(crate) const LOG_LINE_BYTES_MAX: usize = 60 << 10;

/// One text of a log line that was too long. If every character is escaped, the text takes six times as much, which is
/// still below the limit of a line.
pub(crate) const LOG_TEXT_BYTES_MAX: usize = 8 << 10;

/// Log lines that wait until the server reads them. More are dropped and counted, so that a server that reads slowly
/// delays no request.
pub(crate) const LOG_QUEUE_LINES_MAX: usize = 1024;

/// Bytes of those lines, so that long lines do not add up to 60 MiB.
pub(crate) const LOG_QUEUE_BYTES_MAX: usize = 4 << 20;

/// Of these lines, those of guests: the host's own lines find room also while guests flood the log.
pub(crate) const LOG_QUEUE_GUEST_LINES_MAX: usize = LOG_QUEUE_LINES_MAX / 4 * 3;

/// Bytes of the lines of guests.
pub(crate) const LOG_QUEUE_GUEST_BYTES_MAX: usize = LOG_QUEUE_BYTES_MAX / 4 * 3;

/// Time that the end of the process, or a panic, waits for the log. Together with `EXIT_GRACE` below the 2 s that the
/// server waits.
pub(crate) const LOG_FLUSH_WAIT: Duration = Duration::from_millis(500);

/// Writes of a transaction that wait to go out together: more than most make, and far fewer than the server takes at
/// once.
pub(crate) const WRITES_WAITING_MAX: usize = 32;

/// Bytes of such writes: the memory that they take besides the request that made them.
pub(crate) const WRITES_WAITING_BYTES_MAX: usize = 1024 * 1024;
