//! Resident memory of the plugin's process, from `/proc`: with one idle mount, with a hundred, and after a burst of
//! requests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::load::{Until, run};
use crate::samples::figure;
use crate::server::TestServer;
use crate::table::{Table, Target, quantity};

const MOUNTS: usize = 100;

/// Requests at once: the maximum of all mounts, of which one mount may have half.
const BURST: usize = 1_000;
const BURST_MOUNTS: [&str; 2] = ["first", "second"];
/// Wait after the last answer, in which unused memory is freed.
const REST: Duration = Duration::from_secs(10);

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let server = TestServer::start()?;
    let before = resident(&server)?;
    for number in 2..=MOUNTS {
        server.mount(&format!("astra-{number}"));
    }
    let after = resident(&server)?;

    table.section("resident memory of the plugin's process");
    let idle_mib = figure(before.total_kib) / 1024.0;
    table.target("idle, one mount", idle_mib, "MiB", Target::AtMost(40.0));
    let own_mib = figure(before.anonymous_kib) / 1024.0;
    table.figure("of that not of files", quantity(own_mib, "MiB"), "");
    let grown = figure(after.total_kib.saturating_sub(before.total_kib));
    table.target("each further mount", grown / figure(MOUNTS - 1), "KiB", Target::AtMost(200.0));
    let all = quantity(figure(after.total_kib) / 1024.0, "MiB");
    table.figure(format!("{MOUNTS} mounts"), all, format!("processes: {}", after.processes));
    drop(server);
    after_a_burst(table)
}

fn after_a_burst(table: &mut Table) -> anyhow::Result<()> {
    let server = TestServer::start_with_floods(&BURST_MOUNTS, &[])?;
    let before = resident(&server)?;
    let number = AtomicUsize::new(0);
    run(&server, BURST, Until::Done(1), |client| {
        let mount = BURST_MOUNTS[number.fetch_add(1, Ordering::Relaxed) % BURST_MOUNTS.len()];
        let request = client.request("GET", &format!("{mount}/wait/3000"), "");
        Box::new(move |client| client.exchange(&request).map(drop))
    })?;
    let at_the_end = resident(&server)?;
    std::thread::sleep(REST);
    let after = resident(&server)?;
    let mib = |resident: &Resident| figure(resident.anonymous_kib) / 1024.0;
    let what = format!(
        "not of files, after {BURST} requests at once (before {:.0}, then {:.0})",
        mib(&before),
        mib(&at_the_end)
    );
    table.figure(what, quantity(mib(&after), "MiB"), format!("{} s later", REST.as_secs()));
    Ok(())
}

pub(crate) struct Resident {
    pub(crate) total_kib: usize,
    /// The part that is not backed by files.
    pub(crate) anonymous_kib: usize,
    processes: usize,
}

pub(crate) fn resident(server: &TestServer) -> anyhow::Result<Resident> {
    let pids = server.plugin_pids();
    if pids.is_empty() {
        bail!("the server has no plugin process");
    }
    let mut sum = Resident { total_kib: 0, anonymous_kib: 0, processes: pids.len() };
    for pid in pids {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the plugin has gone")?;
        sum.total_kib += kib(&status, "VmRSS:")?;
        sum.anonymous_kib += kib(&status, "RssAnon:")?;
    }
    Ok(sum)
}

fn kib(status: &str, name: &str) -> anyhow::Result<usize> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next()).and_then(|text| text.parse().ok());
    number.with_context(|| format!("no `{name}` in the status of the plugin"))
}
