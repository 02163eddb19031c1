//! Requests per second and latencies through a real server, beside the server's own kv-v2 engine in the same run. The
//! rounds alternate, so that other load of the machine affects all alike.

use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use crate::load::{Load, Operation, Until, run, same};
use crate::raw_client::RawClient;
use crate::samples::{Samples, median, milliseconds};
use crate::server::TestServer;
use crate::table::{Table, Target, quantity};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(1_500);
/// Two more than the cores of a small machine, so that no core waits for the load generator.
const THREADS: usize = 4;

const KV_WRITE: &str = r#"{"data":{"password":"0123456789"}}"#;

/// The subjects, each beside the one that it is compared with.
const SUBJECTS: [&str; 5] = ["kv-v2 read", "kv-v2 write", "read config", "read role", "mint + revoke"];

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let server = &TestServer::start()?;
    let mut rates: [Vec<f64>; SUBJECTS.len()] = Default::default();
    let mut samples: [Samples; SUBJECTS.len()] = Default::default();
    for round in 0..=ROUNDS {
        for (subject, (rates, samples)) in rates.iter_mut().zip(&mut samples).enumerate() {
            let load = one(server, subject)?;
            // The first round warms up.
            if round > 0 {
                rates.push(load.per_second);
                samples.extend(&load.samples);
            }
        }
    }
    let rates = rates.map(|rates| median(&rates));
    table.section(format!("through OpenBao, {THREADS} clients, medians of {ROUNDS} rounds in turns"));
    for ((name, rate), samples) in SUBJECTS.iter().zip(rates).zip(&samples) {
        let time = |percent| quantity(milliseconds(samples.percentile(percent)), "ms");
        let note = format!("p50 {}, p99 {}", time(50), time(99));
        table.figure(*name, quantity(rate, "req/s"), note);
    }
    let [kv_read, kv_write, config, role, mint] = rates;
    table.target("read config / kv-v2 read", config / kv_read, "×", Target::AtLeast(0.65));
    table.figure("read role / kv-v2 read", quantity(role / kv_read, "×"), "");
    table.figure("mint + revoke / kv-v2 write", quantity(mint / kv_write, "×"), "two requests, two calls to Astra");
    one_client(server, table)
}

/// Latency of a mint for one client, beside a write of the server's own engine, without other load.
fn one_client(server: &TestServer, table: &mut Table) -> anyhow::Result<()> {
    let [mut write, mut mint] = [Samples::default(), Samples::default()];
    let org = &server.org;
    for round in 0..=ROUNDS {
        let written =
            run(server, 1, Until::Passed(ROUND), |client| same(client.request("POST", "kv/data/secret", KV_WRITE)))?;
        let path = format!("astra/creds/{org}/reader");
        let minted = run(server, 1, Until::Passed(ROUND), |client| same(client.request("GET", &path, "")))?;
        server.client().must("PUT", &format!("sys/leases/revoke-prefix/{path}"), &json!({"sync": true}));
        if round > 0 {
            write.extend(&written.samples);
            mint.extend(&minted.samples);
        }
    }
    let [write, mint] = [&write, &mint].map(|samples| milliseconds(samples.percentile(50)));
    table.section("through OpenBao, one client");
    table.figure("kv-v2 write: p50", quantity(write, "ms"), "");
    table.figure("mint: p50", quantity(mint, "ms"), "");
    table.target("mint / kv-v2 write: p50", mint / write, "×", Target::AtMost(4.0));
    Ok(())
}

fn one(server: &TestServer, subject: usize) -> anyhow::Result<Load> {
    let org = &server.org;
    let config = format!("astra/config/{org}");
    let role = format!("astra/roles/{org}/reader");
    run(server, THREADS, Until::Passed(ROUND), |client| match subject {
        0 => same(client.request("GET", "kv/data/secret", "")),
        1 => same(client.request("POST", "kv/data/secret", KV_WRITE)),
        2 => same(client.request("GET", &config, "")),
        3 => same(client.request("GET", &role, "")),
        _ => mint_and_revoke(client, org),
    })
    .with_context(|| format!("failed to measure {}", SUBJECTS.get(subject).unwrap_or(&"")))
}

/// One lease, made and ended in Astra and in the server.
fn mint_and_revoke<'server>(client: &RawClient, org: &str) -> Operation<'server> {
    let mint = client.request("GET", &format!("astra/creds/{org}/reader"), "");
    Box::new(move |client| {
        let minted = client.json(&mint)?;
        let lease = minted.get("lease_id").and_then(Value::as_str).context("a mint without a lease")?;
        let body = format!(r#"{{"lease_id":"{lease}","sync":true}}"#);
        let revoke = client.request("PUT", "sys/leases/revoke", &body);
        client.send(&revoke).map(drop)
    })
}
