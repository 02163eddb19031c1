//! Rights that a serving or compiling process gives up: core dumps, inspection by other processes of its user, new
//! privileges, and files that others may read.

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask};
use rustix::thread::set_no_new_privs;

/// Only the owner may access files of the process.
const OWNER_ONLY: Mode = Mode::from_raw_mode(0o077);

/// Hardens this process and all threads that it starts later. Call this before any thread starts.
///
/// A core dump would contain the secrets of all mounts. Before it, the kernel would walk the 4 TiB of addresses that
/// are reserved for instances; that takes minutes in which no mount is served. A process that cannot be dumped cannot
/// be traced by its own user either, and root owns its files below `/proc`, which the process itself still reaches.
///
/// The umask always takes effect. Returns the names of the measures that the system refused.
#[must_use]
pub fn harden_process() -> Vec<String> {
    umask(OWNER_ONLY);
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let steps: [(&str, Result<(), Errno>); 3] = [
        ("no core dumps", setrlimit(Resource::Core, none)),
        ("not dumpable", set_dumpable_behavior(DumpableBehavior::NotDumpable)),
        ("no new privileges", set_no_new_privs(true)),
    ];
    let refused = steps.into_iter().filter_map(|(what, done)| Some((what, done.err()?)));
    refused.map(|(what, error)| format!("{what}: {error}")).collect()
}
