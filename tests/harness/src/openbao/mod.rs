//! A real OpenBao server: started, spoken to, and always ended.

mod client;
mod driver;
mod process;
mod server;

pub use client::{Client, Reply};
pub use driver::{MountSettings, OpenBaoDriver};
pub use server::{Server, ServerKind};
