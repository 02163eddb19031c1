//! `config/:org/check`: the health of an organization. Each item is yes, no or unknown, with a sentence. A fault of
//! Astra is part of the answer, not a failure of the request.

use std::time::Duration;

use astra_simulator::{Action, Effect, FaultRule, OutsideChange, RoleListAllowed};
use harness::{Outcome, Stage};
use serde_json::{Value, json};

use crate::faults::{SECRETS, few_retries, impatient, patient, status};
use crate::rotation::client_id_of;

scenarios! { all:
    a_healthy_organization_is_reported_as_healthy,
    a_flat_check_is_a_list_of_items,
    a_deep_check_leaves_no_token,
    a_deep_check_that_fails_leaves_no_token,
    a_dead_admin_token_is_a_no,
    an_astra_that_is_away_is_unknown,
    another_organizations_token_is_a_no,
    a_lost_permission_is_a_no,
    an_end_that_is_near_is_a_no,
    a_clock_that_differs_is_a_no,
    a_role_whose_astra_role_has_gone_is_a_no,
    what_is_not_there_and_other_verbs,
}

scenarios! { fake:
    an_open_entry_is_shown,
    a_read_only_node_checks_but_not_deeply,
}

const ITEMS: [&str; 14] = [
    "token_valid",
    "organization_matches",
    "may_list_roles",
    "may_list_tokens",
    "token_expiry",
    "clock_skew",
    "roles_exist",
    "role_lifetimes",
    "pending_wal",
    "entries",
    "rotation",
    "static_roles",
    "served_tokens",
    "tidy",
];

fn check_with(stage: &Stage, query: Value) -> Outcome {
    stage.read(&format!("config/{}/check", stage.alpha.id), query).expect(200)
}

fn check(stage: &Stage) -> Outcome {
    check_with(stage, Value::Null)
}

fn deep(stage: &Stage) -> Outcome {
    check_with(stage, json!({ "deep": true }))
}

/// Asserts the item, and that its sentence is not empty.
#[track_caller]
fn assert_item(outcome: &Outcome, name: &str, ok: &str) -> String {
    let item = &outcome.data[name];
    assert_eq!(item["ok"], ok, "{name}: {item}");
    let message = item["message"].as_str().unwrap();
    assert!(message.len() > 10 && message.ends_with('.'), "{name}: {message}");
    message.to_owned()
}

#[track_caller]
fn assert_sick(outcome: &Outcome, name: &str) -> String {
    assert_eq!(outcome.data["healthy"], false, "{outcome:#?}");
    assert_item(outcome, name, "no")
}

fn a_healthy_organization_is_reported_as_healthy(stage: &Stage) {
    stage.ready();
    let outcome = check(stage);
    assert_eq!((&outcome.data["healthy"], &outcome.data["deep"]), (&json!(true), &json!(false)));
    for name in ITEMS {
        assert_ne!(outcome.data[name]["ok"], "no", "{name}: {outcome:#?}");
        let ok = outcome.data[name]["ok"].as_str().unwrap();
        assert_item(&outcome, name, ok);
    }
    for name in [
        "token_valid",
        "organization_matches",
        "may_list_roles",
        "may_list_tokens",
        "token_expiry",
        "roles_exist",
        "pending_wal",
    ] {
        assert_item(&outcome, name, "yes");
    }
    assert_eq!(outcome.data["may_manage_tokens"], Value::Null, "only a deep check tries it");
    assert_eq!(stage.astra.tokens_marked(&stage.alpha.id, "vault-mark:"), [], "a plain check makes nothing");
}

fn a_flat_check_is_a_list_of_items(stage: &Stage) {
    stage.ready();
    let outcome = check_with(stage, json!({ "format": "flat" }));
    let items = outcome.data["items"].as_array().unwrap();
    let names: Vec<&str> = items.iter().map(|item| item["name"].as_str().unwrap()).collect();
    for name in ITEMS {
        assert!(names.contains(&name) && outcome.data.get(name).is_none(), "{outcome:#?}");
    }
    assert!(items.iter().all(|item| item["ok"].is_string() && item["message"].as_str().unwrap().ends_with('.')));
    let path = format!("config/{}/check", stage.alpha.id);
    stage.read(&path, json!({ "format": "list" })).expect_error(400, &["`format`", "`list`", "`flat`"]);
}

