//! What an engine says about itself.

use envelope::SpecialPaths;

/// The answer of a module's `describe`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Semantic version without leading `v`.
    pub version: String,
    /// Paths with special rights, which the server must know.
    pub special_paths: SpecialPaths,
    /// Values of `secret_type`.
    pub secret_kinds: Vec<String>,
    /// Versions of stored data that the module reads and writes.
    pub storage_versions: StorageVersions,
}

/// Versions of what an engine keeps in storage. They grow when the engine of before could not read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageVersions {
    /// What it writes.
    pub written: u32,
    /// The oldest that it reads; at most `written`.
    pub readable_from: u32,
}
