//! `pb.Backend` and `logical.PluginVersion`, over [`Factory`] and [`Backend`].
//!
//! The boundary to the backend: a panic of the backend ends here, and a call that the server gave up is dropped here.
//! This module makes no decision about requests.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use envelope::Error;
use futures_util::FutureExt as _;
use tokio_rustls::TlsConnector;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::broker::Broker;
use crate::connection::Connection;
use crate::factory::FactoryCell;
use crate::grpc_server::LargeAnswer;
use crate::mounts::{Mount, Mounts, multiplex_id};
use crate::storage_client::StorageClient;
use crate::system_view_client::SystemViewClient;
use crate::wire::pb::backend_server::Backend as BackendService;
use crate::wire::{logical, pb};
use crate::{Backend, Factory, Setup, translate};

/// `TypeReply.type` of a secrets engine.
const TYPE_LOGICAL: u32 = 1;

/// Serves the mounts of this process. Clones share them.
pub(crate) struct BackendServer<F> {
    shared: Arc<Shared<F>>,
}

struct Shared<F> {
    factory: FactoryCell<F>,
    mounts: Mounts,
    broker: Broker,
    tls: TlsConnector,
    metadata_mode: bool,
}

impl<F: Factory> BackendServer<F> {
    pub(crate) fn new(factory: FactoryCell<F>, broker: Broker, tls: TlsConnector, metadata_mode: bool) -> Self {
        Self { shared: Arc::new(Shared { factory, mounts: Mounts::default(), broker, tls, metadata_mode }) }
    }

    /// The mount of a call that a plugin in metadata mode must not serve.
    fn mount(&self, metadata: &MetadataMap) -> Result<Arc<Mount>, Status> {
        let mount = self.shared.mounts.find(multiplex_id(metadata)?)?;
        if self.shared.metadata_mode {
            return Err(Status::failed_precondition("the plugin runs in metadata mode and serves no requests"));
        }
        Ok(mount)
    }

    /// Connects to the mount's storage and makes the backend.
    async fn set_up(&self, id: &str, args: pb::SetupArgs) -> Result<(), String> {
        if self.shared.mounts.contains(id) {
            return Err(format!("multiplexing id `{id}` has been set up already"));
        }
        let factory = self.shared.factory.get().await?;
        let socket = self.shared.broker.socket(args.broker_id).await.map_err(|error| error.to_string())?;
        let (connection, closer) =
            Connection::dial(&socket, &self.shared.tls, &args.backend_uuid).await.map_err(|error| error.to_string())?;
        let setup = Setup {
            config: args.config,
            backend_uuid: Some(args.backend_uuid).filter(|uuid| !uuid.is_empty()),
            storage: Arc::new(StorageClient::new(connection.clone())),
            system_view: Arc::new(SystemViewClient::new(connection)),
        };
        let backend = guarded(None, factory.setup(setup)).await.map_err(|error| error.to_string())??;
        let mount = Mount { backend, connection: closer };
        match self.shared.mounts.insert(id.to_owned(), mount) {
            true => Ok(()),
            false => Err(format!("multiplexing id `{id}` was set up twice at once")),
        }
    }
}

#[tonic::async_trait]
impl<F: Factory> BackendService for BackendServer<F> {
    async fn setup(&self, request: Request<pb::SetupArgs>) -> Result<Response<pb::SetupReply>, Status> {
        let id = multiplex_id(request.metadata())?.to_owned();
        let outcome = self.set_up(&id, request.into_inner()).await;
        let err = outcome.err().map(|error| {
            tracing::error!(%error, "failed to set a mount up");
            // An empty text would mean success.
            if error.is_empty() { "the plugin refused the mount".to_owned() } else { error }
        });
        Ok(Response::new(pb::SetupReply { err: err.unwrap_or_default() }))
    }

    async fn initialize(&self, request: Request<pb::InitializeArgs>) -> Result<Response<pb::InitializeReply>, Status> {
        let mount = self.mount(request.metadata())?;
        let outcome = guarded(None, mount.backend.initialize()).await.flatten();
        Ok(Response::new(pb::InitializeReply { err: outcome.err().map(translate::error_into_pb) }))
    }

    async fn special_paths(&self, request: Request<pb::Empty>) -> Result<Response<pb::SpecialPathsReply>, Status> {
        let mount = self.shared.mounts.find(multiplex_id(request.metadata())?)?;
        // The reply has no field for an error; the server takes a failed call for "none" or refuses the mount.
        let paths = guarded(None, mount.backend.special_paths()).await.flatten();
        let paths = paths.map_err(|error| Status::unknown(error.to_string()))?;
        Ok(Response::new(pb::SpecialPathsReply { paths: Some(translate::special_paths_into_pb(paths)) }))
    }

    async fn handle_request(
        &self,
        request: Request<pb::HandleRequestArgs>,
    ) -> Result<Response<pb::HandleRequestReply>, Status> {
        let mount = self.mount(request.metadata())?;
        let timeout = call_timeout(request.metadata());
        let outcome = handle(&*mount.backend, request.into_inner(), timeout).await;
        let (response, err) = match outcome {
            Ok(response) => (response, None),
            Err(error) => (None, Some(translate::error_into_pb(error))),
        };
        Ok(LargeAnswer::mark(Response::new(pb::HandleRequestReply { response, err })))
    }

