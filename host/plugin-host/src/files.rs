//! Reads and writes the files that arguments name, with a limit of size. Every error names the file.

#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "the files are the user's, named by the user")]

use std::fs::{File, OpenOptions, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use zeroize::Zeroizing;

use crate::failure::Failure;

/// Reads a file of a bounded size.
///
/// # Errors
/// Names the file.
pub(crate) fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let file = File::open(path).map_err(|error| failed("read", path, &error))?;
    bounded(file, bytes_max, &path.display().to_string())
}

/// As `read`, of bytes that are zeroed when they are dropped: no smaller copy is left behind on the way.
///
/// # Errors
/// Names the file.
pub(crate) fn read_secret(path: &Path, bytes_max: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let file = File::open(path).map_err(|error| failed("read", path, &error))?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max + 1));
    let read = file.take(bytes_max as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| failed("read", path, &error))?;
    if bytes.len() > bytes_max {
        return Err(Failure::Failed(format!("`{}` has more than {bytes_max} bytes", path.display())));
    }
    Ok(bytes)
}

/// As `read`; `None` if there is no such file.
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

/// Reads a file of a bounded size, or stdin to its end if the path is `-`.
///
/// # Errors
/// Names the file.
pub(crate) fn read_or_stdin(path: &Path, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    if path == "-" { bounded(std::io::stdin(), bytes_max, "stdin") } else { read(path, bytes_max) }
}

fn bounded(source: impl std::io::Read, bytes_max: usize, name: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = source.take(bytes_max as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::Failed(format!("failed to read `{name}`: {error}")))?;
    if bytes.len() > bytes_max {
        return Err(Failure::Failed(format!("`{name}` has more than {bytes_max} bytes")));
    }
    Ok(bytes)
}

/// Writes a new file that only its owner reads.
///
/// # Errors
/// When the file exists: no file is overwritten.
pub(crate) fn write_new_private(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(path),
        _ => failed("write", path, &error),
    })?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    written.map_err(|error| failed("write", path, &error))
}

/// Writes a new folder with files, as a whole or not at all. The paths of the files are below the folder.
///
/// # Errors
/// When the folder exists: nothing is overwritten.
pub(crate) fn write_new_folder(path: &Path, files: &[(String, String)]) -> Result<(), Failure> {
    if path.symlink_metadata().is_ok() {
        return Err(exists(path));
    }
    let parent = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written =
        tempfile::Builder::new().permissions(Permissions::from_mode(0o777)).tempdir_in(parent).and_then(|folder| {
            for (name, text) in files {
                let file = folder.path().join(name);
                std::fs::create_dir_all(file.parent().unwrap_or(folder.path()))?;
                std::fs::write(file, text)?;
            }
            std::fs::rename(folder.path(), path)?;
            // It has another name now, so there is nothing to remove.
            let _ = folder.keep();
            Ok(())
        });
    written.map_err(|error| failed("write", path, &error))
}

fn exists(path: &Path) -> Failure {
    Failure::Failed(format!("`{}` exists and is not overwritten: choose another name", path.display()))
}

/// Replaces a file as a whole, or not at all.
///
/// # Errors
/// Names the file.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Servers read the file too, so its mode is that of other files. Nothing is written through a prepared link: the
    // name of the new file is random until the rename.
    let written =
        tempfile::Builder::new().permissions(Permissions::from_mode(0o666)).tempfile_in(folder).and_then(|mut file| {
            file.write_all(content)?;
            file.as_file().sync_all()?;
            Ok(file.persist(path)?)
        });
    written.map(drop).map_err(|error| failed("write", path, &error))
}

/// Opens a file to read and write. Only its owner can read a file that is made.
///
/// # Errors
/// Names the file.
pub(crate) fn open_private(path: &Path) -> Result<File, Failure> {
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    opened.map_err(|error| failed("open", path, &error))
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("failed to {what} `{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
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
        assert!(!at("x.wasm.sig").is_symlink());
    }
    #[test]
    fn a_folder_that_cannot_be_written_as_a_whole_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| (name.to_owned(), "text".to_owned());
        let project = directory.path().join("project");
        // The second file would need the first one to be a folder.
        assert!(write_new_folder(&project, &[file("a"), file("a/b")]).is_err());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        write_new_folder(&project, &[file("a"), file("b/c")]).unwrap();
        assert_eq!(std::fs::read_to_string(project.join("b/c")).unwrap(), "text");
        assert!(
            matches!(write_new_folder(&project, &[]), Err(Failure::Failed(text)) if text.contains("is not overwritten"))
        );
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
