//! Cost of sealed secrets: each request beside the same request to the same engine unsealed, in turns, so that other
//! load of the machine affects both alike.

use std::time::Instant;

use anyhow::{Context, bail};
use astra_secrets::BACKEND;
use astra_simulator::{Settings, Simulator};
use component_runtime::egress::{Origin, Policy};
use envelope::{Operation, Request};
use secrets_framework::testing::{TestHost, request};
use serde_json::{Value, json};

use crate::component::{self, Component, Sealing};
use crate::in_process::tokio;
use crate::many_tokens;
use crate::native::ORG;
use crate::samples::{Samples, microseconds};
use crate::table::{Table, Target, quantity};

/// Records of the list.
const RECORDS: usize = 10_000;

/// A request with its name, the number of its repetitions, and its longest additional time in microseconds.
type Subject = (&'static str, Request, usize, f64);

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    table.section("the seal of secrets: what a request takes more than with the same engine unsealed, p50");
    let astra = Simulator::start(Settings::default()).context("failed to start the simulator")?;
    let organization = astra.organization(0);
    let host = configured(&astra)?;
    let subjects: [Subject; 3] = [
        (
            "read a role",
            component::request(Operation::Read, format!("roles/{}/reader", organization.id), "{}"),
            20_000,
            1.0,
        ),
        (
            "read a config",
            component::request(Operation::Read, format!("config/{}", organization.id), "{}"),
            20_000,
            5.0,
        ),
        (
            "make a token",
            component::request(Operation::Read, format!("creds/{}/reader", organization.id), "{}"),
            2_000,
            25.0,
        ),
    ];
    let pair = Pair::load(&host, astra.url())?;
    for (name, request, calls, most) in subjects {
        let [sealed, plain] = pair.measure(&request, calls).with_context(|| format!("failed to {name}"))?;
        table.target(name, sealed - plain, "µs", Target::AtMost(most));
        table.figure(format!("{name}: sealed"), quantity(sealed, "µs"), format!("unsealed {}", quantity(plain, "µs")));
    }
    let list = component::request(Operation::List, format!("tokens/{ORG}/"), &format!("{{\"limit\":{RECORDS}}}"));
    let pair = Pair::load(&many_tokens::mount(RECORDS, 0)?, astra.url())?;
    let [sealed, plain] = pair.measure(&list, 20).context("failed to list")?;
    table.target(format!("a list of {RECORDS} records: sealed / unsealed"), sealed / plain, "×", Target::AtMost(1.2));
    Ok(())
}

/// One engine sealed and unsealed.
struct Pair {
    tokio: tokio::runtime::Runtime,
    engines: [Component; 2],
}

impl Pair {
    fn load(host: &TestHost, api: &str) -> anyhow::Result<Self> {
        let tokio = tokio()?;
        let origin = Origin::parse(api).context("the simulator has no origin")?;
        let policy = Policy::new("astra", vec![origin]);
        let load = |sealing: Sealing| tokio.block_on(Component::load_as(host, &sealing, policy.clone()));
        let engines = [load(Sealing::AsDeclared)?, load(Sealing::Off)?];
        Ok(Self { tokio, engines })
    }

    /// The p50 of both in microseconds, sealed first.
    fn measure(&self, request: &Request, calls: usize) -> anyhow::Result<[f64; 2]> {
        let mut samples = [Samples::default(), Samples::default()];
        for _ in 0..calls {
            for (engine, samples) in self.engines.iter().zip(&mut samples) {
                let request = request.clone();
                let before = Instant::now();
                let answer = self.tokio.block_on(engine.data(request))?;
                samples.add(before.elapsed());
                if answer.is_none() {
                    bail!("there was no answer");
                }
            }
        }
        Ok(samples.map(|samples| microseconds(samples.percentile(50))))
    }
}

/// A mount with the simulator's first organization and a role, which the engine itself wrote.
fn configured(astra: &Simulator) -> anyhow::Result<TestHost> {
    let host = TestHost::new();
    let organization = astra.organization(0);
    let write = |path: String, data: Value| {
        let answer = BACKEND.handle(&host, &request(secrets_framework::Operation::Create, &path, data));
        answer.map(drop).with_context(|| format!("failed to write `{path}`"))
    };
    let config = json!({ "astra_token": organization.bootstrap.token, "url": astra.url(), "verify": false });
    write(format!("config/{}", organization.id), config)?;
    let role = astra.role_id(&organization.id, "R/W User").context("Astra has no such role")?;
    write(format!("roles/{}/reader", organization.id), json!({ "role_id": role, "ttl": "1h" }))?;
    Ok(host)
}
