//! Helpers of the tests: guests, a storage in memory, mounts, a neighbour, a log.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "tests read the guests that were built")]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use component_runtime::egress::{EgressSettings, Origin, Policy};
use component_runtime::{CompilePriority, InvokeError, Limits, Module, Mount, MountSettings, Runtime, RuntimeSettings};
use envelope::{
    Entity, Operation, ReplicationState, Request, Response, Storage, StorageEntry, StorageError, StorageView,
    SystemView, SystemViewError, Transaction,
};
use tokio::task::JoinSet;

/// Low limits.
pub(crate) fn limits() -> Limits {
    Limits {
        requests_in_flight_max: 16,
        requests_guaranteed_per_mount: 2,
        request_deadline: Duration::from_secs(30),
        lock_wait: Duration::from_millis(200),
        ..Limits::default()
    }
}

/// A runtime, and the destinations of its mounts.
pub(crate) struct TestRuntime {
    runtime: Runtime,
    egress: Policy,
}

impl Deref for TestRuntime {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        &self.runtime
    }
}

pub(crate) fn runtime(limits: Limits, origins: &[&str]) -> TestRuntime {
    runtime_that(false, None, limits, origins)
}

/// A runtime whose requests together may hold this much memory.
pub(crate) fn runtime_that_holds(memory_limit: usize, limits: Limits) -> TestRuntime {
    runtime_that(false, Some(memory_limit), limits, &[])
}

/// A runtime whose guests may only read, from these origins.
pub(crate) fn reading_runtime(limits: Limits, origins: &[&str]) -> TestRuntime {
    runtime_that(true, None, limits, origins)
}

fn runtime_that(
    upstream_read_only: bool,
    memory_limit: Option<usize>,
    limits: Limits,
    origins: &[&str],
) -> TestRuntime {
    let settings = RuntimeSettings {
        egress: EgressSettings::default(),
        upstream_read_only,
        wal_minimum_age: Duration::from_secs(600),
        compile_priority: CompilePriority::Background,
        memory_limit,
        limits,
    };
    let origins = origins.iter().map(|text| Origin::parse(text).unwrap()).collect();
    TestRuntime { runtime: Runtime::new(settings).unwrap(), egress: Policy::new("toy", origins) }
}

/// Runs a test on several workers and on one: a request that blocks a worker must not block the others.
pub(crate) fn on_each_scheduler<F: Future<Output = ()>>(test: impl Fn() -> F) {
    let mut one = tokio::runtime::Builder::new_current_thread();
    let mut two = tokio::runtime::Builder::new_multi_thread();
    for builder in [&mut one, two.worker_threads(2)] {
        let runtime = builder.enable_all().event_interval(Runtime::EVENT_INTERVAL).build().unwrap();
        runtime.block_on(test());
    }
}

fn rogues() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/rogue-components/examples")
}

