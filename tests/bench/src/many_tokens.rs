//! Cost of a look-up, a page and a rollback call with many tokens in storage, which should be as with few. All in this
//! process with a fake storage, so that only the engine's own work is measured.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use astra_secrets::BACKEND;
use envelope::{Operation, Request};
use secrets_framework::Sensitive;
use secrets_framework::host::{Clock as _, HttpResponse};
use secrets_framework::testing::{TestHost, request, rollback_request};
use serde_json::{Value, json};

use crate::component::{self, Component};
use crate::in_process::tokio;
use crate::native::{self, ORG};
use crate::samples::{Samples, microseconds, milliseconds};
use crate::table::{Table, Target, quantity};

const FEW: usize = 10;
const MANY: usize = 100_000;
const STATIC_ROLES: usize = 1_000;
/// Tokens of the mount for whose report and metrics there is a target.
const REPORTED: usize = 10_000;
const CALLS: usize = 300;
const REPORT_CALLS: usize = 20;
/// Time between the mint of the tokens and the measurement. Rollback counts the tokens every five minutes.
const BEFORE: Duration = Duration::from_secs(7 * 60);
const COUNTED: Duration = Duration::from_secs(60);
/// Records that a rollback call counts.
const COUNTED_IN_A_CALL: usize = 2_000;

