//! Outbound HTTP of guests: the allowed destinations, and the errors that guests get.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use component_runtime::{InvokeError, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::{
    TestRuntime, answer, call, limits, load, mount, mount_with, on_each_scheduler, reading_runtime, runtime,
};

/// Answers the first bytes of each connection with this text, and keeps the connection open.
struct Upstream {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl Upstream {
    async fn start(answer: &'static [u8], is_endless: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut streams = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                streams.spawn(async move {
                    let mut buffer = [0; 4096];
                    while stream.read(&mut buffer).await.is_ok_and(|bytes| bytes > 0) {
                        let _ = stream.write_all(answer).await;
                        while is_endless && stream.write_all(&[b'x'; 4096]).await.is_ok() {}
                    }
                });
            }
        });
        Self { address, connections, _serving: serving }
    }

    fn runtime(&self, limits: Limits) -> TestRuntime {
        runtime(limits, &[&format!("http://{}", self.address)])
    }

    fn path(&self) -> String {
        format!("get/http://{}/", self.address)
    }
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn patient() -> Limits {
    Limits { processor_time: Duration::from_secs(30), ..limits() }
}

#[test]
fn a_guest_reaches_what_is_allowed_and_requests_share_a_connection() {
    on_each_scheduler(|| async {
        let upstream = Upstream::start(OK, false).await;
        let runtime = upstream.runtime(limits());
        let (good, mount) = (load(&runtime, "good").await, mount(&runtime, "m", &Arc::default()));
        for _ in 0..20 {
            assert_eq!(answer(&good, &mount, &upstream.path()).await.unwrap(), "(200, Ok(2))");
        }
        assert_eq!(upstream.connections.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn everything_else_is_denied_however_it_is_spelled() {
    on_each_scheduler(|| async {
        let upstream = Upstream::start(OK, false).await;
        let port = upstream.address.port();
        let runtime = upstream.runtime(limits());
        let (rogue, mount) = (load(&runtime, "denied_host").await, mount(&runtime, "m", &Arc::default()));
        for url in [
            "https://elsewhere.example/".to_owned(),
            "http://169.254.169.254/latest/meta-data/".to_owned(),
            "http://[fd00:ec2::254]/".to_owned(),
            format!("http://localhost:{port}/"),
            format!("http://127.1:{port}/"),
            format!("http://2130706433:{port}/"),
            format!("http://0x7f000001:{port}/"),
            format!("http://[::ffff:127.0.0.1]:{port}/"),
            format!("http://127.0.0.1.nip.io:{port}/"),
            format!("https://127.0.0.1:{port}/"),
            "http://127.0.0.1/".to_owned(),
        ] {
            let told = answer(&rogue, &mount, &format!("get/{url}")).await.unwrap();
            assert_eq!(told, "ErrorCode::HttpRequestDenied", "{url}");
        }
        assert_eq!(upstream.connections.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn only_the_guest_follows_a_redirect_and_only_to_allowed_origins() {
    const REDIRECT: &[u8] = b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n";
    on_each_scheduler(|| async {
        let upstream = Upstream::start(REDIRECT, false).await;
        let told = call(&upstream.runtime(limits()), "follow_redirect", &upstream.path()).await.unwrap();
        assert_eq!(told, "(302, Err(ErrorCode::HttpRequestDenied))");
        assert_eq!(upstream.connections.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_giant_body_is_never_sent() {
    on_each_scheduler(|| async {
        let upstream = Upstream::start(OK, false).await;
        let told = call(&upstream.runtime(patient()), "giant_request_body", &upstream.path()).await.unwrap();
        assert_eq!(told, "Ok(Err(ErrorCode::HttpRequestBodySize(Some(1048576))))");
        assert_eq!(upstream.connections.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn an_endless_answer_ends_and_the_guest_learns_why() {
    on_each_scheduler(|| async {
        let upstream = Upstream::start(b"HTTP/1.1 200 OK\r\n\r\n", true).await;
        let mut limits = patient();
        limits.egress.response_body_bytes_max = 8 * MIB;
        let told = call(&upstream.runtime(limits), "endless_answer", &upstream.path()).await.unwrap();
        assert_eq!(told, "(200, Err(Some(ErrorCode::HttpResponseBodySize(Some(8388608)))))");
    });
}

const MIB: usize = 1024 * 1024;

/// An answer with a body of this size in MiB.
fn long_answer(mib: usize) -> &'static [u8] {
    let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", mib * MIB).into_bytes();
    answer.resize(answer.len() + mib * MIB, b'x');
    answer.leak()
}

#[test]
fn an_answer_may_be_longer_than_the_memory_of_its_guest() {
    const { assert!(component_runtime::limits::EGRESS_RESPONSE_BODY_BYTES_MAX > 300_000_000) };
    on_each_scheduler(|| async {
        let upstream = Upstream::start(long_answer(20), false).await;
        let limits = Limits { memory_bytes_max: 4 * MIB, ..patient() };
        let told = call(&upstream.runtime(limits), "endless_answer", &upstream.path()).await.unwrap();
        assert_eq!(told, format!("(200, Ok({}))", 20 * MIB));
    });
}

#[test]
fn a_guest_that_spins_after_a_long_answer_is_stopped_by_what_that_answer_earned() {
    on_each_scheduler(|| async {
        let upstream = Upstream::start(long_answer(4), false).await;
        let limits = Limits {
            processor_time: Duration::from_millis(300),
            processor_time_per_received_mib: Duration::from_millis(100),
            processor_time_max: Duration::from_millis(600),
            ..limits()
        };
        let outcome = call(&upstream.runtime(limits), "spin_after_an_answer", &upstream.path()).await;
        assert_eq!(outcome.unwrap_err(), InvokeError::ProcessorTime(Duration::from_millis(600)));
    });
}

#[test]
fn half_a_request_is_not_sent_whether_its_guest_traps_or_is_cut_off() {
    on_each_scheduler(|| async {
        let upstream = Upstream::start(OK, false).await;
        let runtime = upstream.runtime(Limits { request_deadline: Duration::from_secs(2), ..limits() });
        let (rogue, mount) = (load(&runtime, "half_a_body").await, mount(&runtime, "m", &Arc::default()));
        let url = format!("http://{}/", upstream.address);
        for path in [format!("trap/{url}"), format!("sleep/{url}")] {
            let outcome = answer(&rogue, &mount, &path).await;
            assert!(matches!(outcome, Err(InvokeError::Trap(_) | InvokeError::Deadline(_))), "{outcome:?}");
        }
        // After another request has gone through, anything that was on its way has arrived.
        let good = load(&runtime, "good").await;
        assert_eq!(answer(&good, &mount, &upstream.path()).await.unwrap(), "(200, Ok(2))");
        assert_eq!(upstream.connections.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn requests_of_one_mount_at_once_are_bounded() {
    on_each_scheduler(|| async {
        let upstream = Upstream::start(b"", false).await;
        let mut limits = patient();
        limits.egress.connect_timeout = Duration::from_millis(200);
        limits.egress.first_byte_timeout = Duration::from_secs(2);
        limits.egress.requests_per_mount_max = 10;
        let runtime = upstream.runtime(limits);
        let told = call(&runtime, "many_requests", &upstream.path()).await.unwrap();
        assert_eq!(told, "90");
        assert!(upstream.connections.load(Ordering::SeqCst) <= 10);
    });
}

/// All ways in which a guest can try to write, and the number of attempts of each.
const WRITES: [(&str, usize); 4] = [("write", 7), ("spell", 8), ("stand-for", 3), ("hide", 1)];

/// True if the answer says that all attempts were refused.
fn all_refused(told: &str, attempts: usize) -> bool {
    told.matches("ErrorCode::HttpRequestDenied").count() + told.matches("no method").count() == attempts
}

#[test]
fn a_guest_that_may_only_read_changes_nothing_whatever_it_tries() {
    on_each_scheduler(|| async {
        let upstream = Upstream::start(OK, false).await;
        let origin = format!("http://{}", upstream.address);
        let all = reading_runtime(patient(), &[&origin]);
        // The setting of the runtime takes precedence over the mount's option.
        let option = |value: &str| BTreeMap::from([("upstream".to_owned(), value.to_owned())]);
        let one = upstream.runtime(patient());
        let mounts = [
            (&all, mount(&all, "a", &Arc::default())),
            (&all, mount_with(&all, "b", &Arc::default(), option("read-write"))),
            (&one, mount_with(&one, "c", &Arc::default(), option("read-only"))),
        ];
        for (runtime, mount) in mounts {
            let rogue = load(runtime, "write_upstream").await;
            for (what, attempts) in WRITES {
                let told = answer(&rogue, &mount, &format!("{what}/{origin}/")).await.unwrap();
                assert!(all_refused(&told, attempts), "{what}: {told}");
            }
            assert_eq!(upstream.connections.load(Ordering::SeqCst), 0, "nothing was even connected to");
            let told = answer(&rogue, &mount, "options").await.unwrap();
            assert_eq!(told, r#"[("upstream", "read-only")]"#);
        }
    });
}

#[test]
fn a_guest_that_may_only_read_does_read() {
    on_each_scheduler(|| async {
        let upstream = Upstream::start(OK, false).await;
        let origin = format!("http://{}", upstream.address);
        let runtime = reading_runtime(patient(), &[&origin]);
        let told = call(&runtime, "write_upstream", &format!("read/{origin}/")).await.unwrap();
        assert_eq!(told, r#"["200", "200"]"#);
    });
}

#[test]
fn a_connection_that_an_upstream_upgrades_is_no_way_out() {
    const UPGRADE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    on_each_scheduler(|| async {
        let upstream = Upstream::start(UPGRADE, false).await;
        let origin = format!("http://{}", upstream.address);
        let runtime = reading_runtime(patient(), &[&origin]);
        let told = call(&runtime, "write_upstream", &format!("read/{origin}/")).await.unwrap();
        assert!(!told.contains("101") && told.matches("ErrorCode::").count() == 2, "{told}");
    });
}

#[test]
fn a_guest_that_may_do_all_is_told_no_option_and_sends_what_it_likes() {
    on_each_scheduler(|| async {
        let upstream = Upstream::start(OK, false).await;
        let origin = format!("http://{}", upstream.address);
        let runtime = upstream.runtime(patient());
        let (rogue, mount) = (load(&runtime, "write_upstream").await, mount(&runtime, "m", &Arc::default()));
        assert_eq!(answer(&rogue, &mount, "options").await.unwrap(), "[]");
        for (what, _) in WRITES {
            let told = answer(&rogue, &mount, &format!("{what}/{origin}/")).await.unwrap();
            assert!(!told.contains("HttpRequestDenied") && told.contains("200"), "{what}: {told}");
        }
    });
}
