//! Which module serves a mount.
//!
//! A [`ModuleRegistry`] knows the modules that this process may run: the one in the
//! binary, and those of a directory that are pinned or signed. A
//! [`binding::ModuleController`] is what one mount is served by. Knows nothing
//! of gRPC; what runs a module is component-runtime.

pub mod controller;
pub mod limits;

mod blocking;
mod cache;
mod candidate;
mod directory;
mod encoding;
mod identity;
mod loaded_modules;
mod notices;
mod reader;
mod registry;
mod signature;
mod signature_file;
mod trust;
mod watch;

pub use cache::CacheSettings;
pub use candidate::{Approval, Candidate, LoadedModule, Origin, Rejection};
pub use directory::RejectedFile;
pub use identity::{Digest, DigestError, IdError, ModuleId};
pub use registry::{Embedded, ModuleRegistry, RegistrySettings};
pub use signature::{KeyError, PublicKey, Signature, SigningKey, Statement};
pub use signature_file::{SIGNATURE_SUFFIX, SignatureFile, SignatureFileError};
pub use trust::{TrustError, TrustPolicy};
