//! Runs secrets engines as sandboxed components: a fresh instance for each
//! request, with a limit on everything it can use or make the host use.
//!
//! Knows nothing of gRPC or of the server's processes: storage and system
//! view come in through the traits of [`capability`].

pub mod capability;
pub mod egress;

mod error;
mod module;
mod mount;
mod request;
mod runtime;

pub use error::{GuestError, InvokeError, LoadError};
pub use module::{Description, Module};
pub use mount::{Mount, MountSettings};
pub use request::{Identity, Lease, Operation, Request, Response, Secret, SpecialPaths};
pub use runtime::{Runtime, RuntimeSettings};
