//! The client against real and hostile servers on loopback: pool, bounds, error codes.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::hooks::EgressHooks;
use super::pool::{Egress, MountEgress};
use super::send::send;
use super::{Origin, hooks};
use crate::limits::EgressLimits;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// What a server does with a connection.
type Task = futures_util::future::BoxFuture<'static, ()>;
type Serve = fn(TcpStream) -> Task;

/// A server on loopback that counts its connections, until dropped.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start(serve: Serve) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut serving = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                serving.spawn(serve(stream));
            }
        });
        Self { address, connections, _tasks: tasks }
    }

    fn url(&self) -> String {
        format!("http://{}/path?query", self.address)
    }

    fn mount(&self, limits: &EgressLimits) -> MountEgress {
        let origin = Origin::parse(&format!("http://{}", self.address)).unwrap();
        MountEgress::new(&Egress::new(vec![origin], limits))
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Reads one request's head and, as far as it says so, its body.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).await.ok()? == 0 {
            return None;
        }
        text.push(byte[0]);
    }
    let head = String::from_utf8(text).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(head)
}

/// Answers each request on a connection that stays open.
fn keep_alive(mut stream: TcpStream) -> Task {
    Box::pin(async move {
        while read_request(&mut stream).await.is_some() {
            stream.write_all(OK.as_bytes()).await.unwrap();
        }
    })
}

/// A server that reads one request, writes this, and does `$then` with the stream.
macro_rules! answering {
    ($text:expr, $then:expr) => {
        |mut stream: TcpStream| {
            Box::pin(async move {
                read_request(&mut stream).await;
                let _ = stream.write_all($text.as_bytes()).await;
                let then: fn(TcpStream) -> Task = $then;
                then(stream).await;
            })
        }
    };
}

fn close(stream: TcpStream) -> Task {
    Box::pin(async move { drop(stream) })
}

fn hold(stream: TcpStream) -> Task {
    Box::pin(async move {
        let _held = stream;
        std::future::pending().await
    })
}

/// Resets instead of closing.
fn reset(stream: TcpStream) -> Task {
    Box::pin(async move { stream.set_zero_linger().unwrap() })
}

fn pour(mut stream: TcpStream) -> Task {
    Box::pin(async move { while stream.write_all(&[b'x'; 4096]).await.is_ok() {} })
}

fn body(bytes: &'static str) -> WasiBody {
    Full::new(Bytes::from_static(bytes.as_bytes())).map_err(|never| match never {}).boxed_unsync()
}

fn request(method: Method, url: &str) -> Request<WasiBody> {
    Request::builder().method(method).uri(url).body(body("")).unwrap()
}

fn alive() -> hooks::Alive {
    hooks::Alive::for_tests()
}

async fn exchange_request(mount: &MountEgress, request: Request<WasiBody>) -> Result<Response<WasiBody>, Error> {
    let deadline = Instant::now() + Duration::from_secs(60);
    send(mount, request, RequestOptions::default(), deadline, &alive()).await
}

/// Status and body, or the error of either.
async fn exchange(mount: &MountEgress, request: Request<WasiBody>) -> Result<(u16, Bytes), Error> {
    let answer = exchange_request(mount, request).await?;
    let status = answer.status().as_u16();
    Ok((status, answer.into_body().collect().await?.to_bytes()))
}

async fn get(mount: &MountEgress, url: &str) -> Result<(u16, Bytes), Error> {
    exchange(mount, request(Method::GET, url)).await
}

