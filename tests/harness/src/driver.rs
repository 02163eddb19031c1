//! The trait of all drivers: one mount, from the view of its clients.

use std::time::Duration;

use local_server::Verb;
use serde_json::Value;

use crate::{Outcome, fake::Fake};

/// The program that runs the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverKind {
    /// The engine in this process.
    Native,
    /// The engine as a component in the runtime.
    Component,
    /// The plugin under a real server.
    OpenBao,
    /// The plugin under a simulated server that, like Vault, has neither transactions nor pages of lists.
    PlayedVault,
}

/// One request of a client.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Operation of the request.
    pub verb: Verb,
    /// Path below the mount, without a leading slash.
    pub path: String,
    /// Fields of body or query: an object, or null.
    pub data: Value,
}

/// One mount with the engine in it.
pub trait Driver: Send + Sync {
    /// The kind of this driver.
    fn kind(&self) -> DriverKind;
    /// Sends one request of a client.
    fn ask(&self, ask: Ask) -> Outcome;
    /// Renews a lease, by the increment if there is one.
    fn renew(&self, lease_id: &str, increment: Option<Duration>) -> Outcome;
    /// Revokes a lease and waits for the end: 204, or the reason why the lease remains.
    fn revoke(&self, lease_id: &str) -> Outcome;
    /// Revokes all leases below a path of the mount, and waits for the end.
    fn revoke_prefix(&self, prefix: &str) -> Outcome;
    /// All leases of this mount.
    fn leases(&self) -> Vec<String>;
    /// Lets periodic calls happen until `done`: at once on a fake server, else at the server's own pace. False if
    /// `done` did not become true.
    fn settle(&self, done: &dyn Fn() -> bool) -> bool;
    /// Removes the mount: 204, or the reason why the mount remains.
    fn disable(&self) -> Outcome;
    /// Everything that was logged for this mount so far.
    fn logs(&self) -> String;
    /// The fake server, if there is one.
    fn fake(&self) -> Option<&Fake>;
}
