//! A real OpenBao server: started, spoken to, and always ended.

mod catalog;
mod client;
mod client_program;
mod cluster;
mod driver;
mod process;
mod server;
mod server_config;
mod storage;

pub use client::{Client, Reply};
pub use client_program::ClientProgram;
pub use cluster::Cluster;
pub use driver::{MountSettings, OpenBaoDriver};
pub use server::{Server, ServerKind};
