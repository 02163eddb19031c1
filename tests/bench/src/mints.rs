//! Many mints at once: the number of their connections to Astra, and the absence of left-over tokens.

use anyhow::Context;
use serde_json::json;

use crate::load::{Operation, Until, run};
use crate::raw_client::RawClient;
use crate::samples::{figure, milliseconds};
use crate::server::TestServer;
use crate::table::{Table, Target, quantity};

const MINTS: usize = 3_000;
const AT_ONCE: usize = 30;

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let server = &TestServer::start()?;
    let live_before = server.astra.counts(&server.org).live;
    let before = server.astra.connections();
    let path = format!("astra/creds/{}/reader", server.org);
    let mint = |client: &RawClient| -> Operation<'_> {
        let request = client.request("GET", &path, "");
        Box::new(move |client| client.send(&request).map(drop))
    };
    let load = run(server, AT_ONCE, Until::Done(MINTS / AT_ONCE), mint).context("failed to mint")?;
    let after = server.astra.connections();
    let made = server.astra.counts(&server.org).live.saturating_sub(live_before);

    table.section(format!("{made} mints, {AT_ONCE} at once, one organization"));
    // Connections that were open before are used as well, and count.
    let opened = after.accepted - before.accepted + before.open;
    table.target("connections to Astra", figure(opened), "", Target::AtMost(32.0));
    let note = format!("p50 {:.1} ms", milliseconds(load.samples.percentile(50)));
    table.figure("mints", quantity(load.per_second, "req/s"), note);

    server.client().must("PUT", "sys/leases/revoke-prefix/astra/creds", &json!({"sync": true}));
    let left = server.astra.counts(&server.org).live.saturating_sub(live_before);
    table.target("tokens left in Astra after revoking all", figure(left), "", Target::AtMost(0.0));
    let violations = server.astra.violations();
    table.target("requests that Astra does not know", figure(violations.len()), "", Target::AtMost(0.0));
    Ok(())
}
