//! The types that cross between server, host and guest, as the server's SDK has them in its package `logical`:
//! requests and responses, their errors, and the traits of storage and system view.
//!
//! The crate has no behaviour. The protocol translates the types to protobuf, and the runtime to the WIT; dynamic data
//! stays JSON text on the whole way.

mod error;
mod request;
mod response;
mod storage;
mod system_view;

pub use error::{Error, StorageError, SystemViewError};
pub use request::{Identity, Lease, Operation, Request};
pub use response::{Response, Secret, SpecialPaths};
pub use storage::{Storage, StorageEntry, StorageView, Transaction};
pub use system_view::{Entity, ReplicationState, SERVER_LEASE_TTL, SystemView};
