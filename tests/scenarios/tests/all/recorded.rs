//! The recorded run of the Go plugin, taken over on every driver: its reads and lists answer as recorded, its leases
//! renew and revoke, and Astra ends with the right tokens. The Go plugin's mistakes in the recording are in
//! `recorded_faults`.

use std::collections::{BTreeMap, BTreeSet};

use astra_simulator::{TokenInfo, TokenState};
use harness::go_plugin::{Exchange, Recording, taken_over};
use harness::{DriverKind, Org, Outcome, Stage, StageOptions, Verb};
use serde_json::{Value, json};

use crate::faults::SECRETS;

/// Makes a test of each scenario and driver, each on a mount that was taken over.
macro_rules! recorded {
    ($($name:ident),+ $(,)?) => {
        mod native {
            $(#[test] fn $name() { crate::recorded::play(harness::DriverKind::Native, super::$name) })+
        }
        #[cfg(feature = "component")]
        mod component {
            $(#[test] fn $name() { crate::recorded::play(harness::DriverKind::Component, super::$name) })+
        }
        #[cfg(feature = "component")]
        mod played_vault {
            $(#[test] fn $name() { crate::recorded::play(harness::DriverKind::PlayedVault, super::$name) })+
        }
        mod openbao {
            $(#[test] fn $name() { crate::recorded::play(harness::DriverKind::OpenBao, super::$name) })+
        }
    };
}
pub(crate) use recorded;

recorded! {
    reads_and_lists_answer_as_recorded,
    leases_are_renewed_by_the_terms_of_their_roles,
    revoking_a_lease_ends_its_own_token_and_its_record,
    the_recorded_writes_go_on,
}

/// Plays a scenario on a mount that was taken over, then runs the final checks of all scenarios.
pub(crate) fn play(kind: DriverKind, scenario: impl FnOnce(&Stage, &Recording)) {
    let (stage, recording) = taken_over(kind, &StageOptions::default());
    scenario(&stage, &recording);
    stage.finish();
}

/// The live tokens in Astra beside the two admin tokens, by client ID.
pub(crate) fn live_tokens(stage: &Stage, org: &Org) -> BTreeSet<String> {
    let is_made = |token: &TokenInfo| token.state == TokenState::Live && !is_admin(stage, &token.client_id);
    let tokens = stage.astra.tokens(&org.id).into_iter().filter(is_made);
    tokens.map(|token| token.client_id).collect()
}

fn is_admin(stage: &Stage, client_id: &str) -> bool {
    [&stage.alpha, &stage.beta].iter().any(|org| org.token.split(':').nth(1) == Some(client_id))
}

/// The leases whose tokens agree with their records: neither empty nor in another organization.
fn sound_leases(recording: &Recording) -> impl Iterator<Item = &harness::go_plugin::RecordedLease> {
    let odd = [&recording.empty_lease().id, &recording.misplaced_lease().id];
    recording.leases.iter().filter(move |lease| !odd.contains(&&lease.id))
}

/// Fields whose values in an answer differ from the recorded ones, each with the row of docs/compatibility.md that says
/// why. Additional fields of the engine are not a difference.
const READ_DIFFERENCES: [(&str, &str, &str); 1] = [("config", "astra_token", "row 2: a token is shown redacted")];

/// Fields of `key_info` that the recording has and our list lacks.
const NOT_LISTED: [(&str, &str, &str); 2] = [
    ("configs", "astra_token", "row 2: a list shows no token"),
    ("org/tokens", "token", "row 2: a list shows no token"),
];

fn reads_and_lists_answer_as_recorded(stage: &Stage, recording: &Recording) {
    let mut compared = BTreeMap::new();
    for exchange in &recording.exchanges {
        let was_minted = exchange.answer["lease_id"].as_str().is_some_and(|id| !id.is_empty());
        match exchange.method.as_str() {
            "LIST" => assert_list(stage, exchange),
            "GET" if !was_minted => assert_read(stage, exchange),
            _ => continue,
        }
        *compared.entry(exchange.path.as_str()).or_insert(0) += 1;
    }
    let expected = [("config", 1), ("configs", 1), ("org/token", 1), ("org/tokens", 1), ("role", 1), ("roles", 2)];
    assert_eq!(compared, BTreeMap::from(expected));
}

fn assert_read(stage: &Stage, exchange: &Exchange) {
    let path = &exchange.path;
    let answer = stage.read(path, exchange.data.clone()).expect(exchange.status);
    for (name, recorded) in exchange.answer["data"].as_object().unwrap() {
        let ours = &answer.data[name];
        let difference = READ_DIFFERENCES.iter().find(|row| (row.0, row.1) == (path, name));
        match difference {
            None => assert_eq!(ours, recorded, "`{name}` of {path} {}", exchange.data),
            Some(row) => {
                assert_eq!(ours, &redacted(recorded), "`{name}` of {path}: {}", row.2);
            }
        }
    }
}

/// The list may contain entries that the Go plugin made after its recorded answer.
fn assert_list(stage: &Stage, exchange: &Exchange) {
    let path = &exchange.path;
    let answer = stage.list(path).expect(exchange.status);
    let keys = answer.keys();
    for (recorded_key, recorded) in exchange.answer["data"]["key_info"].as_object().unwrap() {
        let key = listed_as(path, recorded_key, recorded);
        assert!(keys.contains(&key), "`{key}` is not in the list `{path}`: {keys:?}");
        let info = &answer.data["key_info"][&key];
        for (name, value) in recorded.as_object().unwrap() {
            match NOT_LISTED.iter().find(|row| (row.0, row.1) == (path, name)) {
                None => assert_eq!(&info[name], value, "`{name}` of `{key}` in the list `{path}`"),
                Some(row) => assert_eq!(info.get(name), None, "`{name}` of `{key}`: {}", row.2),
            }
        }
    }
}

/// The Go plugin listed a role of two organizations as two equal keys, of which only one had a description; ours are
/// distinct.
fn listed_as(path: &str, key: &str, info: &Value) -> String {
    match (path, key) {
        ("roles", "reader") => format!("{}:{key}", info["org_id"].as_str().unwrap()),
        _ => key.to_owned(),
    }
}

fn redacted(token: &Value) -> Value {
    let (shown, _) = token.as_str().unwrap().rsplit_once(':').unwrap();
    json!(format!("{shown}:redacted"))
}

fn leases_are_renewed_by_the_terms_of_their_roles(stage: &Stage, recording: &Recording) {
    for lease in sound_leases(recording) {
        let granted = lease.entry["secret"]["lease"].as_u64().unwrap() / 1_000_000_000;
        let renewed = stage.renew(&lease.id, None).expect(200);
        let info = renewed.lease.as_ref().unwrap();
        assert_eq!((info.id.as_str(), info.renewable), (lease.id.as_str(), true));
        // As much as was granted at first; the time since then shortens a lease with the longest life.
        assert!((granted / 2..=granted).contains(&info.duration), "{}: {} of {granted} s", lease.id, info.duration);
        assert!(stage.works(&recording.token(&lease.client_id).token), "{}", lease.id);
    }
    assert_eq!(stage.astra.requests().iter().filter(|request| request.path.starts_with(SECRETS)).count(), 0);
    assert_eq!(stage.driver.leases().len(), recording.leases.len());
}

fn revoking_a_lease_ends_its_own_token_and_its_record(stage: &Stage, recording: &Recording) {
    let mut live: BTreeSet<&String> = recording.tokens.keys().collect();
    for lease in sound_leases(recording) {
        let asked = stage.astra.requests().len();
        stage.revoke(&lease.id).expect(204);
        live.remove(&lease.client_id);
        for (client_id, token) in &recording.tokens {
            assert_eq!(stage.works(&token.token), live.contains(client_id), "`{client_id}` after {}", lease.id);
        }
        // Row 1: requests use the organization's own admin token.
        let admin = stage.admin_client_id(org_of(stage, &lease.org_id));
        let requests = stage.astra.requests();
        let deletes: Vec<_> = requests[asked..].iter().filter(|request| request.method == "DELETE").collect();
        assert_eq!(deletes.len(), 1, "{deletes:#?}");
        assert_eq!(deletes[0].path, format!("{SECRETS}/{}", lease.client_id));
        assert_eq!(deletes[0].client_id.as_ref(), Some(&admin));
        let query = json!({ "org_id": lease.org_id, "client_id": lease.client_id });
        stage.read(&format!("tokens/{}/{}", lease.org_id, lease.client_id), Value::Null).expect(200);
        if lease.org_id == stage.alpha.id {
            stage.read("org/token", query).expect(404);
        }
    }
    let mut left = stage.driver.leases();
    left.sort();
    let mut odd = vec![recording.empty_lease().id.clone(), recording.misplaced_lease().id.clone()];
    odd.sort();
    assert_eq!(left, odd);
    assert_eq!(live_tokens(stage, &stage.alpha), BTreeSet::from([recording.misplaced_lease().client_id.clone()]));
    assert_eq!(live_tokens(stage, &stage.beta), BTreeSet::new());
}

fn org_of<'a>(stage: &'a Stage, id: &str) -> &'a Org {
    [&stage.alpha, &stage.beta].into_iter().find(|org| org.id == id).unwrap()
}

/// Repeats the writes of the recorded clients.
fn the_recorded_writes_go_on(stage: &Stage, recording: &Recording) {
    let mut made = Vec::new();
    for exchange in recording.exchanges.iter().filter(|exchange| makes_a_token(exchange)) {
        // The name of the token that was never made is in `recorded_faults`.
        if exchange.data["logical_name"] == "empty" {
            continue;
        }
        let answer = ask(stage, exchange);
        let data = &exchange.answer["data"];
        // Rows 9 and 13: the same three names again are a 409.
        if data["logicalName"] != "" {
            answer.expect(409);
            continue;
        }
        // Row 1: the token is made in the requested organization, also where the Go plugin made it in another one.
        let answer = answer.expect(200);
        let client_id = answer.text("clientId").to_owned();
        assert_eq!(stage.astra_token(&client_id).organization, stage.beta.id, "{}", exchange.note);
        for name in ["orgId", "roleName", "logicalName"] {
            assert_eq!(answer.text(name), data[name].as_str().unwrap(), "`{name}`");
        }
        assert_eq!(
            answer.lease.as_ref().map(|lease| json!(lease.duration)),
            Some(exchange.answer["lease_duration"].clone())
        );
        made.push((client_id, answer.lease_id()));
    }
    assert_eq!(made.len(), 2, "both sidecar reads made a token");
    // The role under a name in mixed case, as the client wrote it.
    let odd = json!({ "org_id": stage.alpha.id, "role_name": "Mixed Case", "logical_name": "Five" });
    let minted = stage.write("org/token", odd).expect(200);
    assert_eq!((minted.text("roleName"), minted.text("logicalName")), ("mixed case", "five"));
    assert_eq!(minted.lease.as_ref().map(|lease| lease.duration), Some(600));
    made.push((minted.text("clientId").to_owned(), minted.lease_id()));
    for (client_id, lease_id) in made {
        stage.revoke(&lease_id).expect(204);
        assert_eq!(stage.astra_token(&client_id).state, TokenState::Revoked);
    }
    let recorded_alive = |org: &Org| {
        let of_org =
            recording.tokens.iter().filter(|(client_id, token)| token.org_id == org.id && !is_admin(stage, client_id));
        of_org.map(|(client_id, _)| client_id.clone()).collect::<BTreeSet<_>>()
    };
    for org in [&stage.alpha, &stage.beta] {
        assert_eq!(live_tokens(stage, org), recorded_alive(org), "every recorded token lives on");
    }
}

fn makes_a_token(exchange: &Exchange) -> bool {
    let is_sidecar_read = exchange.method == "GET" && exchange.answer["lease_duration"].as_u64() > Some(0);
    exchange.path == "org/token" && (exchange.method == "PUT" || is_sidecar_read)
}

fn ask(stage: &Stage, exchange: &Exchange) -> Outcome {
    let verb = if exchange.method == "GET" { Verb::Read } else { Verb::Write };
    stage.ask(verb, &exchange.path, exchange.data.clone())
}
