//! A directory of modules: lists it, and reads one module.
//!
//! The content is not trusted: names must have the right form, files must be regular and have a bounded size, and no
//! symbolic link may lead out. Each look opens the directory anew, so the directory may be replaced, vanish and come
//! back.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::SystemTime;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, MetadataExt as _, OpenOptions, OpenOptionsExt as _};

use crate::limits::{DIRECTORY_ENTRIES_MAX, DIRECTORY_MODULES_MAX, SETTLED_AFTER, SIGNATURE_FILE_BYTES_MAX};
use crate::signature_file::SIGNATURE_SUFFIX;
use crate::{Digest, IdError, ModuleId, Rejection};

/// Suffix of modules. The directory may hold other files.
const MODULE_SUFFIX: &str = ".wasm";

/// A directory of modules. All methods block.
pub(crate) struct Directory {
    path: PathBuf,
    module_bytes_max: usize,
    /// Digests of files that did not change since they were read.
    known: BTreeMap<String, (Stamp, Digest)>,
}

/// A file that is named as a module and could be read.
pub(crate) struct ModuleFile {
    pub(crate) name: String,
    pub(crate) id: ModuleId,
    pub(crate) digest: Digest,
    /// The content of its signature file.
    pub(crate) signatures: Option<Vec<u8>>,
}

/// A file that is not a usable module: its name is wrong, or it is unreadable or too large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedFile {
    /// Name in the directory.
    pub name: String,
    /// Why the file is not a module.
    pub reason: Rejection,
}

/// Content of the directory, by name.
#[derive(Default)]
pub(crate) struct Listing {
    pub(crate) modules: Vec<ModuleFile>,
    pub(crate) refused: Vec<RejectedFile>,
}

