//! Many mounts of one process, and many requests at once.

use std::time::{Duration, Instant};

use anyhow::bail;

use crate::memory::resident;
use crate::raw_client::RawClient;
use crate::samples::{Samples, figure, microseconds};
use crate::server::TestServer;
use crate::table::{Table, Target, quantity};

const MOUNTS: usize = 1_000;
/// Reads of the first and of the last mount, alternating.
const READS: usize = 500;

const REQUESTS: usize = 10_000;
/// Waits longer than a request waits for its turn.
const PATH: &str = "toy/wait/8000";
/// Wait after the last request, until all are held or refused.
const SETTLE: Duration = Duration::from_secs(3);

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    many_mounts(table)?;
    many_requests(table)
}

fn many_mounts(table: &mut Table) -> anyhow::Result<()> {
    let server = TestServer::start()?;
    for number in 2..=MOUNTS {
        server.mount(&format!("astra-{number}"));
    }
    let all = resident(&server)?;
    let mut client = server.raw_client()?;
    let reads = ["astra".to_owned(), format!("astra-{MOUNTS}")]
        .map(|mount| client.request("GET", &format!("{mount}/info"), ""));
    let mut samples: [Samples; 2] = Default::default();
    for _ in 0..READS {
        for (read, samples) in reads.iter().zip(&mut samples) {
            let before = Instant::now();
            client.send(read)?;
            samples.add(before.elapsed());
        }
    }
    let [first, last] = samples.map(|samples| microseconds(samples.percentile(50)));
    table.section(format!("{MOUNTS} mounts of one process"));
    table.target("resident", figure(all.total_kib) / 1024.0, "MiB", Target::AtMost(200.0));
    table.target(
        format!("read of the last / of the first ({first:.0} µs): p50"),
        last / first,
        "×",
        Target::AtMost(1.1),
    );
    Ok(())
}

fn many_requests(table: &mut Table) -> anyhow::Result<()> {
    let server = TestServer::start_with_floods(&["toy"], &[])?;
    let before = resident(&server)?;
    let clients: anyhow::Result<Vec<RawClient>> = (0..REQUESTS).map(|_| server.raw_client()).collect();
    let mut clients = clients?;
    for client in &mut clients {
        let request = client.request("GET", PATH, "");
        client.begin(&request)?;
    }
    std::thread::sleep(SETTLE);
    let held = resident(&server)?;
    let (mut answered, mut refused) = (0, 0);
    for client in &mut clients {
        match client.end()? {
            (200..300, _) => answered += 1,
            (503, _) => refused += 1,
            (status, body) => bail!("the server answered {status}: {}", String::from_utf8_lossy(&body)),
        }
    }
    let each = figure(held.total_kib.saturating_sub(before.total_kib)) / figure(REQUESTS);
    table.section(format!("{REQUESTS} requests at once, of one mount"));
    table.target("memory for each that is held", each, "KiB", Target::AtMost(64.0));
    table.figure("answered, refused with 503", format!("{answered}, {refused}"), "no other answer");
    table.figure("resident", quantity(figure(held.total_kib) / 1024.0, "MiB"), "");
    Ok(())
}
