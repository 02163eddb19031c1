//! What a mount feels while clients flood other mounts of the same process: none of its requests fails, and at least half
//! of these requests wait for fewer than half of the clients that compute. How much slower the mount is, `make bench` says.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use harness::Verb;
use harness::openbao::{MountSettings, OpenBaoDriver, Server};
use serde_json::{Value, json};

use super::cache::plugin_with;
use super::{Toys, ask, server, toy};

/// Requests of the neighbour beside each flood.
const REQUESTS: usize = 40;

/// A client of the flood gives an answer up after this time, so that the end of a flood waits for none.
const PATIENCE: Duration = Duration::from_secs(1);

/// The limit of the plugin process in these tests.
const MEMORY_LIMIT_MIB: usize = 256;

/// What the process may have resident: the limit, what it has without any request, and what its allocator keeps.
const RESIDENT_MIB_MAX: usize = MEMORY_LIMIT_MIB + 256;

/// What the clients of a flood do.
enum Kind {
    /// Send the same request again and again, whatever its answer is.
    Ask { paths: Vec<String>, body: Value },
    /// Send one request to each of two mounts, and wait for an answer that never comes.
    Sleep { mounts: [String; 2] },
}

/// Clients at work, until the end of the flood.
enum Flood {
    Asking { stop: Arc<AtomicBool>, answers: Arc<AtomicUsize>, clients: Vec<JoinHandle<()>> },
    Sleeping { _connections: Vec<TcpStream> },
}

impl Flood {
    fn start(server: &Server, kind: &Kind, clients: usize) -> Self {
        match kind {
            Kind::Ask { paths, body } => Self::asking(server, paths, body, clients),
            Kind::Sleep { mounts } => Self::sleeping(server, mounts, clients),
        }
    }

    fn asking(server: &Server, paths: &[String], body: &Value, clients: usize) -> Self {
        let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let method = if body.is_null() { "GET" } else { "PUT" };
        let clients = paths.iter().cycle().take(clients).map(|path| {
            let (client, path, body) = (server.client(), path.clone(), body.clone());
            let (stop, answers) = (Arc::clone(&stop), Arc::clone(&answers));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let _ = client.try_call(method, &path, &body, &[], PATIENCE);
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        Self::Asking { clients: clients.collect(), answers, stop }
    }

    fn sleeping(server: &Server, mounts: &[String; 2], clients: usize) -> Self {
        let (address, token) = (server.address().trim_start_matches("http://"), server.root_token());
        let begin = |mount: &String| {
            let mut connection = TcpStream::connect(address).unwrap();
            let head =
                format!("GET /v1/{mount}/flood/sleep HTTP/1.1\r\nhost: {address}\r\nx-vault-token: {token}\r\n\r\n");
            connection.write_all(head.as_bytes()).unwrap();
            connection
        };
        Self::Sleeping { _connections: mounts.iter().cycle().take(clients).map(begin).collect() }
    }

    /// How many answers its clients have had, or given up.
    fn answers(&self) -> usize {
        match self {
            Self::Asking { answers, .. } => answers.load(Ordering::Relaxed),
            Self::Sleeping { .. } => 0,
        }
    }

    /// Waits until the last request is answered. The server ends those of connections that are closed.
    fn end(self) {
        let Self::Asking { stop, clients, .. } = self else { return };
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().unwrap();
        }
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

    /// How many answers the flood had during each of its requests, reads and writes in turn. None may fail.
    fn work(&self, flood: &Flood) -> Vec<usize> {
        let path = format!("roles/{ORGANIZATION}/neighbour");
        let one = |number: usize| {
            let before = flood.answers();
            if number.is_multiple_of(2) {
                ask(&self.0, Verb::Write, &path, json!({ "role_id": ORGANIZATION })).expect(204);
            } else {
                ask(&self.0, Verb::Read, &path, Value::Null).expect(200);
            }
            flood.answers() - before
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
    let ask = |path: &str, body: Value| Kind::Ask { paths: vec![format!("{}/flood/{path}", toys.name)], body };
    let mounts = [toys.name.clone(), format!("{}-second", toys.name)];
    let of_two = mounts.clone().map(|mount| format!("{mount}/flood/processor")).to_vec();
    let floods = [
        ("processor", 100, ask("processor", Value::Null)),
        ("processor of two mounts", 100, Kind::Ask { paths: of_two, body: Value::Null }),
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
        let mut overtaken = neighbour.work(&flood);
        flood.end();
        overtaken.sort_unstable();
        let median = overtaken[REQUESTS / 2];
        show(&format!("{name}, {clients} clients: {overtaken:?}, {} MiB", resident_mib(&toys)));
        // Whoever takes the end of a queue of long requests meets as many answers as there are clients. The other floods
        // have short requests, many of which are answered during one of the neighbour's, whatever the order.
        assert!(
            !name.starts_with("processor") || median <= clients / 2,
            "{clients} clients, {median} answers during a request"
        );
    }
    let resident = resident_mib(&toys);
    assert!(resident <= RESIDENT_MIB_MAX, "{resident} MiB were resident, with a limit of {MEMORY_LIMIT_MIB} MiB");
}
