//! Limits of what is read of a directory of modules: unit, value and reason.

use std::time::Duration;

/// An engine's name, in a file's name and in paths of the server.
pub const ENGINE_NAME_BYTES_MAX: usize = 64;
/// Entries of a directory that are looked at; more are not modules that somebody put there on purpose.
pub const DIRECTORY_ENTRIES_MAX: usize = 1_000;
/// Modules in a directory. Each is read and hashed when it is new.
pub const DIRECTORY_MODULES_MAX: usize = 100;
/// A file of signatures. One signature takes some 200 bytes.
pub const SIGNATURE_FILE_BYTES_MAX: usize = 16 * 1024;
/// Signatures in one file; each of a trusted key is verified, in some 50 µs.
pub const SIGNATURES_MAX: usize = 32;
/// A directory may lie on a network; whoever waits for it is told so after this.
pub const DIRECTORY_DEADLINE: Duration = Duration::from_secs(30);
/// A file that changed this lately may change again without another time of change: its digest is not kept.
pub const SETTLED_AFTER: Duration = Duration::from_secs(2);
