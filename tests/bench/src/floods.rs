//! What one mount feels while clients flood another mount of the same process.
//!
//! Each flood is compared with the larger of two times: with nobody else, and with as many requests of the same clients
//! to the server's own kv engine. What these cost the neighbour is the server's part.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;

use crate::raw_client::RawClient;
use crate::samples::{Samples, figure, milliseconds};
use crate::server::TestServer;
use crate::table::{Table, Target};

/// How long each time lasts.
const LENGTH: Duration = Duration::from_secs(3);
/// The pause of the neighbour between two of its requests.
const PAUSE: Duration = Duration::from_millis(4);
/// Until a flood has filled what it fills.
const WARM_UP: Duration = Duration::from_millis(500);

/// What the clients ask for, below the flooded mount, and how many there are.
const FLOODS: [(&str, &str, usize); 7] = [
    ("guests that compute", "flood/processor", 20),
    ("guests that compute", "flood/processor", 100),
    ("guests that compute", "flood/processor", 500),
    ("guests that wait", "wait/20000", 500),
    ("answers of 7 MiB", "flood/answers", 40),
    ("guests that write", "flood/storage", 20),
    ("guests that log", "flood/log", 20),
];

const KV: &str = "kv/data/secret";

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let server = TestServer::start_with_floods(&["flooded"])?;
    table.section("p99 of another mount while clients flood one: ÷ the larger of quiet and as many requests to kv");
    for (name, path, clients) in FLOODS {
        let quiet = Neighbour::work(&server)?;
        let (flooded, per_second) = beside(&server, &format!("flooded/{path}"), clients, None)?;
        let (beside_kv, _) = beside(&server, KV, clients, Some(per_second))?;
        let rows = [
            ("reads", &flooded.reads, &quiet.reads, &beside_kv.reads),
            ("mints", &flooded.mints, &quiet.mints, &beside_kv.mints),
        ];
        for (what, flooded, quiet, beside_kv) in rows {
            let [flooded, quiet, beside_kv] =
                [flooded, quiet, beside_kv].map(|samples| milliseconds(samples.percentile(99)));
            let what = format!("{name}, {clients} clients: {what} ({quiet:.1} / {beside_kv:.1} → {flooded:.1} ms)");
            table.target(what, flooded / quiet.max(beside_kv), "×", Target::AtMost(2.0));
        }
    }
    Ok(())
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

/// The neighbour's work while clients ask for `path`, and how many requests of theirs were answered in a second. With a
/// rate, they send no more than that.
fn beside(
    server: &TestServer,
    path: &str,
    clients: usize,
    per_second: Option<f64>,
) -> anyhow::Result<(Neighbour, f64)> {
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let every = per_second.map(|rate| Duration::from_secs_f64(figure(clients) / rate.max(0.1)));
    std::thread::scope(|scope| {
        let (stop, answered) = (&stop, &answered);
        let running: Vec<_> = (0..clients)
            .map(|_| scope.spawn(move || flood(server.raw_client()?, path, every, stop, answered)))
            .collect();
        std::thread::sleep(WARM_UP);
        let (before, begin) = (answered.load(Ordering::Relaxed), Instant::now());
        let neighbour = Neighbour::work(server);
        let rate = figure(answered.load(Ordering::Relaxed) - before) / begin.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        for client in running {
            client.join().unwrap_or_else(|_| bail!("a client ended"))?;
        }
        Ok((neighbour?, rate))
    })
}

/// Whatever the answer is.
fn flood(
    mut client: RawClient,
    path: &str,
    every: Option<Duration>,
    stop: &AtomicBool,
    answered: &AtomicUsize,
) -> anyhow::Result<()> {
    let request = client.request("GET", path, "");
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        client.exchange(&request)?;
        answered.fetch_add(1, Ordering::Relaxed);
        if let Some(every) = every {
            due += every;
            // No longer than the flood lasts.
            let wait = due.saturating_duration_since(Instant::now()).min(LENGTH);
            std::thread::sleep(wait);
        }
    }
    Ok(())
}
