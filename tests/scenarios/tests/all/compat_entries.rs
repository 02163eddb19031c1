//! Damaged or false entries of a mount of the Go plugin: leases and records without a token, tokens in another
//! organization than recorded, entries that cannot be decoded. Each is ended or skipped, and blocks nothing.

use std::time::Duration;

use astra_simulator::{Action, Effect, FaultBody, FaultRule, OutsideChange, ResetAt, TokenState};
use harness::{Org, Outcome, Stage};
use serde_json::{Value, json};

use crate::compat::{Entry, OldToken, go_config, go_role, go_token};

scenarios! { fake:
    a_lease_that_stands_for_no_token_ends_without_astra,
    a_name_whose_record_stands_for_no_token_is_given_out_again,
    everything_works_beside_a_record_that_stands_for_no_token,
    a_token_is_ended_in_the_organization_that_has_it,
    tidy_ends_a_token_in_the_organization_that_has_it,
    tidy_keeps_a_token_while_another_organization_does_not_answer,
    a_damaged_config_is_written_anew_or_deleted_by_force,
    an_organization_that_does_not_answer_fails_the_revocation,
    entries_that_cannot_be_read_stop_nothing_and_are_named,
    write_ahead_entries_that_cannot_be_undone_fail_no_rollback_call,
    a_damaged_retired_config_stops_no_write_and_no_deletion_of_the_config,
}

scenarios! { clock:
    a_day_after_its_lease_a_token_that_nobody_lists_is_given_up,
}

const HOUR: Duration = Duration::from_secs(3600);

/// A record and the internal data of its lease, as the Go plugin 2.0.0 stores them if Astra answers a mint with 401 and
/// a JSON body.
pub(crate) fn go_empty_token(org: &Org, role: &str, logical_name: &str) -> (Entry, Value) {
    let id = harness::sha256_hex(format!("{}:{role}:{logical_name}", org.id).as_bytes());
    let record = json!({
        "clientId": "", "secret": "", "orgId": org.id, "roleName": role, "roles": null, "token": "",
        "generatedOn": "", "logicalName": logical_name, "metadata": {},
    });
    let internal_data = json!({
        "clientId": "", "orgId": org.id, "roleName": role, "secret_type": "astra_token", "tokenId": id,
    });
    ((format!("token/{id}"), record), internal_data)
}

/// A token that the Go plugin recorded in `noted`, and made with the admin token of `real`.
pub(crate) fn go_misplaced_token(stage: &Stage, noted: &Org, real: &Org) -> OldToken {
    let mut token = go_token(stage, real, "reader", "");
    token.entry.1["orgId"] = json!(noted.id);
    token.internal_data["orgId"] = json!(noted.id);
    token
}

/// The Go plugin's entries of both organizations with a role each.
pub(crate) fn go_mount(stage: &Stage) -> Vec<Entry> {
    vec![
        go_config(stage, &stage.alpha, "alpha", 1),
        go_config(stage, &stage.beta, "beta", 1),
        go_role(stage, &stage.alpha, "reader"),
        go_role(stage, &stage.beta, "reader"),
    ]
}

fn seed(stage: &Stage, entries: &[Entry]) {
    entries.iter().for_each(|(key, entry)| stage.fake().storage.seed(key, entry));
}

fn is_stored(stage: &Stage, key: &str) -> bool {
    stage.fake().storage.dump().contains_key(key)
}

fn empty_token(stage: &Stage) -> (String, String) {
    seed(stage, &go_mount(stage));
    let (entry, internal_data) = go_empty_token(&stage.alpha, "reader", "empty");
    seed(stage, std::slice::from_ref(&entry));
    (stage.fake().seed_lease("org/token", internal_data), entry.0)
}

fn named(stage: &Stage) -> Value {
    json!({ "org_id": stage.alpha.id, "role_name": "reader", "logical_name": "empty" })
}

fn a_lease_that_stands_for_no_token_ends_without_astra(stage: &Stage) {
    let (lease, key) = empty_token(stage);
    stage.renew(&lease, None).expect_error(400, &["stands for no token", "revoke the lease"]);
    let asked = stage.astra.request_count();
    stage.revoke(&lease).expect(204);
    assert_eq!(stage.astra.request_count(), asked, "Astra was asked");
    assert!(!is_stored(stage, &key));
    assert!(stage.driver.leases().is_empty());
}

fn a_name_whose_record_stands_for_no_token_is_given_out_again(stage: &Stage) {
    let (lease, _) = empty_token(stage);
    stage.read("org/token", named(stage)).expect(404);
    let made = stage.write("org/token", named(stage)).expect(200);
    stage.revoke(&lease).expect(204);
    assert!(stage.works(made.text("token")), "the new token is not the old lease's");
    assert_eq!(stage.read("org/token", named(stage)).expect(200).text("token"), made.text("token"));
    stage.settle_at(&stage.alpha, 1);
}

