//! Limits and error codes: faults of an upstream, and requests that are not sent at all.

use super::*;
use crate::egress::{EgressHooks, Received};

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
    let error = send_until(&mount, Access::Full, request(Method::GET, &server.url()), wish, far).await.err().unwrap();
    assert!(matches!(error, Error::HttpResponseTimeout), "{error:?}");
    let near = Instant::now() + Duration::from_millis(50);
    let outcome =
        send_until(&mount, Access::Full, request(Method::GET, &server.url()), RequestOptions::default(), near).await;
    assert!(matches!(outcome.err().unwrap(), Error::HttpResponseTimeout));
}

#[tokio::test]
async fn a_request_that_was_certainly_not_sent_has_an_error_code_that_says_so() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let origins = [format!("http://{closed}"), "http://does-not-exist.invalid".to_owned()];
    let egress = Egress::new(EgressSettings::default(), &EgressLimits::default());
    let mount = mount_of(&egress, &origins.each_ref().map(String::as_str));
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
    let hooks = EgressHooks::new(
        Arc::clone(&mount),
        Access::Full,
        "test/",
        deadline,
        Received::default(),
        Surrogates::default(),
        Account::for_tests(),
    );
    let alive = hooks.alive();
    drop(hooks);
    let sender = Sender {
        egress: &mount,
        access: Access::Full,
        mount: "test/",
        alive: &alive,
        surrogates: &Surrogates::default(),
        account: &Account::for_tests(),
    };
    let outcome = send(&sender, request(Method::POST, &server.url()), RequestOptions::default(), deadline).await;
    assert!(outcome.is_err());
    assert_eq!(server.connections(), 0);
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

/// Bytes that servers of this test wrote.
static POURED: AtomicUsize = AtomicUsize::new(0);

#[tokio::test]
async fn an_upstream_waits_for_a_guest_that_does_not_read() {
    const LONG: usize = 256 * 1024 * 1024;
    fn pour_counted(mut stream: TcpStream) -> Task {
        Box::pin(async move {
            while POURED.load(Ordering::Relaxed) < LONG && stream.write_all(&[b'x'; 65536]).await.is_ok() {
                POURED.fetch_add(65536, Ordering::Relaxed);
            }
        })
    }
    let server = Server::start(answering!("HTTP/1.1 200 OK\r\n\r\n", pour_counted)).await;
    let mount = server.mount(&EgressLimits::default());
    let far = Instant::now() + Duration::from_secs(60);
    let request = request(Method::GET, &server.url());
    let unread = send_until(&mount, Access::Full, request, RequestOptions::default(), far).await.unwrap();
    // Until the upstream makes no more progress.
    let mut still = 0;
    let mut before = 0;
    while still < 20 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = POURED.load(Ordering::Relaxed);
        still = if now == before { still + 1 } else { 0 };
        before = now;
    }
    // The buffers of this machine's sockets, and one window.
    assert!(before < LONG / 4, "{before} bytes were taken of an answer that nobody reads");
    drop(unread);
}
