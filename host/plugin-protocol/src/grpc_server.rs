//! Serves gRPC on verified connections.
//!
//! The server of `tonic` is not used: its layers (a router, boxed services, a timer for each call) take time of each call
//! and bring five more crates. A call has no time limit here: the server cancels a call whose time is over, and the time
//! limit of a request is a part of the request.
//!
//! To decode or encode a large message takes milliseconds. Such a call runs on threads of its own, so that no other call
//! waits for these milliseconds.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;

use futures_util::{Stream, StreamExt as _};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::TokioIo;
use low_priority::LowPriorityThreads;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;

use crate::first_frame::FirstFrame;
use crate::incoming::Verified;
use crate::limits::{CALLS_MAX, CANCELLED_CALLS_MAX, CONNECTION_WINDOW_BYTES, LARGE_MESSAGE_BYTES, WINDOW_BYTES};
use crate::task::Tasks;

/// The answer to a call, to come.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// The body of a call. The first frame was read ahead where one message is all that comes.
pub(crate) type CallBody = FirstFrame<Incoming>;

type Call = Box<dyn Fn(Request<CallBody>) -> Answer + Send + Sync>;

/// An extension of an answer whose message is large: the message is encoded on the threads for large messages.
#[derive(Clone, Copy)]
pub(crate) struct LargeAnswer;

impl LargeAnswer {
    /// Marks the answer, if its message counts as large.
    pub(crate) fn mark<M: prost::Message>(mut answer: tonic::Response<M>) -> tonic::Response<M> {
        if answer.get_ref().encoded_len() >= LARGE_MESSAGE_BYTES {
            answer.extensions_mut().insert(Self);
        }
        answer
    }
}

/// Services by their names in the protocol. Clones share them.
#[derive(Clone)]
pub(crate) struct Services(Arc<Shared>);

struct Shared {
    services: Vec<Arc<Service>>,
    large_calls: LowPriorityThreads,
}

struct Service {
    name: &'static str,
    call: Call,
    /// Each of its calls has one message, which may be large.
    has_large_messages: bool,
}

/// A service of the protocol, as generated.
pub(crate) trait GrpcService:
    tower::Service<Request<CallBody>, Response = Response<Body>, Error = Infallible, Future = Answer>
    + NamedService
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> GrpcService for S
where
    S: tower::Service<Request<CallBody>, Response = Response<Body>, Error = Infallible, Future = Answer>,
    S: NamedService + Clone + Send + Sync + 'static,
{
}

/// Collects services.
#[derive(Default)]
pub(crate) struct ServicesBuilder(Vec<Arc<Service>>);

impl ServicesBuilder {
    /// Adds a service. Services that are called often come first.
    pub(crate) fn with(self, service: impl GrpcService) -> Self {
        self.add(service, false)
    }

    /// Adds a service whose calls have one message each, which may be large.
    pub(crate) fn with_large_messages(self, service: impl GrpcService) -> Self {
        self.add(service, true)
    }

    fn add<S: GrpcService>(mut self, service: S, has_large_messages: bool) -> Self {
        let call = Box::new(move |request| service.clone().call(request));
        self.0.push(Arc::new(Service { name: S::NAME, call, has_large_messages }));
        self
    }

    pub(crate) fn build(self) -> Services {
        Services(Arc::new(Shared { services: self.0, large_calls: LowPriorityThreads::new("large-calls") }))
    }
}

impl hyper::service::Service<Request<Incoming>> for Services {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        let name = service_name(request.uri().path());
        match self.0.services.iter().find(|service| service.name == name) {
            Some(service) if service.has_large_messages => {
                let (services, service) = (self.clone(), Arc::clone(service));
                Box::pin(async move { services.call_with_message(&service, request).await })
            }
            Some(service) => (service.call)(request.map(FirstFrame::unread)),
            None => {
                let answer = Status::unimplemented(format!("the plugin has no service `{name}`")).into_http();
                Box::pin(ready(Ok(answer)))
            }
        }
    }
}

impl Services {
    /// A call with one message. If the message is large, the whole call runs on the threads for large messages.
    async fn call_with_message(
        &self,
        service: &Service,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        let (head, body) = request.into_parts();
        let body = FirstFrame::read(body).await;
        let is_large = body.message_bytes().is_some_and(|bytes| bytes >= LARGE_MESSAGE_BYTES);
        let answer = (service.call)(Request::from_parts(head, body));
        if is_large {
            return self.0.large_calls.run(async { encoded(answer.await?).await }).await;
        }
        let answer = answer.await?;
        match answer.extensions().get::<LargeAnswer>() {
            Some(LargeAnswer) => self.0.large_calls.run(encoded(answer)).await,
            None => Ok(answer),
        }
    }
}