    async fn handle_existence_check(
        &self,
        request: Request<pb::HandleExistenceCheckArgs>,
    ) -> Result<Response<pb::HandleExistenceCheckReply>, Status> {
        let mount = self.mount(request.metadata())?;
        let timeout = call_timeout(request.metadata());
        let exists = check_existence(&*mount.backend, request.into_inner(), timeout).await.unwrap_or_else(|error| {
            // "Not there" would make a create of an update, which another permission is for.
            tracing::debug!(%error, "an existence check failed, so the server takes the write for an update");
            None
        });
        let (check_found, exists) = (exists.is_some(), exists.unwrap_or_default());
        Ok(Response::new(pb::HandleExistenceCheckReply { check_found, exists, err: None }))
    }

    async fn invalidate_key(&self, request: Request<pb::InvalidateKeyArgs>) -> Result<Response<pb::Empty>, Status> {
        let mount = self.mount(request.metadata())?;
        // The server does not look at the outcome; a panic was logged.
        drop(guarded(None, mount.backend.invalidate_key(&request.get_ref().key)).await);
        Ok(Response::new(pb::Empty {}))
    }

    /// Comes twice when a mount is disabled; the second finds nothing, which is fine.
    async fn cleanup(&self, request: Request<pb::Empty>) -> Result<Response<pb::Empty>, Status> {
        let id = multiplex_id(request.metadata())?;
        if let Some(mount) = self.shared.mounts.remove(id) {
            drop(guarded(None, mount.backend.cleanup()).await);
            mount.connection.close();
        }
        Ok(Response::new(pb::Empty {}))
    }

    async fn r#type(&self, request: Request<pb::Empty>) -> Result<Response<pb::TypeReply>, Status> {
        self.shared.mounts.find(multiplex_id(request.metadata())?)?;
        Ok(Response::new(pb::TypeReply { r#type: TYPE_LOGICAL }))
    }
}

#[tonic::async_trait]
impl<F: Factory> logical::plugin_version_server::PluginVersion for BackendServer<F> {
    async fn version(&self, request: Request<logical::Empty>) -> Result<Response<logical::VersionReply>, Status> {
        multiplex_id(request.metadata())?;
        let factory = self.shared.factory.get().await.map_err(Status::unknown)?;
        Ok(Response::new(logical::VersionReply { plugin_version: factory.version() }))
    }
}

impl<F> Clone for BackendServer<F> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

async fn handle(
    backend: &dyn Backend,
    args: pb::HandleRequestArgs,
    timeout: Option<Duration>,
) -> Result<Option<pb::Response>, Error> {
    let request = translate::request_from_pb(args.request, timeout)?;
    let id = request.id.clone();
    let response = guarded(id.as_deref(), backend.handle_request(request)).await??;
    response.map(translate::response_into_pb).transpose()
}

async fn check_existence(
    backend: &dyn Backend,
    args: pb::HandleExistenceCheckArgs,
    timeout: Option<Duration>,
) -> Result<Option<bool>, Error> {
    let request = translate::request_from_pb(args.request, timeout)?;
    let id = request.id.clone();
    guarded(id.as_deref(), backend.check_existence(request)).await?
}

/// Turns a panic of the backend into an error. The panic hook of `hclog` has logged the place.
async fn guarded<T>(request_id: Option<&str>, call: impl Future<Output = T>) -> Result<T, Error> {
    AssertUnwindSafe(call).catch_unwind().await.map_err(|_| {
        let shown = request_id.unwrap_or_default();
        tracing::error!(request_id = shown, "the plugin panicked while it served a request");
        let under = request_id.map(|id| format!(", under request id {id}")).unwrap_or_default();
        Error::Internal(format!("internal error in the plugin; the server's log has the place{under}"))
    })
}

/// The time that the server gives a call: digits and a unit (gRPC over HTTP/2, "Timeout").
fn call_timeout(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let amount: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn timeouts_are_read_in_every_unit() {
        let rows = [
            ("90S", Some(Duration::from_secs(90))),
            ("89999m", Some(Duration::from_millis(89_999))),
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("5u", Some(Duration::from_micros(5))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("", None),
            ("S", None),
            ("1", None),
            ("-1S", None),
            ("123456789S", None),
            ("1X", None),
        ];
        for (text, expected) in rows {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", text.parse().unwrap());
            assert_eq!(call_timeout(&metadata), expected, "{text}");
        }
        assert_eq!(call_timeout(&MetadataMap::new()), None);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_that_names_the_request() {
        let outcome = guarded(Some("17"), async { panic!("canary") }).await.map(|(): ()| ());
        let error = outcome.unwrap_err();
        assert!(matches!(&error, Error::Internal(text) if text.ends_with("request id 17")), "{error:?}");
        assert!(!error.to_string().contains("canary"));
    }
}
