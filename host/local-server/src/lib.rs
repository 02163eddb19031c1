//! The part of a server that the requests of one mount need: the existence check before a write, status codes, leases
//! and their times, the rules of storage and transactions. Policies, replication and the periodic rollback are not
//! here.
//!
//! The command `run` answers with this crate, and so do the test drivers that have no real server.

mod lease;
mod mount;
mod outcome;
mod server;
mod storage;

pub use lease::{Lease, Leased};
pub use mount::MountSettings;
pub use outcome::Outcome;
pub use server::{Engine, Leases, Server, Verb};
pub use storage::{Changes, Entries, Work, apply, children};