/// The answer with its message encoded: a body encodes its message when it is asked for its first frame.
async fn encoded(answer: Response<Body>) -> Result<Response<Body>, Infallible> {
    let (head, body) = answer.into_parts();
    Ok(Response::from_parts(head, Body::new(FirstFrame::read(body).await)))
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
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_pending_accept_reset_streams(CANCELLED_CALLS_MAX)
        // Such a limit is against strangers. It would end the connection of all mounts after a number of large messages,
        // counted from its begin on, that were refused before all of them had come.
        .max_local_error_reset_streams(None)
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
    use std::sync::{Mutex, PoisonError};
    use std::task::{Context, Poll};
    use std::time::Duration;

    use bytes::Bytes;
    use http_body::{Body as _, Frame};
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

    /// A served socket, and a client of the service with this name.
    struct Served {
        client: StorageClient<Connection>,
        exit: Exit,
        serving: tokio::task::JoinHandle<()>,
        _closer: crate::connection::Closer,
        _directory: tempfile::TempDir,
    }

    impl Served {
        async fn new(services: Services, exit: Exit) -> Self {
            let (ours, servers) = (Identity::generate().unwrap(), Identity::generate().unwrap());
            let directory = tempfile::tempdir().unwrap();
            let Socket { listener, file } = Socket::bind(Some(directory.path()), None).unwrap();
            let acceptor = Arc::new(ours.server_config(servers.certificate().clone()).unwrap()).into();
            let requested = exit.clone();
            let ended = async move {
                requested.requested().await;
            };
            let serving = task::spawn(serve(services, incoming::accept(listener, acceptor), ended));
            let connector = TlsConnector::from(Arc::new(servers.client_config(ours.certificate().clone()).unwrap()));
            let (connection, closer) = Connection::dial(file.to_str().unwrap(), &connector, "").await.unwrap();
            let client = StorageClient::with_origin(connection, Connection::origin());
            Self { client, exit, serving, _closer: closer, _directory: directory }
        }

        async fn end(self) {
            self.exit.request(ExitReason::Shutdown);
            self.serving.await.unwrap();
        }
    }

    #[tokio::test]
    async fn an_unknown_service_is_refused_and_the_end_closes_a_connection() {
        let exit = Exit::new();
        let services = ServicesBuilder::default().with(HealthServer::new(GoPlugin::new(exit.clone()))).build();
        let mut served = Served::new(services, exit).await;
        let status = served.client.begin_tx(pb::Empty {}).await.map(drop).unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Unimplemented, "the plugin has no service `pb.Storage`"));
        served.end().await;
    }

    /// Notes whether the call, and then its answer's message, were on the threads for large messages.
    #[derive(Clone, Default)]
    struct Notes(Arc<Mutex<Vec<bool>>>);

    impl Notes {
        fn add(&self) {
            let is_there = std::thread::current().name() == Some("large-calls");
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(is_there);
        }

        fn take(&self) -> Vec<bool> {
            std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
        }
    }

    impl NamedService for Notes {
        const NAME: &'static str = "pb.Storage";
    }

    impl tower::Service<Request<CallBody>> for Notes {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = Answer;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        /// The answer to `Get` is a large one.
        fn call(&mut self, request: Request<CallBody>) -> Answer {
            let notes = self.clone();
            Box::pin(async move {
                notes.add();
                let (head, mut body) = request.into_parts();
                while std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await.is_some() {}
                let mut answer = Response::new(Body::new(notes));
                if head.uri.path().ends_with("/Get") {
                    answer.extensions_mut().insert(LargeAnswer);
                }
                Ok(answer)
            })
        }
    }

    impl http_body::Body for Notes {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            self.add();
            Poll::Ready(None)
        }
    }

    #[tokio::test]
    async fn large_messages_are_on_threads_of_their_own() {
        let notes = Notes::default();
        let services = ServicesBuilder::default().with_large_messages(notes.clone()).build();
        let mut served = Served::new(services, Exit::new()).await;
        let rows = [
            ("a small message", LARGE_MESSAGE_BYTES / 2, [false, false]),
            ("a large message", LARGE_MESSAGE_BYTES, [true, true]),
        ];
        for (what, bytes, expected) in rows {
            let entry = pb::StorageEntry { value: vec![0; bytes], ..pb::StorageEntry::default() };
            // The answer has no message.
            drop(served.client.put(pb::StoragePutArgs { entry: Some(entry), ..pb::StoragePutArgs::default() }).await);
            assert_eq!(notes.take()[..2], expected, "{what}");
        }
        drop(served.client.get(pb::StorageGetArgs::default()).await);
        assert_eq!(notes.take()[..2], [false, true], "a large answer");
        served.end().await;
    }
    /// Reads the message of a `Put` only after a `Get` came.
    #[derive(Clone, Default)]
    struct ReadsLate(Arc<tokio::sync::Notify>);

    impl NamedService for ReadsLate {
        const NAME: &'static str = "pb.Storage";
    }

    impl tower::Service<Request<CallBody>> for ReadsLate {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = Answer;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<CallBody>) -> Answer {
            let got = Arc::clone(&self.0);
            Box::pin(async move {
                if request.uri().path().ends_with("/Get") {
                    got.notify_waiters();
                } else {
                    got.notified().await;
                }
                Ok(Response::new(Body::empty()))
            })
        }
    }

    #[tokio::test]
    async fn large_messages_that_nobody_reads_yet_delay_no_other_call() {
        let services = ServicesBuilder::default().with_large_messages(ReadsLate::default()).build();
        let mut served = Served::new(services, Exit::new()).await;
        let large = || {
            let entry = pb::StorageEntry { value: vec![0; 2 * WINDOW_BYTES as usize], ..pb::StorageEntry::default() };
            pb::StoragePutArgs { entry: Some(entry), ..pb::StoragePutArgs::default() }
        };
        let mut putting = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let mut client = served.client.clone();
            putting.spawn(async move { drop(client.put(large()).await) });
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        // Without a deadline, a call that cannot arrive would wait for ever.
        let got = tokio::time::timeout(Duration::from_secs(30), served.client.get(pb::StorageGetArgs::default())).await;
        assert!(got.is_ok(), "the small call arrived beside 16 MiB that nobody reads");
        drop(putting);
        served.end().await;
    }
}
