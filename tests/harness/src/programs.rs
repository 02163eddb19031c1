//! Programs that tests put in place.
//!
//! Another process writes them. A process that a thread of the test program starts meanwhile inherits all open files of the
//! test program until the new process becomes its own program, and the system starts no program that is open for writing
//! anywhere (`ETXTBSY`).

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Puts a program there: by a hard link, or as a copy where that is another file system.
///
/// # Panics
/// When neither can be made.
#[track_caller]
pub fn place_program(from: &Path, to: &Path) {
    std::fs::hard_link(from, to).unwrap_or_else(|_| install(from, to, &[]));
}

/// Puts a program with this text there.
///
/// # Panics
/// When the file cannot be written.
#[track_caller]
pub fn place_script(text: &str, to: &Path) {
    install(Path::new("/dev/stdin"), to, text.as_bytes());
}

#[track_caller]
fn install(from: &Path, to: &Path, input: &[u8]) {
    let mut install = Command::new("install");
    install.args(["-m", "755"]).args([from, to]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let done = install.spawn().and_then(|mut child| {
        child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input))?;
        child.wait_with_output()
    });
    let done = done.unwrap_or_else(|error| panic!("`install` failed for `{}`: {error}", to.display()));
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "`{}` was not put at `{}`: {told}", from.display(), to.display());
}
