//! One mount of a started plugin, seen by the server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use envelope::{Request, Response, SpecialPaths};
use tempfile::TempPath;
use tokio::sync::Notify;
use tokio::time::timeout;
use tower::Layer as _;

use super::storage_service::StorageService;
use super::system_view::SystemViewService;
use super::translate::{error_from_pb, request_into_pb, response_from_pb, special_paths_from_pb};
use super::waits::{CountWaits, Waits};
use super::{MemoryStorage, MemorySystemView, PlainStorage, PluginProcess, TestError};
use crate::connection::Connection;
use crate::grpc_server::ServicesBuilder;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::mounts::MULTIPLEX_ID;
use crate::socket::Socket;
use crate::wire::pb;
use crate::wire::pb::backend_client::BackendClient;
use crate::wire::pb::storage_server::StorageServer;
use crate::wire::pb::system_view_server::SystemViewServer;
use crate::{grpc_server, incoming, task};

/// When the broker's message about a mount is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Announce {
    /// Before the setup, as the servers do it.
    #[default]
    Before,
    /// Once the setup is under way.
    After,
    /// Not at all.
    Never,
}

/// What a mount is set up with.
#[derive(Clone, Debug, Default)]
pub struct MountOptions {
    /// Mount options; the server's own three are added.
    pub config: BTreeMap<String, String>,
    /// Identifies the mount; empty while registering.
    pub backend_uuid: String,
    /// The mount's storage; keep a clone to look into it.
    pub storage: Arc<MemoryStorage>,
    /// A storage of the test's own in its place, as Vault serves it.
    pub plain_storage: Option<PlainStorage>,
    /// What the server says about the mount.
    pub system_view: MemorySystemView,
    /// When the broker speaks.
    pub announce: Announce,
    /// Counts how often the plugin waits for these; keep a clone to look into it.
    pub waits: Arc<Waits>,
}

/// A mount that was set up.
pub struct Mount {
    id: String,
    client: BackendClient<Connection>,
    services: Services,
}

/// Storage and system view of a mount; they stop listening when dropped.
struct Services {
    stop: Arc<Notify>,
    file: TempPath,
}

impl Drop for Services {
    fn drop(&mut self) {
        self.stop.notify_one();
    }
}

impl Mount {
    pub(super) async fn set_up(plugin: &PluginProcess, options: MountOptions) -> Result<Self, TestError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = format!("{:010}", NEXT.fetch_add(1, Ordering::Relaxed));
        let services = serve(plugin, &options)?;
        let mut config = options.config;
        for (name, value) in [("plugin_name", "plugin"), ("plugin_type", "secret"), ("plugin_version", "")] {
            config.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
        let broker_id = plugin.next_broker_id();
        let address = services.file.to_string_lossy().into_owned();
        if options.announce == Announce::Before {
            plugin.announce(broker_id, &address).await?;
        }
        let mut client = BackendClient::with_origin(plugin.connection.clone(), Connection::origin())
            .max_decoding_message_size(MESSAGE_BYTES_MAX);
        let args = pb::SetupArgs { broker_id, config, backend_uuid: options.backend_uuid };
        let reply = {
            let mut setup = std::pin::pin!(client.setup(tagged(args, &[&id])?));
            if options.announce == Announce::After {
                // Long enough for the call to arrive; the plugin waits 5 s.
                let early = timeout(Duration::from_millis(100), &mut setup).await;
                if let Ok(early) = early {
                    early?;
                    return Err(TestError::Violation("setup did not wait for the broker".into()));
                }
                plugin.announce(broker_id, &address).await?;
            }
            setup.await?.into_inner()
        };
        match reply.err {
            err if err.is_empty() => Ok(Self { id, client, services }),
            err => Err(TestError::Setup(err)),
        }
    }

    /// The id that every call carries.
    #[must_use]
    pub fn multiplex_id(&self) -> &str {
        &self.id
    }

    /// # Errors
    /// The backend's error, or gRPC's; so do all of the calls.
    pub async fn initialize(&self) -> Result<(), TestError> {
        let reply = self.client.clone().initialize(self.tagged(pb::InitializeArgs {})?).await?.into_inner();
        outcome(reply.err)
    }

    /// # Errors
    /// As [`Self::initialize`].
    pub async fn special_paths(&self) -> Result<SpecialPaths, TestError> {
        let reply = self.client.clone().special_paths(self.tagged(pb::Empty {})?).await?.into_inner();
        Ok(reply.paths.map(special_paths_from_pb).unwrap_or_default())
    }

