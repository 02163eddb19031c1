//! The backend framework: what every secrets engine of Vault has in common.
//!
//! An engine is a static table of paths, fields, operations and secret kinds
//! ([`Backend`]). From that one table come routing, field coercion, warnings,
//! existence checks, help text and the OpenAPI document, with the behaviour
//! and the wording of the server's own framework. No WIT, no wasm and no I/O
//! here: all the outside comes in through the traits of [`host`].

pub mod host;

mod backend;
#[cfg(test)]
mod backend_tests;
mod context;
pub mod duration;
mod entry;
mod error;
pub mod escape;
mod field;
mod help;
mod limits;
mod number;
mod openapi;
pub mod passed_over;
mod path;
mod pattern;
mod request;
mod response;
mod rollback;
mod secret;
mod secret_class;
mod sensitive;
mod table;
pub mod template;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod turns;
pub mod wal;

pub use backend::Checked;
pub use context::Context;
pub use error::Error;
pub use field::{Field, FieldData, FieldType};
pub use path::{DisplayAttributes, ExistenceCheck, Handler, OperationSpec, Path, Segment};
pub use request::{Identity, Lease, Operation, Request};
pub use response::{Outcome, Response, Secret};
pub use secret::{LeaseAnswer, SecretKind};
pub use secret_class::{
    Alphabet, AnsweredField, ApiCall, At, Destination, RequestField, SecretClass, SecretShape, ShownField, StoredField,
    StoredOwner, StoredUrl, UnreadableField,
};
pub use sensitive::Sensitive;
pub use table::{Backend, PeriodicWork, SpecialPaths, StorageVersions, Undo, UndoEntry};
