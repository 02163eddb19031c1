//! The network path to Astra: addresses, names, certificates and proxies, good ones and bad ones. Each failure has its
//! own text for the client, in the log and in a check, and leaves nothing in Astra. Uses the component driver, whose
//! runtime is the plugin's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use astra_simulator::{Certificate, Settings, Simulator};
use harness::fake::{ComponentDriver, FakeOptions};
use harness::limits::{CONDITION_DEADLINE, POLL_INTERVAL};
use harness::network::{
    Authorities, ClientIdentity, Dropping, EgressSettings, Names, Network, Proxies, Proxy, ProxyPlay,
};
use harness::{Outcome, Stage};
use serde_json::{Value, json};

/// The host name in the simulator's certificate. Only a test's own names, or its proxy, lead there.
pub(crate) const HOST: &str = "astra.example";

/// As short as a loaded machine allows, because each request waits for targets that never answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// An Astra, and a mount's network path to it.
struct Way {
    astra: Arc<Simulator>,
    names: Names,
    egress: EgressSettings,
    url: String,
    more_origins: Vec<String>,
}

impl Way {
    /// A path to an Astra at its own address, by plain HTTP or by TLS with this certificate.
    fn to(certificate: Option<Certificate>) -> Self {
        let astra = Arc::new(Simulator::start(Settings { certificate, ..Settings::default() }).unwrap());
        let (names, scheme) = (Names::default(), if certificate.is_some() { "https" } else { "http" });
        let mut authorities = Authorities::default();
        if let Some(pem) = astra.authority_pem() {
            authorities.add("the test's", pem.as_bytes()).unwrap();
        }
        let egress = EgressSettings { authorities, resolver: Arc::new(names.clone()), ..EgressSettings::default() };
        let url = format!("{scheme}://{HOST}:{}", address_of(&astra).port());
        names.set(HOST, &["127.0.0.1"]);
        Self { astra, names, egress, url, more_origins: Vec::new() }
    }

    fn port(&self) -> u16 {
        address_of(&self.astra).port()
    }

    /// A path through this proxy, as the environment would name it. The host name resolves nowhere else.
    fn through(mut self, proxy: &str, no_proxy: &str) -> Self {
        self.names.forget(HOST);
        self.egress.proxies = proxies(proxy, no_proxy);
        self
    }

