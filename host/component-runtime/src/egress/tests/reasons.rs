//! Every reason why a request is not sent has a code of its own, and a log line with the cause.

use std::future::poll_fn;
use std::pin::Pin;

use hyper::rt::Read as _;
use hyper_util::client::legacy::connect::Connection as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::server::WebPkiClientVerifier;

use super::log_lines::Lines;
use super::tls::tls_that_trusts;
use super::*;
use crate::egress::connect_error::ConnectError;
use crate::egress::failure::Failure;
use crate::egress::slots::Slots;
use crate::egress::upstream_error::{of_closed, of_connect};
use crate::egress::wire::{PeerAlert, Wire};

const NAME: &str = "127.0.0.1";

/// A certificate authority of the test.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        Self::named("An Authority")
    }

    fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn roots(&self) -> rustls::RootCertStore {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }

    fn server(&self, name: &str, change: fn(&mut CertificateParams)) -> rustls::ServerConfig {
        self.server_that(name, change, None)
    }

    /// A server that asks its clients for a certificate of this authority.
    fn server_for_known_clients(&self) -> rustls::ServerConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(self.roots()), provider).build().unwrap();
        self.server_that(NAME, |_| {}, Some(verifier))
    }

    fn server_that(
        &self,
        name: &str,
        change: fn(&mut CertificateParams),
        clients: Option<Arc<dyn rustls::server::danger::ClientCertVerifier>>,
    ) -> rustls::ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let leaf = params.signed_by(&key, &self.0).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            Some(clients) => builder.with_client_cert_verifier(clients),
            None => builder.with_no_client_auth(),
        };
        builder.with_single_cert(vec![leaf.der().clone()], key).unwrap()
    }
}

/// Accepts TLS, and never answers.
async fn tls_server(config: rustls::ServerConfig) -> (SocketAddr, JoinSet<()>) {
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.read(&mut [0; 1024]).await;
            }
        }
    });
    (address, tasks)
}

async fn refused(config: rustls::ServerConfig, roots: &rustls::RootCertStore) -> Error {
    let (address, _server) = tls_server(config).await;
    let egress = Egress::with_tls(&EgressLimits::default(), tls_that_trusts(roots));
    let mount = mount_of(&egress, &[&format!("https://{address}")]);
    exchange(&mount, request(Method::POST, &format!("https://{address}/"))).await.unwrap_err()
}

fn alert(error: &Error) -> Option<(u8, &str)> {
    match error {
        Error::TlsAlertReceived { alert_id, alert_message } => Some(((*alert_id)?, alert_message.as_deref()?)),
        _ => None,
    }
}

