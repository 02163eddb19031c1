//! What a mount feels while clients flood another mount of the same process: its requests are slower by a little, and
//! none fails.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use harness::Verb;
use harness::openbao::{MountSettings, OpenBaoDriver, Server};
use serde_json::{Value, json};

use super::cache::plugin_with;
use super::{Toys, ask, server, toy};

/// How often quiet and flooded times alternate, so that whatever else the machine does meets both.
const ROUNDS: usize = 2;

/// Requests of the neighbour in each of these times.
const REQUESTS: usize = 40;

/// The median of the neighbour's requests grows by no more than this, also on a machine that runs other tests.
const RATIO_MAX: u32 = 6;

/// A client of the flood gives an answer up after this time, so that the end of a flood waits for none.
const PATIENCE: Duration = Duration::from_secs(1);

/// The limit of the plugin process in these tests.
const MEMORY_LIMIT_MIB: usize = 256;

/// What the process may have resident: the limit, what it has without any request, and what its allocator keeps.
const RESIDENT_MIB_MAX: usize = MEMORY_LIMIT_MIB + 256;

/// What the clients of a flood do.
enum Kind {
    /// Send the same request again and again, whatever its answer is.
    Ask { path: String, body: Value },
    /// Send one request to each of two mounts, and wait for an answer that never comes.
    Sleep { mounts: [String; 2] },
}

/// Clients at work, until the end of the flood.
enum Flood {
    Asking { stop: Arc<AtomicBool>, clients: Vec<JoinHandle<()>> },
    Sleeping { _connections: Vec<TcpStream> },
}

impl Flood {
    fn start(server: &Server, kind: &Kind, clients: usize) -> Self {
        match kind {
            Kind::Ask { path, body } => Self::asking(server, path, body, clients),
            Kind::Sleep { mounts } => Self::sleeping(server, mounts, clients),
        }
    }

    fn asking(server: &Server, path: &str, body: &Value, clients: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let method = if body.is_null() { "GET" } else { "PUT" };
        let clients = (0..clients).map(|_| {
            let (client, path, body, stop) = (server.client(), path.to_owned(), body.clone(), Arc::clone(&stop));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let _ = client.try_call(method, &path, &body, &[], PATIENCE);
                }
            })
        });
        Self::Asking { clients: clients.collect(), stop }
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

    /// Waits until the last request is answered. The server ends those of connections that are closed.
    fn end(self) {
        let Self::Asking { stop, clients } = self else { return };
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

    /// How long each of its requests took, reads and writes in turn. None may fail.
    fn work(&self) -> Vec<Duration> {
        let path = format!("roles/{ORGANIZATION}/neighbour");
        let one = |number: usize| {
            let begun = Instant::now();
            if number.is_multiple_of(2) {
                ask(&self.0, Verb::Write, &path, json!({ "role_id": ORGANIZATION })).expect(204);
            } else {
                ask(&self.0, Verb::Read, &path, Value::Null).expect(200);
            }
            begun.elapsed()
        };
        (0..REQUESTS).map(one).collect()
    }
}

const ORGANIZATION: &str = "11111111-2222-4333-8444-555555555555";

/// One of the times, in order; `of` is out of a thousand.
fn at(times: &[Duration], of: usize) -> Duration {
    times[(times.len() * of / 1_000).min(times.len() - 1)]
}

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

/// Is the neighbour too slow while a flood goes on?
fn is_slow(name: &str, neighbour: &Neighbour, start: impl Fn() -> Flood) -> bool {
    let (mut quiet, mut flooded) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        quiet.extend(neighbour.work());
        let flood = start();
        flooded.extend(neighbour.work());
        flood.end();
    }
    for times in [&mut quiet, &mut flooded] {
        times.sort_unstable();
    }
    let figures = [(500, "p50"), (990, "p99"), (1_000, "max")]
        .map(|(of, name)| format!("{name} {:?} → {:?}", at(&quiet, of), at(&flooded, of)));
    show(&format!("{name}: {}", figures.join(", ")));
    at(&flooded, 500) > at(&quiet, 500) * RATIO_MAX
}

#[test]
fn a_flood_of_one_mount_slows_another_a_little_and_fails_none_of_its_requests() {
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
    let floods = [
        ("processor", 100, ask("processor", Value::Null)),
        ("answers", 20, ask("answers", Value::Null)),
        ("storage", 20, ask("storage", Value::Null)),
        ("log", 20, ask("log", Value::Null)),
        ("sleep", 1_100, Kind::Sleep { mounts: [toys.name.clone(), format!("{}-second", toys.name)] }),
        ("texts", 2, ask("texts", json!({ "text": "x".repeat(30_000_000) }))),
        ("bodies", 4, ask(&format!("bodies/{port}"), Value::Null)),
    ];
    let mut slow = Vec::new();
    for (name, clients, kind) in floods {
        let is_slow = || is_slow(name, &neighbour, || Flood::start(&toys.server, &kind, clients));
        // Whatever else the machine does may meet one of the times and not the other: that does not happen again.
        if is_slow() && is_slow() {
            slow.push(name);
        }
        show(&format!("{name}, {clients} clients: {} MiB", resident_mib(&toys)));
    }
    assert!(slow.is_empty(), "the neighbour is more than {RATIO_MAX} times slower while clients flood {slow:?}");
    let resident = resident_mib(&toys);
    assert!(resident <= RESIDENT_MIB_MAX, "{resident} MiB were resident, with a limit of {MEMORY_LIMIT_MIB} MiB");
}