fn everything_works_beside_a_record_that_stands_for_no_token(stage: &Stage) {
    let (lease, key) = empty_token(stage);
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    for list in [stage.list("org/tokens"), stage.list(&format!("tokens/{}", stage.alpha.id))] {
        assert_eq!(list.expect(200).keys(), [minted.text("clientId")]);
    }
    assert_eq!(stage.write("tidy", json!({ "dry_run": false })).expect(200).data["failed"], json!({}));
    assert!(stage.driver.settle(&|| !is_stored(stage, &key)), "rollback ends the record");
    assert_eq!(stage.fake().take_rollback_errors(), Vec::<String>::new());
    assert_eq!(stage.fake().storage.dump()["state/index"]["complete"], true);
    let check = stage.read(&format!("config/{}/check", stage.alpha.id), Value::Null).expect(200);
    assert_eq!(check.data["healthy"], true, "{check:#?}");
    stage.revoke(&minted.lease_id()).expect(204);
    assert!(stage.delete(&format!("config/{}", stage.alpha.id), Value::Null).status < 300);
    assert_eq!(stage.driver.leases(), std::slice::from_ref(&lease));
    stage.driver.disable().expect(204);
    assert!(stage.driver.leases().is_empty());
}

fn misplaced(stage: &Stage) -> (String, OldToken) {
    seed(stage, &go_mount(stage));
    let token = go_misplaced_token(stage, &stage.beta, &stage.alpha);
    seed(stage, std::slice::from_ref(&token.entry));
    (stage.fake().seed_lease("org/token", token.internal_data.clone()), token)
}

fn record(stage: &Stage, org: &Org, token: &OldToken) -> Outcome {
    stage.read(&format!("tokens/{}/{}", org.id, token.client_id), Value::Null)
}

/// Number of all live tokens in Astra.
fn live(stage: &Stage) -> usize {
    let all = [&stage.alpha, &stage.beta].into_iter().flat_map(|org| stage.astra.tokens(&org.id));
    all.filter(|token| token.state == TokenState::Live).count()
}

fn a_token_is_ended_in_the_organization_that_has_it(stage: &Stage) {
    let (lease, token) = misplaced(stage);
    // The index may have recorded an origin for the token, from its organization's config.
    assert!(stage.driver.settle(&|| stage.records(&stage.beta).contains(&token.client_id)));
    let before = live(stage);
    assert!(stage.works(&token.token));
    stage.revoke(&lease).expect(204);
    assert!(!stage.works(&token.token), "it lives on in organization alpha");
    assert_eq!(live(stage), before - 1, "nothing else was touched");
    let told = record(stage, &stage.beta, &token).expect(200);
    assert_eq!((told.text("ended_how"), told.text("found_in")), ("revoked", stage.alpha.id.as_str()));
    assert!(stage.driver.logs().contains("found in another organization"));
}

fn tidy_ends_a_token_in_the_organization_that_has_it(stage: &Stage) {
    let (_, token) = misplaced(stage);
    let before = live(stage);
    let told = stage.write("tidy", json!({ "dry_run": true })).expect(200);
    assert_eq!(told.data["gone"], json!([token.client_id]));
    assert!(stage.works(&token.token));
    let done = stage.write("tidy", json!({ "dry_run": false })).expect(200);
    assert_eq!(done.data["removed"], json!([token.client_id]), "{done:#?}");
    assert!(!stage.works(&token.token));
    assert_eq!(live(stage), before - 1);
}

fn tidy_keeps_a_token_while_another_organization_does_not_answer(stage: &Stage) {
    let (_, token) = misplaced(stage);
    stage.astra.fault(hides_its_list(&stage.alpha));
    let done = stage.write("tidy", json!({ "dry_run": false })).expect(200);
    assert_eq!((&done.data["gone"], &done.data["removed"]), (&json!([token.client_id]), &json!([])), "{done:#?}");
    assert!(stage.works(&token.token));
    record(stage, &stage.beta, &token).expect(200);
    stage.astra.clear_faults();
    let done = stage.write("tidy", json!({ "dry_run": false })).expect(200);
    assert_eq!(done.data["removed"], json!([token.client_id]), "{done:#?}");
    assert!(!stage.works(&token.token));
}

