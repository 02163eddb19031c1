//! The external plugin protocol of Vault and OpenBao for secrets engines:
//! go-plugin's handshake, mutual TLS, broker, controller and stdio, and the
//! `pb.Backend`, `pb.Storage` and `pb.SystemView` services.
//!
//! Any Rust plugin can use this crate: implement [`Factory`] and [`Backend`], then call [`serve`]. The crate knows
//! nothing of WebAssembly. Only `translate` knows both the types of the wire and those of [`envelope`].
//!
//! The crate speaks protocol version 5 over Unix sockets with automatic mutual TLS, which Vault has since 1.12 and
//! OpenBao always had. The crate does not offer broker multiplexing (`PLUGIN_MULTIPLEX_GRPC`), which Vault requires of
//! plugins in containers; Vault refuses such a container with a clear error.

mod backend;
mod backend_server;
mod broker;
mod connection;
mod exit;
mod factory;
mod first_frame;
mod go_plugin;
mod grpc_server;
mod handshake;
mod hclog;
mod incoming;
mod limits;
mod mounts;
mod mtls;
mod scrub;
mod serve;
mod socket;
mod storage_calls;
mod storage_client;
mod system_view_client;
mod task;
mod transaction;
mod translate;
mod wire;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use backend::{Backend, Factory, Setup};
pub use serve::{ServeOptions, serve};
