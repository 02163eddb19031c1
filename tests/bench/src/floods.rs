//! What one mount feels while clients flood other mounts of the same process.
//!
//! Each flood is compared with the larger of two times: with nobody else, and with as many requests of the same clients
//! to the server's own kv engine. What these cost the neighbour is the server's part.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::flood_clients::{Asked, FloodClients};
use crate::samples::{Samples, milliseconds};
use crate::server::TestServer;
use crate::table::{Table, Target};

/// How long each time lasts.
const LENGTH: Duration = Duration::from_secs(3);
/// The pause of the neighbour between two of its requests.
const PAUSE: Duration = Duration::from_millis(4);
/// Until a flood has filled what it fills.
const WARM_UP: Duration = Duration::from_millis(500);

/// The mounts that are flooded, in turns.
const FLOODED: [&str; 2] = ["flooded", "flooded-too"];

/// The length of a long text in a request. The server takes requests of up to 32 MiB.
const TEXT_BYTES: usize = 30_000_000;

/// What the clients of a flood ask for, and how many there are.
struct Flood {
    name: &'static str,
    /// Below a flooded mount.
    path: String,
    /// The same length goes to the kv engine.
    text_bytes: usize,
    clients: usize,
}

impl Flood {
    /// Each kind once, with the numbers of clients with which each was a fault.
    fn all(silent_port: u16) -> Vec<Self> {
        let flood = |name, path: &str, clients| Self { name, path: path.to_owned(), text_bytes: 0, clients };
        vec![
            flood("guests that compute", "flood/processor", 20),
            flood("guests that compute", "flood/processor", 100),
            flood("guests that compute", "flood/processor", 500),
            flood("guests that wait", "wait/20000", 1_100),
            flood("guests that wait", "wait/20000", 2_000),
            flood("answers of 7 MiB", "flood/answers", 40),
            Self { text_bytes: TEXT_BYTES, ..flood("texts of 30 MB", "flood/texts", 4) },
            flood("guests that write", "flood/storage", 20),
            flood("guests that read", "flood/reads", 20),
            flood("guests that log", "flood/log", 20),
            flood("outgoing bodies", &format!("flood/bodies/{silent_port}"), 4),
        ]
    }

    fn asked(&self) -> Vec<Asked> {
        let asked = |mount| Asked { path: format!("{mount}/{}", self.path), body: self.body() };
        FLOODED.into_iter().map(asked).collect()
    }

    /// A request of the same length that the server answers by itself.
    fn of_kv(&self) -> Vec<Asked> {
        let path = if self.text_bytes == 0 { "kv/data/secret" } else { "kv/metadata/secret" };
        vec![Asked { path: path.to_owned(), body: self.body() }]
    }

    fn body(&self) -> String {
        match self.text_bytes {
            0 => String::new(),
            bytes => format!("{{\"text\":\"{}\"}}", "x".repeat(bytes)),
        }
    }
}

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    // Takes connections, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let floods = Flood::all(silent.local_addr()?.port());
    let server = start(&silent)?;
    table.section("p99 of a mount while others are flooded: ÷ the larger of quiet and as many requests to kv");
    for flood in &floods {
        compare(table, &server, flood.name, std::slice::from_ref(flood), 2.0)?;
    }
    compare(table, &server, "all of these together", &floods, 3.0)?;
    drop(server);
    table.section("the same, with one processor core for the server, the plugin and all clients");
    on_one_core(|| {
        let server = start(&silent)?;
        floods.iter().try_for_each(|flood| compare(table, &server, flood.name, std::slice::from_ref(flood), 3.0))
    })
}

fn start(silent: &TcpListener) -> anyhow::Result<TestServer> {
    let egress = format!("--allow-egress=toy=http://{}", silent.local_addr()?);
    TestServer::start_with_floods(&FLOODED, &[egress])
}

/// Two rows: reads and mints of the neighbour beside these floods.
fn compare(table: &mut Table, server: &TestServer, name: &str, floods: &[Flood], at_most: f64) -> anyhow::Result<()> {
    let clients: usize = floods.iter().map(|flood| flood.clients).sum();
    let quiet = Neighbour::work(server)?;
    let running: anyhow::Result<Vec<FloodClients>> =
        floods.iter().map(|flood| FloodClients::start(server, &flood.asked(), flood.clients, None)).collect();
    let (flooded, rates) = beside(server, running?)?;
    let running: anyhow::Result<Vec<FloodClients>> = floods
        .iter()
        .zip(&rates)
        .map(|(flood, rate)| FloodClients::start(server, &flood.of_kv(), flood.clients, Some(*rate)))
        .collect();
    let (beside_kv, _) = beside(server, running?)?;
    let rows = [
        ("reads", &flooded.reads, &quiet.reads, &beside_kv.reads),
        ("mints", &flooded.mints, &quiet.mints, &beside_kv.mints),
    ];
    for (what, flooded, quiet, beside_kv) in rows {
        let [flooded, quiet, beside_kv] =
            [flooded, quiet, beside_kv].map(|samples| milliseconds(samples.percentile(99)));
        let what = format!("{name}, {clients} clients: {what} ({quiet:.1} / {beside_kv:.1} → {flooded:.1} ms)");
        table.target(what, flooded / quiet.max(beside_kv), "×", Target::AtMost(at_most));
    }
    Ok(())
}

/// The neighbour's work beside these clients, and how many requests a second of each kind were answered.
fn beside(server: &TestServer, running: Vec<FloodClients>) -> anyhow::Result<(Neighbour, Vec<f64>)> {
    std::thread::sleep(WARM_UP);
    let before: Vec<usize> = running.iter().map(FloodClients::answered).collect();
    let begin = Instant::now();
    let neighbour = Neighbour::work(server);
    let seconds = begin.elapsed().as_secs_f64();
    let rates = running.iter().zip(before).map(|(clients, before)| clients.rate_since(before, seconds)).collect();
    for clients in running {
        clients.end()?;
    }
    Ok((neighbour.context("the neighbour of a flood")?, rates))
}

/// What the neighbour's requests took. None may fail.
#[derive(Default)]
struct Neighbour {
    reads: Samples,
    mints: Samples,
}

impl Neighbour {
    fn work(server: &TestServer) -> anyhow::Result<Self> {
        let mut client = server.raw_client()?;
        let read = client.request("GET", &format!("astra/roles/{}/reader", server.org), "");
        let mint = client.request("GET", &format!("astra/creds/{}/reader", server.org), "");
        let (mut neighbour, begin) = (Self::default(), Instant::now());
        while begin.elapsed() < LENGTH {
            for (request, samples) in [(&read, &mut neighbour.reads), (&mint, &mut neighbour.mints)] {
                let before = Instant::now();
                client.send(request)?;
                samples.add(before.elapsed());
                std::thread::sleep(PAUSE);
            }
        }
        Ok(neighbour)
    }
}

/// With this thread, and all threads and processes that it starts, on one core.
fn on_one_core(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let all = sched_getaffinity(None)?;
    let first = (0..CpuSet::MAX_CPU).find(|core| all.is_set(*core)).context("no core to run on")?;
    let mut one = CpuSet::new();
    one.set(first);
    sched_setaffinity(None, &one)?;
    let outcome = work();
    sched_setaffinity(None, &all)?;
    outcome
}
