//! What the host offers to guests: one file for each imported interface.
//! Traits here; storage and system view are implemented by the embedder.

mod storage;
mod system_view;

pub use storage::{Storage, StorageEntry, StorageError, StorageView, Transaction};
pub use system_view::{Entity, ReplicationState, SystemView, SystemViewError};
