//! Limits of this crate, with unit and reason: of the directory of modules, the cache, activation and reverts.

use std::time::Duration;

use component_runtime::limits::COMPILE_DEADLINE;

/// Length of an engine's name, which is part of file names and of paths of the server.
pub const ENGINE_NAME_BYTES_MAX: usize = 64;
/// Entries that a listing reads. A directory with more of them was not made for modules.
pub const DIRECTORY_ENTRIES_MAX: usize = 1_000;
/// Modules in a directory. Each new one is read and hashed.
pub const DIRECTORY_MODULES_MAX: usize = 100;
/// Size of a signature file. One signature takes some 200 bytes.
pub const SIGNATURE_FILE_BYTES_MAX: usize = 16 * 1024;
/// Signatures in one file. Those of trusted keys are verified, each in some 50 µs.
pub const SIGNATURES_MAX: usize = 32;
/// Longest read of the directory, which may be on a network. It is much shorter than a request's wait for the first
/// pass, so that the embedded module can serve as a fallback.
pub const DIRECTORY_DEADLINE: Duration = Duration::from_secs(10);
/// Age from which on a digest is kept. A file that changed more recently may change again without another timestamp.
pub const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// Size of the stored state. It is read with the first request and written with each change; a full one has some 20
/// KiB.
pub const STATE_BYTES_MAX: usize = 256 << 10;
/// Rejected digests in the state; the oldest is dropped first. An operator sees at most a few bad modules a year.
pub const REFUSED_DIGESTS_MAX: usize = 100;
/// Length of a stored reason; longer ones are cut.
pub const REASON_BYTES_MAX: usize = 1 << 10;
/// Duration of one storage call about the state. If the server takes longer, it does not serve requests either.
pub const STATE_WAIT: Duration = Duration::from_secs(10);
/// Longest wait of a request for the mount's first module. A start may compile a module, which takes about a second,
/// and several seconds on a loaded machine. After that, the client should retry.
pub const START_WAIT: Duration = Duration::from_secs(30);
/// Bytes of all requests that wait for the mount's first module at once: two requests of the largest size.
pub const START_WAITING_BYTES_MAX: usize = 64 << 20;
/// Bytes that each of these requests counts at least: 4,096 requests may wait.
pub const START_WAITING_BYTES_MIN: usize = 16 << 10;
const _: () = assert!(DIRECTORY_DEADLINE.as_secs() * 2 < START_WAIT.as_secs());
/// Longest wait of an operator's call for a change of module: below the 60 s of any request.
pub const SWITCH_WAIT: Duration = Duration::from_secs(55);

/// Duration of all calls of a probe together. One call takes about a millisecond.
pub const PROBE_DEADLINE: Duration = Duration::from_secs(10);
/// Bytes of the help of all paths of a module: beyond, a probe rejects the module, and the help of a mount leaves the host's
/// paths out. Parsed JSON takes up to a hundred times its bytes, on no account; that of the Astra engine has 70 KiB.
pub const HELP_BYTES_MAX: usize = 1 << 20;
/// Paths that a probe reads. The document of an engine has some ten without parameters.
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
/// The compiler ends a compilation that makes no progress much earlier.
pub const LOAD_DEADLINE: Duration = Duration::from_secs(2 * COMPILE_DEADLINE.as_secs() + 30);
/// Longest load while no module serves the mount and another candidate could: clients wait, and a busy machine may need
/// much longer than this for a large module. When the other one serves, the mount tries the first one again, with
/// [`LOAD_DEADLINE`].
pub const LOAD_WHILE_NOTHING_SERVES: Duration = Duration::from_secs(120);
/// Modules that are loaded at once, each of another engine; the bytes of each are in memory meanwhile.
pub const LOADS_AT_ONCE: usize = 4;
/// Those of them that are to be compiled: one compiles, and the others wait for the compiler, minutes on a busy machine. The
/// rest of [`LOADS_AT_ONCE`] is for modules that need no compilation.
pub const COMPILED_LOADS_AT_ONCE: usize = LOADS_AT_ONCE - 1;
/// Known load failures, each with its reason. A module whose failure is dropped from the list is compiled once more.
pub const KNOWN_FAILURES_MAX: usize = 200;
/// Time between two looks at the directory without a notice. Notices are missing for a network directory and for one
/// that does not exist.
pub const WATCH_INTERVAL: Duration = Duration::from_secs(5);
/// Time without a further notice before the directory is read: a copy causes many notices.
pub const WATCH_QUIET: Duration = Duration::from_millis(200);
/// Longest delay of a read by further notices.
pub const WATCH_QUIET_MAX: Duration = Duration::from_secs(2);

/// Entries of the cache on disk: the modules in use and their predecessors.
pub const CACHE_ENTRIES_MAX: usize = 100;
/// Size of all entries together. The oldest make room.
pub const CACHE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Size of one entry. Compiled code takes three to four times the bytes of its component.
pub const CACHE_ENTRY_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Longest disk operation of the cache. After that, the module is compiled.
pub const CACHE_DEADLINE: Duration = Duration::from_secs(10);
