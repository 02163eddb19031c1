//! Takes each request of the server to the module of its mount, and writes one log line for each request.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use component_runtime::egress::EgressSettings;
use component_runtime::{
    CompilePriority, CompilerProgram, InvokeError, Limits, Mount, MountSettings, Runtime, RuntimeSettings,
};
use envelope::{Error, Operation, Request, Response, SpecialPaths, SystemView};
use modules::controller::{ControllerSettings, ModuleController, ModuleControllers, ServeError};
use modules::{ModuleRegistry, RegistrySettings, Source};
use plugin_protocol::{Backend, Factory, Setup};

use crate::egress_args::check_mount_options;
use crate::host_paths::HostView;
use crate::limits::LOG_PATH_BYTES_MAX;
use crate::metrics::{self, MountMetrics, Outcome};
use crate::{Config, EgressArgs, VERSION, component, host_paths};

/// All mounts of this process, which share one runtime and one module registry.
pub(crate) struct Mounts {
    runtime: Runtime,
    registry: Arc<ModuleRegistry>,
    controllers: Arc<ModuleControllers>,
    /// What the registration says about requests to upstreams.
    egress: EgressArgs,
}

/// What was done before the process had threads.
pub(crate) struct Prepared {
    /// The way to upstreams, with the files that arguments name.
    pub(crate) egress: EgressSettings,
    /// Which modules may run, with the key of the cache.
    pub(crate) modules: RegistrySettings,
    /// What the system refused when the process was hardened.
    pub(crate) not_hardened: Vec<String>,
}

impl Mounts {
    /// Starts the runtime. Modules are loaded with the first mount.
    pub(crate) fn new(config: &Config, prepared: Prepared) -> Result<Self, String> {
        let Prepared { egress, modules, not_hardened } = prepared;
        config.log();
        config.modules.log(&modules);
        if !not_hardened.is_empty() {
            let refused = not_hardened.join("; ");
            tracing::warn!(
                refused,
                "the system refused a part of the hardening of this process: allow the plugin what `refused` names, or set \
                 `LimitCORE=0` for the server, for a crash may leave secrets in a core dump"
            );
        }
        let settings = RuntimeSettings {
            egress,
            upstream_read_only: config.egress.astra_read_only,
            wal_minimum_age: *config.wal_min_age,
            compile_priority: CompilePriority::Background,
            memory_limit: config.memory_limit,
            limits: Limits::default(),
        };
        let runtime = Runtime::new(settings).map_err(|error| error.to_string())?;
        let (memory_limit_mib, is_argument) = (runtime.memory_limit() >> 20, config.memory_limit.is_some());
        tracing::info!(
            memory_limit_mib,
            is_argument,
            "all requests together may hold so much memory, and those of one mount half"
        );
        // The running program, also if there is another file under its name by now.
        let path = PathBuf::from("/proc/self/exe");
        let arguments = crate::COMPILE.map(OsString::from).to_vec();
        runtime.compile_in_processes(CompilerProgram { path, arguments });
        let registry = ModuleRegistry::new(runtime.clone(), component::embedded(), modules);
        let controllers = Arc::new(ModuleControllers::default());
        if registry.has_directory() {
            controllers.follow(registry.changes());
        }
        Ok(Self { runtime, registry, controllers, egress: config.egress.clone() })
    }
}

#[async_trait]
impl Factory for Mounts {
    fn version(&self) -> String {
        VERSION.to_owned()
    }

    async fn setup(&self, setup: Setup) -> Result<Arc<dyn Backend>, String> {
        let Setup { storage, system_view, .. } = &setup;
        let (storage, system_view) = (Arc::clone(storage), Arc::clone(system_view));
        // A registration that makes all mounts read-only leaves this option nothing to say.
        if !self.egress.astra_read_only {
            check_mount_options(&setup.config)?;
        }
        let egress = self.egress.policy(&setup.config)?;
        let backend_uuid = setup.backend_uuid;
        // Without a UUID the server only asks what the plugin is.
        let state = backend_uuid.is_some().then(|| Arc::clone(&storage));
        let options = setup.config.clone();
        let mount = self.runtime.mount(MountSettings {
            name: backend_uuid.clone().unwrap_or_default(),
            backend_uuid,
            options: setup.config,
            egress,
            storage,
            system_view: setup.system_view,
        });
        let settings = ControllerSettings { storage: state, options, mount: Arc::clone(&mount) };
        let registry = Arc::clone(&self.registry) as Arc<dyn Source>;
        let controller = ModuleController::open(registry, self.runtime.clone(), settings)
            .await
            .map_err(|rejection| rejection.to_string())?;
        self.controllers.add(&controller);
        Ok(Arc::new(MountBackend { controller, system_view, mount, metrics: MountMetrics::default() }))
    }
}

/// The backend of one mount.
struct MountBackend {
    controller: Arc<ModuleController>,
    system_view: Arc<dyn SystemView>,
    mount: Arc<Mount>,
    metrics: MountMetrics,
}

/// The data of the last rollback of a mount, which must leave nothing for a later one.
const IMMEDIATE: &str = r#"{"immediate":true}"#;

