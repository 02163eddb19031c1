//! What one mount feels while clients flood other mounts of the same process.
//!
//! Each flood is compared with the larger of two times: with nobody else, and with as many requests of the same clients
//! to the server's own kv engine, which are as long and have answers as long. What these cost the neighbour is the server's
//! part.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::flood_clients::{Asked, FloodClients};
use crate::samples::{Samples, figure, milliseconds};
use crate::server::TestServer;
use crate::table::{Table, Target};

/// How long each time lasts: the p99 of a few hundred requests is that of the first second, in which a flood uses what each
/// mount may use at once.
const LENGTH: Duration = Duration::from_secs(20);
/// The pause of the neighbour between two of its requests.
const PAUSE: Duration = Duration::from_millis(4);
/// Until a flood has filled what it fills.
const WARM_UP: Duration = Duration::from_millis(500);

/// The mounts that are flooded, in turns.
const FLOODED: [&str; 2] = ["flooded", "flooded-too"];

/// The length of a long text in a request. The server takes requests of up to 32 MiB.
const TEXT_BYTES: usize = 30_000_000;
/// The length of the text in a long answer.
const ANSWER_BYTES: usize = 7 << 20;
/// Where the kv engine has a secret of 100 bytes.
const SHORT_KV: &str = "kv/data/secret";
/// Where the kv engine has a text of that length.
const LONG_KV: &str = "kv/data/long";

/// What the clients of a flood ask for, and how many there are.
struct Flood {
    name: &'static str,
    /// Below a flooded mount.
    path: String,
    /// The length of the text in a request, also of one to the kv engine.
    text_bytes: usize,
    /// A path of the kv engine with answers of the same length.
    of_kv: &'static str,
    clients: usize,
}