#[tokio::test]
async fn one_connection_serves_many_requests_in_turn() {
    let server = Server::start(keep_alive).await;
    let mount = server.mount(&EgressLimits::default());
    for _ in 0..50 {
        assert_eq!(get(&mount, &server.url()).await.unwrap().0, 200);
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_thousand_requests_at_thirty_in_parallel_open_at_most_32_connections() {
    let server = Server::start(keep_alive).await;
    let mount = Arc::new(server.mount(&EgressLimits::default()));
    let mut workers = JoinSet::new();
    for _ in 0..30 {
        let (mount, url) = (Arc::clone(&mount), server.url());
        workers.spawn(async move {
            for _ in 0..100 {
                assert_eq!(get(&mount, &url).await.unwrap().1, "ok");
            }
        });
    }
    workers.join_all().await;
    assert!(server.connections() <= 32, "{} connections", server.connections());
}

#[tokio::test]
async fn connections_are_capped_even_where_requests_are_not() {
    let server = Server::start(keep_alive).await;
    let limits = EgressLimits { connections_per_authority_max: 2, ..EgressLimits::default() };
    let mount = Arc::new(server.mount(&limits));
    let mut workers = JoinSet::new();
    for _ in 0..20 {
        let (mount, url) = (Arc::clone(&mount), server.url());
        workers.spawn(async move { get(&mount, &url).await.unwrap().0 });
    }
    assert_eq!(workers.join_all().await, [200; 20]);
    assert!(server.connections() <= 2, "{} connections", server.connections());
}

#[tokio::test]
async fn mounts_share_no_connection() {
    let server = Server::start(keep_alive).await;
    let origin = Origin::parse(&format!("http://{}", server.address)).unwrap();
    let egress = Egress::new(vec![origin], &EgressLimits::default());
    let (first, second) = (MountEgress::new(&egress), MountEgress::new(&egress));
    for _ in 0..3 {
        get(&first, &server.url()).await.unwrap();
        get(&second, &server.url()).await.unwrap();
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn requests_of_a_mount_are_bounded_and_the_next_waits_within_the_connect_timeout() {
    let server = Server::start(answering!("", hold)).await;
    let limits = EgressLimits {
        requests_per_mount_max: 1,
        connect_timeout: Duration::from_millis(50),
        ..EgressLimits::default()
    };
    let mount = Arc::new(server.mount(&limits));
    let (held, url) = (Arc::clone(&mount), server.url());
    let mut first = JoinSet::new();
    first.spawn(async move { drop(get(&held, &url).await) });
    while mount.requests.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(matches!(get(&mount, &server.url()).await, Err(Error::ConnectionLimitReached)));
    first.shutdown().await;
    assert_eq!(mount.requests.available_permits(), 1, "a dropped request gives its place back");
}

#[tokio::test]
async fn each_fault_of_an_upstream_has_its_code() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n";
    let limits = EgressLimits {
        first_byte_timeout: Duration::from_millis(100),
        between_bytes_timeout: Duration::from_millis(100),
        response_body_bytes_max: 64 * 1024,
        ..EgressLimits::default()
    };
    const GIANT: &str = "HTTP/1.1 200 OK\r\nx-giant: ";
    type Row = (&'static str, Serve, fn(&Error) -> bool);
    let rows: [Row; 11] = [
        ("no answer", answering!("", hold), |e| matches!(e, Error::HttpResponseTimeout)),
        ("half a head", answering!("HTTP/1.1 200 OK\r\nx", hold), |e| matches!(e, Error::HttpResponseTimeout)),
        ("slow body", answering!(HEAD, hold), |e| matches!(e, Error::ConnectionReadTimeout)),
        ("closed before the head", answering!("", close), |e| matches!(e, Error::ConnectionTerminated)),
        ("reset before the head", answering!("", reset), |e| matches!(e, Error::ConnectionTerminated)),
        ("closed in the body", answering!(HEAD, close), |e| matches!(e, Error::ConnectionTerminated)),
        ("reset in the body", answering!(HEAD, reset), |e| matches!(e, Error::ConnectionTerminated)),
        ("endless body", answering!("HTTP/1.1 200 OK\r\n\r\n", pour), |e| {
            matches!(e, Error::HttpResponseBodySize(Some(65536)))
        }),
        ("endless header", answering!(GIANT, pour), |e| matches!(e, Error::HttpResponseHeaderSectionSize(_))),
        ("not HTTP", answering!("SSH-2.0-OpenSSH_9.6\r\n", hold), |e| matches!(e, Error::HttpProtocolError)),
        ("bad chunk", answering!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", hold), |e| {
            matches!(e, Error::HttpProtocolError | Error::ConnectionTerminated)
        }),
    ];
    for (name, serve, is_expected) in rows {
        let server = Server::start(serve).await;
        let mount = server.mount(&limits);
        let error = exchange(&mount, request(Method::POST, &server.url())).await.unwrap_err();
        assert!(is_expected(&error), "{name}: {error:?}");
        assert_eq!(server.connections(), 1, "{name}: a POST is never repeated");
    }
}

#[tokio::test]
async fn a_drip_that_never_pauses_ends_with_the_exchange() {
    fn drip(mut stream: TcpStream) -> Task {
        Box::pin(async move {
            while stream.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
    }
    let server = Server::start(answering!("HTTP/1.1 200 OK\r\n\r\n", drip)).await;
    let limits = EgressLimits { total_timeout: Duration::from_millis(200), ..EgressLimits::default() };
    let error = get(&server.mount(&limits), &server.url()).await.unwrap_err();
    assert!(matches!(error, Error::HttpResponseTimeout), "{error:?}");
}

#[tokio::test]
async fn the_guests_wish_and_its_deadline_bound_the_exchange() {
    let server = Server::start(answering!("", hold)).await;
    let mount = server.mount(&EgressLimits::default());
    let wish = RequestOptions { first_byte_timeout: Some(Duration::ZERO), ..RequestOptions::default() };
    let far = Instant::now() + Duration::from_secs(60);
    let error = send(&mount, request(Method::GET, &server.url()), wish, far, &alive()).await.err().unwrap();
    assert!(matches!(error, Error::HttpResponseTimeout), "{error:?}");
    let near = Instant::now() + Duration::from_millis(50);
    let outcome = send(&mount, request(Method::GET, &server.url()), RequestOptions::default(), near, &alive()).await;
    assert!(matches!(outcome.err().unwrap(), Error::HttpResponseTimeout));
}

#[tokio::test]
async fn what_was_certainly_not_sent_says_so() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let origins = [format!("http://{closed}"), "http://does-not-exist.invalid".to_owned()];
    let origins = origins.iter().map(|text| Origin::parse(text).unwrap()).collect();
    let mount = MountEgress::new(&Egress::new(origins, &EgressLimits::default()));
    let error = get(&mount, &format!("http://{closed}/")).await.unwrap_err();
    assert!(matches!(error, Error::ConnectionRefused), "{error:?}");
    let error = get(&mount, "http://does-not-exist.invalid/").await.unwrap_err();
    assert!(matches!(error, Error::DnsError { .. }), "{error:?}");
    let error = get(&mount, "http://elsewhere.example/").await.unwrap_err();
    assert!(matches!(error, Error::HttpRequestDenied), "{error:?}");
    let error = get(&mount, &format!("http://user@{closed}/")).await.unwrap_err();
    assert!(matches!(error, Error::HttpRequestUriInvalid), "{error:?}");
    let error = exchange(&mount, request(Method::TRACE, &format!("http://{closed}/"))).await.unwrap_err();
    assert!(matches!(error, Error::HttpRequestMethodInvalid), "{error:?}");
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_ends_at_the_connect_timeout_and_gives_its_slot_back() {
    let server = Server::start(hold).await;
    let limits = EgressLimits {
        connect_timeout: Duration::from_millis(100),
        connections_per_authority_max: 1,
        ..EgressLimits::default()
    };
    let origin = Origin::parse(&format!("https://{}", server.address)).unwrap();
    let egress = Egress::with_tls(vec![origin], &limits, tls_without_trust());
    let mount = MountEgress::new(&egress);
    for _ in 0..2 {
        let error = get(&mount, &format!("https://{}/", server.address)).await.unwrap_err();
        assert!(matches!(error, Error::ConnectionTimeout), "{error:?}");
    }
    assert_eq!(server.connections(), 2, "the second had the slot of the first");
}

#[tokio::test]
async fn an_idle_connection_that_the_server_closed_is_replaced_unseen() {
    fn once(mut stream: TcpStream) -> Task {
        Box::pin(async move {
            read_request(&mut stream).await;
            stream.write_all(OK.as_bytes()).await.unwrap();
        })
    }
    let server = Server::start(once).await;
    let mount = server.mount(&EgressLimits::default());
    for number in 1..=3 {
        assert_eq!(exchange(&mount, request(Method::POST, &server.url())).await.unwrap().1, "ok");
        assert_eq!(server.connections(), number);
        // The close arrives as an event of the connection's own task.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn redirects_are_answers() {
    const REDIRECT: &str = "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n";
    let server = Server::start(answering!(REDIRECT, hold)).await;
    let answer = exchange_request(&server.mount(&EgressLimits::default()), request(Method::GET, &server.url())).await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 302);
    assert_eq!(answer.headers()["location"], "http://169.254.169.254/");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn the_request_line_and_framing_headers_are_the_clients() {
    fn echo(mut stream: TcpStream) -> Task {
        Box::pin(async move {
            let head = read_request(&mut stream).await.unwrap();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{head}", head.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        })
    }
    let server = Server::start(echo).await;
    let mount = server.mount(&EgressLimits::default());
    let request = Request::builder()
        .method(Method::POST)
        .uri(server.url())
        .header("host", "elsewhere.example")
        .header("content-length", "3")
        .body(body("abcde"))
        .unwrap();
    let (_, head) = exchange(&mount, request).await.unwrap();
    let head = String::from_utf8(head.to_vec()).unwrap();
    assert!(head.starts_with("post /path?query http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: {}\r\n", server.address)), "{head}");
    assert!(head.contains("content-length: 5\r\n") && !head.contains("elsewhere"), "{head}");
    assert!(!head.contains("transfer-encoding"), "{head}");
}

#[tokio::test]
async fn a_body_beyond_its_limit_is_not_sent_at_all() {
    let server = Server::start(keep_alive).await;
    let limits = EgressLimits { request_body_bytes_max: 4, ..EgressLimits::default() };
    let mount = server.mount(&limits);
    let request = Request::builder().method(Method::POST).uri(server.url()).body(body("12345")).unwrap();
    let error = exchange(&mount, request).await.unwrap_err();
    assert!(matches!(error, Error::HttpRequestBodySize(Some(4))), "{error:?}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn nothing_is_sent_for_a_guest_that_is_gone() {
    let server = Server::start(keep_alive).await;
    let mount = Arc::new(server.mount(&EgressLimits::default()));
    let deadline = Instant::now() + Duration::from_secs(60);
    let hooks = EgressHooks::new(Arc::clone(&mount), deadline);
    let alive = hooks.alive();
    drop(hooks);
    let outcome = send(&mount, request(Method::POST, &server.url()), RequestOptions::default(), deadline, &alive).await;
    assert!(outcome.is_err());
    assert_eq!(server.connections(), 0);
}

/// A TLS client that trusts nobody.
fn tls_without_trust() -> rustls::ClientConfig {
    tls_that_trusts(&rustls::RootCertStore::empty())
}

fn tls_that_trusts(roots: &rustls::RootCertStore) -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    builder.with_root_certificates(roots.clone()).with_no_client_auth()
}

/// An HTTP/2 server with a certificate of its own, and the roots that trust it.
async fn h2_server() -> (SocketAddr, Arc<AtomicUsize>, rustls::RootCertStore, JoinSet<()>) {
    let certified = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(vec![certified.cert.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut serving = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            let acceptor = acceptor.clone();
            serving.spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = hyper::service::service_fn(|request: Request<hyper::body::Incoming>| async move {
                    let text = format!("{:?} {}", request.version(), request.uri());
                    Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(text))))
                });
                let executor = hyper_util::rt::TokioExecutor::new();
                let io = hyper_util::rt::TokioIo::new(stream);
                let _ = hyper::server::conn::http2::Builder::new(executor).serve_connection(io, service).await;
            });
        }
    });
    (address, connections, roots, tasks)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_is_spoken_where_offered_and_one_connection_does() {
    let (address, connections, roots, _server) = h2_server().await;
    let origin = Origin::parse(&format!("https://{address}")).unwrap();
    let egress = Egress::with_tls(vec![origin], &EgressLimits::default(), tls_that_trusts(&roots));
    let mount = Arc::new(MountEgress::new(&egress));
    let url = format!("https://{address}/path");
    assert_eq!(get(&mount, &url).await.unwrap().1, format!("HTTP/2.0 {url}"));
    let mut workers = JoinSet::new();
    for _ in 0..30 {
        let (mount, url) = (Arc::clone(&mount), url.clone());
        workers.spawn(async move { get(&mount, &url).await.unwrap().0 });
    }
    assert_eq!(workers.join_all().await, [200; 30]);
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let (address, _, _, _server) = h2_server().await;
    let origin = Origin::parse(&format!("https://{address}")).unwrap();
    let mount = MountEgress::new(&Egress::with_tls(vec![origin], &EgressLimits::default(), tls_without_trust()));
    let error = get(&mount, &format!("https://{address}/")).await.unwrap_err();
    assert!(matches!(error, Error::TlsCertificateError), "{error:?}");
}

#[tokio::test]
async fn the_trust_store_of_this_host_can_be_read() {
    let egress = Egress::new(Vec::new(), &EgressLimits::default());
    assert!(!egress.has_read_trust_store(), "not before it is needed");
    let read = egress.tls().await;
    assert_eq!(read.is_ok(), egress.has_read_trust_store());
}
