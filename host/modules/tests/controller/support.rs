//! Helpers of the tests: modules in memory in place of a directory, and a mount.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "tests read the guests that were built")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use component_runtime::capability::Nothing;
use component_runtime::egress::{EgressSettings, Policy};
use component_runtime::{CompilePriority, Limits, MountSettings, Runtime, RuntimeSettings};
use envelope::{Operation, Request, SpecialPaths, Storage};
use modules::controller::{
    CandidateReport, ControllerSettings, ModuleController, SelectRequest, ServeError, VersionSelector, state_key,
};
use modules::{Approval, Candidate, Digest, LoadedModule, ModuleId, Origin, RejectedFile, Rejection, Source};
use serde_json::Value;

use crate::storage::FaultyStorage;

/// The available modules, and a mount's storage: all that outlives the process.
pub(crate) struct World {
    pub(crate) runtime: Runtime,
    pub(crate) source: Arc<FakeSource>,
    pub(crate) storage: Arc<FaultyStorage>,
    pub(crate) options: BTreeMap<String, String>,
}

impl World {
    /// A mount with `tiny_1` embedded, and an empty directory.
    pub(crate) fn new() -> Self {
        Self::with(Limits { requests_in_flight_max: 16, requests_guaranteed_per_mount: 2, ..Limits::default() })
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let settings = RuntimeSettings {
            egress: EgressSettings::default(),
            upstream_read_only: false,
            wal_minimum_age: Duration::from_secs(600),
            compile_priority: CompilePriority::Background,
            memory_limit: None,
            limits,
        };
        let runtime = Runtime::new(settings).unwrap();
        let source = FakeSource {
            runtime: runtime.clone(),
            embedded: Mutex::new("tiny_1"),
            files: Mutex::default(),
            has_directory: AtomicBool::new(true),
            unreadable: AtomicBool::new(false),
            failing: Mutex::default(),
            closed: tokio::sync::watch::Sender::new(None),
            waiting: AtomicUsize::new(0),
            loads: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            forgotten: AtomicUsize::new(0),
        };
        let mut storage = FaultyStorage::default();
        storage.entries.get_mut().unwrap().insert("kept".into(), b"k".into());
        Self { runtime, source: Arc::new(source), storage: Arc::new(storage), options: BTreeMap::new() }
    }

    /// Another node of the cluster, with the same storage and a directory of its own.
    pub(crate) fn other_node(&self) -> Self {
        Self { storage: Arc::clone(&self.storage), ..Self::new() }
    }

    pub(crate) fn option(mut self, name: &str, value: &str) -> Self {
        self.options.insert(name.into(), value.into());
        self
    }

    /// Loads the mount as the server does. No request or question has come yet.
    pub(crate) async fn open(&self) -> Arc<ModuleController> {
        self.try_open().await.unwrap()
    }

    pub(crate) async fn try_open(&self) -> Result<Arc<ModuleController>, Rejection> {
        let storage: Arc<dyn Storage> = Arc::<FaultyStorage>::clone(&self.storage);
        let settings = ControllerSettings {
            storage: Some(Arc::clone(&storage)),
            options: self.options.clone(),
            mount: self.runtime.mount(MountSettings {
                backend_uuid: Some("uuid".into()),
                name: "test/".into(),
                options: self.options.clone(),
                egress: Policy::default(),
                storage,
                system_view: Arc::new(Nothing),
            }),
        };
        let source: Arc<dyn Source> = Arc::<FakeSource>::clone(&self.source);
        ModuleController::open(source, self.runtime.clone(), settings).await
    }

    /// Loads the mount as the server does, which reads its special paths.
    pub(crate) async fn load(&self) -> Arc<ModuleController> {
        let controller = self.open().await;
        let _ = controller.special_paths().await;
        controller
    }

    /// The stored state, or null.
    pub(crate) fn state(&self) -> Value {
        let entries = self.storage.entries.lock().unwrap();
        entries.get(&state_key()).map(|bytes| serde_json::from_slice(bytes).unwrap()).unwrap_or_default()
    }
}

