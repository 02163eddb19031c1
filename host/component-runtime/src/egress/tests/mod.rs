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

use super::access::Access;
use super::pool::{Egress, MountEgress};
use super::send::{Sender, send};
use super::work::MountWork;
use super::{EgressSettings, Origin, Policy, hooks};
use crate::capability::LogRate;
use crate::limits::{EgressLimits, Limits};
use crate::memory_account::Account;
use crate::surrogates::Surrogates;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A server's work with one connection.
type Task = futures_util::future::BoxFuture<'static, ()>;
type Serve = fn(TcpStream) -> Task;

/// A server on loopback that counts its connections. It ends with its drop.
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
        mount_of(&Egress::new(EgressSettings::default(), limits), &[&format!("http://{}", self.address)])
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Reads the head of one request, and the body if the head declares one.
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

/// A server that reads one request, writes this text, and does `$then` with the stream.
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

// Declared after the macro, because they use it.
mod addresses;
mod dns;
mod faults;
mod log_lines;
mod memory;
mod pool;
mod proxies;
mod reasons;
mod tls;

fn close(stream: TcpStream) -> Task {
    Box::pin(async move { drop(stream) })
}

fn hold(stream: TcpStream) -> Task {
    Box::pin(async move {
        let _held = stream;
        std::future::pending().await
    })
}

/// Resets the connection instead of closing it.
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

/// True for the code of a reason that has no code in `wasi:http`.
fn is_not_sent(error: &Error, reason: &str) -> bool {
    matches!(error, Error::InternalError(Some(text)) if *text == format!("not-sent:{reason}"))
}

fn alive() -> hooks::Alive {
    hooks::Alive::for_tests()
}

async fn exchange_request(mount: &MountEgress, request: Request<WasiBody>) -> Result<Response<WasiBody>, Error> {
    send_as(mount, Access::Full, request).await
}

async fn send_as(mount: &MountEgress, access: Access, request: Request<WasiBody>) -> Result<Response<WasiBody>, Error> {
    let deadline = Instant::now() + Duration::from_secs(60);
    send_until(mount, access, request, RequestOptions::default(), deadline).await
}

async fn send_until(
    mount: &MountEgress,
    access: Access,
    request: Request<WasiBody>,
    wish: RequestOptions,
    deadline: Instant,
) -> Result<Response<WasiBody>, Error> {
    send(
        &Sender {
            egress: mount,
            access,
            mount: "test/",
            alive: &alive(),
            surrogates: &Surrogates::default(),
            account: &Account::for_tests(),
        },
        request,
        wish,
        deadline,
    )
    .await
}

/// Limits of a log that takes every line.
fn unlimited_log() -> Limits {
    Limits { log_lines_per_second_max: u32::MAX, log_burst_bytes: usize::MAX, ..Limits::default() }
}

/// A mount that may send requests to these origins, without a limit of its log.
fn mount_of(egress: &Arc<Egress>, origins: &[&str]) -> MountEgress {
    MountEgress::new(egress, policy(origins), &Arc::new(LogRate::new(&unlimited_log())), Arc::new(AtOnce))
}

/// Runs work where it is asked for.
struct AtOnce;

impl MountWork for AtOnce {
    fn run(&self, work: Task) -> Task {
        work
    }
}

fn policy(origins: &[&str]) -> Policy {
    Policy::new("toy", origins.iter().map(|text| Origin::parse(text).unwrap()).collect())
}

/// Status and body, or the error that ended the exchange.
async fn exchange(mount: &MountEgress, request: Request<WasiBody>) -> Result<(u16, Bytes), Error> {
    let answer = exchange_request(mount, request).await?;
    let status = answer.status().as_u16();
    Ok((status, answer.into_body().collect().await?.to_bytes()))
}

async fn get(mount: &MountEgress, url: &str) -> Result<(u16, Bytes), Error> {
    exchange(mount, request(Method::GET, url)).await
}