/// What the error says to do works, and tokens of the organization are revoked afterwards.
fn a_damaged_config_is_written_anew_or_deleted_by_force(stage: &Stage) {
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let path = format!("config/{}", stage.alpha.id);
    let damage = || stage.fake().storage.seed(&path, &json!(["not a config"]));
    damage();
    let told = ["is damaged", "with `astra_token` and `url`", "`force=true`"];
    let before = stage.astra.request_count();
    stage.mint(&stage.alpha, "reader").expect_error(500, &told);
    stage.write(&path, json!({ "astra_token": stage.alpha.token })).expect_error(500, &told);
    stage.write(&path, json!({ "url": stage.astra.url(), "force": true })).expect_error(500, &told);
    stage.delete(&path, Value::Null).expect_error(500, &told);
    assert!(stage.revoke(&minted.lease_id()).messages().contains(told[1]));
    assert_eq!(stage.astra.request_count(), before, "nothing was sent anywhere");
    assert!(stage.delete(&path, json!({ "force": true })).status < 300);
    stage.read(&path, Value::Null).expect(404);
    damage();
    stage.configure(&stage.alpha);
    stage.revoke(&minted.lease_id()).expect(204);
    stage.assert_consistent(&stage.alpha, 0);
}

fn hides_its_list(org: &Org) -> FaultRule {
    let action = Action::Status { status: 503, body: FaultBody::default(), retry_after: None, effect: Effect::NotDone };
    FaultRule::new(action).method("GET").path("/v2/clientIdSecrets").organization(&org.id)
}

fn an_organization_that_does_not_answer_fails_the_revocation(stage: &Stage) {
    let (lease, token) = misplaced(stage);
    stage.astra.fault(hides_its_list(&stage.alpha));
    let failed = stage.revoke(&lease);
    assert!(failed.status >= 400 && failed.messages().contains(&stage.alpha.id), "{failed:#?}");
    assert!(stage.works(&token.token));
    record(stage, &stage.beta, &token).expect(200);
    assert_eq!(stage.driver.leases(), std::slice::from_ref(&lease));
    stage.astra.clear_faults();
    stage.revoke(&lease).expect(204);
    assert!(!stage.works(&token.token));
    assert_eq!(record(stage, &stage.beta, &token).expect(200).text("found_in"), stage.alpha.id);
}

fn a_day_after_its_lease_a_token_that_nobody_lists_is_given_up(stage: &Stage) {
    let (lease, token) = misplaced(stage);
    assert!(stage.astra.change(&OutsideChange::RevokeToken { client_id: token.client_id.clone() }));
    stage.astra.fault(hides_its_list(&stage.alpha));
    assert!(stage.revoke(&lease).status >= 400);
    stage.fake().clock.advance(23 * HOUR);
    assert!(stage.revoke(&lease).status >= 400);
    stage.fake().clock.advance(HOUR);
    stage.revoke(&lease).expect(204);
    let told = record(stage, &stage.beta, &token).expect(200);
    assert_eq!(told.data["not_asked"], json!([stage.alpha.id]), "{told:#?}");
    let logs = stage.driver.logs();
    let line = logs.lines().find(|line| line.contains("could not be asked")).unwrap();
    assert!(line.contains(&stage.alpha.id), "{line}");
}

fn entries_that_cannot_be_read_stop_nothing_and_are_named(stage: &Stage) {
    seed(stage, &go_mount(stage));
    let good = go_token(stage, &stage.alpha, "reader", "good");
    seed(stage, std::slice::from_ref(&good.entry));
    let bad = [
        ("config/damaged", json!(["not a config"])),
        ("config/other-type", json!({ "astra_token": "AstraCS:x:y", "url": 5 })),
        ("token/array", json!(["not a record"])),
        ("token/wide", json!({ "clientId": "w".repeat(5_000), "orgId": stage.alpha.id })),
        ("wal/damaged", json!("x")),
        ("queue/odd", json!({})),
        ("queue/00000001/token/odd", json!({})),
    ];
    bad.iter().for_each(|(key, entry)| stage.fake().storage.seed(key, entry));
    let role = format!("role/{}:damaged", stage.alpha.id);
    stage.fake().storage.seed(&role, &json!("x"));
    assert!(
        stage.driver.settle(&|| stage.fake().storage.dump().get("state/index").is_some_and(|s| s["complete"] == true))
    );
    assert_eq!(stage.list("org/tokens").expect(200).keys(), [good.client_id.as_str()]);
    assert!(stage.list("configs").expect(200).keys().contains(&stage.beta.id));
    assert!(stage.list("roles").expect(200).keys().iter().any(|key| key.contains("reader")));
    stage.read("info", Value::Null).expect(200);
    stage.write("sync-roles", json!({})).expect(200);
    let tidied = stage.write("tidy", json!({ "dry_run": false })).expect(200);
    for org in [&stage.alpha, &stage.beta] {
        assert!(tidied.data["failed"].get(&org.id).is_none(), "{tidied:#?}");
    }
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    stage.revoke(&minted.lease_id()).expect(204);
    let check = stage.read(&format!("config/{}/check", stage.alpha.id), Value::Null).expect(200);
    let message = check.data["entries"]["message"].as_str().unwrap();
    assert_eq!(check.data["entries"]["ok"], "no");
    // The first five of them are named; the others are counted.
    assert!(message.contains("`config/damaged`") && message.contains("and 2 more"), "{message}");
}

