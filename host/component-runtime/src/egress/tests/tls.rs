//! TLS and HTTP/2.

use std::sync::Mutex;

use super::*;
use crate::limits::TLS_SESSIONS_PER_MOUNT_MAX;

#[tokio::test]
async fn a_server_that_does_not_speak_tls_ends_at_the_connect_timeout_and_gives_its_slot_back() {
    let server = Server::start(hold).await;
    let limits = EgressLimits {
        connect_timeout: Duration::from_millis(100),
        connections_per_authority_max: 1,
        ..EgressLimits::default()
    };
    let egress = Egress::with_tls(&limits, tls_without_trust());
    let mount = mount_of(&egress, &[&format!("https://{}", server.address)]);
    for _ in 0..2 {
        let error = get(&mount, &format!("https://{}/", server.address)).await.unwrap_err();
        assert!(is_not_sent(&error, "tls-timeout"), "{error:?}");
    }
    assert_eq!(server.connections(), 2, "the second had the slot of the first");
}

/// A TLS client that trusts no certificate.
fn tls_without_trust() -> rustls::ClientConfig {
    tls_that_trusts(&rustls::RootCertStore::empty())
}

pub(super) fn tls_that_trusts(roots: &rustls::RootCertStore) -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    builder.with_root_certificates(roots.clone()).with_no_client_auth()
}

/// An HTTP/2 server with a certificate of its own. It ends with its drop.
struct H2Server {
    address: SocketAddr,
    /// For each connection in order: was a session resumed?
    resumed: Arc<Mutex<Vec<bool>>>,
    /// Roots that trust the server's certificate.
    roots: rustls::RootCertStore,
    _tasks: JoinSet<()>,
}

async fn h2_server() -> H2Server {
    h2_server_at(1).await
}

/// A server at `127.0.0.1` and the addresses after it.
async fn h2_server_at(addresses: usize) -> H2Server {
    let certified = rcgen::generate_simple_self_signed((0..addresses).map(loopback).collect::<Vec<_>>()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(vec![certified.cert.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], listener.local_addr().unwrap().port()));
    let resumed = Arc::<Mutex<Vec<bool>>>::default();
    let kinds = Arc::clone(&resumed);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut serving = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, kinds) = (acceptor.clone(), Arc::clone(&kinds));
            serving.spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let kind = stream.get_ref().1.handshake_kind().unwrap();
                kinds.lock().unwrap().push(kind == rustls::HandshakeKind::Resumed);
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
    H2Server { address, resumed, roots, _tasks: tasks }
}

fn loopback(number: usize) -> String {
    format!("127.0.0.{}", number + 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_is_spoken_where_offered_and_one_connection_does() {
    let server = h2_server().await;
    let address = server.address;
    let egress = Egress::with_tls(&EgressLimits::default(), tls_that_trusts(&server.roots));
    let mount = Arc::new(mount_of(&egress, &[&format!("https://{address}")]));
    let url = format!("https://{address}/path");
    assert_eq!(get(&mount, &url).await.unwrap().1, format!("HTTP/2.0 {url}"));
    let mut workers = JoinSet::new();
    for _ in 0..30 {
        let (mount, url) = (Arc::clone(&mount), url.clone());
        workers.spawn(async move { get(&mount, &url).await.unwrap().0 });
    }
    assert_eq!(workers.join_all().await, [200; 30]);
    assert_eq!(*server.resumed.lock().unwrap(), [false]);
}

#[tokio::test]
async fn a_session_is_resumed_by_its_own_mount_only() {
    let server = h2_server().await;
    let limits = EgressLimits { idle_timeout: Duration::from_millis(1), ..EgressLimits::default() };
    let egress = Egress::with_tls(&limits, tls_that_trusts(&server.roots));
    let origin = format!("https://{}", server.address);
    let (first, second) = (mount_of(&egress, &[&origin]), mount_of(&egress, &[&origin]));
    for mount in [&first, &first, &second] {
        get(mount, &format!("{origin}/")).await.unwrap();
        // Until the pool has dropped the connection.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(*server.resumed.lock().unwrap(), [false, true, false]);
}

#[tokio::test]
async fn a_mount_keeps_a_bounded_number_of_sessions_and_the_oldest_go_first() {
    let servers = TLS_SESSIONS_PER_MOUNT_MAX + 1;
    let server = h2_server_at(servers).await;
    let limits = EgressLimits { idle_timeout: Duration::from_millis(1), ..EgressLimits::default() };
    let egress = Egress::with_tls(&limits, tls_that_trusts(&server.roots));
    let origins: Vec<_> =
        (0..servers).map(|number| format!("https://{}:{}", loopback(number), server.address.port())).collect();
    let mount = mount_of(&egress, &origins.iter().map(String::as_str).collect::<Vec<_>>());
    let last = servers - 1;
    for number in (0..servers).chain([last, 0]) {
        get(&mount, &format!("{}/", origins[number])).await.unwrap();
        if number == last {
            // Until the pool has dropped the connection.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let resumed = server.resumed.lock().unwrap().clone();
    assert_eq!(
        resumed.get(last + 1..),
        Some(&[true, false][..]),
        "that of the last server was kept, the first one was not"
    );
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let server = h2_server().await;
    let address = server.address;
    let egress = Egress::with_tls(&EgressLimits::default(), tls_without_trust());
    let mount = mount_of(&egress, &[&format!("https://{address}")]);
    let error = get(&mount, &format!("https://{address}/")).await.unwrap_err();
    assert!(matches!(error, Error::TlsAlertReceived { alert_id: Some(48), .. }), "{error:?}");
}

#[tokio::test]
async fn the_trust_store_of_this_host_can_be_read() {
    let egress = Egress::new(EgressSettings::default(), &EgressLimits::default());
    assert!(!egress.has_read_trust_store(), "not before it is needed");
    let read = egress.tls().await;
    assert_eq!(read.is_ok(), egress.has_read_trust_store());
}
