//! The modules that this process may run.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use component_runtime::{LoadError, Module, Runtime};
use tokio::sync::{AcquireError, OnceCell, OwnedMutexGuard, Semaphore, SemaphorePermit, watch};
use tokio::time::timeout;

use crate::cache::Cache;
use crate::directory::{Listing, ModuleFile, RejectedFile};
use crate::limits::{COMPILED_LOADS_AT_ONCE, LOAD_DEADLINE, LOAD_WAIT, LOADS_AT_ONCE, WATCH_INTERVAL};
use crate::loaded_modules::{LoadSlot, LoadedModules};
use crate::reader::Reader;
use crate::signature::Statement;
use crate::source::Source;
use crate::watch::Watcher;
use crate::{Approval, CacheSettings, Candidate, Digest, LoadedModule, ModuleId, Origin, Rejection, TrustPolicy};

/// The module that the binary carries.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    /// The component.
    pub wasm: &'static [u8],
    /// The same component, compiled by `Runtime::precompile`.
    pub precompiled: &'static [u8],
}

/// Sources of modules beside the binary. By default there are none.
#[derive(Clone, Debug, Default)]
pub struct RegistrySettings {
    /// The directory of modules. It may appear later.
    pub directory: Option<PathBuf>,
    /// Decides which modules of the directory may run.
    pub trust: TrustPolicy,
    /// Cache of compiled modules. Without it, a restart compiles them again.
    pub cache: Option<CacheSettings>,
}

/// The modules of one process. All mounts share the loaded ones.
pub struct ModuleRegistry {
    runtime: Runtime,
    embedded: Embedded,
    embedded_module: OnceCell<Arc<LoadedModule>>,
    trust: TrustPolicy,
    reader: Option<Reader>,
    cache: Option<Cache>,
    loaded_modules: LoadedModules,
    loads: Semaphore,
    compiled_loads: Semaphore,
    rejected_files: Mutex<Vec<RejectedFile>>,
    changes: watch::Sender<u64>,
    watcher: OnceLock<Watcher>,
}

impl ModuleRegistry {
    /// Reads and loads nothing yet.
    #[must_use]
    pub fn new(runtime: Runtime, embedded: Embedded, settings: RegistrySettings) -> Arc<Self> {
        let RegistrySettings { directory, trust, cache } = settings;
        Arc::new(Self {
            reader: directory.map(|path| Reader::new(path, runtime.wasm_bytes_max())),
            cache: cache.map(Cache::new),
            runtime,
            embedded,
            embedded_module: OnceCell::new(),
            trust,
            loaded_modules: LoadedModules::default(),
            loads: Semaphore::new(LOADS_AT_ONCE),
            compiled_loads: Semaphore::new(COMPILED_LOADS_AT_ONCE),
            rejected_files: Mutex::default(),
            changes: watch::Sender::new(0),
            watcher: OnceLock::new(),
        })
    }

