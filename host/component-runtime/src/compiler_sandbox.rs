//! The system calls of the process that compiles a component. A hostile component could use a fault of the compiler to
//! take over this process, so the process can only read its standard input, write its standard output, and compute.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

/// Calls with any arguments: memory, time, random numbers, handlers of signals, and the end of the process.
const ANY: [c_long; 26] = [
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_prctl,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_sigaltstack,
];

/// Calls that read. They may use standard input only.
const READS: [c_long; 2] = [libc::SYS_read, libc::SYS_readv];
/// Calls that write. Of standard error, the parent reads the begin.
const WRITES: [c_long; 2] = [libc::SYS_write, libc::SYS_writev];
/// Calls that map memory or change its protection. Memory must not become executable.
const MAPS: [c_long; 2] = [libc::SYS_mmap, libc::SYS_mprotect];

/// Starts a thread. Another process would have limits of its own, and would outlive this one. The arguments of `clone3`
/// are in memory, where no filter sees them, and musl does not use that call.
const STARTS: c_long = libc::SYS_clone;
/// Sends a signal, to this process only.
const SIGNALS: c_long = libc::SYS_tgkill;

/// Index of the argument of [`MAPS`] that holds the protection.
const PROTECTION: u8 = 2;

/// Allows these calls to this thread and to the threads that it starts. All others fail with `EPERM`.
///
/// # Errors
/// When the system has no seccomp filters.
pub(crate) fn enter() -> Result<(), Error> {
    let only_descriptor = |descriptor: u64| condition(0, SeccompCmpOp::Eq, descriptor);
    let no_code = || condition(PROTECTION, SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64), 0);
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> = ANY.into_iter().map(|call| (call, Vec::new())).collect();
    for call in READS {
        rules.insert(call, vec![only_descriptor(0)?]);
    }
    for call in WRITES {
        rules.insert(call, vec![only_descriptor(1)?, only_descriptor(2)?]);
    }
    for call in MAPS {
        rules.insert(call, vec![no_code()?]);
    }
    let thread = libc::CLONE_THREAD as u64;
    rules.insert(STARTS, vec![condition(0, SeccompCmpOp::MaskedEq(thread), thread)?]);
    rules.insert(SIGNALS, vec![condition(0, SeccompCmpOp::Eq, u64::from(std::process::id()))?]);
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let filter = SeccompFilter::new(rules, refuse, SeccompAction::Allow, std::env::consts::ARCH.try_into()?)?;
    apply_filter(&BpfProgram::try_from(filter)?)
}

fn condition(argument: u8, operation: SeccompCmpOp, value: u64) -> Result<SeccompRule, Error> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operation, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    #![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "what the compiler may not do is tried")]

    use std::io::ErrorKind::PermissionDenied;
    use std::io::Write as _;

    use super::*;

    /// Runs what a compromised compiler would try, on a thread of its own because the filter applies to a thread.
    fn within<T: Send>(act: impl FnOnce() -> T + Send) -> T {
        let in_sandbox = || {
            enter().unwrap();
            act()
        };
        std::thread::scope(|scope| scope.spawn(in_sandbox).join().unwrap())
    }

    #[test]
    fn files_sockets_and_programs_are_out_of_reach() {
        let refused = within(|| {
            [
                std::fs::read("/etc/passwd").err().map(|error| error.kind()),
                std::fs::write("/tmp/compiler", b"").err().map(|error| error.kind()),
                std::net::TcpStream::connect(("127.0.0.1", 1)).err().map(|error| error.kind()),
                std::os::unix::net::UnixListener::bind("/tmp/compiler").err().map(|error| error.kind()),
                std::process::Command::new("/proc/self/exe").spawn().err().map(|error| error.kind()),
            ]
        });
        assert_eq!(refused, [Some(PermissionDenied); 5]);
    }

    #[test]
    fn other_descriptors_than_the_standard_ones_are_out_of_reach() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let refused = within(|| writer.write_all(b"out").err().map(|error| error.kind()));
        assert_eq!(refused, Some(PermissionDenied));
        writer.write_all(b"in").unwrap();
        drop(writer);
        let mut reader = reader;
        let refused = within(|| std::io::Read::read(&mut reader, &mut [0]).err().map(|error| error.kind()));
        assert_eq!(refused, Some(PermissionDenied));
    }

    #[test]
    fn other_processes_are_neither_started_nor_signalled() {
        let parent = std::os::unix::process::parent_id();
        let refused = within(|| {
            #[expect(unsafe_code, reason = "no safe function makes only these calls")]
            // SAFETY: no argument is a pointer. A process that was started all the same ends before it does anything.
            unsafe {
                let started = libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0);
                if started == 0 {
                    libc::_exit(0);
                }
                [started, libc::syscall(libc::SYS_tgkill, parent, parent, 0)]
            }
        });
        assert_eq!(refused, [-1; 2]);
    }

    #[test]
    fn it_can_compute_and_start_threads() {
        let sum = within(|| {
            let threads = [(); 4].map(|()| std::thread::spawn(|| vec![1_u64; 1_000_000].iter().sum::<u64>()));
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>()
        });
        assert_eq!(sum, 4_000_000);
    }
}
