//! Updates of the module under a load of a thousand requests a second.
//!
//! Nine of ten requests read a role; the tenth reads `info`, whose answer names the version of the module. The time of
//! a request counts from its planned start, so a request that waits makes later ones slow, too.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use harness::modules::{ASTRA_VERSION, ModuleFile, ModulesDir};
use serde_json::Value;

use crate::raw_client::RawClient;
use crate::samples::{Samples, figure, median, milliseconds};
use crate::server::TestServer;
use crate::table::{Table, Target, quantity};

const RATE: u32 = 1_000;
/// Enough connections that no request waits for one at this rate.
const CLIENTS: u32 = 16;
const SWITCHES: u32 = 5;
/// Pause before each update, and after the report of its activation.
const BEFORE: Duration = Duration::from_secs(3);
const AFTER: Duration = Duration::from_millis(500);
/// Longest time from the file to its activation.
const SWITCH_DEADLINE: Duration = Duration::from_secs(30);
/// Pause between two questions for the active module.
const LOOK: Duration = Duration::from_millis(20);
/// One of this number of requests reads the version.
const TELLING: u32 = 10;

/// One request.
struct Shot {
    due: Instant,
    begun: Instant,
    ended: Instant,
    /// The version that served, if the answer has it; or the failure.
    answer: Result<Option<String>, String>,
}

/// One update: the time of the file, and the time of its report.
struct Switch {
    dropped: Instant,
    told: Instant,
    version: String,
}

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let modules: Vec<ModuleFile> = (1..=SWITCHES).map(|number| ModuleFile::astra(&later(number))).collect();
    let folder = ModulesDir::new();
    let arguments: Vec<String> = modules.iter().map(ModuleFile::pin).chain([folder.argument()]).collect();
    let server = TestServer::start_with(&arguments)?;
    let stop = AtomicBool::new(false);
    let (shots, switches) = std::thread::scope(|scope| {
        let (server, stop) = (&server, &stop);
        let clients: Vec<_> = (0..CLIENTS).map(|client| scope.spawn(move || shoot(server, client, stop))).collect();
        let switches: anyhow::Result<Vec<Switch>> =
            modules.iter().map(|module| switch(server, &folder, module)).collect();
        stop.store(true, Ordering::Relaxed);
        let mut shots = Vec::new();
        for client in clients {
            shots.extend(client.join().unwrap_or_else(|_| bail!("a client ended"))?);
        }
        Ok::<_, anyhow::Error>((shots, switches?))
    })?;
    report(table, &shots, &switches)
}

/// The same version with another last digit.
fn later(number: u32) -> String {
    let front = &ASTRA_VERSION[..ASTRA_VERSION.len() - 1];
    format!("{front}{number}")
}

fn switch(server: &TestServer, folder: &ModulesDir, module: &ModuleFile) -> anyhow::Result<Switch> {
    let mut client = server.raw_client()?;
    let status = client.request("GET", "astra/module", "");
    std::thread::sleep(BEFORE);
    let dropped = Instant::now();
    folder.drop_in(module);
    loop {
        let answer = client.json(&status)?;
        if answer.pointer("/data/version").and_then(Value::as_str) == Some(&module.version) {
            break;
        }
        if dropped.elapsed() > SWITCH_DEADLINE {
            bail!("{} does not go live: {answer}", module.version);
        }
        std::thread::sleep(LOOK);
    }
    let told = Instant::now();
    std::thread::sleep(AFTER);
    Ok(Switch { dropped, told, version: module.version.clone() })
}

/// Sends the client's share of the requests, each at its planned start.
fn shoot(server: &TestServer, number: u32, stop: &AtomicBool) -> anyhow::Result<Vec<Shot>> {
    let mut client = server.raw_client()?;
    let role = client.request("GET", &format!("astra/roles/{}/reader", server.org), "");
    let info = client.request("GET", "astra/info", "");
    let (every, start) = (Duration::from_secs(1) / RATE, Instant::now());
    let mut shots = Vec::new();
    // The clients take turns.
    for turn in (number..).step_by(CLIENTS as usize) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let due = start + every * turn;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let begun = Instant::now();
        let telling = (turn / CLIENTS).is_multiple_of(TELLING);
        let answer = ask(&mut client, if telling { &info } else { &role }, telling);
        shots.push(Shot { due, begun, ended: Instant::now(), answer });
    }
    Ok(shots)
}

fn ask(client: &mut RawClient, request: &[u8], telling: bool) -> Result<Option<String>, String> {
    let body = client.send(request).map_err(|error| error.to_string())?;
    if !telling {
        return Ok(None);
    }
    let answer: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    let version = answer.pointer("/data/version").and_then(Value::as_str);
    version.map(|version| Some(version.to_owned())).ok_or_else(|| "an answer without a version".to_owned())
}

fn report(table: &mut Table, shots: &[Shot], switches: &[Switch]) -> anyhow::Result<()> {
    let (mut before, mut during, mut ratios, mut taken) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut late = 0;
    for (number, switch) in switches.iter().enumerate() {
        let calm = p99(shots, switch.dropped - BEFORE / 2, switch.dropped);
        let busy = p99(shots, switch.dropped, switch.told + AFTER);
        before.push(calm);
        during.push(busy);
        ratios.push(busy / calm);
        taken.push(milliseconds(switch.told - switch.dropped));
        let until = switches.get(number + 1).map(|next| next.dropped);
        let later = |shot: &&Shot| shot.begun > switch.told && until.is_none_or(|until| shot.begun < until);
        let versions = shots.iter().filter(later).filter_map(|shot| shot.answer.as_ref().ok()?.as_ref());
        late += versions.filter(|version| **version != switch.version).count();
    }
    let failed: Vec<&String> = shots.iter().filter_map(|shot| shot.answer.as_ref().err()).collect();
    let first = shots.iter().map(|shot| shot.begun).min().context("no request was sent")?;
    let last = shots.iter().map(|shot| shot.ended).max().context("no request was sent")?;
    let rate = figure(shots.len()) / (last - first).as_secs_f64();
    table.section(format!(
        "{} switches of the module under {RATE} requests per second, through OpenBao",
        switches.len()
    ));
    table.target("requests, as many as were due", rate, "req/s", Target::AtLeast(f64::from(RATE) * 0.95));
    table.target("failed requests", figure(failed.len()), "", Target::AtMost(0.0));
    table.target("served by the old module after the switch was reported", figure(late), "", Target::AtMost(0.0));
    table.figure("p99 before a switch: median", quantity(median(&before), "ms"), "");
    table.figure("p99 during a switch: median", quantity(median(&during), "ms"), "");
    table.target("p99 during / p99 before: median", median(&ratios), "×", Target::AtMost(2.0));
    table.figure("from the file to the report: median", quantity(median(&taken), "ms"), "");
    if let Some(failure) = failed.first() {
        table.figure("the first failure", failure.as_str(), "");
    }
    Ok(())
}

/// The p99 in milliseconds of the requests that began in this time.
fn p99(shots: &[Shot], from: Instant, to: Instant) -> f64 {
    let mut samples = Samples::default();
    shots.iter().filter(|shot| (from..to).contains(&shot.begun)).for_each(|shot| samples.add(shot.ended - shot.due));
    milliseconds(samples.percentile(99))
}
