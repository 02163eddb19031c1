//! Which module serves a mount.
//!
//! A [`Library`] knows the modules that this process may run: the one in the
//! binary, and those of a directory that are pinned or signed. Knows nothing
//! of gRPC; what runs a module is component-runtime.

mod candidate;
mod identity;
mod library;

pub use candidate::{Approval, Candidate, LoadedModule, Origin, Refusal};
pub use identity::{Digest, DigestError, ModuleId};
pub use library::{Embedded, Library};
