//! A real server, OpenBao or Vault, which always ends with the test.

mod audit;
mod catalog;
mod client;
mod client_program;
mod cluster;
mod driver;
mod process;
mod product;
mod server;
mod server_config;
mod storage;

pub use client::{Client, Reply};
pub use client_program::ClientProgram;
pub use cluster::Cluster;
pub use driver::{MountSettings, OpenBaoDriver};
pub use product::{Ability, Product, can_play};
pub use server::{Server, ServerKind};
