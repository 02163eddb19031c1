//! The files that commands read and write: bounded, named in every error.

#![expect(clippy::disallowed_types, reason = "the files are the user's, named by the user")]

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use super::Failure;

/// Reads a file of a bounded size.
///
/// # Errors
/// Names the file.
pub(crate) fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let file = File::open(path).map_err(|error| failed("read", path, &error))?;
    bounded(file, bytes_max, &path.display().to_string())
}

/// As `read`, of what is zeroed when it is dropped: no smaller copy is left behind on the way.
///
/// # Errors
/// Names the file.
pub(crate) fn read_secret(path: &Path, bytes_max: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let file = File::open(path).map_err(|error| failed("read", path, &error))?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max + 1));
    let read = file.take(bytes_max as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| failed("read", path, &error))?;
    if bytes.len() > bytes_max {
        return Err(Failure::Not(format!("`{}` has more than {bytes_max} bytes", path.display())));
    }
    Ok(bytes)
}

/// As `read`; none where there is no such file.
///
/// # Errors
/// Names the file.
pub(crate) fn read_if_there(path: &Path, bytes_max: usize) -> Result<Option<Vec<u8>>, Failure> {
    match File::open(path) {
        Ok(file) => bounded(file, bytes_max, &path.display().to_string()).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path, &error)),
    }
}

/// Reads stdin to its end.
///
/// # Errors
/// When it is too much.
pub(crate) fn read_stdin(bytes_max: usize) -> Result<Vec<u8>, Failure> {
    bounded(std::io::stdin(), bytes_max, "stdin")
}

fn bounded(source: impl std::io::Read, bytes_max: usize, name: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = source.take(bytes_max as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::Not(format!("failed to read `{name}`: {error}")))?;
    if bytes.len() > bytes_max {
        return Err(Failure::Not(format!("`{name}` has more than {bytes_max} bytes")));
    }
    Ok(bytes)
}

/// Writes a new file that only its owner reads.
///
/// # Errors
/// When it is there already: it is never overwritten.
pub(crate) fn write_new_private(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::Not(format!("`{}` is there already; it stays", path.display())),
        _ => failed("write", path, &error),
    })?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    written.map_err(|error| failed("write", path, &error))
}

/// Writes a file in the place of an earlier one, whole or not at all.
///
/// # Errors
/// Names the file.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    // What lies there may be a link that somebody prepared: it goes, and nothing is written through it.
    match std::fs::remove_file(beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed("remove", beside, &error)),
        _ => (),
    }
    let written = OpenOptions::new().write(true).create_new(true).open(beside).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(beside, path)
    });
    written.map_err(|error| failed("write", path, &error))
}

/// Opens a file for reading and writing; made anew, only its owner reads it.
///
/// # Errors
/// Names the file.
pub(crate) fn open_private(path: &Path) -> Result<File, Failure> {
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    opened.map_err(|error| failed("open", path, &error))
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::Not(format!("failed to {what} `{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]
    use super::*;

    #[test]
    fn a_link_that_lies_in_the_way_is_not_written_through() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("precious"), "kept").unwrap();
        std::os::unix::fs::symlink(at("precious"), at("x.wasm.sig.new")).unwrap();
        replace(&at("x.wasm.sig"), b"signature").unwrap();
        assert_eq!(std::fs::read(at("precious")).unwrap(), b"kept");
        assert_eq!(std::fs::read(at("x.wasm.sig")).unwrap(), b"signature");
        assert!(!at("x.wasm.sig").is_symlink() && !at("x.wasm.sig.new").exists());
    }
}