impl Flood {
    /// Each kind once, with the numbers of clients with which each was a fault.
    fn all(silent_port: u16) -> Vec<Self> {
        let flood =
            |name, path: &str, clients| Self { name, path: path.to_owned(), text_bytes: 0, of_kv: SHORT_KV, clients };
        vec![
            flood("guests that compute", "flood/processor", 20),
            flood("guests that compute", "flood/processor", 100),
            flood("guests that compute", "flood/processor", 500),
            flood("guests that wait", "wait/20000", 1_100),
            flood("guests that wait", "wait/20000", 2_000),
            Self { of_kv: LONG_KV, ..flood("answers of 7 MiB", "flood/answers", 40) },
            Self { text_bytes: TEXT_BYTES, of_kv: "kv/metadata/secret", ..flood("texts of 30 MB", "flood/texts", 4) },
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

    /// A request that the server answers by itself.
    fn of_kv(&self, is_long: bool) -> Vec<Asked> {
        let path = if self.has_long_answers() && !is_long { SHORT_KV } else { self.of_kv };
        vec![Asked { path: path.to_owned(), body: self.body() }]
    }

    fn has_long_answers(&self) -> bool {
        self.of_kv == LONG_KV
    }

    fn body(&self) -> String {
        if self.text_bytes == 0 { String::new() } else { object_with_text(self.text_bytes) }
    }
}

fn object_with_text(bytes: usize) -> String {
    format!("{{\"text\":\"{}\"}}", "x".repeat(bytes))
}

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    // Takes connections, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let mut floods = Flood::all(silent.local_addr()?.port());
    // A part of a name: only the floods with it are measured.
    let wanted = std::env::var("FLOOD").unwrap_or_default();
    floods.retain(|flood| flood.name.contains(&wanted));
    anyhow::ensure!(!floods.is_empty(), "`FLOOD` is `{wanted}`, which is in the name of no flood");
    table.section("p99 of a mount while others are flooded: ÷ the larger of quiet and as many requests to kv");
    compare_each(table, &silent, &floods, 2.0)?;
    if wanted.is_empty() {
        compare(table, &start(&silent)?, "all of these together", &floods, 3.0)?;
    }
    table.section("the same, with one processor core for the server, the plugin and all clients");
    on_one_core(|| compare_each(table, &silent, &floods, 3.0))
}

/// Each flood by itself, on a server of its own: what a flood leaves in the memory of the server would count for the next.
fn compare_each(table: &mut Table, silent: &TcpListener, floods: &[Flood], at_most: f64) -> anyhow::Result<()> {
    for flood in floods {
        let server = start(silent)?;
        if flood.has_long_answers() {
            write_long_kv(&server)?;
        }
        compare(table, &server, flood.name, std::slice::from_ref(flood), at_most)?;
    }
    Ok(())
}

fn start(silent: &TcpListener) -> anyhow::Result<TestServer> {
    let egress = format!("--allow-egress=toy=http://{}", silent.local_addr()?);
    TestServer::start_with_floods(&FLOODED, &[egress])
}

/// The storage of OpenBao 2.7 keeps a long text in a block with other entries, and reads the whole block for each of these:
/// a server has this text only where it is asked for.
fn write_long_kv(server: &TestServer) -> anyhow::Result<()> {
    let mut client = server.raw_client()?;
    let long = format!("{{\"data\":{}}}", object_with_text(ANSWER_BYTES));
    client.send(&client.request("POST", LONG_KV, &long))?;
    Ok(())
}

/// Two rows: reads and mints of the neighbour beside these floods.
fn compare(table: &mut Table, server: &TestServer, name: &str, floods: &[Flood], at_most: f64) -> anyhow::Result<()> {
    let clients: usize = floods.iter().map(|flood| flood.clients).sum();
    let quiet = Neighbour::work(server)?;
    let running: anyhow::Result<Vec<FloodClients>> =
        floods.iter().map(|flood| FloodClients::start(server, &flood.asked(), flood.clients, None)).collect();
    let (flooded, rates) = beside(server, running?).with_context(|| format!("beside {name}"))?;
    let running: anyhow::Result<Vec<FloodClients>> = floods
        .iter()
        .zip(&rates)
        .map(|(flood, [all, good])| {
            // A refusal is no long answer. Among others, answers of kv are short: the server has no long text then.
            let is_long = floods.len() == 1 && flood.has_long_answers();
            let rate = if is_long { *good } else { *all };
            FloodClients::start(server, &flood.of_kv(is_long), flood.clients, Some(rate))
        })
        .collect();
    // A request that the server fails to answer beside its own engine took infinitely long.
    let beside_kv = beside(server, running?).ok().map(|(beside_kv, _)| beside_kv);
    let kinds: [(&str, Kind); 2] = [("reads", |neighbour| &neighbour.reads), ("mints", |neighbour| &neighbour.mints)];
    for (what, which) in kinds {
        let [quiet, beside_kv, flooded] = [Some(&quiet), beside_kv.as_ref(), Some(&flooded)].map(|neighbour| {
            neighbour.map_or(f64::INFINITY, |neighbour| milliseconds(which(neighbour).percentile(99)))
        });
        let what = format!("{name}, {clients} clients: {what} ({quiet:.1} / {beside_kv:.1} → {flooded:.1} ms)");
        table.target(what, flooded / quiet.max(beside_kv), "×", Target::AtMost(at_most));
    }
    Ok(())
}

/// The neighbour's work beside these clients, and how many answers a second those of each kind had: all, and those without
/// an error.
fn beside(server: &TestServer, running: Vec<FloodClients>) -> anyhow::Result<(Neighbour, Vec<[f64; 2]>)> {
    std::thread::sleep(WARM_UP);
    let before: Vec<[usize; 2]> = running.iter().map(FloodClients::answers).collect();
    let begin = Instant::now();
    let neighbour = Neighbour::work(server);
    let seconds = begin.elapsed().as_secs_f64();
    let rate = |(clients, before): (&FloodClients, [usize; 2])| {
        let [all, good] = clients.answers();
        [all - before[0], good - before[1]].map(|answers| figure(answers) / seconds)
    };
    let rates = running.iter().zip(before).map(rate).collect();
    for clients in running {
        clients.end()?;
    }
    Ok((neighbour.context("the neighbour")?, rates))
}

/// Requests of one kind.
type Kind = fn(&Neighbour) -> &Samples;

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
