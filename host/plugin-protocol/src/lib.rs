//! The external plugin protocol of Vault and OpenBao for secrets engines:
//! go-plugin's handshake, mutual TLS, broker, controller and stdio, and the
//! `pb.Backend`, `pb.Storage` and `pb.SystemView` services.
//!
//! Any Rust plugin could use it: implement [`Factory`] and [`Backend`], call
//! [`serve`]. Knows nothing of wasm. Only `translate` knows both the wire's
//! types and the types here.
//!
//! Speaks protocol version 5 with automatic mutual TLS, which Vault has since
//! 1.12 and OpenBao always had, over Unix sockets. Broker multiplexing
//! (`PLUGIN_MULTIPLEX_GRPC`), which Vault requires of plugins in containers,
//! is not offered; Vault refuses such a container with a clear error.

mod backend;
mod backend_server;
mod broker;
mod connection;
mod error;
mod exit;
mod factory;
mod go_plugin;
mod handshake;
mod hclog;
mod incoming;
mod limits;
mod mounts;
mod mtls;
mod request;
mod serve;
mod socket;
mod storage_client;
mod system_view_client;
mod task;
mod transaction;
mod translate;
mod wire;

#[cfg(feature = "testing")]
pub mod testing;

pub use backend::{Backend, Factory, Setup, SpecialPaths};
pub use error::{Error, StorageError, SystemViewError};
pub use request::{Identity, Lease, Operation, Request, Response, Secret};
pub use serve::{ServeOptions, serve};
pub use storage_client::{StorageClient, StorageEntry, StorageView};
pub use system_view_client::{Entity, ReplicationState, SystemViewClient};
pub use transaction::Transaction;