pub(crate) fn rogue_names() -> Vec<String> {
    let files = std::fs::read_dir(rogues()).unwrap();
    files.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

pub(crate) fn wasm(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/component/rogue/{name}.wasm"));
    let Ok(wasm) = std::fs::read(&path) else {
        panic!("the guest `{name}` is not built yet: run `make rogue` first ({} is missing)", path.display())
    };
    wasm
}

/// Loads a guest. Compiles each guest once for all tests.
pub(crate) async fn load(runtime: &Runtime, name: &str) -> Arc<Module> {
    static COMPILED: Mutex<BTreeMap<String, &'static [u8]>> = Mutex::new(BTreeMap::new());
    let compile = || &*Runtime::precompile(&wasm(name)).unwrap().leak();
    let compiled = *COMPILED.lock().unwrap().entry(name.to_owned()).or_insert_with(compile);
    runtime.load_embedded(compiled, b"").await.unwrap()
}

pub(crate) fn mount(runtime: &TestRuntime, uuid: &str, storage: &Arc<MemoryStorage>) -> Arc<Mount> {
    mount_with(runtime, uuid, storage, BTreeMap::new())
}

/// A mount with these options.
pub(crate) fn mount_with(
    runtime: &TestRuntime,
    uuid: &str,
    storage: &Arc<MemoryStorage>,
    options: BTreeMap<String, String>,
) -> Arc<Mount> {
    mount_on(runtime, uuid, Arc::<MemoryStorage>::clone(storage), options)
}

/// A mount on any storage.
pub(crate) fn mount_on(
    runtime: &TestRuntime,
    uuid: &str,
    storage: Arc<dyn Storage>,
    options: BTreeMap<String, String>,
) -> Arc<Mount> {
    runtime.mount(settings(runtime, uuid, storage, options))
}

fn settings(
    runtime: &TestRuntime,
    uuid: &str,
    storage: Arc<dyn Storage>,
    options: BTreeMap<String, String>,
) -> MountSettings {
    MountSettings {
        backend_uuid: Some(uuid.to_owned()),
        name: format!("{uuid}/"),
        options,
        egress: runtime.egress.clone(),
        storage,
        system_view: Arc::new(NoSystemView),
    }
}

/// A mount of which the server has this view.
pub(crate) fn mount_viewed(runtime: &TestRuntime, uuid: &str, view: &Arc<CountingView>) -> Arc<Mount> {
    let system_view = Arc::<CountingView>::clone(view);
    let storage = Arc::<MemoryStorage>::default();
    runtime.mount(MountSettings { system_view, ..settings(runtime, uuid, storage, BTreeMap::new()) })
}

pub(crate) fn request(path: &str) -> Request {
    Request {
        id: Some("request-1".to_owned()),
        mount_point: "test/".to_owned(),
        ..Request::new(Operation::Read, path, "{}")
    }
}

/// Sends one request to one guest, on a mount of its own.
pub(crate) async fn call(runtime: &TestRuntime, name: &str, path: &str) -> Result<String, InvokeError> {
    let module = load(runtime, name).await;
    let mount = mount(runtime, name, &Arc::default());
    answer(&module, &mount, path).await
}

/// The field `result` of the guest's answer.
pub(crate) async fn answer(module: &Module, mount: &Arc<Mount>, path: &str) -> Result<String, InvokeError> {
    module.handle_request(mount, request(path)).await.map(|response| result(response.as_ref()))
}

pub(crate) fn result(response: Option<&Response>) -> String {
    let data = response.and_then(|response| response.data.as_deref()).unwrap_or_default();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    data["result"].as_str().unwrap_or_default().to_owned()
}

/// Two requests that go on until the set is shut down.
pub(crate) fn two_requests(module: &Arc<Module>, mount: &Arc<Mount>) -> JoinSet<()> {
    let mut requests = JoinSet::new();
    for _ in 0..2 {
        let (module, mount) = (Arc::clone(module), Arc::clone(mount));
        requests.spawn(async move { drop(answer(&module, &mount, "").await) });
    }
    requests
}

/// Sends requests until one is refused.
pub(crate) async fn first_refusal(module: &Module, mount: &Arc<Mount>) -> InvokeError {
    loop {
        match answer(module, mount, "").await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => return error,
        }
    }
}

/// Sends one request beside a neighbour, all of whose requests must succeed while the request runs.
pub(crate) async fn beside_a_neighbour(runtime: &TestRuntime, name: &str, path: &str) -> Result<String, InvokeError> {
    let good = load(runtime, "good").await;
    let rogue = load(runtime, name).await;
    let (neighbour, mount) = (mount(runtime, "neighbour", &Arc::default()), mount(runtime, name, &Arc::default()));
    let over = Arc::new(AtomicBool::new(false));
    let mut serving = JoinSet::new();
    serving.spawn({
        let over = Arc::clone(&over);
        async move {
            let mut served = 0;
            while !over.load(Ordering::Acquire) || served == 0 {
                assert_eq!(answer(&good, &neighbour, "").await.unwrap(), "Ok(Ok(Some([49])))");
                served += 1;
                tokio::task::yield_now().await;
            }
            served
        }
    });
    let outcome = answer(&rogue, &mount, path).await;
    over.store(true, Ordering::Release);
    let served = serving.join_next().await.unwrap().unwrap();
    assert!(served > 0);
    // The rogue's own mount still works: its next request gets as far as the first.
    assert!(tokio::time::timeout(Duration::from_secs(20), answer(&rogue, &mount, path)).await.is_ok());
    outcome
}

/// A storage in memory, with transactions.
#[derive(Default)]
pub(crate) struct MemoryStorage {
    pub(crate) entries: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    pub(crate) transactions_open: Arc<AtomicUsize>,
    /// Number of reads, of those in progress, and the maximum of those.
    pub(crate) reads: AtomicUsize,
    reading: AtomicUsize,
    pub(crate) read_at_once: AtomicUsize,
    /// Number of lists of whole folders.
    pub(crate) lists: AtomicUsize,
    /// Lists whole folders only, as Vault does.
    pub(crate) is_without_pages: AtomicBool,
}

