//! This plugin beside another build, each on a server of its own: the same operations alternate, and the table shows
//! ratios.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use harness::openbao::ServerKind;
use harness::plugin_binary;
use serde_json::{Value, json};

use crate::load::{Load, Operation, Until, run, same};
use crate::raw_client::RawClient;
use crate::samples::{figure, median, milliseconds};
use crate::server::TestServer;
use crate::table::{Table, Target, quantity};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(700);
/// Time in which the idle process gets no request.
const IDLE: Duration = Duration::from_secs(10);
/// Clients of the reads whose processor time is measured.
const CHARGED_CLIENTS: usize = 16;

/// The operations, each with its target ratio in memory and on raft.
const OPERATIONS: [(&str, [f64; 2]); 6] = [
    ("read config", [1.15, 1.0]),
    ("read role", [1.15, 1.0]),
    ("list roles", [1.0, 1.0]),
    ("creds", [1.6, 1.2]),
    ("renew", [2.0, 1.3]),
    ("revoke", [1.8, 1.2]),
];

/// One of the two plugins, and the leases of the round.
struct Subject {
    server: TestServer,
    leases: Mutex<Vec<String>>,
}

/// Does nothing without `BASE_PLUGIN`.
pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let Some(base) = std::env::var_os("BASE_PLUGIN").map(PathBuf::from) else { return Ok(()) };
    for (kind, name, clients) in
        [(ServerKind::Dev, "in memory", &[1, 4, 16, 64][..]), (ServerKind::Raft, "on raft", &[1, 16])]
    {
        let start = |plugin: &Path| {
            TestServer::start_plugin(kind, plugin).map(|server| Subject { server, leases: Mutex::default() })
        };
        let subjects = [start(&plugin_binary())?, start(&base)?];
        table.section(format!("this plugin ÷ BASE_PLUGIN, storage {name}, medians of {ROUNDS} rounds in turns"));
        for &clients in clients {
            operations(&subjects, kind, clients, table)?;
        }
        if kind == ServerKind::Dev {
            charged(&subjects, table)?;
            idle(&subjects, table)?;
        }
    }
    Ok(())
}

fn operations(subjects: &[Subject; 2], kind: ServerKind, clients: usize, table: &mut Table) -> anyhow::Result<()> {
    let mut found: [Vec<[Load; 2]>; OPERATIONS.len()] = Default::default();
    for round in 0..=ROUNDS {
        for (operation, found) in found.iter_mut().enumerate() {
            // The first subject of a round may meet the rest of the other's work, so the order alternates.
            let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
            let mut loads = [None, None];
            for subject in order {
                loads[subject] = Some(subjects[subject].load(operation, clients)?);
            }
            // The first round warms up.
            if let ([Some(own), Some(base)], true) = (loads, round > 0) {
                found.push([own, base]);
            }
        }
    }
    for ((name, [in_memory, on_raft]), found) in OPERATIONS.into_iter().zip(found) {
        let ratios: Vec<f64> = found.iter().map(|[own, base]| own.per_second / base.per_second).collect();
        let rates = [0, 1].map(|at| median(&found.iter().map(|loads| loads[at].per_second).collect::<Vec<_>>()));
        let p99 = [0, 1].map(|at| {
            let times: Vec<f64> = found.iter().map(|loads| milliseconds(loads[at].samples.percentile(99))).collect();
            median(&times)
        });
        let (least, most) =
            (ratios.iter().copied().fold(f64::MAX, f64::min), ratios.iter().copied().fold(0.0, f64::max));
        let what = format!(
            "{name}, {clients} clients: {:.0} and {:.0} req/s, p99 {:.1} and {:.1} ms, {least:.2} to {most:.2}",
            rates[0], rates[1], p99[0], p99[1]
        );
        let wanted = if kind == ServerKind::Raft { on_raft } else { in_memory };
        table.target(what, median(&ratios), "×", Target::AtLeast(wanted));
    }
    Ok(())
}

impl Subject {
    fn load(&self, operation: usize, clients: usize) -> anyhow::Result<Load> {
        let (server, org) = (&self.server, &self.server.org);
        let (config, role) = (format!("astra/config/{org}"), format!("astra/roles/{org}/reader"));
        let passed = Until::Passed(ROUND);
        let next = AtomicUsize::new(0);
        match operation {
            0 => run(server, clients, passed, |client| same(client.request("GET", &config, ""))),
            1 => run(server, clients, passed, |client| same(client.request("GET", &role, ""))),
            2 => {
                let path = format!("astra/roles/{org}?list=true");
                run(server, clients, passed, |client| same(client.request("GET", &path, "")))
            }
            3 => run(server, clients, passed, |client| self.mint(client)),
            4 => run(server, clients, passed, |_| self.of_lease("renew", &next)),
            _ => {
                let each = self.leases().len() / clients;
                let load = run(server, clients, Until::Done(each.max(1)), |_| self.of_lease("revoke", &next));
                self.clear()?;
                load
            }
        }
    }

