//! Limits of what is read of a directory of modules and kept in a cache, and of going live and back: unit, value
//! and reason.

use std::time::Duration;

/// An engine's name, in a file's name and in paths of the server.
pub const ENGINE_NAME_BYTES_MAX: usize = 64;
/// Entries of a directory that are looked at; more are not modules that somebody put there on purpose.
pub const DIRECTORY_ENTRIES_MAX: usize = 1_000;
/// Modules in a directory. Each is read and hashed when it is new.
pub const DIRECTORY_MODULES_MAX: usize = 100;
/// A file of signatures. One signature takes some 200 bytes.
pub const SIGNATURE_FILE_BYTES_MAX: usize = 16 * 1024;
/// Signatures in one file; each of a trusted key is verified, in some 50 µs.
pub const SIGNATURES_MAX: usize = 32;
/// A directory may lie on a network; whoever waits for it is told so after this. Well below what a request waits for
/// the first look, so that what the binary carries can stand in.
pub const DIRECTORY_DEADLINE: Duration = Duration::from_secs(10);
/// A file that changed this lately may change again without another time of change: its digest is not kept.
pub const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// The stored state. It is read with the first request and written with each switch; a full one has some 20 KiB.
pub const STATE_BYTES_MAX: usize = 256 << 10;
/// Rejected digests in the state; the oldest is dropped first. A hundred bad modules are far apart.
pub const REFUSED_DIGESTS_MAX: usize = 100;
/// A stored reason; longer ones are cut.
pub const REASON_BYTES_MAX: usize = 1 << 10;
/// One storage call about the state. A server that does not answer for so long does not serve either.
pub const STATE_WAIT: Duration = Duration::from_secs(10);
/// How long a request waits until its mount has a module: a start may compile one, about a second, several on a
/// loaded machine. Later, the client is better told to come back.
pub const START_WAIT: Duration = Duration::from_secs(30);
const _: () = assert!(DIRECTORY_DEADLINE.as_secs() * 2 < START_WAIT.as_secs());
/// Longest wait of an operator's call for a change of module: below the 60 s of any request.
pub const SWITCH_WAIT: Duration = Duration::from_secs(55);

/// All calls of a probe together. One takes about a millisecond.
pub const PROBE_DEADLINE: Duration = Duration::from_secs(10);
/// Paths that a probe reads; the document of an engine has some ten without parameters.
pub const PROBE_PATHS_MAX: usize = 50;

/// Faults tolerated during a trial; the next one triggers an automatic revert. A single fault may be a coincidence, but
/// every fault costs a client a failed request.
pub const TRIAL_FAULTS_MAX: u32 = 3;
/// Minimum number of requests of a trial.
pub const TRIAL_REQUESTS: u32 = 1_000;
/// Minimum duration of a trial: a fault may lie in code that runs every few minutes.
pub const TRIAL_TIME: Duration = Duration::from_secs(600);
/// Wait before the first retry after a transient rejection or a problem; each further wait is twice as long.
pub const RETRY_WAIT: Duration = Duration::from_secs(1);
/// Longest wait before a retry: an attempt that fails for hours is made seldom, because its probe may take ten seconds.
pub const RETRY_WAIT_MAX: Duration = Duration::from_secs(600);
/// Reasons in the error that a client gets when no module serves; `module` lists all of them.
pub const REASONS_TOLD_MAX: usize = 5;

/// Longest wait of a load for its turn: for the same load by another mount, for other modules of its engine, and for
/// modules of other engines. The next reconcile pass tries again.
pub const LOAD_WAIT: Duration = Duration::from_secs(180);
/// Longest load from its turn on: the longest wait for the compiler, the longest compilation, and time to read the file.
pub const LOAD_DEADLINE: Duration = Duration::from_secs(270);
/// Modules that are being loaded at once, each of another engine, whose bytes are in memory for that: one compiles, and
/// those that need not be compiled pass by.
pub const LOADS_AT_ONCE: usize = 4;
/// Modules that are known not to load, each with its reason. A module that is dropped from the list is compiled once
/// more.
pub const KNOWN_FAILURES_MAX: usize = 200;
/// Between two looks at the directory when no notice comes: of a directory on a network, or one that is not there.
pub const WATCH_INTERVAL: Duration = Duration::from_secs(5);
/// After a notice, no other may come for so long before the directory is looked at: a copy writes many times.
pub const WATCH_QUIET: Duration = Duration::from_millis(200);
/// A directory that is never quiet is looked at this often.
pub const WATCH_QUIET_MAX: Duration = Duration::from_secs(2);

/// Entries of the cache on disk: what an operator has in use, and what was there before.
pub const CACHE_ENTRIES_MAX: usize = 100;
/// All entries together. The oldest make room.
pub const CACHE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// One entry. Code takes three to four times the bytes of its component.
pub const CACHE_ENTRY_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// A disk may hang; whoever waits for the cache compiles after this.
pub const CACHE_DEADLINE: Duration = Duration::from_secs(10);
