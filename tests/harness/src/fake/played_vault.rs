//! The played Vault: the real plugin in a separate process, whose server is the fake one behind the real protocol. As
//! under Vault, storage has neither transactions nor pages. A played server that counts waits can have both.

use std::sync::Arc;

use envelope::{Error, Request, Response};
use plugin_protocol::testing::{
    Launch, MemoryStorage, MemorySystemView, Mount, MountOptions, PlainStorage, PluginProcess, StorageKind, TestError,
    Waits,
};

use super::server::{EngineCalls, FakeServer};
use super::{Fake, FakeOptions};
use crate::http_client::runtime;
use crate::settings::plugin_binary;
use crate::{Driver, DriverKind};

/// The version that the played server reports.
const VAULT_VERSION: &str = "1.21.4";

/// Makes drivers of a played Vault.
pub struct PlayedVault;

impl PlayedVault {
    /// A fresh mount in a separate process, registered with these arguments.
    ///
    /// # Panics
    /// When the plugin does not start, or rejects the mount.
    pub fn mount(options: FakeOptions, backend_uuid: &str, arguments: &[String]) -> Arc<dyn Driver> {
        let fake = Fake::new(FakeOptions { transactional: false, ..options }, backend_uuid.to_owned());
        let storage = PlainStorage(Arc::new(fake.storage.clone()));
        let mount = MountOptions { plain_storage: Some(storage), ..MountOptions::default() };
        Arc::new(serve(fake, arguments, mount))
    }

    /// As [`Self::mount`], with a count of how often the plugin waits for the server: for one like OpenBao, with
    /// transactions, or for one like Vault. Tests cannot look into its storage.
    ///
    /// # Panics
    /// As [`Self::mount`].
    pub fn count_waits(transactional: bool, arguments: &[String]) -> (Arc<dyn Driver>, Arc<Waits>) {
        let kind = if transactional { StorageKind::OpenBao } else { StorageKind::Vault };
        let (storage, waits) = (MemoryStorage::new(kind), Waits::exact());
        let mount = MountOptions { storage, waits: waits.clone(), ..MountOptions::default() };
        let fake = Fake::new(FakeOptions::default(), "00000000-0000-4000-8000-000000000001".to_owned());
        (Arc::new(serve(fake, arguments, mount)), waits)
    }
}

fn serve(fake: Fake, arguments: &[String], mount: MountOptions) -> FakeServer<PluginEngine> {
    let engine = runtime().block_on(PluginEngine::start(&fake, arguments, mount));
    let engine = engine.unwrap_or_else(|error| panic!("the plugin does not serve a mount: {error}"));
    FakeServer { fake, engine }
}

struct PluginEngine {
    mount: Mount,
    process: PluginProcess,
}

impl PluginEngine {
    async fn start(fake: &Fake, arguments: &[String], mount: MountOptions) -> Result<Self, TestError> {
        let launch = Launch::new(plugin_binary()).env("VAULT_VERSION", VAULT_VERSION).without_env("BAO_VERSION");
        let process = arguments.iter().fold(launch, Launch::arg).start().await?;
        let mount = MountOptions {
            backend_uuid: fake.backend_uuid().to_owned(),
            system_view: MemorySystemView {
                default_lease_ttl: fake.options.default_ttl,
                max_lease_ttl: fake.options.max_ttl,
                tainted: fake.tainted(),
                version: VAULT_VERSION.to_owned(),
                ..MemorySystemView::default()
            },
            ..mount
        };
        let mount = process.mount(mount).await?;
        mount.initialize().await?;
        Ok(Self { mount, process })
    }
}

impl EngineCalls for PluginEngine {
    const KIND: DriverKind = DriverKind::PlayedVault;

    fn handle(&self, _: &Fake, request: Request) -> Result<Option<Response>, Error> {
        runtime().block_on(self.mount.handle_request(request)).map_err(|error| match error {
            TestError::Backend(error) => error,
            other => Error::Internal(other.to_string()),
        })
    }

    fn check_existence(&self, _: &Fake, request: Request) -> Option<bool> {
        // The server hides the text of an error here and answers 500, so an engine must not return one.
        let answer = runtime().block_on(self.mount.check_existence(request));
        answer.unwrap_or_else(|error| panic!("the existence check failed: {error}"))
    }

    fn logs(&self) -> String {
        self.process.log_lines().join("\n")
    }
}