    fn leases(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mint<'a>(&'a self, client: &RawClient) -> Operation<'a> {
        let mint = client.request("GET", &format!("astra/creds/{}/reader", self.server.org), "");
        Box::new(move |client| {
            let minted = client.json(&mint)?;
            let lease = minted.get("lease_id").and_then(Value::as_str).context("a mint without a lease")?;
            self.leases().push(lease.to_owned());
            Ok(())
        })
    }

    /// The same call for one lease after the other.
    fn of_lease<'a>(&'a self, call: &'static str, next: &'a AtomicUsize) -> Operation<'a> {
        Box::new(move |client| {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let lease = {
                let leases = self.leases();
                leases.get(number % leases.len().max(1)).cloned().context("there is no lease")?
            };
            let body = json!({ "lease_id": lease, "sync": true }).to_string();
            let request = client.request("PUT", &format!("sys/leases/{call}"), &body);
            client.send(&request).map(drop)
        })
    }

    /// Ends the leases of a round.
    fn clear(&self) -> anyhow::Result<()> {
        let left = format!("sys/leases/revoke-prefix/astra/creds/{}/reader", self.server.org);
        self.server.client().must("PUT", &left, &json!({ "sync": true }));
        self.leases().clear();
        let live = self.server.astra.tokens(&self.server.org);
        let marked = live
            .iter()
            .any(|token| token.state == astra_simulator::TokenState::Live && token.description.contains("vault-mark:"));
        if marked { bail!("tokens are left in Astra") } else { Ok(()) }
    }
}

/// Processor time of the plugin's process for reads.
fn charged(subjects: &[Subject; 2], table: &mut Table) -> anyhow::Result<()> {
    let mut ratios = Vec::new();
    let mut each: [Vec<f64>; 2] = Default::default();
    for _ in 0..ROUNDS {
        let mut of_thousand = [0.0; 2];
        for (subject, of_thousand) in subjects.iter().zip(&mut of_thousand) {
            let before = Spent::by(&subject.server)?;
            let load = subject.load(1, CHARGED_CLIENTS)?;
            let spent = Spent::by(&subject.server)?.since(&before);
            *of_thousand = spent.milliseconds / figure(load.samples.count()) * 1_000.0;
        }
        each.iter_mut().zip(of_thousand).for_each(|(each, time)| each.push(time));
        ratios.push(of_thousand[0] / of_thousand[1]);
    }
    let [own, base] = each.map(|times| median(&times));
    let what = format!("processor time of 1,000 reads, {CHARGED_CLIENTS} clients: {own:.0} and {base:.0} ms");
    table.target(what, median(&ratios), "×", Target::AtMost(0.7));
    Ok(())
}

fn idle(subjects: &[Subject; 2], table: &mut Table) -> anyhow::Result<()> {
    // Work after the last requests is done first.
    std::thread::sleep(IDLE);
    let [own, base] = {
        let before = [Spent::by(&subjects[0].server)?, Spent::by(&subjects[1].server)?];
        std::thread::sleep(IDLE);
        [Spent::by(&subjects[0].server)?.since(&before[0]), Spent::by(&subjects[1].server)?.since(&before[1])]
    };
    let second = IDLE.as_secs_f64();
    let of_base = |figure: f64, unit| format!("base: {}", quantity(figure / second, unit));
    table.target("idle: wake-ups a second", own.wakes / second, "", Target::AtMost(5.0));
    table.figure("", "", of_base(base.wakes, ""));
    table.target("idle: processor time a second", own.milliseconds / second, "ms", Target::AtMost(0.1));
    table.figure("", "", of_base(base.milliseconds, "ms"));
    Ok(())
}

/// Use of processor time by the threads of the plugin's processes.
struct Spent {
    milliseconds: f64,
    wakes: f64,
}

impl Spent {
    fn by(server: &TestServer) -> anyhow::Result<Self> {
        let mut spent = Self { milliseconds: 0.0, wakes: 0.0 };
        for pid in server.plugin_pids() {
            for thread in std::fs::read_dir(format!("/proc/{pid}/task")).context("the plugin has gone")? {
                // A thread may end in the meantime.
                let Ok(text) = std::fs::read_to_string(thread?.path().join("schedstat")) else { continue };
                let mut numbers = text.split_whitespace().filter_map(|number| number.parse::<f64>().ok());
                let (time, _, slices) = (numbers.next(), numbers.next(), numbers.next());
                spent.milliseconds += time.context("no time in `schedstat`")? / 1e6;
                spent.wakes += slices.context("no time slices in `schedstat`")?;
            }
        }
        Ok(spent)
    }

    fn since(&self, before: &Self) -> Self {
        Self { milliseconds: self.milliseconds - before.milliseconds, wakes: self.wakes - before.wakes }
    }
}