fn a_deep_check_leaves_no_token(stage: &Stage) {
    stage.ready();
    let outcome = deep(stage);
    assert_eq!((&outcome.data["healthy"], &outcome.data["deep"]), (&json!(true), &json!(true)));
    assert_item(&outcome, "may_manage_tokens", "yes");
    assert_item(&outcome, "clock_skew", "yes");
    let made = stage.astra.tokens_marked(&stage.alpha.id, "vault-mark:");
    assert_eq!(made.len(), 1, "it really made one");
    assert!(made[0].expires.is_some(), "which would end by itself, too");
    stage.assert_consistent(&stage.alpha, 0);
}

fn a_deep_check_that_fails_leaves_no_token(stage: &Stage) {
    few_retries(stage);
    // Astra refuses to make the token.
    stage.astra.fault(FaultRule::new(status(403, Effect::NotDone)).method("POST").path(SECRETS));
    assert_sick(&deep(stage), "may_manage_tokens");
    stage.astra.clear_faults();
    stage.assert_consistent(&stage.alpha, 0);
    // Astra makes the token, but the answer is lost.
    stage.astra.fault(FaultRule::new(status(502, Effect::Done)).method("POST").path(SECRETS));
    let outcome = deep(stage);
    assert_item(&outcome, "may_manage_tokens", "unknown");
    stage.astra.clear_faults();
    assert!(stage.live(&stage.alpha).is_empty());
    // The token cannot be deleted: rollback will do it.
    stage.astra.fault(FaultRule::new(status(403, Effect::NotDone)).method("DELETE"));
    let outcome = deep(stage);
    assert_sick(&outcome, "may_manage_tokens");
    stage.astra.clear_faults();
    assert_eq!(stage.live(&stage.alpha).len(), 1);
    if stage.driver.fake().is_some() {
        stage.age_wal();
        stage.settle_at(&stage.alpha, 0);
    }
}

fn a_dead_admin_token_is_a_no(stage: &Stage) {
    stage.ready();
    let client_id = client_id_of(&stage.alpha.token).to_owned();
    assert!(stage.astra.change(&OutsideChange::RevokeToken { client_id }));
    for status in [401, 403] {
        stage.astra.switch(|switches| switches.dead_token_status = status);
        let outcome = check(stage);
        assert!(assert_sick(&outcome, "token_valid").contains(&status.to_string()), "{outcome:#?}");
        assert_item(&outcome, "organization_matches", "unknown");
        assert_item(&outcome, "may_list_roles", "no");
        assert_item(&outcome, "roles_exist", "unknown");
    }
}

fn an_astra_that_is_away_is_unknown(stage: &Stage) {
    few_retries(stage);
    let unknown = |what: &str| {
        let outcome = check(stage);
        assert_eq!(outcome.data["healthy"], false, "{what}: {outcome:#?}");
        for name in ["token_valid", "organization_matches", "may_list_roles", "token_expiry", "roles_exist"] {
            assert_item(&outcome, name, "unknown");
        }
        // The mount still reports its own items.
        assert_item(&outcome, "pending_wal", "yes");
    };
    for code in [404, 500, 503] {
        stage.astra.fault(FaultRule::new(status(code, Effect::NotDone)));
        unknown(&code.to_string());
        stage.astra.clear_faults();
    }
    impatient(stage);
    stage.astra.fault(FaultRule::new(Action::Hang { effect: Effect::NotDone }));
    unknown("hangs");
    stage.astra.clear_faults();
    patient(stage);
    stage.astra.listener_off();
    stage.astra.drop_connections();
    unknown("is off");
    stage.astra.listener_on();
    assert_eq!(check(stage).data["healthy"], true, "and is well again");
}

fn another_organizations_token_is_a_no(stage: &Stage) {
    let body = json!({ "astra_token": stage.beta.token, "url": stage.astra.url(), "verify": false });
    let written = stage.write(&format!("config/{}", stage.alpha.id), body);
    assert!(written.status < 300, "{written:#?}");
    let outcome = check(stage);
    assert!(assert_sick(&outcome, "organization_matches").contains(&stage.beta.id), "{outcome:#?}");
    assert_item(&outcome, "token_valid", "yes");
}

