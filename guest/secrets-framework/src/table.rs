//! An engine as one table: its paths, kinds of secrets, special storage, and what it does on rollback.

use serde_json::Value;

use crate::{Context, Error, Path, SecretClass, SecretKind};

/// Undoes one write-ahead entry. After an error the next rollback call tries again.
pub type UndoEntry = fn(&Context<'_>, kind: &str, data: &Value) -> Result<Undo, Error>;

/// What an engine did with a write-ahead entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// The entry is undone, or nothing is left to undo: the entry is dropped.
    Done,
    /// This version of the engine cannot undo the entry, now or later. The entry is kept, for another version or an
    /// operator, and this reason is logged once. The reason never quotes the entry's data.
    Impossible(String),
}

/// Periodic work; `immediate` = the mount is being disabled.
pub type PeriodicWork = fn(&Context<'_>, immediate: bool) -> Result<(), Error>;

/// Paths and storage keys that the server treats in a special way.
#[derive(Debug, Default)]
pub struct SpecialPaths {
    /// Need root or `sudo`.
    pub root: &'static [&'static str],
    /// Need no token.
    pub unauthenticated: &'static [&'static str],
    /// Storage that is not replicated.
    pub local_storage: &'static [&'static str],
    /// Storage that the seal wraps: a key, or a prefix that ends in `/`.
    pub seal_wrap_storage: &'static [&'static str],
}

/// Versions of what an engine keeps in storage: to be raised when the engine of before could not read it.
#[derive(Clone, Copy, Debug)]
pub struct StorageVersions {
    /// What it writes.
    pub written: u32,
    /// The oldest that it still reads.
    pub readable_from: u32,
}

/// An engine. Lives in a `static`: an instance serves one request, so no
/// table is ever built at run time.
#[derive(Debug)]
pub struct Backend {
    /// Its name, for example `astra`.
    pub name: &'static str,
    /// Semantic version, without leading `v`.
    pub version: &'static str,
    /// Root help.
    pub help: &'static str,
    /// Paths and storage keys that the server treats in a special way.
    pub special_paths: SpecialPaths,
    /// The versions of its storage that it writes and reads.
    pub storage_versions: StorageVersions,
    /// Tried in order.
    pub paths: &'static [Path],
    /// Kinds of leased secrets.
    pub secrets: &'static [SecretKind],
    /// Classes of values that the engine never holds: the host gives it surrogates for them.
    pub secret_classes: &'static [SecretClass],
    /// Undoes one write-ahead entry. See [`crate::wal`]. Not called while the upstream is read-only.
    pub rollback: Option<UndoEntry>,
    /// Periodic work, after the write-ahead entries.
    pub periodic: Option<PeriodicWork>,
}
