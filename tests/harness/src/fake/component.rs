//! The component driver: the engine as a component in the real runtime, with
//! the fake server's storage behind its imports.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use component_runtime::egress::{Origin, Policy, UPSTREAM_OPTION, UPSTREAM_READ_ONLY};
use component_runtime::{CompilePriority, Module, Mount, MountSettings, Runtime, RuntimeSettings};
use envelope::{Error, Request, Response, SystemView, SystemViewError};

use super::log_capture;
use super::native_host::ASTRA_ORIGINS;
use super::server::{EngineCalls, FakeServer};
use super::{Fake, FakeOptions};
use crate::http_client::runtime as tokio_runtime;
use crate::network::Network;
use crate::settings::component_wasm;
use crate::{Driver, DriverKind};

/// Makes component drivers.
pub struct ComponentDriver;

impl ComponentDriver {
    /// A fresh mount in a runtime of its own.
    ///
    /// # Panics
    /// When the component is missing or does not load.
    pub fn mount(options: FakeOptions, backend_uuid: &str) -> Arc<dyn Driver> {
        Self::mount_on(options, backend_uuid, Network::default())
    }

    /// As `mount`, on a network of the test.
    ///
    /// # Panics
    /// As `mount`.
    pub fn mount_on(options: FakeOptions, backend_uuid: &str, network: Network) -> Arc<dyn Driver> {
        let fake = Fake::new(options, backend_uuid.to_owned());
        let engine = ComponentEngine::load(&fake, network);
        let engine = engine.unwrap_or_else(|text| panic!("the component did not load: {text}"));
        Arc::new(FakeServer { fake, engine })
    }
}

struct ComponentEngine {
    module: Arc<Module>,
    mount: Arc<Mount>,
    /// The same mount, whose guests may only read from Astra.
    reading: Arc<Mount>,
    log: log_capture::Source,
}

impl ComponentEngine {
    fn load(fake: &Fake, network: Network) -> Result<Self, String> {
        log_capture::install();
        let options = &fake.options;
        let origins = ASTRA_ORIGINS.into_iter().chain(options.egress.iter().map(String::as_str));
        let origins = origins.map(Origin::parse).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        let settings = RuntimeSettings {
            egress: network.egress,
            upstream_read_only: false,
            wal_minimum_age: options.wal_minimum_age,
            compile_priority: CompilePriority::Background,
            memory_limit: None,
            limits: network.limits,
        };
        let _entered = tokio_runtime().enter();
        let runtime = Runtime::new(settings).map_err(|error| error.to_string())?;
        let compiled = compiled();
        let loading = runtime.load_embedded(&compiled.native, &compiled.wasm);
        let module = tokio_runtime().block_on(loading).map_err(|error| error.to_string())?;
        let mount = |options| {
            runtime.mount(MountSettings {
                backend_uuid: Some(fake.backend_uuid().to_owned()),
                name: fake.options.mount_point.clone(),
                options,
                egress: Policy::new("astra", origins.clone()),
                storage: Arc::new(fake.storage.clone()),
                system_view: Arc::new(FakeSystemView {
                    default: fake.options.default_ttl,
                    max: fake.options.max_ttl,
                    tainted: fake.tainted(),
                }),
            })
        };
        let read_only = BTreeMap::from([(UPSTREAM_OPTION.to_owned(), UPSTREAM_READ_ONLY.to_owned())]);
        let log = log_capture::Source::new();
        Ok(Self { module, mount: mount(BTreeMap::new()), reading: mount(read_only), log })
    }

    fn mount_of(&self, fake: &Fake) -> &Arc<Mount> {
        if fake.is_upstream_read_only() { &self.reading } else { &self.mount }
    }
}

struct Compiled {
    wasm: Vec<u8>,
    native: Vec<u8>,
}

/// The component as precompiled code, which a module in a directory must not be.
pub fn precompiled_component() -> &'static [u8] {
    &compiled().native
}

/// Compiled once for all mounts of this process, because that takes a second.
fn compiled() -> &'static Compiled {
    static COMPILED: OnceLock<Compiled> = OnceLock::new();
    COMPILED.get_or_init(|| {
        let wasm = std::fs::read(component_wasm()).unwrap_or_default();
        let native = Runtime::precompile(&wasm).unwrap_or_else(|error| panic!("not a component: {error}"));
        Compiled { wasm, native }
    })
}

impl EngineCalls for ComponentEngine {
    const KIND: DriverKind = DriverKind::Component;

    fn handle(&self, fake: &Fake, request: Request) -> Result<Option<Response>, Error> {
        let id = request.id.clone();
        let call = self.module.handle_request(self.mount_of(fake), request);
        self.log.run(|| tokio_runtime().block_on(call)).map_err(|error| error.to_error(id.as_deref()))
    }

    fn check_existence(&self, fake: &Fake, request: Request) -> Option<bool> {
        let call = self.module.check_existence(self.mount_of(fake), request);
        let answer = self.log.run(|| tokio_runtime().block_on(call));
        // As the plugin binary reports it to the server.
        answer.unwrap_or_default()
    }

    fn logs(&self) -> String {
        self.log.text()
    }
}

/// The mount's lease settings, and whether the server is removing the mount. The engine asks for nothing else.
struct FakeSystemView {
    default: Duration,
    max: Duration,
    tainted: Arc<AtomicBool>,
}

#[async_trait]
impl SystemView for FakeSystemView {
    async fn default_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        Ok(self.default)
    }
    async fn max_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        Ok(self.max)
    }
    async fn tainted(&self) -> Result<bool, SystemViewError> {
        Ok(self.tainted.load(Ordering::SeqCst))
    }
}
