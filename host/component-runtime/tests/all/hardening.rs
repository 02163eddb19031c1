//! The rights that serving and compiling processes give up, seen from outside.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests start processes and look at them")]

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use component_runtime::harden_process;

/// A user without rights.
const NOBODY: u32 = 65_534;
/// Tells this program that it is a test's child.
const IN_CHILD: &str = "HARDENED_CHILD";

/// A command for a copy of a program, as a user without rights if this user may become another one.
fn as_nobody(program: &Path, folder: &Path) -> Command {
    let copy = folder.join("program");
    // Another process makes the copy: the system starts no program that is open for writing (`ETXTBSY`), and a process that
    // another test starts inherits all open files of this process for a moment.
    assert!(Command::new("install").args(["-m", "755"]).args([program, &copy]).status().unwrap().success());
    fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(copy);
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY);
    }
    command
}

/// The line of `/proc/PID/FILE` with this begin.
fn line(id: u32, file: &str, begin: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{id}/{file}")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(begin)).unwrap_or_else(|| panic!("no `{begin}`: {text}"));
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_compiler_has_no_dumps_no_privileges_few_system_calls_and_a_bounded_time() {
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_compile-for-parent"));
    let mut command = as_nobody(program, folder.path());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // The process reads the length of a component, and waits for the component.
    input.write_all(&1_u64.to_le_bytes()).unwrap();
    let id = child.id();
    while line(id, "status", "Seccomp:") != "2" {
        assert!(child.try_wait().unwrap().is_none(), "it waits for its input");
        std::thread::yield_now();
    }
    assert_eq!(line(id, "status", "NoNewPrivs:"), "1");
    assert_eq!(line(id, "status", "Umask:"), "0077");
    assert!(line(id, "limits", "Max core file size").starts_with("0 0"));
    // At the second limit of processor time comes the signal that says nothing of the cause.
    assert!(line(id, "limits", "Max cpu time").starts_with("60 65"));
    assert!(line(id, "limits", "Max data size").starts_with("2147483648 2147483648"));
    assert!(line(id, "limits", "Max file size").starts_with("536870912 536870912"));
    assert_eq!(fs::metadata(format!("/proc/{id}/environ")).unwrap().uid(), 0, "what is not dumpable belongs to root");
    drop(input);
    child.wait().unwrap();
}

/// The compiler starts from `/proc/self/exe`, and its output is mapped from `/proc/self/fd`.
#[test]
fn a_hardened_process_reaches_its_own_program_and_files() {
    if std::env::var_os(IN_CHILD).is_some() {
        return in_child();
    }
    let folder = tempfile::tempdir().unwrap();
    let mut command = as_nobody(&std::env::current_exe().unwrap(), folder.path());
    let test = "hardening::a_hardened_process_reaches_its_own_program_and_files";
    let ended = command.args(["--exact", test, "--nocapture"]).env(IN_CHILD, "1").output().unwrap();
    assert!(
        ended.status.success(),
        "{}{}",
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr)
    );
}

fn in_child() {
    assert_eq!(harden_process(), Vec::<String>::new());
    let memory = rustix::fs::memfd_create("memory", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    File::open(format!("/proc/self/fd/{}", memory.as_raw_fd())).unwrap();
    File::open("/proc/self/exe").unwrap();
    let again = Command::new("/proc/self/exe").args(["--list", "hardening"]).stdout(Stdio::null()).status().unwrap();
    assert!(again.success());
    let made = std::env::temp_dir().join(format!("hardened-{}", std::process::id()));
    fs::write(&made, "").unwrap();
    let mode = fs::metadata(&made).unwrap().mode();
    fs::remove_file(&made).unwrap();
    assert_eq!(mode & 0o777, 0o600);
}
