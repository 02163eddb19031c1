//! The process of a server or a client, which never outlives the test: a small shell waits for the end of its own
//! input, then kills the program with all its children and removes its folder. A test that is killed in any way
//! therefore leaves nothing behind.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Result, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// `$0` is the program, followed by its arguments. First prints the program's process ID. The final word `keep` on
/// standard input keeps the folder.
const GUARD: &str = r#"
setsid "$0" "$@" </dev/null >"$PROGRAM_OUTPUT" 2>&1 &
program=$!
echo "$program"
exec >/dev/null 2>&1
read -r last_word
kill -KILL "-$program"
[ "$last_word" = keep ] || rm -rf "$PROGRAM_FOLDER"
"#;

/// File with the output of a program, in its folder.
pub(super) const OUTPUT: &str = "output.log";

/// A running program. The drop kills it with all its children.
pub(super) struct GuardedProcess {
    guard: Child,
    pub(super) pid: u32,
}

impl GuardedProcess {
    pub(super) fn start(program: &Path, arguments: &[String], directory: &Path) -> Result<Self> {
        let log = directory.join(OUTPUT);
        File::create(&log)?;
        let mut guard = Command::new("/bin/sh")
            .arg("-c")
            .arg(GUARD)
            .arg(program)
            .args(arguments)
            .current_dir(directory)
            .env("PROGRAM_OUTPUT", &log)
            .env("PROGRAM_FOLDER", directory)
            .env("HOME", directory)
            .env("TMPDIR", directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = guard.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let pid = line.trim().parse().unwrap_or_default();
        Ok(Self { guard, pid })
    }
}

impl GuardedProcess {
    /// Kills the program and keeps its folder for the next one.
    pub(super) fn end_keeping_folder(mut self) {
        if let Some(stdin) = &mut self.guard.stdin {
            // A guard that has ended removes nothing either.
            let _ = stdin.write_all(b"keep\n");
        }
    }
}

impl Drop for GuardedProcess {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Sends a signal to a process.
pub(super) fn signal(pid: u32, name: &str) {
    // The process may have ended already.
    let _ = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).stderr(Stdio::null()).status();
}

/// The living children of a process whose program has this name in its path.
pub(super) fn children_named(parent: u32, name: &str) -> Vec<u32> {
    let children = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = children.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|&pid| parent_of(pid) == Some(parent) && command_line(pid).contains(name)).collect()
}

/// Is the process alive? A process that has ended and was not reaped is not.
pub(super) fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != "Z")
}

fn parent_of(pid: u32) -> Option<u32> {
    stat(pid).filter(|(state, _)| state != "Z").map(|(_, parent)| parent)
}

/// State and parent, which follow the program's name in parentheses.
fn stat(pid: u32) -> Option<(String, u32)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

fn command_line(pid: u32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