    /// A number that grows with each change of the directory, and once soon after the first call. The first call starts
    /// the watch, which needs a tokio runtime; without one there are no changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        if let Some(reader) = &self.reader {
            self.watcher.get_or_init(|| Watcher::start(reader.clone(), self.changes.clone(), WATCH_INTERVAL));
        }
        self.changes.subscribe()
    }

    fn candidate(&self, file: ModuleFile) -> Candidate {
        let ModuleFile { name, id, digest, signatures } = file;
        let statement = Statement { id, digest };
        let approval = self.trust.approve(&statement, signatures.as_deref());
        Candidate { id: statement.id, digest, origin: Origin::File(name), approval }
    }

    async fn load_file(&self, name: &str, listed: Digest, approval: &Approval) -> Result<Arc<LoadedModule>, Rejection> {
        let reader =
            self.reader.as_ref().ok_or_else(|| Rejection::Permanent("there is no directory of modules".to_owned()))?;
        let id = ModuleId::from_file_name(name).map_err(|error| Rejection::Permanent(error.to_string()))?;
        self.load_in_turn(reader, name, Statement { id, digest: listed }, approval).await
    }

    /// Loads each module for one mount at a time, each engine's modules one at a time, and few modules at once. Memory
    /// therefore holds the bytes of a file once, not once for each mount. Later mounts learn of a known failure without
    /// another attempt.
    async fn load_in_turn(
        &self,
        reader: &Reader,
        name: &str,
        listed: Statement,
        approval: &Approval,
    ) -> Result<Arc<LoadedModule>, Rejection> {
        let turn = timeout(LOAD_WAIT, self.turn(&listed)).await;
        let mut turn = turn.unwrap_or_else(|_| {
            Err(Rejection::Transient(format!("it waited for its turn to be loaded for longer than {LOAD_WAIT:?}")))
        })?;
        if let Some(known) = self.loaded_modules.failure(&listed, approval) {
            return Err(known);
        }
        let load = timeout(LOAD_DEADLINE, self.load_now(reader, name, &listed, turn.slot.module())).await;
        let too_slow = |_| Err(Rejection::Transient(format!("loading it took longer than {LOAD_DEADLINE:?}")).into());
        match load.unwrap_or_else(too_slow) {
            Ok(loaded) => {
                turn.slot.put(&loaded.module);
                Ok(loaded)
            }
            Err(NotLoaded::Excess(text)) => Err(self.loaded_modules.keep_excess(listed, approval.clone(), &text)),
            Err(NotLoaded::Rejected(rejection)) => {
                if matches!(rejection, Rejection::Permanent(_)) {
                    self.loaded_modules.keep_failure(listed, approval.clone(), rejection.clone());
                }
                Err(rejection)
            }
        }
    }

    async fn turn(&self, module: &Statement) -> Result<LoadTurn<'_>, Rejection> {
        let slot = self.loaded_modules.slot(module).await;
        let of_engine = self.loaded_modules.engine_turn(&module.id.engine).await;
        let closed = |closed: AcquireError| Rejection::Transient(closed.to_string());
        let of_compiled = match slot.module().is_some() || self.is_compiled(module.digest).await {
            true => None,
            false => Some(self.compiled_loads.acquire().await.map_err(closed)?),
        };
        let of_all = self.loads.acquire().await.map_err(closed)?;
        Ok(LoadTurn { slot, _of_engine: of_engine, _of_compiled: of_compiled, _of_all: of_all })
    }

    async fn is_compiled(&self, digest: Digest) -> bool {
        if self.copy_of_embedded(digest).is_some() {
            return true;
        }
        match &self.cache {
            Some(cache) => cache.has(&self.runtime, digest).await,
            None => false,
        }
    }

    /// Reads the bytes once, so that the checked bytes are those that run. A file that differs from the listing may
    /// still be incomplete; the next listing decides.
    async fn load_now(
        &self,
        reader: &Reader,
        name: &str,
        listed: &Statement,
        in_use: Option<Arc<Module>>,
    ) -> Result<Arc<LoadedModule>, NotLoaded> {
        let (bytes, signatures) = reader.read(name.to_owned()).await.map_err(Rejection::into_transient)?;
        let digest = Digest::of(&bytes);
        if digest != listed.digest {
            let text = format!("`{name}` changed since it was listed with SHA-256 {}", listed.digest);
            return Err(Rejection::Transient(text).into());
        }
        let approval = self.trust.approve(listed, signatures.as_deref()).map_err(Rejection::into_transient)?;
        let module = match in_use.or_else(|| self.copy_of_embedded(digest)) {
            Some(module) => module,
            None => {
                // The embedded module's declaration of secrets applies to all modules of its engine, so it must be
                // known first.
                self.embedded().await?;
                self.load_or_compile(digest, &bytes).await?
            }
        };
        let loaded = loaded(module, digest, Origin::File(name.to_owned()), approval, Some(&listed.id));
        loaded.map_err(|rejection| rejection.into_permanent().into())
    }

    /// The embedded module, if the file has the same bytes: it need not be compiled again.
    fn copy_of_embedded(&self, digest: Digest) -> Option<Arc<Module>> {
        let embedded = self.embedded_module.get().filter(|embedded| embedded.digest == digest)?;
        Some(Arc::clone(&embedded.module))
    }

    async fn load_or_compile(&self, digest: Digest, wasm: &[u8]) -> Result<Arc<Module>, LoadError> {
        match &self.cache {
            Some(cache) => cache.load_or_compile(&self.runtime, digest, wasm).await,
            None => self.runtime.load(wasm).await,
        }
    }

    async fn load_embedded(&self) -> Result<Arc<LoadedModule>, Rejection> {
        let Embedded { wasm, precompiled } = self.embedded;
        let module = self.runtime.load_embedded(precompiled, wasm).await;
        let module = module.map_err(|error| Rejection::Permanent(error.to_string()))?;
        loaded(module, Digest::of(wasm), Origin::Embedded, Approval::Embedded, None)
    }

    /// Logs each file once while the file stays the same.
    fn keep_refused(&self, refused: Vec<RejectedFile>) {
        let mut kept = self.rejected_files.lock().unwrap_or_else(PoisonError::into_inner);
        for RejectedFile { name, reason } in refused.iter().filter(|file| !kept.contains(file)) {
            tracing::warn!(file = name, %reason, "a file in the directory of modules is no module");
        }
        *kept = refused;
    }
}

