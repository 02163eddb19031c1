//! Serves gRPC on verified connections.
//!
//! The server of `tonic` is not used: its layers (a router, boxed services, a timer for each call) take time of each call
//! and bring five more crates. A call has no time limit here: the server cancels a call whose time is over, and the time
//! limit of a request is a part of the request.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;

use futures_util::{Stream, StreamExt as _};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

use crate::incoming::Verified;
use crate::limits::{CALLS_MAX, CANCELLED_CALLS_MAX, WINDOW_BYTES};
use crate::task::Tasks;

/// The answer to a call, to come.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

type Call = Box<dyn Fn(Request<Incoming>) -> Answer + Send + Sync>;

/// Services by their names in the protocol. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Services(Arc<Vec<(&'static str, Call)>>);

/// Collects services.
#[derive(Default)]
pub(crate) struct ServicesBuilder(Vec<(&'static str, Call)>);

impl ServicesBuilder {
    /// Adds a service. Services that are called often come first.
    pub(crate) fn with<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future = Answer>,
        S: NamedService + Clone + Send + Sync + 'static,
    {
        self.0.push((S::NAME, Box::new(move |request| service.clone().call(request))));
        self
    }

    pub(crate) fn build(self) -> Services {
        Services(Arc::new(self.0))
    }
}

impl hyper::service::Service<Request<Incoming>> for Services {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        let name = service_name(request.uri().path());
        match self.0.iter().find(|(own, _)| *own == name) {
            Some((_, call)) => call(request),
            None => {
                let answer = Status::unimplemented(format!("the plugin has no service `{name}`")).into_http();
                Box::pin(ready(Ok(answer)))
            }
        }
    }
}

/// The service in the path of a call, `/SERVICE/METHOD`.
fn service_name(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split_once('/').map_or(path, |(service, _)| service)
}

/// Serves the connections until `ended`, and then as long as calls in progress take. Dropping the future closes them.
pub(crate) async fn serve(
    services: Services,
    connections: impl Stream<Item = Verified>,
    ended: impl Future<Output = ()>,
) {
    let (close, closing) = watch::channel(());
    let (mut connections, mut ended) = (pin!(connections), pin!(ended));
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            () = &mut ended => break,
            connection = connections.next() => match connection {
                Some(connection) => drop(open.spawn(serve_one(connection, services.clone(), closing.clone()))),
                None => break,
            },
            Some(_) = open.join_next(), if !open.is_empty() => {}
        }
    }
    drop(close);
    while open.join_next().await.is_some() {}
}

async fn serve_one(connection: Verified, services: Services, mut closing: watch::Receiver<()>) {
    let serving = http2::Builder::new(Tasks)
        .max_concurrent_streams(CALLS_MAX)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_pending_accept_reset_streams(CANCELLED_CALLS_MAX)
        .serve_connection(TokioIo::new(connection), services);
    let mut serving = pin!(serving);
    let outcome = tokio::select! {
        outcome = &mut serving => outcome,
        _ = closing.changed() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection to the plugin's socket failed");
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use tokio_rustls::TlsConnector;
    use tonic::Code;

    use super::*;
    use crate::connection::Connection;
    use crate::exit::{Exit, ExitReason};
    use crate::go_plugin::GoPlugin;
    use crate::mtls::Identity;
    use crate::socket::Socket;
    use crate::wire::health::health_server::HealthServer;
    use crate::wire::pb;
    use crate::wire::pb::storage_client::StorageClient;
    use crate::{incoming, task};

    #[test]
    fn the_service_of_a_call_is_in_its_path() {
        for (path, name) in [("/pb.Backend/Setup", "pb.Backend"), ("/x", "x"), ("/", ""), ("", ""), ("/a/b/c", "a")] {
            assert_eq!(service_name(path), name, "{path}");
        }
    }

    #[tokio::test]
    async fn an_unknown_service_is_refused_and_the_end_closes_a_connection() {
        let (ours, servers) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let directory = tempfile::tempdir().unwrap();
        let Socket { listener, file } = Socket::bind(Some(directory.path()), None).unwrap();
        let acceptor = Arc::new(ours.server_config(servers.certificate().clone()).unwrap()).into();
        let exit = Exit::new();
        let services = ServicesBuilder::default().with(HealthServer::new(GoPlugin::new(exit.clone()))).build();
        let requested = exit.clone();
        let ended = async move {
            requested.requested().await;
        };
        let serving = task::spawn(serve(services, incoming::accept(listener, acceptor), ended));
        let connector = TlsConnector::from(Arc::new(servers.client_config(ours.certificate().clone()).unwrap()));
        let (connection, _closer) = Connection::dial(file.to_str().unwrap(), &connector).await.unwrap();
        let mut client = StorageClient::with_origin(connection, Connection::origin());
        let status = client.begin_tx(pb::Empty {}).await.map(drop).unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Unimplemented, "the plugin has no service `pb.Storage`"));
        exit.request(ExitReason::Shutdown);
        serving.await.unwrap();
    }
}
