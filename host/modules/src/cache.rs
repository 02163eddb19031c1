//! Compiled modules on disk, so that a restart does not compile them again.
//!
//! Each entry is sealed with a key of the plugin's registration, or of the user who runs commands. Another writer of
//! the directory can therefore only make a start slower. If an entry is unusable for any reason, the log says so and
//! the module is compiled.

mod user;

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::rand;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt as _, OpenOptions, OpenOptionsExt as _};
use component_runtime::{Inspection, LoadError, Module, Runtime, SealKey};

use crate::Digest;
use crate::blocking::OneAtATime;
use crate::encoding::{from_base64, from_hex};
use crate::limits::{CACHE_BYTES_MAX, CACHE_DEADLINE, CACHE_ENTRIES_MAX, CACHE_ENTRY_BYTES_MAX};

/// Suffix of the entries. The cache leaves other files alone.
const SUFFIX: &str = ".sealed";
/// Suffix of an entry while it is written.
const UNFINISHED: &str = ".unfinished";

/// Directory of compiled modules, and the key that seals them.
#[derive(Clone, Debug)]
pub struct CacheSettings {
    /// The cache creates the directory when it first needs it.
    pub directory: PathBuf,
    /// Key that seals each entry.
    pub key: SealKey,
}

impl CacheSettings {
    /// A key of 32 bytes, as 64 hexadecimal digits or in base64.
    #[must_use]
    pub fn key_from_text(text: &str) -> Option<SealKey> {
        from_hex(text).or_else(|| from_base64(text)).map(SealKey::new)
    }
}

/// The cache of one directory.
pub struct Cache {
    settings: Arc<CacheSettings>,
    disk: OneAtATime<()>,
}

impl Cache {
    /// Reads nothing yet.
    #[must_use]
    pub fn new(settings: CacheSettings) -> Self {
        Self { settings: Arc::new(settings), disk: OneAtATime::new((), CACHE_DEADLINE) }
    }

    /// The module from its entry; without a usable entry, compiles the module and writes an entry.
    ///
    /// # Errors
    /// When the module cannot run on this machine.
    pub async fn load_or_compile(
        &self,
        runtime: &Runtime,
        digest: Digest,
        wasm: &[u8],
    ) -> Result<Arc<Module>, LoadError> {
        if let Some(module) = self.load(runtime, digest).await? {
            return Ok(module);
        }
        let module = runtime.load(wasm).await?;
        self.keep(runtime, digest, &module).await;
        Ok(module)
    }

    /// As `load_or_compile`; also lists the imports and exports of a component that cannot be loaded.
    ///
    /// # Errors
    /// When the bytes are not a component.
    pub async fn inspect(&self, runtime: &Runtime, digest: Digest, wasm: &[u8]) -> Result<Inspection, LoadError> {
        if let Some(module) = self.load(runtime, digest).await? {
            return Ok(Inspection::of(module));
        }
        let inspection = runtime.inspect(wasm).await?;
        if let Ok(module) = &inspection.module {
            self.keep(runtime, digest, module).await;
        }
        Ok(inspection)
    }

    /// Has the module an entry? No entry is read, so the module may have to be compiled all the same.
    pub async fn has(&self, runtime: &Runtime, digest: Digest) -> bool {
        let path = self.settings.directory.join(entry_name(runtime, digest));
        self.disk.run(move |()| path.is_file()).await.unwrap_or_default()
    }

    /// The module, if it has an entry.
    ///
    /// # Errors
    /// When this machine can load no compiled code at all: compiling would not help.
    async fn load(&self, runtime: &Runtime, digest: Digest) -> Result<Option<Arc<Module>>, LoadError> {
        let (directory, name) = (self.settings.directory.clone(), entry_name(runtime, digest));
        let read = self.disk.run(move |()| read(&directory, &name)).await;
        let Some(sealed) = read.flatten().unwrap_or_else(|reason| self.complain(digest, &reason)) else {
            return Ok(None);
        };
        match runtime.load_sealed(&self.settings.key, digest.bytes(), sealed).await {
            Ok(module) => Ok(Some(module)),
            Err(error) if error.is_of_the_machine() => Err(error),
            Err(error) => Ok(self.complain(digest, &error.to_string())),
        }
    }

