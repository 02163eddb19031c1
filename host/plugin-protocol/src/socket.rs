//! The Unix socket that the server connects to, and its file.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::TempPath;
use thiserror::Error as ThisError;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use crate::limits::{ABANDONED_SOCKET_AGE_MIN, ABANDONED_SOCKETS_SEEN_MAX, SOCKET_ANSWER_DEADLINE};

/// What the names of the sockets begin with.
const PREFIX: &str = "plugin-";

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
        let made = tempfile::Builder::new().prefix(PREFIX).make_in(&directory, |path| UnixListener::bind(path));
        let (listener, file) = made.map_err(|source| SocketError::Bind { directory, source })?.into_parts();
        restrict(&file, group).map_err(|source| SocketError::Group {
            path: file.to_path_buf(),
            group: group.unwrap_or_default().to_owned(),
            source,
        })?;
        Ok(Self { listener, file })
    }
}

/// Removes the sockets that killed processes of this user left beside the own one: those on which nobody listens.
pub(crate) async fn remove_abandoned(own: PathBuf, now: SystemTime) {
    let found =
        tokio::task::spawn_blocking(move || candidates(&own, now, ABANDONED_SOCKETS_SEEN_MAX).unwrap_or_default());
    for path in found.await.unwrap_or_default() {
        let connected = timeout(SOCKET_ANSWER_DEADLINE, UnixStream::connect(&path)).await;
        if matches!(connected, Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused) {
            match fs::remove_file(&path) {
                Ok(()) => tracing::debug!(path = %path.display(), "removed the socket of a process that was killed"),
                Err(error) => tracing::debug!(path = %path.display(), %error, "cannot remove a socket"),
            }
        }
    }
}

/// The other sockets of the directory that are this user's and not new: a process that starts has a socket before it
/// listens on it. Of a full directory some entries are looked at.
fn candidates(own: &Path, now: SystemTime, seen_max: usize) -> io::Result<Vec<PathBuf>> {
    let user = fs::symlink_metadata(own)?.uid();
    let directory = own.parent().unwrap_or(own);
    let is_old = |modified: SystemTime| now.duration_since(modified).is_ok_and(|age| age >= ABANDONED_SOCKET_AGE_MIN);
    let candidates = fs::read_dir(directory)?.filter_map(Result::ok).take(seen_max).filter(|entry| {
        entry.path() != own
            && entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.metadata().is_ok_and(|found| {
                found.file_type().is_socket() && found.uid() == user && found.modified().is_ok_and(is_old)
            })
    });
    Ok(candidates.map(|entry| entry.path()).collect())
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
    async fn sockets_that_killed_processes_left_are_removed_and_no_others() {
        let directory = tempfile::tempdir().unwrap();
        let own = Socket::bind(Some(directory.path()), None).unwrap();
        let path = |name: &str| directory.path().join(name);
        let living = UnixListener::bind(path("plugin-living")).unwrap();
        for name in ["plugin-abandoned", "other-abandoned"] {
            drop(UnixListener::bind(path(name)).unwrap());
        }
        fs::create_dir(path("plugin-folder")).unwrap();
        let now = SystemTime::now();
        remove_abandoned(own.file.to_path_buf(), now).await;
        assert!(path("plugin-abandoned").exists(), "a process that starts listens a little later");
        remove_abandoned(own.file.to_path_buf(), now + ABANDONED_SOCKET_AGE_MIN * 2).await;
        assert!(!path("plugin-abandoned").exists());
        for name in ["plugin-living", "other-abandoned", "plugin-folder"] {
            assert!(path(name).exists(), "{name}");
        }
        assert!(own.file.exists());
        drop(living);
    }

    #[tokio::test]
    async fn of_a_full_directory_a_bounded_number_of_entries_is_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        let own = Socket::bind(Some(directory.path()), None).unwrap();
        for number in 0..6 {
            drop(UnixListener::bind(directory.path().join(format!("plugin-{number}"))).unwrap());
        }
        let later = SystemTime::now() + ABANDONED_SOCKET_AGE_MIN * 2;
        let found = |seen_max| candidates(&own.file, later, seen_max).unwrap().len();
        // The own socket may be among those that are looked at.
        assert!((2..=3).contains(&found(3)));
        assert_eq!((found(7), found(0)), (6, 0));
        assert_eq!(candidates(&own.file, later, ABANDONED_SOCKETS_SEEN_MAX).unwrap().len(), 6);
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
