//! What a mount feels while clients flood other mounts of the same process: none of its requests fails, and at least half
//! of these requests wait for fewer than half of the clients that compute. How much slower the mount is, `make bench` says.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use harness::Verb;
use harness::limits::{CONDITION_DEADLINE, POLL_INTERVAL};
use harness::openbao::{MountSettings, OpenBaoDriver, Server};
use serde_json::{Value, json};

use super::cache::plugin_with;
use super::{Toys, ask, server, toy};

/// Requests of the neighbour beside each flood.
const REQUESTS: usize = 40;

/// A client of most floods gives an answer up after this time, so that the end of a flood waits for none.
const PATIENCE: Duration = Duration::from_secs(1);

/// A client that waits for the answer to a computation looks this often whether the flood has ended.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// The limit of the plugin process in these tests.
const MEMORY_LIMIT_MIB: usize = 256;

/// What the process may have resident: the limit, what it has without any request, and what its allocator keeps.
const RESIDENT_MIB_MAX: usize = MEMORY_LIMIT_MIB + 256;

/// What the clients of a flood do.
enum Kind {
    /// Send the same request again and again, whatever its answer is.
    Ask { path: String, body: Value },
    /// Have these mounts do the same work again and again, and wait for each answer.
    Compute { mounts: Vec<String> },
    /// Send one request to each of two mounts, and wait for an answer that never comes.
    Sleep { mounts: [String; 2] },
}

/// Clients at work, until the end of the flood.
struct Flood {
    stop: Arc<AtomicBool>,
    /// Computations that were answered.
    computed: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<()>>,
    /// Closed with the flood.
    sleeping: Vec<TcpStream>,
}

impl Flood {
    fn start(server: &Server, kind: &Kind, clients: usize) -> Self {
        let mut flood =
            Self { stop: Arc::default(), computed: Arc::default(), clients: Vec::new(), sleeping: Vec::new() };
        for number in 0..clients {
            let mount = |mounts: &[String]| mounts[number % mounts.len()].clone();
            let stop = Arc::clone(&flood.stop);
            match kind {
                Kind::Ask { path, body } => flood.clients.push(asking(server, path, body, stop)),
                Kind::Compute { mounts } => {
                    let request = Plain::new(server, &mount(mounts), "computation");
                    flood.clients.push(computing(request, stop, Arc::clone(&flood.computed)));
                }
                Kind::Sleep { mounts } => flood.sleeping.push(Plain::new(server, &mount(mounts), "sleep").send()),
            }
        }
        flood
    }

    /// Waits for the first answer to a computation: the mount has work then.
    fn wait_until_it_is_on(&self, kind: &Kind) {
        let deadline = Instant::now() + CONDITION_DEADLINE;
        while matches!(kind, Kind::Compute { .. }) && self.computed() == 0 {
            assert!(Instant::now() < deadline, "no computation was answered");
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    fn computed(&self) -> usize {
        self.computed.load(Ordering::Relaxed)
    }

    /// The server ends the requests of connections that are closed.
    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().unwrap();
        }
        drop(self.sleeping);
    }
}

fn asking(server: &Server, path: &str, body: &Value, stop: Arc<AtomicBool>) -> JoinHandle<()> {
    let (client, path, body) = (server.client(), path.to_owned(), body.clone());
    let method = if body.is_null() { "GET" } else { "PUT" };
    std::thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            let _ = client.try_call(method, &path, &body, &[], PATIENCE);
        }
    })
}

fn computing(request: Plain, stop: Arc<AtomicBool>, computed: Arc<AtomicUsize>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            // A request that only waited is refused with a 503.
            if request.answer(&stop).is_some_and(|head| head.starts_with("HTTP/1.1 200 ")) {
                computed.fetch_add(1, Ordering::Relaxed);
            }
        }
    })
}

/// A request on a connection of its own, which can be closed at any time.
struct Plain {
    address: String,
    head: String,
}

impl Plain {
    fn new(server: &Server, mount: &str, flood: &str) -> Self {
        let (address, token) = (server.address().trim_start_matches("http://").to_owned(), server.root_token());
        let head =
            format!("GET /v1/{mount}/flood/{flood} HTTP/1.1\r\nhost: {address}\r\nx-vault-token: {token}\r\n\r\n");
        Self { address, head }
    }

    fn send(&self) -> TcpStream {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        connection.write_all(self.head.as_bytes()).unwrap();
        connection
    }

