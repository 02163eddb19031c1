//! Resident memory of the plugin's process, from `/proc`: with one mount that nobody uses, and
//! with a hundred.

use anyhow::{Context, bail};

use crate::samples::figure;
use crate::server::TestServer;
use crate::table::{Table, Target, quantity};

const MOUNTS: usize = 100;

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
    Ok(())
}

pub(crate) struct Resident {
    pub(crate) total_kib: usize,
    /// Of that not of files.
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