fn a_lost_permission_is_a_no(stage: &Stage) {
    stage.ready();
    stage.astra.switch(|switches| switches.role_list = RoleListAllowed::RoleRead);
    let role = stage.astra_role(&stage.alpha, "Organization Administrator");
    let organization = stage.alpha.id.clone();
    let actions = vec!["org-read".to_owned()];
    assert!(stage.astra.change(&OutsideChange::NarrowRole { organization, role, actions }));
    let outcome = deep(stage);
    assert_item(&outcome, "token_valid", "yes");
    assert_sick(&outcome, "may_list_roles");
    assert_sick(&outcome, "may_manage_tokens");
    stage.assert_consistent(&stage.alpha, 0);
}

fn an_end_that_is_near_is_a_no(stage: &Stage) {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let administrator = stage.astra_role(&stage.alpha, "Organization Administrator");
    for (days, is_near) in [(7, true), (60, false)] {
        let ending = stage.astra.add_token(&stage.alpha.id, &[&administrator], "ends", Some(DAY * days));
        let mut org = stage.alpha.clone();
        org.token = ending.token;
        stage.configure(&org);
        let outcome = check(stage);
        if is_near {
            assert!(assert_sick(&outcome, "token_expiry").contains("rotate-root"), "{outcome:#?}");
        } else {
            assert_item(&outcome, "token_expiry", "yes");
        }
    }
}

fn a_clock_that_differs_is_a_no(stage: &Stage) {
    stage.ready();
    assert_item(&deep(stage), "clock_skew", "yes");
    stage.astra.advance(Duration::from_secs(3600));
    let outcome = deep(stage);
    assert!(assert_sick(&outcome, "clock_skew").contains("ahead"), "{outcome:#?}");
}

fn a_role_whose_astra_role_has_gone_is_a_no(stage: &Stage) {
    stage.ready();
    let role = stage.astra.add_role(&stage.alpha.id, "for a while", &["org-read"]).unwrap();
    stage.make_role(&stage.alpha, "passing", json!({ "role_id": role }));
    assert_item(&check(stage), "roles_exist", "yes");
    let organization = stage.alpha.id.clone();
    assert!(stage.astra.change(&OutsideChange::DeleteRole { organization, role }));
    let outcome = check(stage);
    assert!(assert_sick(&outcome, "roles_exist").contains("`passing`"), "{outcome:#?}");
}

fn what_is_not_there_and_other_verbs(stage: &Stage) {
    stage.read("config/nobody/check", Value::Null).expect(404);
    stage.configure_with(&stage.alpha, json!({ "logical_name": "main" }));
    stage.read("config/main/check", Value::Null).expect_error(400, &["main", &stage.alpha.id]);
    let path = format!("config/{}/check", stage.alpha.id);
    stage.write(&path, json!({})).expect(405);
    stage.delete(&path, Value::Null).expect(405);
    stage.read(&path, json!({ "deep": "very" })).expect_error(400, &["deep"]);
}

fn an_open_entry_is_shown(stage: &Stage) {
    few_retries(stage);
    stage.astra.fault(FaultRule::new(status(502, Effect::Done)).method("POST").path(SECRETS));
    stage.astra.fault(FaultRule::new(status(500, Effect::NotDone)).method("GET").path(SECRETS));
    assert!(stage.mint(&stage.alpha, "reader").status >= 500);
    stage.astra.clear_faults();
    let message = assert_item(&check(stage), "pending_wal", "yes");
    assert!(message.starts_with('1'), "{message}");
    // Rollback should have settled the entry long ago.
    stage.age_wal();
    assert_sick(&check(stage), "pending_wal");
    stage.settle_at(&stage.alpha, 0);
    assert_item(&check(stage), "pending_wal", "yes");
}

fn a_read_only_node_checks_but_not_deeply(stage: &Stage) {
    stage.ready();
    stage.fake().storage.set_read_only();
    assert_eq!(check(stage).data["healthy"], true);
    let requests = stage.astra.request_count();
    let refused = stage.read(&format!("config/{}/check", stage.alpha.id), json!({ "deep": true }));
    assert_eq!(refused.errors, [harness::fake::READ_ONLY_TEXT], "so that the server forwards it");
    assert_eq!(stage.astra.request_count(), requests, "Astra is not asked");
    stage.fake().storage.heal();
}
