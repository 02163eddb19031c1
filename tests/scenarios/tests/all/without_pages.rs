//! A server such as Vault that cannot list pages sends all names of a folder each time. A request there costs what it
//! reads: a folder is sent once, and tokens of other organizations cost nothing.

use harness::fake::Traffic;
use harness::{DriverKind, Org, Outcome, Stage, StageOptions, Verb, play};
use serde_json::{Value, json};

/// More than a page of names, and enough that the engine stores their number.
const TOKENS: usize = 1_200;

/// Names in lists that a request reads beside those of its tokens: organizations, roles, kinds of tasks.
const OTHER_NAMES_MAX: usize = 100;

macro_rules! without_pages {
    ($($name:ident),+ $(,)?) => {
        mod component {
            $(#[test] fn $name() { super::play_without_pages(super::DriverKind::Component, super::$name) })+
        }
        mod played_vault {
            $(#[test] fn $name() { super::play_without_pages(super::DriverKind::PlayedVault, super::$name) })+
        }
    };
}

without_pages! {
    a_request_for_one_organization_costs_the_same_however_many_tokens_another_has,
    a_folder_is_sent_once_for_each_request,
}

fn play_without_pages(kind: DriverKind, scenario: fn(&Stage)) {
    play(kind, StageOptions { transactional: false, ..StageOptions::default() }, scenario);
}

/// Both organizations with their roles, and three tokens of alpha.
fn both_ready(stage: &Stage) {
    stage.ready();
    stage.configure(&stage.beta);
    stage.make_role(&stage.beta, "reader", json!({}));
    for _ in 0..3 {
        stage.mint(&stage.alpha, "reader").expect(200);
    }
}

/// Stores records of tokens that Astra does not know, in the index.
fn store_tokens(stage: &Stage, org: &Org) {
    let storage = &stage.fake().storage;
    for number in 0..TOKENS {
        let client_id = format!("Client{number:018}");
        let origin = stage.astra.url();
        let record = json!({ "clientId": client_id, "orgId": org.id, "roleName": "reader", "origin": origin });
        storage.seed(&format!("token/{client_id}"), &record);
        storage.seed(&format!("client-index/{}/{client_id}", org.id), &json!({ "id": client_id }));
    }
}

/// Lets rollback scan the index.
fn let_count(stage: &Stage) {
    stage.fake().storage.seed("state/index", &json!({ "complete": true }));
    stage.driver.settle(&|| true);
}

fn cost(stage: &Stage, request: impl FnOnce() -> Outcome) -> Traffic {
    stage.fake().storage.take_traffic();
    request().expect(200);
    stage.fake().storage.take_traffic()
}

fn tidy(stage: &Stage, org: &Org) -> Outcome {
    stage.write("tidy", json!({ "org_id": org.id }))
}

fn a_request_for_one_organization_costs_the_same_however_many_tokens_another_has(stage: &Stage) {
    both_ready(stage);
    let alpha = &stage.alpha.id;
    let costs = || {
        [
            ("info", cost(stage, || stage.read("info", Value::Null))),
            ("check", cost(stage, || stage.read(&format!("config/{alpha}/check"), Value::Null))),
            ("tidy", cost(stage, || tidy(stage, &stage.alpha))),
            ("the last tidy", cost(stage, || stage.read("tidy", Value::Null))),
            ("tokens", cost(stage, || stage.list(&format!("tokens/{alpha}")))),
            ("configs", cost(stage, || stage.list("configs"))),
            ("roles", cost(stage, || stage.list(&format!("roles/{alpha}")))),
            ("a mint", cost(stage, || stage.mint(&stage.alpha, "reader"))),
        ]
    };
    let_count(stage);
    costs();
    let before = costs();
    store_tokens(stage, &stage.beta);
    let_count(stage);
    for ((what, before), (_, after)) in before.into_iter().zip(costs()) {
        // A mint of `costs` adds one token of alpha, with its names, record and index entry.
        let (calls, names, bytes) = (before.calls + 2, before.names + 10, before.bytes + 4_000);
        let holds = after.calls <= calls && after.names <= names && after.bytes <= bytes;
        assert!(holds, "{what}: {before:?}, and beside {TOKENS} tokens {after:?}");
    }
}

fn a_folder_is_sent_once_for_each_request(stage: &Stage) {
    both_ready(stage);
    store_tokens(stage, &stage.beta);
    let path = format!("tokens/{}", stage.beta.id);
    let page = || stage.ask(Verb::List, &path, json!({ "after": "Client", "limit": 5 }));
    let mut costs =
        vec![("info", cost(stage, || stage.read("info", Value::Null))), ("a page of tokens", cost(stage, page))];
    // Both read a thousand records, for which unoptimised code behind the protocol takes too long.
    if stage.driver.kind() == DriverKind::Component {
        costs.push(("tokens", cost(stage, || stage.list(&path))));
        costs.push(("tidy", cost(stage, || tidy(stage, &stage.beta))));
    }
    for (what, cost) in costs {
        assert!(cost.names <= TOKENS + OTHER_NAMES_MAX, "{what}: {cost:?}");
    }
}
