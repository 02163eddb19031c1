//! The external plugin protocol of Vault and OpenBao for secrets engines:
//! go-plugin's handshake, mutual TLS, broker, controller and stdio, and the
//! `pb.Backend`, `pb.Storage` and `pb.SystemView` services.
//!
//! Any Rust plugin could use it: implement [`Factory`] and [`Backend`], call
//! [`serve`]. Knows nothing of wasm. Only `translate.rs` knows both the wire
//! types and the types here.

mod backend;
mod error;
mod request;
mod serve;
mod storage_client;
mod system_view_client;

pub use backend::{Backend, Factory, Setup, SpecialPaths};
pub use error::{Error, StorageError, SystemViewError};
pub use request::{Identity, Lease, Operation, Request, Response, Secret};
pub use serve::{ServeOptions, serve};
pub use storage_client::{StorageClient, StorageEntry, StorageView, Transaction};
pub use system_view_client::{Entity, ReplicationState, SystemViewClient};
