//! Cost of a look-up in Astra's list with many tokens upstream: a rotation of the admin token, whose token is in the
//! middle of the list, and the revocation of a missing token, which reads the whole list.

use std::time::Instant;

use anyhow::Context;
use astra_simulator::OutsideChange;
use harness::openbao::Client;
use serde_json::{Value, json};

use crate::samples::{Samples, milliseconds};
use crate::server::TestServer;
use crate::table::{Table, Target, quantity};

const FEW: usize = 10;
const MANY: usize = 200_000;
/// Length of a description of the Go plugin with an operator's remark.
const DESCRIPTION_BYTES: usize = 150;
const ROTATIONS: usize = 5;

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let server = &TestServer::start()?;
    let client = server.client();
    server.astra.set_crowd(&server.org, FEW, &"x".repeat(DESCRIPTION_BYTES));
    let (few_rotating, few_revoking) = measured(server, client)?;
    server.astra.set_crowd(&server.org, MANY, &"x".repeat(DESCRIPTION_BYTES));
    let (many_rotating, many_revoking) = measured(server, client)?;
    server.astra.set_crowd(&server.org, 0, "");
    table.section(format!("{MANY} tokens of one organization in Astra, beside {FEW}"));
    let rows = [
        ("rotate-root, half of the list read", few_rotating, many_rotating),
        ("revocation of a gone token, the whole list read", few_revoking, many_revoking),
    ];
    for (name, few, many) in rows {
        let note = format!("{FEW} tokens: {}", quantity(few, "ms"));
        table.figure(name, quantity(many, "ms"), note);
        table.figure(format!("{name} / that with {FEW}"), quantity(many / few, "×"), "");
        table.target(format!("{name}: time for each 1,000 tokens"), many / 200.0, "ms", Target::AtMost(10.0));
    }
    Ok(())
}

/// Milliseconds of a rotation that reads half of the list, and of the revocation of a missing token, which reads all of
/// it.
fn measured(server: &TestServer, client: &Client) -> anyhow::Result<(f64, f64)> {
    let rotate = format!("astra/config/{}/rotate-root", server.org);
    let mut rotating = Samples::default();
    for _ in 0..ROTATIONS {
        let before = Instant::now();
        client.must("POST", &rotate, &json!({}));
        rotating.add(before.elapsed());
    }
    let minted = client.must("GET", &format!("astra/creds/{}/reader", server.org), &Value::Null);
    let text = |pointer: &str| minted.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let client_id = text("/data/clientId").context("a mint has no client ID")?;
    server.astra.change(&OutsideChange::RevokeToken { client_id });
    // The token is new, so an earlier copy of the list does not settle its revocation.
    let lease = json!({"lease_id": text("/lease_id").context("a mint has no lease")?, "sync": true});
    let before = Instant::now();
    client.must("PUT", "sys/leases/revoke", &lease);
    Ok((milliseconds(rotating.percentile(50)), milliseconds(before.elapsed())))
}