    /// # Errors
    /// As [`Self::initialize`].
    pub async fn backend_type(&self) -> Result<u32, TestError> {
        Ok(self.client.clone().r#type(self.tagged(pb::Empty {})?).await?.into_inner().r#type)
    }

    /// # Errors
    /// As [`Self::initialize`].
    pub async fn handle_request(&self, request: Request) -> Result<Option<Response>, TestError> {
        self.call(translate_request(request)).await
    }

    /// Sends a request under the name of an operation that [`Operation`](crate::Operation) does not have.
    ///
    /// # Errors
    /// As [`Self::initialize`].
    pub async fn handle_operation(&self, operation: &str, request: Request) -> Result<Option<Response>, TestError> {
        let (mut wire, timeout) = translate_request(request);
        operation.clone_into(&mut wire.operation);
        self.call((wire, timeout)).await
    }

    async fn call(&self, (wire, timeout): (pb::Request, Option<Duration>)) -> Result<Option<Response>, TestError> {
        let args = pb::HandleRequestArgs { storage_id: 0, request: Some(wire) };
        let mut call = self.tagged(args)?;
        if let Some(timeout) = timeout {
            call.set_timeout(timeout);
        }
        let reply = self.client.clone().handle_request(call).await?.into_inner();
        outcome(reply.err)?;
        reply.response.map(checked).transpose()
    }

    /// Does what a write names exist? None = its path has no check.
    ///
    /// # Errors
    /// As [`Self::initialize`].
    pub async fn check_existence(&self, request: Request) -> Result<Option<bool>, TestError> {
        let (wire, _) = translate_request(request);
        let args = pb::HandleExistenceCheckArgs { storage_id: 0, request: Some(wire) };
        let reply = self.client.clone().handle_existence_check(self.tagged(args)?).await?.into_inner();
        outcome(reply.err)?;
        Ok(reply.check_found.then_some(reply.exists))
    }

    /// # Errors
    /// As [`Self::initialize`].
    pub async fn invalidate_key(&self, key: &str) -> Result<(), TestError> {
        let args = pb::InvalidateKeyArgs { key: key.to_owned() };
        self.client.clone().invalidate_key(self.tagged(args)?).await?;
        Ok(())
    }

    /// Ends the mount in the plugin; the servers call it twice.
    ///
    /// # Errors
    /// As [`Self::initialize`].
    pub async fn cleanup(&self) -> Result<(), TestError> {
        self.client.clone().cleanup(self.tagged(pb::Empty {})?).await?;
        Ok(())
    }

    /// The path of the socket of the mount's storage and system view.
    #[must_use]
    pub fn services_socket(&self) -> &std::path::Path {
        &self.services.file
    }

    fn tagged<T>(&self, message: T) -> Result<tonic::Request<T>, TestError> {
        tagged(message, &[&self.id])
    }
}

/// A call with these multiplexing ids.
pub(super) fn tagged<T>(message: T, multiplex_ids: &[&str]) -> Result<tonic::Request<T>, TestError> {
    let mut request = tonic::Request::new(message);
    for id in multiplex_ids {
        let id = id.parse().map_err(|_| TestError::Process(format!("`{id}` cannot be a multiplexing id")))?;
        request.metadata_mut().append(MULTIPLEX_ID, id);
    }
    Ok(request)
}

/// Listens with the mount's storage and system view.
fn serve(plugin: &PluginProcess, options: &MountOptions) -> Result<Services, TestError> {
    let config = plugin.identity.server_config(plugin.certificate.clone());
    let config = config.map_err(|error| TestError::Connect(error.to_string()))?;
    let socket =
        Socket::bind(Some(plugin.sockets.path()), None).map_err(|error| TestError::Process(error.to_string()))?;
    let stop = Arc::new(Notify::new());
    let system_view = SystemViewServer::new(SystemViewService(options.system_view.clone()));
    let counted = CountWaits(options.waits.clone());
    let services = ServicesBuilder::default().with(counted.layer(system_view));
    let services = match options.plain_storage.clone() {
        Some(plain) => {
            services.with(counted.layer(StorageServer::new(plain).max_decoding_message_size(MESSAGE_BYTES_MAX)))
        }
        None => {
            let storage = StorageServer::new(StorageService(options.storage.clone()));
            services.with(counted.layer(storage.max_decoding_message_size(MESSAGE_BYTES_MAX)))
        }
    };
    let stopped = {
        let stop = stop.clone();
        async move { stop.notified().await }
    };
    let connections = incoming::accept(socket.listener, Arc::new(config).into());
    task::spawn(grpc_server::serve(services.build(), connections, stopped));
    Ok(Services { stop, file: socket.file })
}

fn translate_request(request: Request) -> (pb::Request, Option<Duration>) {
    let timeout = request.timeout;
    (request_into_pb(request), timeout)
}

fn outcome(error: Option<pb::ProtoError>) -> Result<(), TestError> {
    match error {
        None => Ok(()),
        Some(error) => Err(error_from_pb(error)
            .map_or_else(|| TestError::Violation("an error type that servers ignore".into()), TestError::Backend)),
    }
}

/// A response as long as servers would take it.
fn checked(response: pb::Response) -> Result<Response, TestError> {
    let is_json = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok();
    let violation = |what: &str| Err(TestError::Violation(what.to_owned()));
    if !is_json(&response.data) {
        return violation("response data is not JSON");
    }
    if let Some(secret) = &response.secret {
        let issue_time = secret.lease_options.as_ref().and_then(|options| options.issue_time);
        if issue_time.is_none() || !is_json(&secret.internal_data) {
            return violation("a secret without issue time, or whose internal data is not JSON");
        }
    }
    Ok(response_from_pb(response))
}