fn write_ahead_entries_that_cannot_be_undone_fail_no_rollback_call(stage: &Stage) {
    seed(stage, &go_mount(stage));
    stage.configure_with(&stage.alpha, json!({ "max_retries": 0 }));
    let lost = Action::Reset { at: ResetAt::BeforeAnswer, effect: Effect::Done };
    stage.astra.fault(FaultRule::new(lost).method("POST").path("/v2/clientIdSecrets"));
    stage.astra.fault(hides_its_list(&stage.alpha));
    assert!(stage.mint(&stage.alpha, "reader").status >= 500);
    stage.astra.clear_faults();
    stage.age_wal();
    let bad = [
        ("wal/damaged", json!("x")),
        ("wal/newer", json!({ "type": "mint/2", "data": { "secret": "not-for-the-log" }, "created_at": 1 })),
        (
            "wal/no-mark",
            json!({ "type": "astra_token", "created_at": 1, "data": {
                "orgId": stage.alpha.id, "origin": stage.astra.url(), "mark": "", "roles": [],
            }}),
        ),
    ];
    bad.iter().for_each(|(key, entry)| stage.fake().storage.seed(key, entry));
    assert_eq!((live(stage), stage.wal().len()), (3, bad.len() + 1), "two admin tokens, and a token without an answer");
    assert!(stage.driver.settle(&|| stage.wal().len() == bad.len()), "the readable entry is undone");
    (0..3).for_each(|_| assert!(stage.driver.settle(&|| true)));
    assert_eq!(stage.fake().take_rollback_errors(), Vec::<String>::new());
    assert_eq!(live(stage), 2, "the token of the readable entry has ended, and no other");
    let logs = stage.driver.logs();
    assert_eq!(logs.matches("a write-ahead entry cannot be undone").count(), bad.len(), "{logs}");
    assert!(!logs.contains("not-for-the-log"));
    let check = stage.read(&format!("config/{}/check", stage.alpha.id), Value::Null).expect(200);
    for (key, entry) in &bad {
        assert!(check.data["entries"]["message"].as_str().unwrap().contains(&format!("`{key}`")), "{check:#?}");
        assert_eq!(&stage.fake().storage.dump()[*key], entry, "the entry is as it was");
    }
}

fn a_damaged_retired_config_stops_no_write_and_no_deletion_of_the_config(stage: &Stage) {
    seed(stage, &go_mount(stage));
    let [alpha, beta] = [&stage.alpha, &stage.beta].map(|org| format!("config/{}", org.id));
    let [kept, other] = [&stage.alpha, &stage.beta].map(|org| format!("retired-config/{}", org.id));
    let bytes = json!("not-for-the-log");
    stage.fake().storage.seed(&kept, &bytes);
    stage.fake().storage.seed(&other, &json!({ "configs": [{ "astra_token": "AstraCS:x:y", "url": 5 }] }));
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    for _ in 0..4 {
        assert!(stage.driver.settle(&|| true));
    }
    assert_eq!(stage.fake().take_rollback_errors(), Vec::<String>::new());
    assert_eq!(stage.fake().storage.dump()[&kept], bytes, "it is kept while a token lives that may need it");
    assert!(!is_stored(stage, &other), "of an organization without tokens it is of no use");
    let logs = stage.driver.logs();
    assert_eq!(logs.matches("a retired config is damaged").count(), 1, "{logs}");
    assert!(!logs.contains("not-for-the-log"));
    let check = stage.read(&format!("{alpha}/check"), Value::Null).expect(200);
    assert!(check.data["entries"]["message"].as_str().unwrap().contains(&format!("`{kept}`")), "{check:#?}");

    assert!(stage.write(&alpha, json!({ "max_retries": 1 })).status < 300);
    stage.fake().storage.seed(&other, &bytes);
    assert!(stage.delete(&beta, Value::Null).status < 300);
    stage.read(&beta, Value::Null).expect(404);
    assert!(stage.delete(&alpha, Value::Null).status == 400, "a token lives");
    assert_eq!(stage.fake().storage.dump()[&kept], bytes);
    assert!(stage.delete(&alpha, json!({ "force": true })).status < 300);
    stage.read(&alpha, Value::Null).expect(404);
    assert!(stage.driver.logs().contains("a damaged retired config was given up"));
    stage.revoke(&minted.lease_id()).expect(204);
    assert!(stage.driver.settle(&|| !is_stored(stage, &kept)));
    assert!(!stage.works(minted.text("token")));
}