/// Modules by the names of their files in `make rogue`.
pub(crate) struct FakeSource {
    runtime: Runtime,
    pub(crate) embedded: Mutex<&'static str>,
    files: Mutex<BTreeMap<String, Result<Approval, Rejection>>>,
    pub(crate) has_directory: AtomicBool,
    pub(crate) unreadable: AtomicBool,
    /// Modules that cannot be loaded, with the reason.
    failing: Mutex<BTreeMap<String, Rejection>>,
    /// The module whose load hangs.
    closed: tokio::sync::watch::Sender<Option<&'static str>>,
    pub(crate) waiting: AtomicUsize,
    pub(crate) loads: AtomicUsize,
    /// Number of failed loads.
    pub(crate) failed: AtomicUsize,
    /// Number of calls that permit new attempts.
    pub(crate) forgotten: AtomicUsize,
}

impl FakeSource {
    pub(crate) fn fail(&self, name: &str, failure: Option<Rejection>) {
        match failure {
            Some(failure) => self.failing.lock().unwrap().insert(name.into(), failure),
            None => self.failing.lock().unwrap().remove(name),
        };
    }

    pub(crate) fn close(&self, name: Option<&'static str>) {
        self.closed.send_replace(name);
    }

    pub(crate) fn put(&self, name: &str) {
        self.put_as(name, Ok(Approval::Signed(vec!["key".into()])));
    }

    pub(crate) fn put_as(&self, name: &str, approval: Result<Approval, Rejection>) {
        self.files.lock().unwrap().insert(name.into(), approval);
    }

    pub(crate) fn remove(&self, name: &str) {
        self.files.lock().unwrap().remove(name);
    }

    async fn loaded(&self, name: &str, origin: Origin, approval: Approval) -> Result<Arc<LoadedModule>, Rejection> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let module = self.runtime.load_embedded(compiled(name), b"").await;
        let module = module.map_err(|error| Rejection::Permanent(error.to_string()))?;
        let id = id(name);
        Ok(Arc::new(LoadedModule { id, digest: digest(name), origin, approval, module }))
    }
}

#[async_trait]
impl Source for FakeSource {
    fn has_directory(&self) -> bool {
        self.has_directory.load(Ordering::SeqCst)
    }

    async fn embedded(&self) -> Result<Arc<LoadedModule>, Rejection> {
        let name = *self.embedded.lock().unwrap();
        self.loaded(name, Origin::Embedded, Approval::Embedded).await
    }

    async fn candidates(&self) -> Result<Vec<Candidate>, Rejection> {
        if self.unreadable.load(Ordering::SeqCst) {
            return Err(Rejection::Permanent("the directory of modules cannot be read".into()));
        }
        let embedded = *self.embedded.lock().unwrap();
        let of = |name: &str, origin, approval| Candidate { id: id(name), digest: digest(name), origin, approval };
        let mut candidates = vec![of(embedded, Origin::Embedded, Ok(Approval::Embedded))];
        let files = self.files.lock().unwrap();
        candidates.extend(files.iter().map(|(name, approval)| of(name, Origin::File(name.clone()), approval.clone())));
        Ok(candidates)
    }

    fn rejected_files(&self) -> Vec<RejectedFile> {
        vec![RejectedFile { name: "notes.txt".into(), reason: Rejection::Permanent("it is no module".into()) }]
    }

    fn forget_failures(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
    }

    async fn load(&self, candidate: &Candidate) -> Result<Arc<LoadedModule>, Rejection> {
        let loaded = match &candidate.origin {
            Origin::Embedded => self.embedded().await,
            Origin::File(name) => {
                let mut closed = self.closed.subscribe();
                if *closed.borrow() == Some(name.as_str()) {
                    self.waiting.fetch_add(1, Ordering::SeqCst);
                    closed.wait_for(|closed| *closed != Some(name.as_str())).await.unwrap();
                }
                let failing = self.failing.lock().unwrap().get(name).cloned();
                if let Some(failure) = failing {
                    self.loads.fetch_add(1, Ordering::SeqCst);
                    self.failed.fetch_add(1, Ordering::SeqCst);
                    return Err(failure);
                }
                let approval = candidate.approval.clone().map_err(Rejection::into_permanent)?;
                self.loaded(name, candidate.origin.clone(), approval).await
            }
        };
        loaded.map_err(Rejection::into_permanent)
    }
}

