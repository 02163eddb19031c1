//! The engine as a component in the product's runtime, from the product's precompiled code, with storage in memory that
//! answers at once.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use async_trait::async_trait;
use component_runtime::egress::{EgressSettings, Policy};
use component_runtime::{CompilePriority, Limits, Module, Mount, MountSettings, Runtime, RuntimeSettings};
use envelope::{
    Identity, Operation, Request, Storage, StorageEntry, StorageError, StorageView, SystemView, SystemViewError,
    Transaction,
};
use secrets_framework::testing::TestHost;

use crate::native::role_path;

/// A loaded component and one mount of it.
#[derive(Clone)]
pub(crate) struct Component {
    module: Arc<Module>,
    mount: Arc<Mount>,
}

impl Component {
    /// Loads the component as the plugin does. Its storage contains the native engine's entries.
    pub(crate) async fn load(host: &TestHost) -> anyhow::Result<Self> {
        Self::load_as(host, &Sealing::AsDeclared, Policy::default()).await
    }

    /// Loads another component in the same way.
    pub(crate) async fn load_from(host: &TestHost, path: &Path) -> anyhow::Result<Self> {
        Self::load_file(host, path, &Sealing::AsDeclared, Policy::default()).await
    }

    /// As [`Self::load`], with or without sealed secrets, and with HTTP as the policy allows.
    pub(crate) async fn load_as(host: &TestHost, sealing: &Sealing, egress: Policy) -> anyhow::Result<Self> {
        Self::load_file(host, &harness::component_wasm(), sealing, egress).await
    }

    async fn load_file(host: &TestHost, path: &Path, sealing: &Sealing, egress: Policy) -> anyhow::Result<Self> {
        let settings = RuntimeSettings {
            egress: EgressSettings::default(),
            upstream_read_only: false,
            wal_minimum_age: Duration::from_secs(600),
            compile_priority: CompilePriority::Background,
            memory_limit: None,
            // A measurement is a flood, and must not wait for its own mount's turn.
            limits: Limits {
                processor_percent_per_mount: 1_000,
                storage_calls_per_second_and_core: 1_000_000,
                ..Limits::default()
            },
        };
        let runtime = Runtime::new(settings).context("failed to start the runtime")?;
        let mut wasm = std::fs::read(path).with_context(|| format!("failed to read `{}`", path.display()))?;
        if matches!(sealing, Sealing::Off) {
            hide_declaration(&mut wasm)?;
        }
        // As in the binary, where the embedded code lives as long as the process.
        let code: &'static [u8] = Vec::leak(Runtime::precompile(&wasm).context("failed to precompile")?);
        let module = runtime.load_embedded(code, &wasm).await.context("failed to load the component")?;
        let entries = host.storage.snapshot().into_iter().map(|(key, entry)| (key, entry.value)).collect();
        let mount = runtime.mount(MountSettings {
            backend_uuid: Some("11111111-2222-4333-8444-555555555555".to_owned()),
            name: "astra/".to_owned(),
            options: BTreeMap::new(),
            egress,
            storage: Arc::new(MemoryStorage { entries: Mutex::new(entries) }),
            system_view: Arc::new(FixedSystemView),
        });
        Ok(Self { module, mount })
    }

    /// Sends the request once, in a fresh instance; fails unless the role comes back.
    pub(crate) async fn handle(&self, request: Request) -> anyhow::Result<()> {
        match self.data(request).await? {
            Some(_) => Ok(()),
            None => bail!("the role is not there"),
        }
    }

    /// Sends the request once, in a fresh instance, and returns the data of the answer.
    pub(crate) async fn data(&self, request: Request) -> anyhow::Result<Option<String>> {
        let answer = self.module.handle_request(&self.mount, request).await.context("failed to serve a request")?;
        Ok(answer.and_then(|answer| answer.data))
    }
}

/// Does the host keep the engine's secrets from the engine?
pub(crate) enum Sealing {
    /// As the engine declares.
    AsDeclared,
    /// No: the host does not find the declaration of the same engine.
    Off,
}

/// Gives the export that declares secrets another name of the same length.
fn hide_declaration(wasm: &mut [u8]) -> anyhow::Result<()> {
    let (name, other) = (b"secrets-engine:secrets/", b"secrets-engine:nothing/");
    let places: Vec<usize> =
        (0..wasm.len()).filter(|&at| wasm.get(at..).is_some_and(|rest| rest.starts_with(name))).collect();
    if places.is_empty() {
        bail!("the component declares no secrets");
    }
    for place in places {
        if let Some(found) = wasm.get_mut(place..place + name.len()) {
            found.copy_from_slice(other);
        }
    }
    Ok(())
}

/// The measured request, as in `native::read_role`.
pub(crate) fn read_role() -> Request {
    request(Operation::Read, role_path(), "{}")
}

/// Any request, in the server's form.
pub(crate) fn request(operation: Operation, path: String, data: &str) -> Request {
    Request {
        id: Some("00000000-0000-4000-8000-000000000001".to_owned()),
        mount_point: "astra/".to_owned(),
        identity: Identity {
            display_name: "userpass-alice".to_owned(),
            entity_id: "entity-alice".to_owned(),
            token_accessor: "accessor-alice".to_owned(),
            remote_address: "127.0.0.1".to_owned(),
        },
        ..Request::new(operation, path, data)
    }
}

struct MemoryStorage {
    entries: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl MemoryStorage {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl StorageView for MemoryStorage {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        let entry = |value: &Vec<u8>| StorageEntry { key: key.to_owned(), value: value.clone(), seal_wrap: false };
        Ok(self.entries().get(key).map(entry))
    }
    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        self.entries().insert(entry.key, entry.value);
        Ok(())
    }
    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.entries().remove(key);
        Ok(())
    }
    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        self.list_page(prefix, "", u32::MAX).await
    }
    /// As a server with sorted storage: it finds the page at once, whatever the number of entries.
    async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        let (entries, mut names) = (self.entries(), Vec::new());
        let mut from = Bound::Excluded(format!("{prefix}{}", past(after)));
        while names.len() < limit as usize
            && let Some((key, _)) = entries.range((from, Bound::Unbounded)).next()
            && let Some(name) = key.strip_prefix(prefix)
        {
            // A folder is one name, whatever its content.
            let name = name.split_inclusive('/').next().unwrap_or(name);
            from = Bound::Excluded(format!("{prefix}{}", past(name)));
            names.push(name.to_owned());
        }
        Ok(names)
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn begin(&self) -> Result<Option<Box<dyn Transaction>>, StorageError> {
        Ok(None)
    }
}

/// The last possible key of this name: after all keys of a folder.
fn past(name: &str) -> String {
    if name.ends_with('/') { format!("{name}{}", char::MAX) } else { name.to_owned() }
}

/// A server's defaults.
struct FixedSystemView;

const THIRTY_TWO_DAYS: Duration = Duration::from_secs(32 * 24 * 3_600);

#[async_trait]
impl SystemView for FixedSystemView {
    async fn default_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        Ok(THIRTY_TWO_DAYS)
    }
    async fn max_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        Ok(THIRTY_TWO_DAYS)
    }
}
