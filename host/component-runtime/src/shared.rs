//! The state that the clones of a runtime share: one engine, its pool, its epoch thread and its egress.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::compiler::Compiler;
use crate::egress::Egress;
use crate::lane::Lane;
use crate::limits::Limits;
use crate::mount::{Mounts, OfAllMounts};
use crate::permits::Permits;
use crate::store_state::StoreState;
use crate::ticker::Ticker;

pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<StoreState>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) compiler: Compiler,
    pub(crate) permits: Permits,
    pub(crate) lane: Lane,
    pub(crate) egress: Arc<Egress>,
    pub(crate) wal_minimum_age: Duration,
    pub(crate) upstream_read_only: bool,
    pub(crate) mounts: Mounts,
    /// Ends the epoch thread with its last user.
    pub(crate) ticker: Arc<Ticker>,
}

impl Shared {
    /// What a mount needs of the process.
    pub(crate) fn of_mounts(&self) -> OfAllMounts<'_> {
        OfAllMounts { egress: &self.egress, permits: &self.permits, limits: &self.limits }
    }
}
