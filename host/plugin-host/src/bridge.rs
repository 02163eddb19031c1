//! The bridge: each request of the server goes to a fresh instance of the
//! component, and its answer back, with one log line.

use std::ffi::OsString;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use component_runtime::egress::EgressSettings;
use component_runtime::{CompilerProgram, InvokeError, Limits, MountSettings, Runtime, RuntimeSettings};
use modules::ModuleRegistry;
use modules::controller::{ControllerSettings, ModuleController, ModuleControllers, ServeError, Source};
use plugin_protocol::{Backend, Error, Factory, Operation, Request, Response, Setup, SpecialPaths, SystemViewClient};

use crate::egress_args::check_mount_options;
use crate::storage::ServerStorage;
use crate::system_view::ServerSystemView;
use crate::{Config, VERSION, component, convert, host_paths};

/// All mounts of this process: one runtime and one library of modules serve them.
pub(crate) struct Mounts {
    runtime: Runtime,
    registry: Arc<ModuleRegistry>,
    controllers: Arc<ModuleControllers>,
    /// Does the registration say so for all mounts? Their options then say nothing.
    upstream_read_only: bool,
}

impl Mounts {
    /// Starts the runtime. Modules are loaded with the first mount.
    pub(crate) fn new(config: &Config, egress: EgressSettings) -> Result<Self, String> {
        config.log();
        let settings = RuntimeSettings {
            egress,
            upstream_read_only: config.egress.astra_read_only,
            wal_minimum_age: config.wal_min_age,
            limits: Limits::default(),
        };
        let runtime = Runtime::new(settings).map_err(|error| error.to_string())?;
        // By what runs, whatever lies under its name by now.
        let path = PathBuf::from("/proc/self/exe");
        let arguments = crate::COMPILE.map(OsString::from).to_vec();
        runtime.compile_in_processes(CompilerProgram { path, arguments });
        let registry = ModuleRegistry::new(runtime.clone(), component::embedded(), config.modules.settings()?);
        let controllers = Arc::new(ModuleControllers::default());
        if registry.has_directory() {
            controllers.follow(registry.changes());
        }
        Ok(Self { runtime, registry, controllers, upstream_read_only: config.egress.astra_read_only })
    }
}

#[async_trait]
impl Factory for Mounts {
    fn version(&self) -> String {
        VERSION.to_owned()
    }

    async fn setup(&self, setup: Setup) -> Result<Arc<dyn Backend>, String> {
        let system_view = setup.system_view.clone();
        let storage = Arc::new(ServerStorage(setup.storage));
        // Without a UUID the server only asks what the plugin is.
        let is_mount = !setup.backend_uuid.is_empty();
        if !self.upstream_read_only {
            check_mount_options(&setup.config)?;
        }
        let settings = ControllerSettings {
            storage: is_mount.then(|| Arc::clone(&storage) as _),
            options: setup.config.clone(),
            mount: self.runtime.mount(MountSettings {
                name: setup.backend_uuid.clone(),
                backend_uuid: setup.backend_uuid,
                options: setup.config,
                storage,
                system_view: Arc::new(ServerSystemView(setup.system_view)),
            }),
        };
        let registry = Arc::clone(&self.registry) as Arc<dyn Source>;
        let controller = ModuleController::open(registry, self.runtime.clone(), settings)
            .await
            .map_err(|rejection| rejection.to_string())?;
        self.controllers.add(&controller);
        Ok(Arc::new(MountBackend { controller, system_view }))
    }
}

/// The backend of one mount.
struct MountBackend {
    controller: Arc<ModuleController>,
    system_view: SystemViewClient,
}

/// The data of a rollback that must leave nothing for a later one.
const IMMEDIATE: &str = r#"{"immediate":true}"#;

impl MountBackend {
    /// Disabling a mount, the server marks it and then sends a rollback like
    /// any other (`internal/vault/mount.go`); engines are told by its data.
    async fn is_last_rollback(&self, request: &Request) -> bool {
        request.operation == Operation::Rollback && matches!(self.system_view.tainted().await, Ok(true))
    }

