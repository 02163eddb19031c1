//! The Unix socket that the server connects to, and its file.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use tempfile::TempPath;
use thiserror::Error as ThisError;
use tokio::net::UnixListener;

/// The file in which containers, which alone name a group, have their groups.
const GROUP_FILE: &str = "/etc/group";

/// Why there is no socket.
#[derive(Debug, ThisError)]
pub(crate) enum SocketError {
    #[error(
        "failed to listen on a socket in `{directory}`: {source}; set `TMPDIR` to a short path that can be written to"
    )]
    Bind { directory: PathBuf, source: io::Error },
    #[error("failed to give `{path}` to group `{group}`: {source}")]
    Group { path: PathBuf, group: String, source: io::Error },
}

/// A listening socket, and its file, which is removed on drop.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) listener: UnixListener,
    pub(crate) file: TempPath,
}

impl Socket {
    /// Listens in `directory`, or in the temporary directory, for this user and the members of a named group.
    pub(crate) fn bind(directory: Option<&Path>, group: Option<&str>) -> Result<Self, SocketError> {
        let directory = directory.map_or_else(std::env::temp_dir, Path::to_path_buf);
        let made = tempfile::Builder::new().prefix("plugin-").make_in(&directory, |path| UnixListener::bind(path));
        let (listener, file) = made.map_err(|source| SocketError::Bind { directory, source })?.into_parts();
        restrict(&file, group).map_err(|source| SocketError::Group {
            path: file.to_path_buf(),
            group: group.unwrap_or_default().to_owned(),
            source,
        })?;
        Ok(Self { listener, file })
    }
}

fn restrict(path: &Path, group: Option<&str>) -> io::Result<()> {
    let mode = if let Some(group) = group {
        chown(path, None, Some(group_id(group)?))?;
        0o660
    } else {
        0o600
    };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// The number of a group, from a number or a name.
fn group_id(group: &str) -> io::Result<u32> {
    if let Ok(id) = group.parse() {
        return Ok(id);
    }
    #[expect(clippy::disallowed_methods, reason = "nothing else knows the groups of a container")]
    let groups = fs::read_to_string(GROUP_FILE)?;
    groups
        .lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            let found = fields.next() == Some(group);
            found.then(|| fields.nth(1)?.parse().ok()).flatten()
        })
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such group"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[tokio::test]
    async fn the_socket_is_private_and_its_file_is_removed_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let first = Socket::bind(Some(directory.path()), None).unwrap();
        let second = Socket::bind(Some(directory.path()), None).unwrap();
        assert_ne!(&*first.file, &*second.file);
        assert_eq!(fs::metadata(&first.file).unwrap().mode() & 0o777, 0o600);
        drop((first, second));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_group_by_number_or_name_may_use_the_socket() {
        let directory = tempfile::tempdir().unwrap();
        let own = fs::metadata(directory.path()).unwrap().gid();
        let socket = Socket::bind(Some(directory.path()), Some(&own.to_string())).unwrap();
        let metadata = fs::metadata(&socket.file).unwrap();
        assert_eq!((metadata.gid(), metadata.mode() & 0o777), (own, 0o660));
        assert_eq!(group_id("root").unwrap(), 0);
        let error = Socket::bind(Some(directory.path()), Some("no-such-group")).unwrap_err();
        assert!(error.to_string().contains("to group `no-such-group`: no such group"), "{error}");
    }

    #[tokio::test]
    async fn the_error_names_a_directory_that_does_not_exist() {
        let error = Socket::bind(Some(Path::new("/nonexistent")), None).unwrap_err();
        assert!(error.to_string().contains("`/nonexistent`"), "{error}");
    }
}