    /// Closes all connections, and waits until the plugin has closed them, too: a mint on one that it takes for open would be
    /// lost.
    fn drop_connections(&self) {
        self.astra.drop_connections();
        let begun = Instant::now();
        while self.astra.connections().open > 0 {
            assert!(begun.elapsed() < CONDITION_DEADLINE, "the plugin keeps a connection that Astra has closed");
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// A configured mount with a role. It has sent no request to Astra yet.
    fn stage(&self) -> Stage {
        let stage = self.stage_for(&self.url);
        let config = json!({
            "astra_token": stage.alpha.token, "url": self.url, "verify": false, "max_retries": 0, "request_timeout": "10s",
        });
        stage.write(&format!("config/{}", stage.alpha.id), config).expect(204);
        stage.make_role(&stage.alpha, "reader", json!({}));
        stage
    }

    fn stage_for(&self, origin: &str) -> Stage {
        let origins = self.more_origins.iter().cloned().chain([origin.to_owned()]);
        let options = FakeOptions { egress: origins.collect(), ..FakeOptions::default() };
        let mut network = Network { egress: self.egress.clone(), ..Network::default() };
        network.limits.egress.connect_timeout = CONNECT_TIMEOUT;
        network.limits.egress.lookup_deadline = CONNECT_TIMEOUT / 2;
        let driver = ComponentDriver::mount_on(options, "00000000-0000-4000-8000-000000000001", network);
        Stage::with_driver(driver, Arc::clone(&self.astra))
    }
}

pub(crate) fn address_of(astra: &Simulator) -> SocketAddr {
    astra.url().split_once("://").unwrap().1.parse().unwrap()
}

fn proxies(proxy: &str, no_proxy: &str) -> Proxies {
    Proxies::from_environment(|name| match name {
        "HTTPS_PROXY" | "HTTP_PROXY" => Some(proxy.to_owned().into()),
        "NO_PROXY" => Some(no_proxy.to_owned().into()),
        _ => None,
    })
    .unwrap()
}

fn mint(stage: &Stage) -> Outcome {
    stage.mint(&stage.alpha, "reader")
}

#[track_caller]
fn assert_works(stage: &Stage) {
    let minted = mint(stage).expect(200);
    stage.assert_consistent(&stage.alpha, 1);
    stage.revoke(&minted.lease_id()).expect(204);
    stage.assert_consistent(&stage.alpha, 0);
    stage.finish();
}

/// Asserts that client, log and check name the cause, and that no token was made.
#[track_caller]
fn assert_told(stage: &Stage, status: u16, cause: &str) {
    mint(stage).expect_error(status, &[&stage.alpha.id, cause]);
    let checked = stage.read(&format!("config/{}/check", stage.alpha.id), Value::Null).expect(200);
    let item = checked.data["token_valid"]["message"].as_str().unwrap_or_default();
    assert!(item.contains(cause), "{cause}: {checked:#?}");
    assert_eq!(checked.data["healthy"], false);
    let logs = stage.driver.logs();
    let has_line = logs.lines().any(|line| line.contains(cause) && line.contains("next_step"));
    assert!(has_line, "{cause}: {logs}");
    assert!(stage.live(&stage.alpha).is_empty());
    stage.finish();
}

#[test]
fn a_dead_first_address_does_not_hide_a_living_one() {
    let way = Way::to(None);
    let _dropping = Dropping::start(SocketAddr::from(([127, 0, 0, 2], way.port())));
    // Addresses that drop packets, refuse, and have no route.
    for dead in ["127.0.0.2", "127.0.0.3", "fd00::1"] {
        way.names.set(HOST, &[dead, "127.0.0.1"]);
        assert_works(&way.stage());
    }
}

#[test]
fn an_address_that_drops_packets_and_one_that_refuses_have_different_errors() {
    let way = Way::to(None);
    let _dropping = Dropping::start(SocketAddr::from(([127, 0, 0, 2], way.port())));
    way.names.set(HOST, &["127.0.0.2"]);
    assert_told(&way.stage(), 504, "no connection in time");
    way.names.set(HOST, &["127.0.0.3"]);
    assert_told(&way.stage(), 502, "the connection was refused");
}

#[test]
fn a_missing_name_and_dns_that_hangs_have_different_errors() {
    let way = Way::to(None);
    way.names.forget(HOST);
    assert_told(&way.stage(), 502, "the host name does not resolve");
    way.names.hang(HOST);
    let stage = way.stage();
    assert_told(&stage, 504, "DNS did not answer in time");
    // The look-up that hung ends with an answer.
    way.names.set(HOST, &["127.0.0.1"]);
    assert_works(&stage);
}

#[test]
fn a_name_that_turns_to_a_forbidden_address_is_refused_at_its_next_connection() {
    let way = Way::to(None);
    let stage = way.stage();
    let minted = mint(&stage).expect(200);
    way.names.set(HOST, &["169.254.169.254", "::ffff:127.0.0.1"]);
    way.drop_connections();
    let asked = way.astra.request_count();
    mint(&stage)
        .expect_error(400, &[&way.url, "resolves only to addresses that this plugin refuses", "--allow-egress="]);
    assert_eq!(way.astra.request_count(), asked);
    way.names.set(HOST, &["127.0.0.1"]);
    stage.revoke(&minted.lease_id()).expect(204);
    stage.assert_consistent(&stage.alpha, 0);
}

#[test]
fn dns_that_hangs_for_one_organization_stops_no_other() {
    const HANGS: &str = "hangs.example";
    let mut way = Way::to(None);
    way.names.hang(HANGS);
    way.more_origins.push(format!("http://{HANGS}:{}", way.port()));
    let stage = way.stage();
    let beta =
        json!({ "astra_token": stage.beta.token, "url": way.more_origins[0], "verify": false, "max_retries": 0 });
    stage.write(&format!("config/{}", stage.beta.id), beta).expect(204);
    stage.make_role(&stage.beta, "reader", json!({}));
    std::thread::scope(|scope| {
        let hanging =
            scope.spawn(|| stage.mint(&stage.beta, "reader").expect_error(504, &["DNS did not answer in time"]));
        mint(&stage).expect(200);
        hanging.join().unwrap();
    });
    stage.assert_consistent(&stage.alpha, 1);
}

#[test]
fn each_fault_of_a_certificate_has_its_text() {
    let rows = [
        (Certificate::Expired, "the server's certificate has expired"),
        (Certificate::WrongHost, "the server's certificate is for another name"),
        (Certificate::SelfSigned, "the server's certificate is signed by an unknown authority"),
        (Certificate::GoodForKnownClients, "the server wants a client certificate"),
    ];
    for (certificate, cause) in rows {
        assert_told(&Way::to(Some(certificate)).stage(), 502, cause);
    }
    let mut stranger = Way::to(Some(Certificate::Good));
    stranger.egress.authorities = Way::to(Some(Certificate::Good)).egress.authorities;
    assert_told(&stranger.stage(), 502, "the server's certificate is signed by an unknown authority");
    let plain = Way::to(None);
    let way = Way { url: plain.url.replace("http://", "https://"), ..plain };
    assert!(matches!(mint(&way.stage()).status, 502 | 504), "no TLS there");
}

#[test]
fn a_private_authority_and_a_client_certificate_are_taken() {
    assert_works(&Way::to(Some(Certificate::Good)).stage());
    let mut way = Way::to(Some(Certificate::GoodForKnownClients));
    let known = way.astra.client_certificate().unwrap();
    let identity =
        ClientIdentity::new(("/c.pem", known.certificate_pem.as_bytes()), ("/k.pem", known.key_pem.as_bytes()));
    way.egress.identity = Some(identity.unwrap());
    assert_works(&way.stage());
}

#[test]
fn a_proxy_is_the_only_way_out() {
    for certificate in [Some(Certificate::Good), None] {
        let way = Way::to(certificate);
        let proxy = Proxy::start(ProxyPlay::Tunnel, address_of(&way.astra));
        let port = way.port();
        let way = way.through(&proxy.url(), "");
        assert_works(&way.stage());
        let targets = proxy.targets();
        assert!(!targets.is_empty());
        assert!(targets.iter().all(|target| *target == format!("{HOST}:{port}")), "{targets:?}");
    }
}

#[test]
fn no_proxy_names_origins_that_are_reached_directly() {
    let way = Way::to(Some(Certificate::Good));
    let proxy = Proxy::start(ProxyPlay::Tunnel, address_of(&way.astra));
    let names = way.names.clone();
    let way = way.through(&proxy.url(), ".other.example,astra.example");
    names.set(HOST, &["127.0.0.1"]);
    assert_works(&way.stage());
    assert_eq!(proxy.targets(), Vec::<String>::new());
}

#[test]
fn a_proxys_credentials_are_used_and_never_shown() {
    // `user:pass-canary`.
    let play = ProxyPlay::TunnelFor("Basic dXNlcjpwYXNzLWNhbmFyeQ==".to_owned());
    let way = Way::to(Some(Certificate::Good));
    let proxy = Proxy::start(play.clone(), address_of(&way.astra));
    let authority = proxy.url().replace("http://", "");
    let stage = way.through(&format!("http://user:pass-canary@{authority}"), "").stage();
    assert_works(&stage);
    let way = Way::to(Some(Certificate::Good));
    let proxy = Proxy::start(play, address_of(&way.astra));
    let authority = proxy.url().replace("http://", "");
    let refused = way.through(&format!("http://user:other-canary@{authority}"), "").stage();
    assert_told(&refused, 502, "the proxy wants other credentials");
    for logs in [stage.driver.logs(), refused.driver.logs()] {
        assert!(!logs.contains("canary") && !logs.contains("dXNlcjpw"), "{logs}");
    }
}

#[test]
fn each_failure_of_a_proxy_has_its_text() {
    let rows = [
        (ProxyPlay::Answer("HTTP/1.1 403 Forbidden\r\n\r\n"), 502, "the proxy refused with status 403"),
        // The plugin does not go to the address to which the proxy redirects.
        (
            ProxyPlay::Answer("HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\n\r\n"),
            502,
            "the proxy refused with status 302",
        ),
        (ProxyPlay::Answer("SSH-2.0-OpenSSH_9.6\r\n"), 502, "the proxy's answer was no proper HTTP"),
        (ProxyPlay::Close, 502, "the proxy closed the connection"),
        (ProxyPlay::Hang, 504, "the proxy did not answer in time"),
        (ProxyPlay::CutAfter(0), 502, "the connection was closed while it was set up"),
    ];
    for (play, status, cause) in rows {
        let way = Way::to(Some(Certificate::Good));
        let proxy = Proxy::start(play, address_of(&way.astra));
        let way = way.through(&proxy.url(), "");
        assert_told(&way.stage(), status, cause);
        assert_eq!(way.astra.request_count(), 0, "{cause}");
    }
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let way = Way::to(Some(Certificate::Good)).through(&format!("http://{nobody}"), "");
    assert_told(&way.stage(), 502, "the proxy cannot be connected to");
    let way = Way::to(Some(Certificate::Good)).through("http://no-proxy.example:3128", "");
    assert_told(&way.stage(), 502, "the proxy's host name does not resolve");
}

#[test]
fn an_answer_that_a_proxy_drops_in_the_middle_is_left_to_rollback() {
    let way = Way::to(None);
    let proxy = Proxy::start(ProxyPlay::CutAfter(20), address_of(&way.astra));
    let stage = way.through(&proxy.url(), "").stage();
    mint(&stage)
        .expect_error(502, &[&stage.alpha.id, "was lost", "the connection was lost after the request was sent"]);
    assert_eq!(stage.wal().len(), 1, "what Astra made cannot be looked for now, so rollback will");
    assert!(stage.driver.leases().is_empty());
}

#[test]
fn nothing_is_sent_to_a_proxy_for_an_origin_that_is_not_allowed() {
    let way = Way::to(Some(Certificate::Good));
    let proxy = Proxy::start(ProxyPlay::Tunnel, address_of(&way.astra));
    let way = way.through(&proxy.url(), "");
    let stage = way.stage_for(&way.url);
    let config = json!({ "astra_token": stage.alpha.token, "url": "https://elsewhere.example" });
    let refused = stage.write(&format!("config/{}", stage.alpha.id), config);
    refused.expect_error(400, &["https://elsewhere.example", "--allow-egress=astra=https://elsewhere.example"]);
    assert_eq!(proxy.targets(), Vec::<String>::new());
}