#[tokio::test]
async fn each_fault_of_a_certificate_has_its_alert_and_word() {
    type Change = fn(&mut CertificateParams);
    let (authority, renewed, stranger) = (Authority::new(), Authority::new(), Authority::named("Another"));
    let rows: [(&Authority, &str, Change, (u8, &str)); 5] = [
        (&stranger, NAME, |_| {}, (48, "host:unknown-authority")),
        (&renewed, NAME, |_| {}, (51, "host:unknown-authority")),
        (&authority, "other.example", |_| {}, (42, "host:another-name")),
        (&authority, NAME, |params| params.not_after = date_time_ymd(2021, 1, 1), (45, "host:expired")),
        (&authority, NAME, |params| params.not_before = date_time_ymd(4000, 1, 1), (45, "host:not-yet-valid")),
    ];
    for (signer, name, change, expected) in rows {
        let error = refused(signer.server(name, change), &authority.roots()).await;
        assert_eq!(alert(&error), Some(expected), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_that_wants_a_client_certificate_says_so_by_its_own_alert() {
    let authority = Authority::new();
    let error = refused(authority.server_for_known_clients(), &authority.roots()).await;
    assert_eq!(alert(&error), Some((116, "CertificateRequired")), "{error:?}");
}

#[tokio::test]
async fn an_alert_that_comes_before_the_request_is_sent_is_the_reason_of_its_failure() {
    let authority = Authority::new();
    let (address, _server) = tls_server(authority.server_for_known_clients()).await;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(tls_that_trusts(&authority.roots())));
    let stream = TcpStream::connect(address).await.unwrap();
    let stream = connector.connect(address.ip().into(), stream).await.unwrap();
    let slot = Slots::new(&EgressLimits::default()).take(String::new()).await.unwrap();
    let mut wire = Wire::new(Box::new(stream), false, slot);
    let connected = wire.connected();
    assert_eq!(PeerAlert::of(&connected), None);
    let mut bytes = [0; 16];
    let read = poll_fn(|cx| Pin::new(&mut wire).poll_read(cx, hyper::rt::ReadBuf::new(&mut bytes).unfilled()));
    read.await.unwrap_err();
    let failure = of_closed("the request was canceled".to_owned(), PeerAlert::of(&connected));
    let Failure::NotConnected(code, reason) = failure else { panic!("{failure:?}") };
    assert_eq!(alert(&code), Some((116, "CertificateRequired")));
    assert!(reason.contains("the request was canceled") && reason.contains("CertificateRequired"), "{reason}");
}

#[tokio::test]
async fn a_peer_without_tls_is_told_from_one_that_closes_and_from_one_that_waits() {
    fn plain(mut stream: TcpStream) -> Task {
        Box::pin(async move {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(OK.as_bytes()).await;
            hold(stream).await;
        })
    }
    let limits = EgressLimits { connect_timeout: Duration::from_millis(200), ..EgressLimits::default() };
    type Row = (Serve, fn(&Error) -> bool);
    let rows: [Row; 3] = [
        (plain, |error| matches!(error, Error::TlsProtocolError)),
        (close, |error| matches!(error, Error::DestinationUnavailable)),
        (hold, |error| is_not_sent(error, "tls-timeout")),
    ];
    for (serve, is_expected) in rows {
        let server = Server::start(serve).await;
        let config = tls_that_trusts(&rustls::RootCertStore::empty());
        let origin = format!("https://{}", server.address);
        let mount = mount_of(&Egress::with_tls(&limits, config), &[&origin]);
        let error = get(&mount, &format!("https://{}/", server.address)).await.unwrap_err();
        assert!(is_expected(&error), "{error:?}");
    }
}

#[tokio::test]
async fn the_guests_own_connect_timeout_names_the_unfinished_step() {
    let server = Server::start(hold).await;
    let config = tls_that_trusts(&rustls::RootCertStore::empty());
    let origin = format!("https://{}", server.address);
    let mount = mount_of(&Egress::with_tls(&EgressLimits::default(), config), &[&origin]);
    let wish = RequestOptions { connect_timeout: Some(Duration::from_millis(100)), ..RequestOptions::default() };
    let far = Instant::now() + Duration::from_secs(60);
    let request = request(Method::GET, &format!("https://{}/", server.address));
    let error = send_until(&mount, Access::Full, request, wish, far).await.err().unwrap();
    assert!(is_not_sent(&error, "tls-timeout"), "{error:?}");
}

#[test]
fn the_most_telling_failure_of_several_addresses_is_reported() {
    use std::io::ErrorKind::{
        AddrNotAvailable, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, TimedOut,
    };
    type Row = (&'static [std::io::ErrorKind], fn(&Error) -> bool);
    let rows: [Row; 5] = [
        (&[NetworkUnreachable, ConnectionRefused], |error| matches!(error, Error::ConnectionRefused)),
        (&[HostUnreachable, TimedOut], |error| matches!(error, Error::ConnectionTimeout)),
        (&[NetworkUnreachable, HostUnreachable, AddrNotAvailable], |error| {
            matches!(error, Error::DestinationIpUnroutable)
        }),
        (&[ConnectionReset], |error| matches!(error, Error::DestinationUnavailable)),
        (&[NetworkUnreachable, ConnectionReset], |error| matches!(error, Error::DestinationUnavailable)),
    ];
    for (kinds, is_expected) in rows {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let failed = kinds.iter().map(|kind| (address, std::io::Error::from(*kind))).collect();
        let code = of_connect(&ConnectError::Addresses(failed)).code();
        assert!(is_expected(&code), "{kinds:?}: {code:?}");
    }
}

#[tokio::test]
async fn the_log_names_mount_host_and_cause_and_keeps_within_the_mounts_rate() {
    let (log, _capturing) = Lines::capture();
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let egress = Egress::new(EgressSettings::default(), &EgressLimits::default());
    let policy = policy(&[&format!("http://{address}")]);
    let mount = MountEgress::new(
        &egress,
        policy,
        &Arc::new(LogRate::new(&Limits { log_lines_per_second_max: 2, ..Limits::default() })),
        Arc::new(AtOnce),
    );
    for _ in 0..5 {
        get(&mount, &format!("http://{address}/")).await.unwrap_err();
    }
    let lines = log.all();
    let told = lines.iter().filter(|line| line.contains("no connection to an upstream")).count();
    assert_eq!(told, 2, "{lines:?}");
    for part in ["test/", "127.0.0.1", &address.port().to_string(), "refused"] {
        assert!(lines.iter().any(|line| line.contains(part)), "{part}: {lines:?}");
    }
}
