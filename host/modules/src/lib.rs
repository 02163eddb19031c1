//! Which module serves a mount.
//!
//! A [`Library`] knows the modules that this process may run: the one in the
//! binary, and those of a directory that are pinned or signed. A
//! [`binding::Binding`] is what one mount is served by. Knows nothing
//! of gRPC; what runs a module is component-runtime.

pub mod binding;
pub mod limits;

mod blocking;
mod cache;
mod candidate;
mod directory;
mod encoding;
mod identity;
mod library;
mod notices;
mod reader;
mod shelf;
mod signature;
mod signature_file;
mod trust;
mod watch;

pub use cache::CacheSettings;
pub use candidate::{Approval, Candidate, Failure, LoadedModule, Origin, Refusal};
pub use directory::RefusedFile;
pub use identity::{Digest, DigestError, IdError, ModuleId};
pub use library::{Embedded, Library, LibrarySettings};
pub use signature::{KeyError, PublicKey, Signature, SigningKey, Statement};
pub use signature_file::{SIGNATURE_SUFFIX, SignatureFile, SignatureFileError};
pub use trust::{TrustError, TrustPolicy};