    /// The start of the answer; nothing if the flood ends before.
    fn answer(&self, stop: &AtomicBool) -> Option<String> {
        let mut connection = self.send();
        connection.set_read_timeout(Some(LOOK_PAUSE)).unwrap();
        let mut begin = [0; 64];
        while !stop.load(Ordering::Relaxed) {
            match connection.read(&mut begin) {
                Ok(count) => return Some(String::from_utf8_lossy(begin.get(..count)?).into_owned()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => panic!("{error}"),
            }
        }
        None
    }
}

/// A mount of the Astra engine in the process of the flooded mount.
struct Neighbour(OpenBaoDriver);

impl Neighbour {
    fn mount(toys: &Toys) -> Self {
        let mount_point = format!("{}-astra/", toys.name);
        let settings = MountSettings { mount_point, options: json!({}), ..toys.settings.clone() };
        let mount = OpenBaoDriver::mount_registered(server(), &settings);
        let token = format!("AstraCS:clientclientclientclient:{}", "0123456789abcdef".repeat(4));
        let config = json!({ "astra_token": token, "verify": false, "force": true });
        ask(&mount, Verb::Write, &format!("config/{ORGANIZATION}"), config).expect(204);
        Self(mount)
    }

    /// How many computations were answered during each of its requests, reads and writes in turn. None may fail.
    fn work(&self, flood: &Flood) -> Vec<usize> {
        let path = format!("roles/{ORGANIZATION}/neighbour");
        let one = |number: usize| {
            let before = flood.computed();
            if number.is_multiple_of(2) {
                ask(&self.0, Verb::Write, &path, json!({ "role_id": ORGANIZATION })).expect(204);
            } else {
                ask(&self.0, Verb::Read, &path, Value::Null).expect(200);
            }
            flood.computed() - before
        };
        (0..REQUESTS).map(one).collect()
    }
}

const ORGANIZATION: &str = "11111111-2222-4333-8444-555555555555";

/// For whoever runs the test with `--nocapture`.
#[expect(clippy::print_stdout, reason = "figures of a test")]
fn show(figures: &str) {
    println!("{figures}");
}

/// MiB of the plugin's process that were resident at most.
fn resident_mib(toys: &Toys) -> usize {
    let pid = plugin_with(&toys.server, &toys.folder.argument());
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    most.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1024
}

#[test]
fn a_flood_of_one_mount_fails_no_request_of_another() {
    let module = toy("floods", 30);
    // Takes connections, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let arguments = vec![
        module.pin(),
        format!("--allow-egress=toy=http://127.0.0.1:{port}"),
        format!("--memory-limit={MEMORY_LIMIT_MIB}MiB"),
    ];
    let toys = Toys::mount(server(), arguments, |folder| folder.drop_in(&module));
    let second = MountSettings { mount_point: format!("{}-second/", toys.name), ..toys.settings.clone() };
    let _second = OpenBaoDriver::mount_registered(server(), &second);
    let neighbour = Neighbour::mount(&toys);
    let ask = |path: &str, body: Value| Kind::Ask { path: format!("{}/flood/{path}", toys.name), body };
    let mounts = [toys.name.clone(), format!("{}-second", toys.name)];
    let floods = [
        ("computations", 100, Kind::Compute { mounts: vec![toys.name.clone()] }),
        ("computations of two mounts", 100, Kind::Compute { mounts: mounts.to_vec() }),
        ("processor", 100, ask("processor", Value::Null)),
        ("answers", 20, ask("answers", Value::Null)),
        ("storage", 20, ask("storage", Value::Null)),
        ("reads", 20, ask("reads", Value::Null)),
        ("log", 20, ask("log", Value::Null)),
        ("sleep", 1_100, Kind::Sleep { mounts }),
        ("texts", 2, ask("texts", json!({ "text": "x".repeat(30_000_000) }))),
        ("bodies", 4, ask(&format!("bodies/{port}"), Value::Null)),
    ];
    for (name, clients, kind) in floods {
        let flood = Flood::start(&toys.server, &kind, clients);
        flood.wait_until_it_is_on(&kind);
        let mut overtaken = neighbour.work(&flood);
        flood.end();
        overtaken.sort_unstable();
        let median = overtaken[REQUESTS / 2];
        show(&format!("{name}, {clients} clients: {overtaken:?}, {} MiB", resident_mib(&toys)));
        // Whoever takes the end of a queue meets as many answers as there are clients. Each answer stands for the same work,
        // however busy the machine is. The clients of the other floods count no answers.
        if matches!(kind, Kind::Compute { .. }) {
            assert!(median < clients / 2, "{name}, {clients} clients: {median} were answered during a request");
        }
    }
    let resident = resident_mib(&toys);
    assert!(resident <= RESIDENT_MIB_MAX, "{resident} MiB were resident, with a limit of {MEMORY_LIMIT_MIB} MiB");
}