    /// The guest's answer.
    async fn guest(&self, request: Request) -> Result<Option<Response>, Error> {
        let line = RequestLine::new(&request, "handle-request");
        let answer = line.log(self.controller.handle_request(convert::request(request))).await?;
        Ok(answer.map(convert::response))
    }
}

#[async_trait]
impl Backend for MountBackend {
    /// Broken configuration is reported by the request that needs it: an error
    /// here would leave a mount that serves all the same.
    async fn initialize(&self) -> Result<(), Error> {
        self.controller.set_up();
        Ok(())
    }

    async fn special_paths(&self) -> Result<SpecialPaths, Error> {
        let paths = self.controller.special_paths().await.map_err(|error| convert::serve_error(error, ""))?;
        Ok(convert::special_paths(&paths))
    }

    async fn handle_request(&self, mut request: Request) -> Result<Option<Response>, Error> {
        if host_paths::is_host_path(&request.path) && request.lease.is_none() {
            let line = RequestLine::new(&request, "host-path");
            let answer = host_paths::handle(&self.controller, &request).await;
            line.write(if answer.is_ok() { "answered" } else { "refused" });
            return answer;
        }
        if request.operation == Operation::Help && request.path.is_empty() {
            let asked = request.data.clone();
            let answer = self.guest(request).await?;
            return Ok(answer.map(|answer| host_paths::merge(answer, &asked)));
        }
        if request.operation == Operation::Rollback {
            if self.is_last_rollback(&request).await {
                request.data = IMMEDIATE.to_owned();
            } else {
                // Also where nothing watches the directory, the server's call each minute has it looked at.
                self.controller.trigger();
            }
        }
        self.guest(request).await
    }

    async fn check_existence(&self, request: Request) -> Result<Option<bool>, Error> {
        if host_paths::is_host_path(&request.path) {
            return host_paths::check_existence(&request);
        }
        let line = RequestLine::new(&request, "check-existence");
        line.log(self.controller.check_existence(convert::request(request))).await
    }

    /// Instances keep nothing, so there is no cache to drop but the state of modules.
    async fn invalidate_key(&self, key: &str) {
        self.controller.invalidate(key);
    }

    /// The connection to the server goes with the last clone of its clients.
    async fn cleanup(&self) {
        self.controller.close();
    }
}

/// What the log says of one request.
struct RequestLine {
    request_id: String,
    operation: Operation,
    path: String,
    mount: String,
    export: &'static str,
    start: Instant,
}

impl RequestLine {
    fn new(request: &Request, export: &'static str) -> Self {
        Self {
            request_id: request.id.clone(),
            operation: request.operation,
            path: request.path.clone(),
            mount: request.mount_point.clone(),
            export,
            start: Instant::now(),
        }
    }

    /// Waits for the answer and writes the one line of this request: at debug
    /// where the guest answered, at warn with the cause where it could not.
    async fn log<T>(self, answer: impl Future<Output = Result<T, ServeError>>) -> Result<T, Error> {
        match answer.await {
            Ok(value) => {
                self.write("answered");
                Ok(value)
            }
            Err(error @ ServeError::Invoke(InvokeError::Guest(_))) => {
                self.write("refused");
                Err(convert::serve_error(error, &self.request_id))
            }
            Err(error) => {
                let Self { request_id, operation, path, mount, export, start } = self;
                let elapsed_ms = milliseconds(start.elapsed());
                tracing::warn!(mount, request_id, ?operation, path, export, elapsed_ms, outcome = "failed", %error, "request");
                Err(convert::serve_error(error, &request_id))
            }
        }
    }

    fn write(&self, outcome: &str) {
        let Self { request_id, operation, path, mount, export, start } = self;
        let elapsed_ms = milliseconds(start.elapsed());
        tracing::debug!(mount, request_id, ?operation, path, export, elapsed_ms, outcome, "request");
    }
}

/// With microseconds and no more, for people to read.
fn milliseconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}
