//! The state that the clones of a runtime share: the pools with their engines, and the egress.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sealed_secrets::{Declaration, Rules};

use crate::budget::CommonBudget;
use crate::compiler::Compiler;
use crate::egress::Egress;
use crate::held_secrets::HeldSecrets;
use crate::lane::Lane;
use crate::limits::Limits;
use crate::memory_account::ProcessMemory;
use crate::mount::{Mounts, OfAllMounts};
use crate::permits::Permits;
use crate::pool::Pools;

pub(crate) struct Shared {
    pub(crate) pools: Arc<Pools>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) compiler: Compiler,
    pub(crate) permits: Permits,
    /// For modules that need a large slot.
    pub(crate) large_permits: Permits,
    pub(crate) memory: Arc<ProcessMemory>,
    pub(crate) processor: Arc<CommonBudget>,
    pub(crate) storage: Arc<CommonBudget>,
    pub(crate) messages: Arc<CommonBudget>,
    pub(crate) lane: Arc<Lane>,
    pub(crate) egress: Arc<Egress>,
    pub(crate) wal_minimum_age: Duration,
    pub(crate) upstream_read_only: bool,
    pub(crate) mounts: Mounts,
    /// The embedded engine's declaration of secrets, once that engine is loaded.
    pub(crate) embedded: OnceLock<EmbeddedSecrets>,
}

/// The embedded engine's declaration of secrets.
pub(crate) struct EmbeddedSecrets {
    /// Name of the engine.
    pub(crate) engine: String,
    pub(crate) declaration: Declaration,
}

impl Shared {
    /// The rules for a module's secrets on a mount that holds these declarations. The declaration of the embedded
    /// engine comes with the binary, which the operator approved: it applies to every module of the same engine,
    /// whatever the module declares.
    pub(crate) fn rules(&self, engine: &str, own: &Declaration, held: &HeldSecrets) -> Rules {
        held.rules(self.embedded_declaration(engine), own)
    }

    /// The embedded module's declaration, if the module has this engine.
    pub(crate) fn embedded_declaration(&self, engine: &str) -> Option<&Declaration> {
        let embedded = self.embedded.get().filter(|embedded| embedded.engine == engine);
        embedded.map(|embedded| &embedded.declaration)
    }

    /// The parts that a mount needs.
    pub(crate) fn of_mounts(&self) -> OfAllMounts<'_> {
        let Self { egress, permits, large_permits, memory, processor, storage, messages, lane, limits, .. } = self;
        OfAllMounts { egress, permits, large_permits, memory, processor, storage, messages, lane, limits }
    }
}