/// Metadata that change with the content of a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Stamp {
    len: u64,
    device: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Directory {
    pub(crate) fn new(path: PathBuf, module_bytes_max: usize) -> Self {
        Self { path, module_bytes_max, known: BTreeMap::new() }
    }

    /// Reads new files and lists all.
    ///
    /// # Errors
    /// When the directory cannot be read or has too many entries.
    pub(crate) fn list(&mut self) -> Result<Listing, Rejection> {
        let dir = self.open()?;
        let names = self.module_names(&dir)?;
        let mut listing = Listing::default();
        self.known.retain(|name, _| names.contains(name));
        for name in names {
            match self.module(&dir, &name) {
                Ok(module) => listing.modules.push(module),
                Err(reason) => listing.refused.push(RejectedFile { name, reason }),
            }
        }
        Ok(listing)
    }

    /// The bytes of a module and of its signature file, as they are now.
    ///
    /// # Errors
    /// When one of the files cannot be read.
    pub(crate) fn read(&mut self, name: &str) -> Result<(Vec<u8>, Option<Vec<u8>>), Rejection> {
        let dir = self.open()?;
        // The next listing hashes the file again, also if this read fails.
        self.known.remove(name);
        let (bytes, _) = read(&dir, name, self.module_bytes_max)?;
        Ok((bytes, signatures(&dir, name)?))
    }

    /// Names and stamps of modules and signature files. They show a change without reading a file.
    ///
    /// # Errors
    /// As `list`.
    pub(crate) fn stamps(&self) -> Result<BTreeMap<String, Option<Stamp>>, Rejection> {
        let dir = self.open()?;
        let mut stamps = BTreeMap::new();
        for module in self.module_names(&dir)? {
            let signatures = format!("{module}{SIGNATURE_SUFFIX}");
            for name in [module, signatures] {
                let stamp = dir.metadata(&name).ok().map(|metadata| Stamp::of(&metadata));
                stamps.insert(name, stamp);
            }
        }
        Ok(stamps)
    }

    fn open(&self) -> Result<Dir, Rejection> {
        let opened = Dir::open_ambient_dir(&self.path, ambient_authority());
        opened.map_err(|error| self.unreadable(&error))
    }

    fn module_names(&self, dir: &Dir) -> Result<Vec<String>, Rejection> {
        let too_many = |what: &str, max: usize| {
            Rejection::Transient(format!(
                "the directory of modules `{}` has more than {max} {what}",
                self.path.display()
            ))
        };
        let (mut seen, mut names) = (0, Vec::new());
        for entry in dir.entries().map_err(|error| self.unreadable(&error))? {
            let name = entry.map_err(|error| self.unreadable(&error))?.file_name();
            seen += 1;
            if seen > DIRECTORY_ENTRIES_MAX {
                return Err(too_many("entries", DIRECTORY_ENTRIES_MAX));
            }
            // The name of a module is valid UTF-8.
            names.extend(name.into_string().ok().filter(|name| name.ends_with(MODULE_SUFFIX)));
            if names.len() > DIRECTORY_MODULES_MAX {
                return Err(too_many("modules", DIRECTORY_MODULES_MAX));
            }
        }
        names.sort();
        Ok(names)
    }

    fn module(&mut self, dir: &Dir, name: &str) -> Result<ModuleFile, Rejection> {
        let id = ModuleId::from_file_name(name).map_err(|error: IdError| Rejection::Permanent(error.to_string()))?;
        let digest = self.digest(dir, name)?;
        Ok(ModuleFile { name: name.to_owned(), id, digest, signatures: signatures(dir, name)? })
    }

    fn digest(&mut self, dir: &Dir, name: &str) -> Result<Digest, Rejection> {
        let now = dir.metadata(name).map(|metadata| Stamp::of(&metadata)).ok();
        if let Some((stamp, digest)) = self.known.get(name)
            && Some(*stamp) == now
        {
            return Ok(*digest);
        }
        let (bytes, stamp) = read(dir, name, self.module_bytes_max)?;
        let digest = Digest::of(&bytes);
        if stamp.is_settled() {
            self.known.insert(name.to_owned(), (stamp, digest));
        }
        Ok(digest)
    }

    fn unreadable(&self, error: &std::io::Error) -> Rejection {
        Rejection::Transient(format!("the directory of modules `{}` cannot be read: {error}", self.path.display()))
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            len: metadata.len(),
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Would a further change get another time? File systems round times to milliseconds, some to a second.
    fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let changed = u64::try_from(self.changed.0).unwrap_or(0);
        changed.saturating_add(SETTLED_AFTER.as_secs()) < now.as_secs()
    }
}

fn signatures(dir: &Dir, module: &str) -> Result<Option<Vec<u8>>, Rejection> {
    let name = format!("{module}{SIGNATURE_SUFFIX}");
    if !dir.exists(&name) && dir.symlink_metadata(&name).is_err() {
        return Ok(None);
    }
    let (bytes, _) = read(dir, &name, SIGNATURE_FILE_BYTES_MAX)?;
    Ok(Some(bytes))
}

/// Reads a regular file whole, to at most `max` bytes.
fn read(dir: &Dir, name: &str, max: usize) -> Result<(Vec<u8>, Stamp), Rejection> {
    let refused = |reason: &dyn std::fmt::Display| Rejection::Transient(format!("`{name}` cannot be read: {reason}"));
    let mut options = OpenOptions::new();
    // Opening a named pipe would block.
    options.read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    let file = dir.open_with(name, &options).map_err(|error| refused(&error))?;
    let metadata = file.metadata().map_err(|error| refused(&error))?;
    if !metadata.is_file() {
        return Err(refused(&"it is not a regular file"));
    }
    let too_large = |bytes: u64| refused(&format!("it has {bytes} bytes; at most {max}"));
    if metadata.len() > max as u64 {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::new();
    // The file may grow while it is read.
    file.take(max as u64 + 1).read_to_end(&mut bytes).map_err(|error| refused(&error))?;
    if bytes.len() > max {
        return Err(too_large(bytes.len() as u64));
    }
    Ok((bytes, Stamp::of(&metadata)))
}

#[cfg(test)]
mod tests;
