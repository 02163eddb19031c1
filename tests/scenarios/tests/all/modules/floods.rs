//! What a mount feels while clients flood another mount of the same process: its requests are slower by a little, and
//! none fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use harness::Verb;
use harness::openbao::{MountSettings, OpenBaoDriver};
use serde_json::{Value, json};

use super::{Toys, ask, server, toy};

/// How often quiet and flooded times alternate, so that whatever else the machine does meets both.
const ROUNDS: usize = 2;

/// Requests of the neighbour in each of these times.
const REQUESTS: usize = 60;

/// The median of the neighbour's requests grows by no more than this, also on a machine that runs other tests.
const RATIO_MAX: u32 = 6;

/// A client of the flood gives an answer up after this time, so that the end of a flood waits for none.
const PATIENCE: Duration = Duration::from_secs(2);

/// Clients that send the same request again and again, whatever its answer is.
struct Flood {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Flood {
    fn start(toys: &Toys, path: &str, clients: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..clients).map(|_| {
            let (client, path, stop) = (toys.server.client(), format!("{}/flood/{path}", toys.name), Arc::clone(&stop));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let _ = client.try_call("GET", &path, &Value::Null, &[], PATIENCE);
                }
            })
        });
        Self { clients: clients.collect(), stop }
    }

    /// Waits until the last request is answered.
    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
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

#[test]
fn a_flood_of_one_mount_slows_another_a_little_and_fails_none_of_its_requests() {
    let module = toy("floods", 30);
    let toys = Toys::mount(server(), vec![module.pin()], |folder| folder.drop_in(&module));
    let neighbour = Neighbour::mount(&toys);
    let mut slow = Vec::new();
    for (path, clients) in [("processor", 100), ("answers", 20), ("storage", 20), ("log", 20)] {
        let (mut quiet, mut flooded) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            quiet.extend(neighbour.work());
            let flood = Flood::start(&toys, path, clients);
            flooded.extend(neighbour.work());
            flood.end();
        }
        for times in [&mut quiet, &mut flooded] {
            times.sort_unstable();
        }
        let figures = [(500, "p50"), (990, "p99"), (1_000, "max")]
            .map(|(of, name)| format!("{name} {:?} → {:?}", at(&quiet, of), at(&flooded, of)));
        show(&format!("{path}, {clients} clients: {}", figures.join(", ")));
        if at(&flooded, 500) > at(&quiet, 500) * RATIO_MAX {
            slow.push(path);
        }
    }
    assert!(slow.is_empty(), "the neighbour is more than {RATIO_MAX} times slower while clients flood {slow:?}");
}
