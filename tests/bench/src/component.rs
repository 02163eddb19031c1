//! The engine as a component in the product's own runtime, from the product's own precompiled
//! code, with storage that answers from memory at once.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
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
    /// Loads it as the plugin does; its storage holds what the native engine wrote.
    pub(crate) async fn load(host: &TestHost) -> anyhow::Result<Self> {
        Self::load_from(host, &harness::component_wasm()).await
    }

    /// Loads another component so.
    pub(crate) async fn load_from(host: &TestHost, path: &Path) -> anyhow::Result<Self> {
        let settings = RuntimeSettings {
            egress: EgressSettings::default(),
            upstream_read_only: false,
            wal_minimum_age: Duration::from_secs(600),
            compile_priority: CompilePriority::Background,
            memory_limit: None,
            limits: Limits::default(),
        };
        let runtime = Runtime::new(settings).context("failed to start the runtime")?;
        let wasm = std::fs::read(path).with_context(|| format!("failed to read `{}`", path.display()))?;
        // As in the binary, where the code is embedded: it lives as long as the process.
        let code: &'static [u8] = Vec::leak(Runtime::precompile(&wasm).context("failed to precompile")?);
        let module = runtime.load_embedded(code, &wasm).await.context("failed to load the component")?;
        let entries = host.storage.snapshot().into_iter().map(|(key, entry)| (key, entry.value)).collect();
        let mount = runtime.mount(MountSettings {
            backend_uuid: "11111111-2222-4333-8444-555555555555".to_owned(),
            name: "astra/".to_owned(),
            options: BTreeMap::new(),
            egress: Policy::default(),
            storage: Arc::new(ReadOnlyStorage { entries }),
            system_view: Arc::new(FixedSystemView),
        });
        Ok(Self { module, mount })
    }

    /// Does the request once, in a fresh instance; fails unless it gets the role.
    pub(crate) async fn handle(&self, request: Request) -> anyhow::Result<()> {
        match self.data(request).await? {
            Some(_) => Ok(()),
            None => bail!("the role is not there"),
        }
    }

    /// Does the request once, in a fresh instance, and answers its data.
    pub(crate) async fn data(&self, request: Request) -> anyhow::Result<Option<String>> {
        let answer = self.module.handle_request(&self.mount, request).await.context("failed to serve a request")?;
        Ok(answer.and_then(|answer| answer.data))
    }
}

/// The request that is measured, as `native::read_role`.
pub(crate) fn read_role() -> Request {
    request(Operation::Read, role_path(), "{}")
}

/// Any request, as a server sends it.
pub(crate) fn request(operation: Operation, path: String, data: &str) -> Request {
    Request {
        id: "00000000-0000-4000-8000-000000000001".to_owned(),
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

struct ReadOnlyStorage {
    entries: BTreeMap<String, Vec<u8>>,
}

#[async_trait]
impl StorageView for ReadOnlyStorage {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        let entry = |value: &Vec<u8>| StorageEntry { key: key.to_owned(), value: value.clone(), seal_wrap: false };
        Ok(self.entries.get(key).map(entry))
    }
    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        Err(nothing_else("put", &entry.key))
    }
    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        Err(nothing_else("delete", key))
    }
    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        Err(nothing_else("list", prefix))
    }
    /// As a server whose storage is sorted: the page is found at once, however much there is.
    async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        let mut from = Bound::Excluded(format!("{prefix}{}", past(after)));
        let mut names = Vec::new();
        while names.len() < limit as usize
            && let Some((key, _)) = self.entries.range((from, Bound::Unbounded)).next()
            && let Some(name) = key.strip_prefix(prefix)
        {
            // A folder is one name, whatever is in it.
            let name = name.split_inclusive('/').next().unwrap_or(name);
            from = Bound::Excluded(format!("{prefix}{}", past(name)));
            names.push(name.to_owned());
        }
        Ok(names)
    }
}

#[async_trait]
impl Storage for ReadOnlyStorage {
    async fn begin(&self) -> Result<Option<Box<dyn Transaction>>, StorageError> {
        Ok(None)
    }
}

/// The last key that is of this name: behind all that a folder may have.
fn past(name: &str) -> String {
    if name.ends_with('/') { format!("{name}{}", char::MAX) } else { name.to_owned() }
}

/// The measured requests read, and list by pages. Anything more is to be seen, not to be served.
fn nothing_else(call: &str, key: &str) -> StorageError {
    StorageError::Failed(format!("the measured requests only read, and list by pages: not {call} `{key}`"))
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