#[async_trait]
impl Source for ModuleRegistry {
    fn has_directory(&self) -> bool {
        self.reader.is_some()
    }

    async fn embedded(&self) -> Result<Arc<LoadedModule>, Rejection> {
        let loaded = self.embedded_module.get_or_try_init(|| self.load_embedded()).await?;
        Ok(Arc::clone(loaded))
    }

    async fn candidates(&self) -> Result<Vec<Candidate>, Rejection> {
        let embedded = self.embedded().await?;
        let mut candidates = vec![Candidate {
            id: embedded.id.clone(),
            digest: embedded.digest,
            origin: embedded.origin.clone(),
            approval: Ok(embedded.approval.clone()),
        }];
        if let Some(reader) = &self.reader {
            let Listing { modules, refused } = reader.list().await?;
            self.keep_refused(refused);
            candidates.extend(modules.into_iter().map(|file| self.candidate(file)));
        }
        Ok(candidates)
    }

    fn rejected_files(&self) -> Vec<RejectedFile> {
        self.rejected_files.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn load(&self, candidate: &Candidate) -> Result<Arc<LoadedModule>, Rejection> {
        match &candidate.origin {
            Origin::Embedded => self.embedded().await.map_err(Rejection::into_transient),
            Origin::File(name) => {
                let approval = candidate.approval.as_ref().map_err(|rejection| rejection.clone().into_transient())?;
                self.load_file(name, candidate.digest, approval).await
            }
        }
    }

    fn forget_failures(&self) {
        self.loaded_modules.forget_failures();
    }
}

/// The turns for a module, for its engine, among those that are compiled, and in the process.
struct LoadTurn<'a> {
    slot: LoadSlot,
    _of_engine: OwnedMutexGuard<()>,
    _of_compiled: Option<SemaphorePermit<'a>>,
    _of_all: SemaphorePermit<'a>,
}

/// Reason why a file could not be loaded now.
enum NotLoaded {
    Rejected(Rejection),
    /// Compiling exceeded a limit.
    Excess(String),
}

impl From<Rejection> for NotLoaded {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<LoadError> for NotLoaded {
    fn from(error: LoadError) -> Self {
        let text = error.to_string();
        match error {
            LoadError::ProcessorTime(_) => Self::Excess(text),
            _ if error.is_lasting() => Rejection::Permanent(text).into(),
            _ => Rejection::Transient(text).into(),
        }
    }
}

/// Checks that the module's description agrees with the name of its file.
fn loaded(
    module: Arc<Module>,
    digest: Digest,
    origin: Origin,
    approval: Approval,
    named: Option<&ModuleId>,
) -> Result<Arc<LoadedModule>, Rejection> {
    let description = module.description();
    let id = ModuleId::new(&description.name, &description.version);
    let id = id.map_err(|error| Rejection::Permanent(format!("it describes itself wrongly: {error}")))?;
    if let Some(named) = named.filter(|named| **named != id) {
        return Err(Rejection::Permanent(format!(
            "it describes itself as {id}, and its file is named `{}`",
            named.file_name()
        )));
    }
    Ok(Arc::new(LoadedModule { id, digest, origin, approval, module }))
}

#[cfg(test)]
mod tests;
