//! Upstreams behind a proxy.

use super::*;
use crate::egress::Proxies;
use crate::limits::PROXY_HEAD_FIELDS_MAX;

/// A proxy that answers `CONNECT` with this text and, after a success, plays the destination itself.
macro_rules! proxy {
    ($answer:expr) => {
        |mut stream: TcpStream| {
            Box::pin(async move {
                let Some(head) = read_request(&mut stream).await else { return };
                assert!(head.starts_with("connect "), "{head}");
                let _ = stream.write_all($answer.as_bytes()).await;
                if $answer.starts_with("HTTP/1.1 2") {
                    keep_alive(stream).await;
                } else {
                    hold(stream).await;
                }
            })
        }
    };
}

const CONNECTED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

fn behind(proxy: SocketAddr, origins: &[&str]) -> MountEgress {
    let limits = EgressLimits { connect_timeout: Duration::from_secs(2), ..EgressLimits::default() };
    let proxies = Proxies::every(&format!("http://{proxy}")).unwrap();
    mount_of(&Egress::new(EgressSettings { proxies, ..EgressSettings::default() }, &limits), origins)
}

#[tokio::test]
async fn a_request_goes_through_the_proxy_by_connect_and_its_name_is_not_looked_up() {
    let proxy = Server::start(proxy!(CONNECTED)).await;
    let mount = behind(proxy.address, &["http://does-not-exist.invalid", "http://other.invalid"]);
    for _ in 0..3 {
        assert_eq!(get(&mount, "http://does-not-exist.invalid/").await.unwrap().1, "ok");
    }
    assert_eq!(proxy.connections(), 1, "the pool keeps the tunnel");
    get(&mount, "http://other.invalid/").await.unwrap();
    assert_eq!(proxy.connections(), 2, "a tunnel to one destination is used for no other");
}

#[tokio::test]
async fn each_failure_of_a_proxy_has_its_word() {
    let rows: [(Serve, &str); 8] = [
        (proxy!("HTTP/1.1 403 Forbidden\r\n\r\n"), "proxy-status:403"),
        (proxy!("HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\n\r\n"), "proxy-status:302"),
        (proxy!("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"), "proxy-credentials"),
        (proxy!("SSH-2.0-OpenSSH_9.6\r\n"), "proxy-protocol"),
        (proxy!("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), "proxy-protocol"),
        (proxy!(""), "proxy-timeout"),
        (close, "proxy-closed"),
        (answering!("", close), "proxy-closed"),
    ];
    for (serve, expected) in rows {
        let proxy = Server::start(serve).await;
        let mount = behind(proxy.address, &["http://astra.example"]);
        let error = get(&mount, "http://astra.example/").await.unwrap_err();
        assert!(is_not_sent(&error, expected), "{expected}: {error:?}");
    }
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let error = get(&behind(nobody, &["http://astra.example"]), "http://astra.example/").await.unwrap_err();
    assert!(is_not_sent(&error, "proxy-unreachable"), "{error:?}");
}

#[tokio::test]
async fn the_head_of_a_proxys_answer_is_bounded() {
    let rows: [Serve; 2] = [
        answering!("HTTP/1.1 200 OK\r\nx: ", pour),
        answering!(format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(PROXY_HEAD_FIELDS_MAX + 1)), hold),
    ];
    for serve in rows {
        let proxy = Server::start(serve).await;
        let error = get(&behind(proxy.address, &["http://astra.example"]), "http://astra.example/").await.unwrap_err();
        assert!(is_not_sent(&error, "proxy-protocol"), "{error:?}");
    }
}

#[tokio::test]
async fn nothing_of_a_forbidden_destination_reaches_the_proxy() {
    let proxy = Server::start(proxy!(CONNECTED)).await;
    let mount = behind(proxy.address, &["http://astra.example", "http://10.0.0.7"]);
    let error = get(&mount, "http://elsewhere.example/").await.unwrap_err();
    assert!(matches!(error, Error::HttpRequestDenied), "{error:?}");
    let error = get(&mount, "http://169.254.169.254/").await.unwrap_err();
    assert!(matches!(error, Error::HttpRequestDenied), "{error:?}");
    assert_eq!(proxy.connections(), 0);
    // An address that an origin names is allowed, as it is without a proxy.
    get(&mount, "http://10.0.0.7/").await.unwrap();
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn loopback_is_reached_directly() {
    let (proxy, server) = (Server::start(proxy!(CONNECTED)).await, Server::start(keep_alive).await);
    let mount = behind(proxy.address, &[&format!("http://{}", server.address)]);
    get(&mount, &server.url()).await.unwrap();
    assert_eq!((proxy.connections(), server.connections()), (0, 1));
}