impl MountBackend {
    /// A server that disables a mount taints the mount and then sends an ordinary rollback (`internal/vault/mount.go`).
    /// The host marks this rollback in its data, for the engine.
    async fn is_last_rollback(&self, request: &Request) -> bool {
        request.operation == Operation::Rollback && matches!(self.system_view.tainted().await, Ok(true))
    }

    /// Asks the guest.
    async fn guest(&self, request: Request) -> Result<Option<Response>, Error> {
        let line = RequestLine::new(&request, "handle-request");
        let operation = request.operation;
        let _in_flight = self.metrics.begin();
        let answer = self.serve(request).await;
        let outcome = match &answer {
            Ok(answer) => Outcome::Answered { leased: answer.as_ref().is_some_and(|answer| answer.secret.is_some()) },
            Err(error) => metrics::cause(error).map_or(Outcome::Refused, Outcome::Failed),
        };
        self.metrics.count(operation, outcome, line.start.elapsed());
        line.log(answer, &self.mount)
    }

    async fn serve(&self, request: Request) -> Result<Option<Response>, ServeError> {
        match self.controller.handle_request(request).await {
            // Asked only where a reason is told that leads to the paths of the mount.
            Err(error @ ServeError::NoModule(_)) if matches!(self.system_view.tainted().await, Ok(true)) => {
                Err(error.on_tainted_mount())
            }
            answer => answer,
        }
    }
}

#[async_trait]
impl Backend for MountBackend {
    /// Reports no broken configuration: the request that needs the configuration does. After an error here the mount
    /// would serve all the same.
    async fn initialize(&self) -> Result<(), Error> {
        self.controller.set_up();
        Ok(())
    }

    async fn special_paths(&self) -> Result<SpecialPaths, Error> {
        self.controller.special_paths().await.map_err(|error| error.to_error(None))
    }

    async fn handle_request(&self, mut request: Request) -> Result<Option<Response>, Error> {
        if host_paths::is_host_path(&request.path) && request.lease.is_none() {
            let line = RequestLine::new(&request, "host-path");
            let _in_flight = self.metrics.begin();
            let view = HostView {
                controller: &self.controller,
                metrics: &self.metrics,
                mount: &self.mount,
                system_view: &*self.system_view,
            };
            let answer = host_paths::handle(&view, &request).await;
            let outcome = if answer.is_ok() { Outcome::Answered { leased: false } } else { Outcome::Refused };
            self.metrics.count(request.operation, outcome, line.start.elapsed());
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
                // The server's call each minute triggers a reconcile pass, also if nothing watches the directory.
                self.controller.trigger();
            }
        }
        self.guest(request).await
    }

    async fn check_existence(&self, request: Request) -> Result<Option<bool>, Error> {
        // A write to a path of the host is an update: nothing is made.
        if host_paths::is_host_path(&request.path) {
            return Ok(None);
        }
        let line = RequestLine::new(&request, "check-existence");
        line.log(self.controller.check_existence(request).await, &self.mount)
    }

    /// Instances keep nothing, so the state of modules is the only cache.
    async fn invalidate_key(&self, key: &str) {
        self.controller.invalidate(key);
    }

    /// The connection to the server closes with the drop of its last client.
    async fn cleanup(&self) {
        self.controller.close();
    }
}

/// Bytes of a request's line without path and cause.
const LINE_BYTES: usize = 256;

/// The log line of one request.
struct RequestLine {
    request_id: Option<String>,
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
            path: shortened(&request.path),
            mount: request.mount_point.clone(),
            export,
            start: Instant::now(),
        }
    }

    /// Writes the line of an answer: at debug if the guest answered, at warn with the cause if not. Lines at warn have a rate,
    /// because a client can cause any number of them.
    fn log<T>(self, answer: Result<T, ServeError>, of: &Mount) -> Result<T, Error> {
        match answer {
            Ok(value) => {
                self.write("answered");
                Ok(value)
            }
            Err(error @ ServeError::Invoke(InvokeError::Guest(_) | InvokeError::Refused(_))) => {
                self.write("refused");
                Err(error.to_error(self.request_id.as_deref()))
            }
            Err(error) => {
                let Self { request_id, operation, path, mount, export, start } = self;
                let elapsed_ms = milliseconds(start.elapsed());
                let (shown, cause) = (request_id.as_deref().unwrap_or_default(), error.to_string());
                if of.may_log(&mount, LINE_BYTES + path.len() + cause.len()) {
                    tracing::warn!(
                        mount,
                        request_id = shown,
                        ?operation,
                        path,
                        export,
                        elapsed_ms,
                        outcome = "failed",
                        error = cause,
                        "request"
                    );
                }
                Err(error.to_error(request_id.as_deref()))
            }
        }
    }

    fn write(&self, outcome: &str) {
        let Self { request_id, operation, path, mount, export, start } = self;
        let elapsed_ms = milliseconds(start.elapsed());
        let request_id = request_id.as_deref().unwrap_or_default();
        tracing::debug!(mount, request_id, ?operation, path, export, elapsed_ms, outcome, "request");
    }
}

/// A path as the log has it.
fn shortened(path: &str) -> String {
    match path.get(..path.floor_char_boundary(LOG_PATH_BYTES_MAX)) {
        Some(begin) if begin.len() < path.len() => format!("{begin}… (cut)"),
        _ => path.to_owned(),
    }
}

/// Milliseconds with at most three decimals.
fn milliseconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests;
