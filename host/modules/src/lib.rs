//! Decides which module serves a mount.
//!
//! A [`ModuleRegistry`] has the modules that this process may run: the embedded one, and those in a directory that are
//! pinned or signed. A [`controller::ModuleController`] decides which of them serves one mount. This crate knows
//! nothing of gRPC; component-runtime runs the modules.

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
mod scoped;
mod signature;
mod signature_file;
mod source;
mod trust;
mod watch;

pub use cache::{Cache, CacheSettings};
pub use candidate::{Approval, Candidate, LoadedModule, Origin, Rejection};
pub use directory::RejectedFile;
pub use identity::{Digest, DigestError, IdError, ModuleId};
pub use registry::{Embedded, ModuleRegistry, RegistrySettings};
pub use scoped::{ScopeError, Scoped};
pub use signature::{KeyError, PublicKey, Signature, SigningKey, Statement};
pub use signature_file::{SIGNATURE_SUFFIX, SignatureFile, SignatureFileError};
pub use source::Source;
pub use trust::{EngineTrust, TrustError, TrustPolicy};
