//! What a process that serves or compiles gives up, because it needs none of it: core dumps, being looked into by other
//! processes of its user, new privileges, and files that others may read.

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask};
use rustix::thread::set_no_new_privs;

/// Files of the process are its owner's only.
const OWNER_ONLY: Mode = Mode::from_raw_mode(0o077);

/// Hardens this process, and the threads that it starts from now on: to be called before there are any.
///
/// A core dump would hold the secrets of all mounts, and the kernel would first walk the addresses that are reserved for
/// instances: 4 TiB, for minutes, in which no mount is served. A process that cannot be dumped cannot be traced by its
/// own user either, and its files below `/proc` are those of root; the process itself still reaches them.
///
/// The umask holds in any case. The answer names what the system refused.
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