    /// Writes the entry of a module. The oldest entries make room for it.
    async fn keep(&self, runtime: &Runtime, digest: Digest, module: &Arc<Module>) {
        let (settings, name) = (Arc::clone(&self.settings), entry_name(runtime, digest));
        let module = Arc::clone(module);
        let kept = self.disk.run(move |()| {
            let sealed = module.seal(&settings.key, digest.bytes()).map_err(|error| error.to_string())?;
            write(&settings.directory, &name, &sealed)
        });
        if let Err(reason) = kept.await.flatten() {
            self.complain::<()>(digest, &reason);
        }
    }

    fn complain<T>(&self, digest: Digest, reason: &str) -> Option<T> {
        let directory = self.settings.directory.display();
        tracing::warn!(%directory, %digest, reason, "cannot use the cache of compiled modules, compiling instead");
        None
    }
}

fn entry_name(runtime: &Runtime, digest: Digest) -> String {
    format!("{digest}-{:016x}{SUFFIX}", runtime.compatibility())
}

/// `None` if there is no such entry.
fn read(directory: &PathBuf, name: &str) -> Result<Option<Vec<u8>>, String> {
    let dir = match Dir::open_ambient_dir(directory, ambient_authority()) {
        Ok(dir) => dir,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    let file = match dir.open_with(name, &options) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let mut sealed = Vec::new();
    let taken = file.take(CACHE_ENTRY_BYTES_MAX + 1).read_to_end(&mut sealed);
    taken.map_err(|error| error.to_string())?;
    if sealed.len() as u64 > CACHE_ENTRY_BYTES_MAX {
        return Err(format!("the entry has more than {CACHE_ENTRY_BYTES_MAX} bytes"));
    }
    Ok(Some(sealed))
}

/// Writes a temporary file and renames the file, so that no reader sees half an entry.
fn write(directory: &PathBuf, name: &str, sealed: &[u8]) -> Result<(), String> {
    if sealed.len() as u64 > CACHE_ENTRY_BYTES_MAX {
        return Err(format!("the entry would have more than {CACHE_ENTRY_BYTES_MAX} bytes"));
    }
    let text = |error: std::io::Error| error.to_string();
    Dir::create_ambient_dir_all(directory, ambient_authority()).map_err(text)?;
    let dir = Dir::open_ambient_dir(directory, ambient_authority()).map_err(text)?;
    make_room(&dir, sealed.len() as u64).map_err(text)?;
    let unfinished = unfinished(name)?;
    let written = write_aside(&dir, &unfinished, sealed).and_then(|()| dir.rename(&unfinished, &dir, name));
    if written.is_err() {
        // On a full disk, an unfinished file would keep the disk full.
        let _ = dir.remove_file(&unfinished);
    }
    written.map_err(text)
}

/// A random name: processes in different containers may have the same process ID, and whoever else may write to the
/// directory must not know the name before the file is there.
fn unfinished(name: &str) -> Result<String, String> {
    let mut number = [0; 8];
    rand::fill(&mut number).map_err(|error| error.to_string())?;
    Ok(format!("{name}.{:016x}{UNFINISHED}", u64::from_ne_bytes(number)))
}

fn write_aside(dir: &Dir, name: &str, sealed: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = dir.open_with(name, &options)?;
    // Not synced: the seal of an entry that a crash cut off does not match.
    file.write_all(sealed)
}

/// Removes the oldest entries until one more of this size fits.
fn make_room(dir: &Dir, bytes: u64) -> std::io::Result<()> {
    let mut entries = Vec::new();
    for entry in dir.entries()? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let (true, Ok(metadata)) = (name.ends_with(SUFFIX) || name.ends_with(UNFINISHED), entry.metadata()) {
            entries.push((metadata.mtime(), name, metadata.len()));
        }
    }
    entries.sort();
    let (mut count, mut total) = (entries.len(), bytes + entries.iter().map(|(_, _, len)| len).sum::<u64>());
    for (_, name, len) in entries {
        if count < CACHE_ENTRIES_MAX && total <= CACHE_BYTES_MAX {
            break;
        }
        dir.remove_file(name)?;
        (count, total) = (count - 1, total - len);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
