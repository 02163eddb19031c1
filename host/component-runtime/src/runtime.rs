//! The runtime: the pools with their engines, and the egress. One in a process.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use low_priority::{cores, spare_cores};

use crate::compiler::Compiler;
use crate::egress::{Egress, EgressSettings, UPSTREAM_OPTION, UPSTREAM_READ_ONLY};
use crate::lane::Lane;
use crate::limits::Limits;
use crate::memory_account::ProcessMemory;
use crate::message_share::MessageShare;
use crate::mount::Mounts;
use crate::permits::Permits;
use crate::pool::Pools;
use crate::processor_share::ProcessorShare;
use crate::shared::{EmbeddedSecrets, Shared};
use crate::storage_share::StorageShare;
use crate::{
    CompilePriority, CompilerProgram, Inspection, LoadError, Module, Mount, MountSettings, SealKey, aot, inspect,
    loader, memory_ceiling, sealed,
};

/// The settings of a runtime.
#[derive(Clone, Debug)]
pub struct RuntimeSettings {
    /// The origins to which guests may send HTTP requests, and the way to their upstreams.
    pub egress: EgressSettings,
    /// May guests only read from their upstreams? The options of a mount cannot override this.
    pub upstream_read_only: bool,
    /// The age from which a guest considers a write-ahead entry abandoned.
    pub wal_minimum_age: Duration,
    /// The priority of compiling.
    pub compile_priority: CompilePriority,
    /// Bytes of memory that all requests may hold together; `None` for half of the memory of the control group or of
    /// the machine. The minimum is [`crate::MEMORY_CEILING_BYTES_MIN`].
    pub memory_limit: Option<usize>,
    /// The limits; tests have smaller ones.
    pub limits: Limits,
}

/// The runtime of a process. Clones share everything.
///
/// Methods that load or serve need a tokio runtime with time and I/O. Build that runtime with
/// [`Runtime::EVENT_INTERVAL`]: a guest that spins yields its worker each millisecond, and tokio then checks the events
/// of other requests only once in that number of polls.
#[derive(Clone)]
pub struct Runtime {
    shared: Arc<Shared>,
}

impl Runtime {
    /// For `tokio::runtime::Builder::event_interval`. Beside two spinning guests, requests waited 65 ms (p99) with
    /// tokio's default of 61, and 6 ms with 4.
    pub const EVENT_INTERVAL: u32 = 4;

    /// Starts the engine, its pool and its epoch thread, in a few milliseconds. TLS roots are read on first use.
    ///
    /// # Errors
    /// When the machine lacks something that the pool needs.
    pub fn new(settings: RuntimeSettings) -> Result<Self, LoadError> {
        let limits = Arc::new(settings.limits);
        let (pools, requests_max) = Pools::start(&limits)?;
        let shared = Shared {
            pools: Arc::new(pools),
            permits: Permits::new(requests_max, &limits),
            large_permits: Permits::new(limits.large_requests_in_flight_max, &limits),
            memory: ProcessMemory::new(settings.memory_limit.unwrap_or_else(memory_ceiling::of_this_machine)),
            processor: ProcessorShare::of_all(&limits, spare_cores(), cores()),
            storage: StorageShare::of_all(&limits),
            messages: MessageShare::of_all(&limits),
            lane: Arc::new(Lane::new()),
            egress: Egress::new(settings.egress, &limits.egress),
            wal_minimum_age: settings.wal_minimum_age,
            upstream_read_only: settings.upstream_read_only,
            compiler: Compiler::new(limits.compile_deadline, limits.compile_idle_max, settings.compile_priority),
            mounts: Mounts::default(),
            embedded: OnceLock::new(),
            limits,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Compiles from now on in processes of this program, which call `compile_for_parent`. Later calls have no effect.
    pub fn compile_in_processes(&self, program: CompilerProgram) {
        let _ = self.shared.compiler.program.set(program);
    }

    /// Bytes of memory that all requests may hold together.
    #[must_use]
    pub fn memory_limit(&self) -> usize {
        self.shared.memory.ceiling()
    }

    /// Bytes of memory that all requests hold.
    #[must_use]
    pub fn memory_held(&self) -> usize {
        self.shared.memory.held()
    }

    /// Bytes of the largest component that the runtime loads.
    #[must_use]
    pub fn wasm_bytes_max(&self) -> usize {
        self.shared.limits.wasm_bytes_max
    }

    /// Compiles, links and describes a component.
    ///
    /// # Errors
    /// When the component cannot run on this machine.
    pub async fn load(&self, wasm: &[u8]) -> Result<Arc<Module>, LoadError> {
        let component = loader::compile(&self.shared, wasm).await?;
        loader::module(&self.shared, &component).await
    }

    /// As `load`, from precompiled code that the caller trusts because the binary embeds it. If this engine refuses the
    /// code, loads `wasm` and logs a warning. The module's declaration of secrets applies to every module of its engine
    /// that is loaded later.
    ///
    /// # Errors
    /// As `load`.
    pub async fn load_embedded(&self, precompiled: &'static [u8], wasm: &[u8]) -> Result<Arc<Module>, LoadError> {
        let component = loader::embedded(&self.shared, precompiled, wasm).await?;
        let module = loader::module(&self.shared, &component).await?;
        let (engine, declaration) = (module.description().name.clone(), module.declaration().clone());
        // The first declaration stays: a process has one embedded engine.
        let _ = self.shared.embedded.set(EmbeddedSecrets { engine, declaration });
        Ok(module)
    }

    /// As `load`; also lists the imports and exports of a component that cannot be loaded.
    ///
    /// # Errors
    /// When the bytes are not a component.
    pub async fn inspect(&self, wasm: &[u8]) -> Result<Inspection, LoadError> {
        inspect::inspect(&self.shared, wasm).await
    }

    /// As `load`, from the sealed code of the component with this SHA-256, which `Module::seal` made in this process or
    /// an earlier one.
    ///
    /// # Errors
    /// When the bytes are not such code.
    pub async fn load_sealed(
        &self,
        key: &SealKey,
        digest: [u8; 32],
        sealed: Vec<u8>,
    ) -> Result<Arc<Module>, LoadError> {
        let component = loader::sealed(&self.shared, key, digest, sealed).await?;
        loader::module(&self.shared, &component).await
    }

    /// A number that changes when older sealed code can no longer be loaded. It is a part of the names of cache
    /// entries.
    #[must_use]
    pub fn compatibility(&self) -> u64 {
        sealed::compatibility(self.shared.pools.engine())
    }

    /// The mount with this backend UUID. All mounts with the same UUID share locks, permits and connections as long as
    /// one of them lives, because reloads of one mount overlap.
    #[must_use]
    pub fn mount(&self, mut settings: MountSettings) -> Arc<Mount> {
        if self.shared.upstream_read_only {
            settings.options.insert(UPSTREAM_OPTION.to_owned(), UPSTREAM_READ_ONLY.to_owned());
        }
        self.shared.mounts.mount(settings, &self.shared.of_mounts())
    }

    /// The same mount for the probe of a module: reads are real, writes fail, and no request waits for the probe.
    #[must_use]
    pub fn scratch(&self, mount: &Mount) -> Arc<Mount> {
        mount.scratch(&self.shared.of_mounts())
    }

    /// Compiles a component for `load_embedded`, for any machine of this architecture.
    ///
    /// # Errors
    /// When the bytes are not a component.
    pub fn precompile(wasm: &[u8]) -> Result<Vec<u8>, LoadError> {
        aot::precompile(wasm)
    }
}