/// `tiny_2_traps` is version 2.0.0 of `tiny`; `other_2` is 2.0.0 of `other`.
fn id(name: &str) -> ModuleId {
    let engine = if name.starts_with("other_") { "other" } else { "tiny" };
    let major = name.strip_prefix(engine).and_then(|rest| rest.chars().nth(1)).unwrap_or('2');
    ModuleId { engine: engine.into(), version: format!("{major}.0.0").parse().unwrap() }
}

/// `other_2_traps` and `tiny_3_traps` have the bytes of `tiny_2_traps`.
fn wasm(name: &str) -> Vec<u8> {
    let of_tiny = name.strip_prefix("other_").map_or_else(|| name.to_owned(), |rest| format!("tiny_{rest}"));
    let of_tiny = of_tiny.replace("tiny_3", "tiny_2");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/component/rogue/{of_tiny}.wasm"));
    let Ok(wasm) = std::fs::read(&path) else {
        panic!("the guest `{name}` is not built yet: run `make rogue` first ({} is missing)", path.display())
    };
    wasm
}

pub(crate) fn digest(name: &str) -> Digest {
    Digest::of(&wasm(name))
}

/// Compiles each guest once for all tests.
fn compiled(name: &str) -> &'static [u8] {
    static COMPILED: Mutex<BTreeMap<String, &'static [u8]>> = Mutex::new(BTreeMap::new());
    let compile = || &*Runtime::precompile(&wasm(name)).unwrap().leak();
    COMPILED.lock().unwrap().entry(name.to_owned()).or_insert_with(compile)
}

/// Sends one request; returns the field `result` of the guest's answer.
pub(crate) async fn ask(
    controller: &Arc<ModuleController>,
    operation: Operation,
    path: &str,
) -> Result<String, ServeError> {
    let request =
        Request { id: Some("request-1".into()), mount_point: "test/".into(), ..Request::new(operation, path, "{}") };
    let answer = controller.handle_request(request).await?;
    let data = answer.and_then(|answer| answer.data).unwrap_or_default();
    let data: Value = serde_json::from_str(&data).unwrap();
    Ok(data["result"].as_str().unwrap_or_default().trim_matches('"').to_owned())
}

/// The version of the module that answers.
pub(crate) async fn version(controller: &Arc<ModuleController>) -> String {
    ask(controller, Operation::Read, "who").await.unwrap_or_else(|error| error.to_string())
}

/// Waits for an asynchronous effect.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(60), wait).await.is_ok(), "in vain: {what}");
}

/// A candidate in the report.
pub(crate) fn reported(controller: &ModuleController, name: &str) -> CandidateReport {
    let digest = digest(name);
    let found = controller.report().candidates.into_iter().find(|candidate| candidate.digest == digest);
    found.unwrap_or_else(|| panic!("`{name}` is not in the report"))
}

/// The reason in the report why a candidate does not serve.
pub(crate) fn reason(controller: &ModuleController, name: &str) -> String {
    let candidate = reported(controller, name);
    assert!(!candidate.acceptable, "`{name}` is acceptable: {:?}", candidate.reason);
    candidate.reason.unwrap_or_default()
}

pub(crate) fn select(version: &str) -> SelectRequest {
    let version =
        if version == "latest" { VersionSelector::Latest } else { VersionSelector::Exactly(version.parse().unwrap()) };
    SelectRequest { version, digest: None, force: false, accepted: BTreeSet::new() }
}

pub(crate) fn no_special_paths(paths: &SpecialPaths) -> bool {
    *paths == SpecialPaths::default()
}
