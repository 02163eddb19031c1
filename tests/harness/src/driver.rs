//! The trait of all drivers: one mount, as its clients see it.

use std::time::Duration;

use local_server::Verb;
use serde_json::Value;

use crate::{Outcome, fake::Fake};

/// What runs the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverKind {
    /// The engine in this process.
    Native,
    /// The engine as a component in the runtime.
    Component,
    /// The plugin under a real server.
    OpenBao,
    /// The plugin under a played server that has no transactions and no pages of lists, as Vault.
    PlayedVault,
}

/// One request of a client.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What to do.
    pub verb: Verb,
    /// Below the mount, without leading slash.
    pub path: String,
    /// Fields of body or query: an object, or null.
    pub data: Value,
}

/// One mount with the engine in it.
pub trait Driver: Send + Sync {
    /// Which driver this is.
    fn kind(&self) -> DriverKind;
    /// Does what a client asks.
    fn ask(&self, ask: Ask) -> Outcome;
    /// Renews a lease, by the increment where there is one.
    fn renew(&self, lease_id: &str, increment: Option<Duration>) -> Outcome;
    /// Revokes a lease and waits for that: 204, or the reason why the lease is still there.
    fn revoke(&self, lease_id: &str) -> Outcome;
    /// Revokes all leases below a path of the mount, and waits.
    fn revoke_prefix(&self, prefix: &str) -> Outcome;
    /// All leases of this mount.
    fn leases(&self) -> Vec<String>;
    /// Lets periodic calls happen until `done`: at once where the server is a
    /// fake, else as the server makes them. False = they did not get there.
    fn settle(&self, done: &dyn Fn() -> bool) -> bool;
    /// Removes the mount: 204, or the reason why it is still there.
    fn disable(&self) -> Outcome;
    /// All that was logged for this mount so far.
    fn logs(&self) -> String;
    /// The fake server side, where it is one.
    fn fake(&self) -> Option<&Fake>;
}
