//! The runtime: one engine, its pool, its epoch thread and its egress. One in a process.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::compiler::Compiler;
use crate::egress::{Egress, EgressSettings, UPSTREAM_OPTION, UPSTREAM_READ_ONLY};
use crate::engine::Started;
use crate::epoch::Ticker;
use crate::limits::Limits;
use crate::mount::Mounts;
use crate::shared::Shared;
use crate::{
    CompilerProgram, Inspection, LoadError, Module, Mount, MountSettings, SealKey, aot, engine, inspect, linker,
    loader, sealed,
};

/// What an operator or a test decides.
#[derive(Clone, Debug)]
pub struct RuntimeSettings {
    /// Where guests may send HTTP requests, and how upstreams are reached.
    pub egress: EgressSettings,
    /// Whether guests may only read from their upstreams: no mount's options override it.
    pub upstream_read_only: bool,
    /// Answered to guests that ask: age at which a write-ahead entry counts as left behind.
    pub wal_minimum_age: Duration,
    /// `Limits::default()`, but in tests.
    pub limits: Limits,
}

/// The runtime of a process. Clones share everything.
///
/// Methods that load or serve need a tokio runtime with time and I/O. Build it with
/// [`Runtime::EVENT_INTERVAL`]: a guest that spins gives its worker back each millisecond, and what other
/// requests wait for is then looked at once in so many turns.
#[derive(Clone)]
pub struct Runtime {
    shared: Arc<Shared>,
}

impl Runtime {
    /// For `tokio::runtime::Builder::event_interval`. With tokio's 61, requests beside two spinning guests
    /// were seen to wait 65 ms (p99); with 4, 6 ms.
    pub const EVENT_INTERVAL: u32 = 4;

    /// Starts the engine, its pool and its epoch thread. A few milliseconds; TLS roots are read when first needed.
    ///
    /// # Errors
    /// When this machine cannot give what the pool needs.
    pub fn new(settings: RuntimeSettings) -> Result<Self, LoadError> {
        let limits = Arc::new(settings.limits);
        let Started { engine, requests_max } = engine::start(&limits)?;
        let shared = Shared {
            linker: linker::linker(&engine)?,
            permits: Arc::new(Semaphore::new(requests_max)),
            egress: Egress::new(settings.egress, &limits.egress),
            wal_minimum_age: settings.wal_minimum_age,
            upstream_read_only: settings.upstream_read_only,
            compiler: Compiler::new(limits.compile_deadline),
            mounts: Mounts::default(),
            ticker: Ticker::start(&engine)?,
            engine,
            limits,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// From now on compiles in processes of this program, which calls `compile_for_parent`. The first one named stays.
    pub fn compile_in_processes(&self, program: CompilerProgram) {
        let _ = self.shared.compiler.program.set(program);
    }

    /// No component of more bytes is loaded.
    #[must_use]
    pub fn wasm_bytes_max(&self) -> usize {
        self.shared.limits.wasm_bytes_max
    }

    /// Compiles, links and describes a component.
    ///
    /// # Errors
    /// When it is not one that can run here.
    pub async fn load(&self, wasm: &[u8]) -> Result<Arc<Module>, LoadError> {
        let component = loader::compile(&self.shared, wasm).await?;
        loader::module(&self.shared, &component).await
    }

    /// As `load`, from our own precompiled code, which the caller vouches for
    /// (it is embedded in the binary); where this engine refuses it, from
    /// `wasm`, with a warning in the log.
    ///
    /// # Errors
    /// As `load`.
    pub async fn load_embedded(&self, precompiled: &'static [u8], wasm: &[u8]) -> Result<Arc<Module>, LoadError> {
        let component = loader::embedded(&self.shared, precompiled, wasm).await?;
        loader::module(&self.shared, &component).await
    }

    /// As `load`, and what can be said of a component that does not load.
    ///
    /// # Errors
    /// When it is no component at all.
    pub async fn inspect(&self, wasm: &[u8]) -> Result<Inspection, LoadError> {
        inspect::inspect(&self.shared, wasm).await
    }

    /// As `load`, from what `Module::seal` made of the component with this SHA-256, here or in an earlier process.
    ///
    /// # Errors
    /// When it is anything else.
    pub async fn load_sealed(
        &self,
        key: &SealKey,
        digest: [u8; 32],
        sealed: Vec<u8>,
    ) -> Result<Arc<Module>, LoadError> {
        let component = loader::sealed(&self.shared, key, digest, sealed).await?;
        loader::module(&self.shared, &component).await
    }

    /// Changes when sealed code of before cannot be loaded any more: part of a name for it.
    #[must_use]
    pub fn compatibility(&self) -> u64 {
        sealed::compatibility(&self.shared.engine)
    }

    /// The mount with this backend UUID. Locks, permits and connections are shared by all
    /// mounts made with the same UUID for as long as one of them lives:
    /// reloads of one mount overlap.
    #[must_use]
    pub fn mount(&self, mut settings: MountSettings) -> Arc<Mount> {
        if self.shared.upstream_read_only {
            settings.options.insert(UPSTREAM_OPTION.to_owned(), UPSTREAM_READ_ONLY.to_owned());
        }
        self.shared.mounts.mount(settings, &self.shared.egress, &self.shared.limits)
    }

    /// The same mount, for trying a module on it: what it reads is real, it changes nothing, and nothing waits
    /// for it.
    #[must_use]
    pub fn scratch(&self, mount: &Mount) -> Arc<Mount> {
        mount.scratch(&self.shared.egress, &self.shared.limits)
    }

    /// Compiles a component to what `load_embedded` takes, for the baseline of this architecture.
    ///
    /// # Errors
    /// When it is no component.
    pub fn precompile(wasm: &[u8]) -> Result<Vec<u8>, LoadError> {
        aot::precompile(wasm)
    }
}
