//! An engine's description of itself.

use envelope::SpecialPaths;

/// The answer of a module's `describe`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Name of the engine.
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

/// Versions of an engine's stored data. They grow when the previous engine could not read the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageVersions {
    /// Version that the engine writes.
    pub written: u32,
    /// Oldest version that the engine reads; at most `written`.
    pub readable_from: u32,
}
