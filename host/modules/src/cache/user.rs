//! The cache of a user's commands, in a folder of the user.
//!
//! A process executes the sealed code that it loads, so only the user may own and write the folder and its key.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use aws_lc_rs::rand;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, MetadataExt as _, OpenOptions, OpenOptionsExt as _};
use component_runtime::SealKey;
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::CacheSettings;

/// File of the key.
const KEY: &str = "key";
const KEY_BYTES: usize = 32;
/// Mode bits of the group and of other users.
const OTHERS: u32 = 0o077;

impl CacheSettings {
    /// A cache in a folder of this process's user, with a key of its own beside the entries. Creates folder and key if
    /// they are missing. Blocks while the disk works.
    ///
    /// # Errors
    /// When the folder cannot be created or read, or when another user owns it or can use it. The text names the
    /// folder.
    pub fn of_user(folder: &Path) -> Result<Self, String> {
        let key = open(folder).and_then(|dir| key(&dir));
        let key = key.map_err(|reason| format!("`{}`: {reason}", folder.display()))?;
        Ok(Self { directory: folder.to_path_buf(), key })
    }
}

fn open(folder: &Path) -> Result<Dir, String> {
    // The folder needs its mode from the beginning, and `create_ambient_dir_all` takes no mode.
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| error.to_string())?;
    let dir = Dir::open_ambient_dir(folder, ambient_authority()).map_err(|error| error.to_string())?;
    private("the folder", &dir.dir_metadata().map_err(|error| error.to_string())?)?;
    Ok(dir)
}

fn key(dir: &Dir) -> Result<SealKey, String> {
    loop {
        match read_key(dir) {
            Ok(Some(key)) => return Ok(key),
            Ok(None) => make_key(dir)?,
            Err(reason) => return Err(format!("its file `{KEY}`: {reason}")),
        }
    }
}

/// `None` if there is no key yet.
fn read_key(dir: &Dir) -> Result<Option<SealKey>, String> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    let mut file = match dir.open_with(KEY, &options) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    private("it", &file.metadata().map_err(|error| error.to_string())?)?;
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    file.read_exact(&mut *key).map_err(|error| format!("it has no {KEY_BYTES} bytes, remove it: {error}"))?;
    Ok(Some(SealKey::new(*key)))
}

/// The first of several commands creates the key: a hard link appears complete, and only if the name is free.
fn make_key(dir: &Dir) -> Result<(), String> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    rand::fill(&mut *bytes).map_err(|error| error.to_string())?;
    let unfinished = super::unfinished(KEY)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let written = dir.open_with(&unfinished, &options).and_then(|mut file| file.write_all(&*bytes));
    let linked = written.and_then(|()| dir.hard_link(&unfinished, dir, KEY));
    let removed = dir.remove_file(&unfinished);
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error.to_string()),
        _ => removed.map_err(|error| error.to_string()),
    }
}

/// Refuses what another user owns or can use.
fn private(what: &str, metadata: &Metadata) -> Result<(), String> {
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user {
        let owner = metadata.uid();
        return Err(format!("{what} belongs to user {owner}, not to user {user}: remove it, or set `XDG_CACHE_HOME`"));
    }
    if metadata.mode() & OTHERS != 0 {
        let mode = metadata.mode() & 0o7777;
        return Err(format!(
            "{what} has the mode {mode:o}, by which others can use it: take that away with `chmod go=`"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn key_file(folder: &Path) -> Vec<u8> {
        fs::read(folder.join(KEY)).unwrap()
    }

    #[test]
    fn the_first_command_makes_the_key_and_later_ones_use_it() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("cache/of-plugin");
        let made = std::thread::scope(|scope| {
            let commands: Vec<_> =
                (0..8).map(|_| scope.spawn(|| CacheSettings::of_user(&folder).map(|_| key_file(&folder)))).collect();
            commands.into_iter().map(|command| command.join().unwrap().unwrap()).collect::<Vec<_>>()
        });
        assert!(made.iter().all(|key| key.len() == KEY_BYTES && *key == made[0] && *key != [0; KEY_BYTES]));
        assert_eq!([mode(&folder), mode(&folder.join(KEY))], [0o700, 0o600]);
        let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [KEY], "nothing unfinished stays");
    }

    #[test]
    fn a_key_or_folder_that_other_users_can_use_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let (folder, key) = (base.path().join("cache"), base.path().join("cache/key"));
        let refused = || CacheSettings::of_user(&folder).unwrap_err();
        CacheSettings::of_user(&folder).unwrap();
        fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
        assert!(refused().contains("has the mode 640"), "{}", refused());
        fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o770)).unwrap();
        assert!(refused().contains("has the mode 770"), "{}", refused());
        fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
        CacheSettings::of_user(&folder).unwrap();
        fs::rename(&key, base.path().join("elsewhere")).unwrap();
        symlink(base.path().join("elsewhere"), &key).unwrap();
        assert!(refused().contains("its file `key`"), "{}", refused());
        fs::remove_file(&key).unwrap();
        fs::write(&key, "short").unwrap();
        fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        assert!(refused().contains("remove it"), "{}", refused());
    }
}