#[async_trait]
impl StorageView for MemoryStorage {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let reading = self.reading.fetch_add(1, Ordering::SeqCst) + 1;
        self.read_at_once.fetch_max(reading, Ordering::SeqCst);
        // A call to a real storage takes time: here the longer the key, the longer the call.
        for _ in 0..=key.len() {
            tokio::task::yield_now().await;
        }
        self.reading.fetch_sub(1, Ordering::SeqCst);
        if key == "broken" {
            return Err(StorageError::Failed("a broken disk".to_owned()));
        }
        let value = self.entries.lock().unwrap().get(key).cloned();
        Ok(value.map(|value| StorageEntry { key: key.to_owned(), value, seal_wrap: false }))
    }
    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        self.entries.lock().unwrap().insert(entry.key, entry.value);
        Ok(())
    }
    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.entries.lock().unwrap().remove(key);
        Ok(())
    }
    fn has_pages(&self) -> bool {
        !self.is_without_pages.load(Ordering::SeqCst)
    }
    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        self.lists.fetch_add(1, Ordering::SeqCst);
        let entries = self.entries.lock().unwrap();
        let below = entries.keys().filter_map(|key| key.strip_prefix(prefix));
        let children = below.filter_map(|rest| rest.split_inclusive('/').next());
        Ok(BTreeSet::from_iter(children).into_iter().map(str::to_owned).collect())
    }
    async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        let names = self.list(prefix).await?;
        Ok(names.into_iter().filter(|name| name.as_str() > after).take(limit as usize).collect())
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn begin(&self) -> Result<Option<Box<dyn Transaction>>, StorageError> {
        self.transactions_open.fetch_add(1, Ordering::SeqCst);
        let written = MemoryStorage::default();
        Ok(Some(Box::new(MemoryTransaction {
            written,
            target: Arc::clone(&self.entries),
            open: Arc::clone(&self.transactions_open),
        })))
    }
}

struct MemoryTransaction {
    written: MemoryStorage,
    target: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    open: Arc<AtomicUsize>,
}

impl Drop for MemoryTransaction {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl StorageView for MemoryTransaction {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        self.written.get(key).await
    }
    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        self.written.put(entry).await
    }
    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.written.delete(key).await
    }
    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        self.written.list(prefix).await
    }
    async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        self.written.list_page(prefix, after, limit).await
    }
}

#[async_trait]
impl Transaction for MemoryTransaction {
    async fn commit(self: Box<Self>) -> Result<(), StorageError> {
        let written = std::mem::take(&mut *self.written.entries.lock().unwrap());
        self.target.lock().unwrap().extend(written);
        Ok(())
    }
}

struct NoSystemView;

#[async_trait]
impl SystemView for NoSystemView {
    async fn default_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        Ok(Duration::from_secs(3600))
    }
    async fn max_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        Ok(Duration::from_secs(7200))
    }
}

/// Counts how often the server is asked.
#[derive(Default)]
pub(crate) struct CountingView {
    pub(crate) asked: AtomicUsize,
}

impl CountingView {
    fn answer<T>(&self, answer: T) -> Result<T, SystemViewError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(answer)
    }
}

#[async_trait]
impl SystemView for CountingView {
    async fn default_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        self.answer(Duration::from_secs(3600))
    }
    async fn max_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        self.answer(Duration::from_secs(7200))
    }
    async fn tainted(&self) -> Result<bool, SystemViewError> {
        self.answer(false)
    }
    async fn local_mount(&self) -> Result<bool, SystemViewError> {
        self.answer(false)
    }
    async fn replication_state(&self) -> Result<ReplicationState, SystemViewError> {
        self.answer(ReplicationState::default())
    }
    async fn server_version(&self) -> Result<String, SystemViewError> {
        self.answer("2.7.2".to_owned())
    }
    async fn entity_info(&self, _: &str) -> Result<Option<Entity>, SystemViewError> {
        self.answer(None)
    }
    async fn generate_password(&self, _: &str) -> Result<String, SystemViewError> {
        self.answer("password".to_owned())
    }
}
