//! A module as the engine of a mount without a server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use component_runtime::egress::Policy;
use component_runtime::{InvokeError, Module, Mount, MountSettings, Runtime};
use envelope::{Error, Request, Response, SystemView};

use super::storage::FileStorage;

/// A module with a mount of its own.
pub(super) struct ModuleEngine {
    module: Arc<Module>,
    mount: Arc<Mount>,
    cause: Mutex<Option<String>>,
}

impl ModuleEngine {
    /// Gives the module a mount with this storage, named as its engine, that may send requests as `egress` says.
    pub(super) fn new(runtime: &Runtime, module: Arc<Module>, storage: &FileStorage, egress: Policy) -> Self {
        let mount = runtime.mount(MountSettings {
            name: mount_point(&module),
            backend_uuid: Some(storage.backend_uuid().to_owned()),
            options: BTreeMap::new(),
            egress,
            storage: Arc::new(storage.clone()),
            system_view: Arc::new(NoServer),
        });
        Self { module, mount, cause: Mutex::default() }
    }

    /// The fault of the last request, which a server would write only to its log.
    pub(super) fn take_cause(&self) -> Option<String> {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Path of a module's mount.
pub(super) fn mount_point(module: &Module) -> String {
    format!("{}/", module.description().name)
}

impl local_server::Engine for ModuleEngine {
    async fn handle(&self, request: Request) -> Result<Option<Response>, Error> {
        self.module.handle_request(&self.mount, request).await.map_err(|failure| {
            if !matches!(failure, InvokeError::Guest(_)) {
                *self.cause.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure.to_string());
            }
            failure.to_error(None)
        })
    }

    async fn check_existence(&self, request: Request) -> Option<bool> {
        self.module.check_existence(&self.mount, request).await.unwrap_or_default()
    }
}

/// The settings of a new server.
struct NoServer;

impl SystemView for NoServer {}