/// A request, with its name in the table.
type Subject = (&'static str, fn() -> Request);

/// A request with its name and its longest time in milliseconds.
type Report = (&'static str, fn() -> Request, f64);

const SUBJECTS: [Subject; 2] = [("look a token up by its client ID", look_up), ("a page of 10 of the tokens", page)];

const REPORTS: [Report; 2] =
    [("a page of 1,000 tokens of the report", report, 500.0), ("the metrics of the engine", metrics, 20.0)];

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let tokio = tokio()?;
    let few = tokio.block_on(Component::load(&mount(FEW, 0)?))?;
    let many = tokio.block_on(Component::load(&mount(MANY, STATIC_ROLES)?))?;
    let call = |component: &Component, request: fn() -> Request, samples: &mut Samples| {
        let request = request();
        let before = Instant::now();
        let answer = tokio.block_on(component.data(request))?;
        samples.add(before.elapsed());
        Ok::<_, anyhow::Error>(answer)
    };
    table.section(format!("{MANY} tokens and {STATIC_ROLES} static roles in storage, beside {FEW} tokens"));
    for (name, request) in SUBJECTS {
        let [mut with_few, mut with_many] = [Samples::default(), Samples::default()];
        for _ in 0..CALLS {
            for (component, samples) in [(&few, &mut with_few), (&many, &mut with_many)] {
                if call(component, request, samples)?.is_none() {
                    bail!("`{name}` found nothing");
                }
            }
        }
        let [few, many] = [&with_few, &with_many].map(|samples| microseconds(samples.percentile(50)));
        table.target(format!("{name}: p50 / that with {FEW}"), many / few, "×", Target::AtMost(1.25));
        table.figure(format!("{name}: p50"), quantity(many, "µs"), format!("with {FEW}: {}", quantity(few, "µs")));
    }
    let median = |component: &Component, request: fn() -> Request, calls: usize| {
        let mut samples = Samples::default();
        for _ in 0..calls {
            call(component, request, &mut samples)?;
        }
        Ok::<_, anyhow::Error>(milliseconds(samples.percentile(50)))
    };
    let name = "a rollback call with nothing due: p50";
    table.target(name, median(&many, rollback, CALLS)?, "ms", Target::AtMost(5.0));
    table.section(format!("{REPORTED} tokens in storage, beside {MANY} tokens and {STATIC_ROLES} static roles"));
    let reported = tokio.block_on(Component::load(&mount(REPORTED, 0)?))?;
    for (name, request, most) in REPORTS {
        let beside = quantity(median(&many, request, REPORT_CALLS)?, "ms");
        table.target(
            format!("{name}: p50 (beside: {beside})"),
            median(&reported, request, REPORT_CALLS)?,
            "ms",
            Target::AtMost(most),
        );
    }
    Ok(())
}

fn look_up() -> Request {
    component::request(Operation::Read, format!("tokens/{ORG}/{}", client_id(FEW / 2)), "{}")
}

fn page() -> Request {
    component::request(Operation::List, format!("tokens/{ORG}/"), r#"{"limit":10}"#)
}

fn report() -> Request {
    component::request(Operation::Read, format!("report/{ORG}"), r#"{"limit":1000}"#)
}

fn metrics() -> Request {
    component::request(Operation::Read, "metrics".to_owned(), "{}")
}

fn rollback() -> Request {
    component::request(Operation::Rollback, String::new(), "{}")
}

/// A mount with this number of tokens and static roles. The engine makes one of each kind; the others are copies under
/// other names, because making them all would take minutes.
pub(crate) fn mount(tokens: usize, static_roles: usize) -> anyhow::Result<TestHost> {
    let host = native::configured()?;
    // The component's clock is the machine's, so nothing may be due by that clock.
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let began = now.saturating_sub(BEFORE);
    host.clock.advance(began.saturating_sub(host.clock.now()));
    host.http.script(|request| Ok(if request.path_and_query.contains("currentOrg") { current_org() } else { made() }));
    // The first call looks for tokens of the Go plugin; the measured calls find that done.
    BACKEND.handle(&host, &rollback_request(false)).context("failed to roll back")?;
    let creds = request(secrets_framework::Operation::Read, &format!("creds/{ORG}/reader"), Value::Null);
    BACKEND.handle(&host, &creds).context("failed to make the token")?;
    multiply(&host, FIRST, tokens, client_id)?;
    if static_roles > 0 {
        let fields = json!({"role_ids": [ROLE_ID], "rotation_period": "720h"});
        let path = format!("static-roles/{ORG}/{FIRST_STATIC}");
        BACKEND
            .handle(&host, &request(secrets_framework::Operation::Create, &path, fields))
            .context("failed to make the static role")?;
        multiply(&host, FIRST_STATIC, static_roles, |number| format!("static{number:018}"))?;
    }
    // Rollback counts the tokens of each role for the metrics, some in each call. Once an hour it also records when it
    // looked for dead tokens and for the ends of admin tokens: that is done here.
    host.clock.advance(BEFORE.saturating_sub(COUNTED));
    for _ in 0..=tokens.div_ceil(COUNTED_IN_A_CALL) {
        BACKEND.handle(&host, &rollback_request(false)).context("failed to roll back")?;
    }
    host.clock.advance(now.saturating_sub(host.clock.now()));
    BACKEND.handle(&host, &rollback_request(false)).context("failed to roll back")?;
    Ok(host)
}

/// Astra's answer to a mint.
fn made() -> HttpResponse {
    let token = json!({
        "clientId": FIRST, "secret": "s".repeat(128), "token": format!("AstraCS:{FIRST}:{}", "0".repeat(64)),
        "orgId": ORG, "roles": [ROLE_ID], "generatedOn": "2026-01-01T00:00:00Z",
    });
    answer(201, &token)
}

/// Astra's answer with the owner of a token.
fn current_org() -> HttpResponse {
    answer(200, &json!({"id": ORG}))
}

fn answer(status: u16, body: &Value) -> HttpResponse {
    HttpResponse {
        status,
        retry_after: None,
        upstream_request_id: None,
        date: None,
        body: Sensitive::new(body.to_string().into_bytes()),
    }
}

/// Copies all entries of `first` until there are `count`, each under a name of its own.
fn multiply(host: &TestHost, first: &str, count: usize, name: impl Fn(usize) -> String) -> anyhow::Result<()> {
    let entries: Vec<(String, String)> = host
        .storage
        .snapshot()
        .into_iter()
        .filter(|(key, _)| key.contains(first))
        .map(|(key, entry)| Ok((key, String::from_utf8(entry.value)?)))
        .collect::<anyhow::Result<_>>()?;
    if entries.is_empty() {
        bail!("nothing was stored of `{first}`");
    }
    for number in 0..count {
        let name = name(number);
        for (key, value) in &entries {
            host.storage.seed(&key.replace(first, &name), value.replace(first, &name));
        }
    }
    Ok(())
}

fn client_id(number: usize) -> String {
    format!("client{number:018}")
}

const FIRST: &str = "aaaaaaaaaaaaaaaaaaaaaaaa";
const FIRST_STATIC: &str = "first-of-the-static-roles";
const ROLE_ID: &str = "ad0566b5-2a67-49de-89e8-92258c2f2c98";
