//! The bridge: each request of the server goes to a fresh instance of the
//! component, and its answer back, with one log line.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use component_runtime::{InvokeError, Limits, Module, Mount, MountSettings, Runtime, RuntimeSettings};
use plugin_protocol::{Backend, Error, Factory, Operation, Request, Response, Setup, SpecialPaths, SystemViewClient};
use tokio::sync::OnceCell;

use crate::storage::ServerStorage;
use crate::system_view::ServerSystemView;
use crate::{Config, VERSION, component, convert};

/// All mounts of this process: one runtime and one module serve them.
pub(crate) struct Mounts {
    runtime: Runtime,
    module: OnceCell<Arc<Module>>,
}

impl Mounts {
    /// Starts the runtime. The component is loaded with the first mount.
    pub(crate) fn new(config: &Config) -> Result<Self, String> {
        let egress = config.origins().map_err(|error| error.to_string())?;
        let settings = RuntimeSettings { egress, wal_minimum_age: config.wal_min_age, limits: Limits::default() };
        let runtime = Runtime::new(settings).map_err(|error| error.to_string())?;
        Ok(Self { runtime, module: OnceCell::new() })
    }

    async fn module(&self) -> Result<&Arc<Module>, String> {
        let load = || async { component::load(&self.runtime).await.map_err(|error| error.to_string()) };
        self.module.get_or_try_init(load).await
    }
}

#[async_trait]
impl Factory for Mounts {
    fn version(&self) -> String {
        VERSION.to_owned()
    }

    async fn setup(&self, setup: Setup) -> Result<Arc<dyn Backend>, String> {
        let module = Arc::clone(self.module().await?);
        let system_view = setup.system_view.clone();
        let mount = self.runtime.mount(MountSettings {
            name: setup.backend_uuid.clone(),
            backend_uuid: setup.backend_uuid,
            options: setup.config,
            storage: Arc::new(ServerStorage(setup.storage)),
            system_view: Arc::new(ServerSystemView(setup.system_view)),
        });
        Ok(Arc::new(MountBackend { module, mount, system_view }))
    }
}

/// The backend of one mount.
struct MountBackend {
    module: Arc<Module>,
    mount: Arc<Mount>,
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
}

#[async_trait]
impl Backend for MountBackend {
    /// Broken configuration is reported by the request that needs it: an error
    /// here would leave a mount that serves all the same.
    async fn initialize(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn special_paths(&self) -> Result<SpecialPaths, Error> {
        Ok(convert::special_paths(&self.module.description().special_paths))
    }

    async fn handle_request(&self, mut request: Request) -> Result<Option<Response>, Error> {
        if self.is_last_rollback(&request).await {
            request.data = IMMEDIATE.to_owned();
        }
        let line = RequestLine::new(&request, "handle-request");
        let answer = line.log(self.module.handle_request(&self.mount, convert::request(request))).await?;
        Ok(answer.map(convert::response))
    }

    async fn check_existence(&self, request: Request) -> Result<Option<bool>, Error> {
        let line = RequestLine::new(&request, "check-existence");
        line.log(self.module.check_existence(&self.mount, convert::request(request))).await
    }

    /// Instances keep nothing, so there is no cache to drop.
    async fn invalidate_key(&self, _key: &str) {}

    /// The connection to the server goes with the last clone of its clients.
    async fn cleanup(&self) {}
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
    async fn log<T>(self, answer: impl Future<Output = Result<T, InvokeError>>) -> Result<T, Error> {
        let answer = answer.await;
        let Self { request_id, operation, path, mount, export, start } = self;
        let elapsed_ms = milliseconds(start.elapsed());
        match answer {
            Ok(value) => {
                tracing::debug!(
                    mount,
                    request_id,
                    ?operation,
                    path,
                    export,
                    elapsed_ms,
                    outcome = "answered",
                    "request"
                );
                Ok(value)
            }
            Err(InvokeError::Guest(error)) => {
                tracing::debug!(
                    mount,
                    request_id,
                    ?operation,
                    path,
                    export,
                    elapsed_ms,
                    outcome = "refused",
                    "request"
                );
                Err(convert::error(InvokeError::Guest(error), &request_id))
            }
            Err(error) => {
                tracing::warn!(mount, request_id, ?operation, path, export, elapsed_ms, outcome = "failed", %error, "request");
                Err(convert::error(error, &request_id))
            }
        }
    }
}

/// With microseconds and no more, for people to read.
fn milliseconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}
