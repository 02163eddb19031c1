//! The network between a plugin and Astra, simulated by the test: a proxy with scripted behaviour, addresses that drop
//! packets, names that resolve as the test says.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use component_runtime::Limits;
use component_runtime::egress::Resolve;
pub use component_runtime::egress::{Authorities, ClientIdentity, EgressSettings, Proxies};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::http_client::runtime;
use crate::limits::REQUESTS_IN_FLIGHT_MAX;

/// The way of the component driver's runtime to its upstreams.
#[derive(Clone, Debug)]
pub struct Network {
    /// The way to upstreams.
    pub egress: EgressSettings,
    /// The runtime's default limits, except for the requests at once and for a test that would take long.
    pub limits: Limits,
}

impl Default for Network {
    fn default() -> Self {
        let limits = Limits { requests_in_flight_max: REQUESTS_IN_FLIGHT_MAX, ..Limits::default() };
        Self { egress: EgressSettings::default(), limits }
    }
}

/// Behaviour of a proxy.
#[derive(Clone, Debug)]
pub enum ProxyPlay {
    /// Connects every target to its one destination.
    Tunnel,
    /// As `Tunnel`, for clients that send this value of `Proxy-Authorization`.
    TunnelFor(String),
    /// Connects, and cuts the connection after this number of bytes from the destination.
    CutAfter(usize),
    /// Answers these bytes.
    Answer(&'static str),
    /// Closes the connection without an answer.
    Close,
    /// Never answers.
    Hang,
}

/// An HTTP proxy on loopback, until dropped.
pub struct Proxy {
    address: SocketAddr,
    targets: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

impl Proxy {
    /// Starts a proxy that connects every target to `destination`.
    ///
    /// # Panics
    /// When the proxy cannot listen.
    #[expect(clippy::expect_used, reason = "a test without sockets can do nothing")]
    pub fn start(play: ProxyPlay, destination: SocketAddr) -> Self {
        let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0")).expect("a listener on loopback");
        let address = listener.local_addr().expect("its address");
        let targets = Arc::<Mutex<Vec<String>>>::default();
        let mut serving = JoinSet::new();
        let seen = Arc::clone(&targets);
        let accept = async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (play, seen) = (play.clone(), Arc::clone(&seen));
                connections.spawn(async move { drop(serve(stream, play, destination, &seen).await) });
            }
        };
        serving.spawn_on(accept, runtime().handle());
        Self { address, targets, _serving: serving }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Targets that clients asked for, in order.
    pub fn targets(&self) -> Vec<String> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(
    mut client: TcpStream,
    play: ProxyPlay,
    destination: SocketAddr,
    targets: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let head = read_head(&mut client).await?;
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    targets.lock().unwrap_or_else(PoisonError::into_inner).push(target);
    match play {
        ProxyPlay::Hang => std::future::pending().await,
        ProxyPlay::Close => Ok(()),
        ProxyPlay::Answer(text) => {
            client.write_all(text.as_bytes()).await?;
            std::future::pending().await
        }
        ProxyPlay::TunnelFor(credentials) if !has_credentials(&head, &credentials) => {
            client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n").await
        }
        ProxyPlay::Tunnel | ProxyPlay::TunnelFor(_) => tunnel(client, destination, usize::MAX).await,
        ProxyPlay::CutAfter(bytes) => tunnel(client, destination, bytes).await,
    }
}

fn has_credentials(head: &str, credentials: &str) -> bool {
    head.lines().any(|line| {
        let Some((name, value)) = line.split_once(": ") else { return false };
        name.eq_ignore_ascii_case("proxy-authorization") && value == credentials
    })
}

async fn tunnel(mut client: TcpStream, destination: SocketAddr, bytes_max: usize) -> io::Result<()> {
    let mut server = TcpStream::connect(destination).await?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    if bytes_max == usize::MAX {
        return tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop);
    }
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) = (client.split(), server.split());
    let mut some = (&mut from_server).take(bytes_max as u64);
    tokio::select! {
        sent = tokio::io::copy(&mut from_client, &mut to_server) => sent.map(drop),
        cut = tokio::io::copy(&mut some, &mut to_client) => cut.map(drop),
    }
}

async fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// A port of an address that drops packets: its queue of connections is full, so the system answers no further one.
pub struct Dropping {
    /// Address and port.
    pub address: SocketAddr,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl Dropping {
    /// Starts at a loopback address.
    ///
    /// # Panics
    /// When the address cannot be used.
    #[expect(clippy::expect_used, reason = "a test without sockets can do nothing")]
    pub fn start(address: SocketAddr) -> Self {
        let _entered = runtime().enter();
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(address).expect("the address is free");
        let listener = socket.listen(1).expect("a listener");
        let address = listener.local_addr().expect("its address");
        let fill = async {
            let mut queued = Vec::new();
            while let Ok(Ok(stream)) = timeout(IS_FULL_AFTER, TcpStream::connect(address)).await {
                queued.push(stream);
            }
            queued
        };
        let queued = runtime().block_on(fill);
        Self { address, _listener: listener, _queued: queued }
    }
}

/// A loopback connection that takes longer has met a full queue.
const IS_FULL_AFTER: Duration = Duration::from_millis(500);

/// Names that resolve as the test says.
#[derive(Clone, Default)]
pub struct Names(Arc<NamesState>);

#[derive(Default)]
struct NamesState {
    answers: Mutex<BTreeMap<String, Option<Vec<IpAddr>>>>,
    changed: Condvar,
}

impl Names {
    /// Sets the addresses of this name.
    ///
    /// # Panics
    /// When a text is not an address.
    pub fn set(&self, name: &str, addresses: &[&str]) {
        let parse = |text: &&str| text.parse().unwrap_or_else(|_| panic!("`{text}` is no address"));
        self.put(name, Some(addresses.iter().map(parse).collect()));
    }

    /// Lets look-ups of this name hang until it is set.
    pub fn hang(&self, name: &str) {
        self.put(name, None);
    }

    /// Removes this name.
    pub fn forget(&self, name: &str) {
        self.0.answers.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.0.changed.notify_all();
    }

    fn put(&self, name: &str, answer: Option<Vec<IpAddr>>) {
        self.0.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), answer);
        self.0.changed.notify_all();
    }
}

impl Resolve for Names {
    fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut answers = self.0.answers.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match answers.get(name) {
                Some(Some(addresses)) => return Ok(addresses.clone()),
                Some(None) => answers = self.0.changed.wait(answers).unwrap_or_else(PoisonError::into_inner),
                None => return Err(io::Error::new(io::ErrorKind::NotFound, "the name does not exist")),
            }
        }
    }
}
