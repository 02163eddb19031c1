//! The runtime: one engine, its pool, its epoch thread and its egress pool. One in a process.

use std::sync::Arc;
use std::time::Duration;

use crate::egress::Origin;
use crate::{LoadError, Module, Mount, MountSettings};

/// What an operator or a test decides. Named limits have their defaults in `limits.rs`.
#[derive(Clone, Debug)]
pub struct RuntimeSettings {
    /// Where guests may send HTTP requests.
    pub egress: Vec<Origin>,
    /// Answered to guests that ask: age at which a write-ahead entry counts as left behind.
    pub wal_minimum_age: Duration,
}

/// See the module's head. Clones share everything.
#[derive(Clone)]
pub struct Runtime {}

impl Runtime {
    /// Starts the engine, its pool and its epoch thread.
    ///
    /// # Errors
    /// When this machine cannot give what the pool needs.
    pub fn new(settings: RuntimeSettings) -> Result<Self, LoadError> {
        let _ = settings;
        unimplemented!()
    }

    /// Compiles, links and describes a component.
    pub async fn load(&self, wasm: &[u8]) -> Result<Arc<Module>, LoadError> {
        let _ = wasm;
        unimplemented!()
    }

    /// As `load`, from our own precompiled code, which the caller vouches for
    /// (it is embedded in the binary); where this engine refuses it, from
    /// `wasm`, with a warning in the log.
    pub async fn load_embedded(&self, precompiled: &[u8], wasm: &[u8]) -> Result<Arc<Module>, LoadError> {
        let _ = (precompiled, wasm);
        unimplemented!()
    }

    /// The mount with this backend UUID. Locks and permits are shared by all
    /// mounts made with the same UUID for as long as one of them lives:
    /// reloads of one mount overlap.
    pub fn mount(&self, settings: MountSettings) -> Arc<Mount> {
        let _ = settings;
        unimplemented!()
    }

    /// Compiles a component to what `load_embedded` takes, for the baseline of this architecture.
    pub fn precompile(wasm: &[u8]) -> Result<Vec<u8>, LoadError> {
        let _ = wasm;
        unimplemented!()
    }
}
