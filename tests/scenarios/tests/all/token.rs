//! Records of minted tokens: `tokens/:org`, `tokens/:org/:client_id`, and `info`.

use astra_simulator::OutsideChange;
use harness::Stage;
use serde_json::{Value, json};

scenarios! { all:
    every_token_has_a_record,
    a_record_holds_nothing_secret_and_who_made_it,
    deleting_a_record_revokes_the_token,
    deleting_a_record_that_astra_refuses_keeps_it,
    deleting_what_is_not_there,
    deleting_works_for_a_token_that_is_gone_already,
    info_counts,
}

fn path(stage: &Stage, client_id: &str) -> String {
    format!("tokens/{}/{client_id}", stage.alpha.id)
}

fn every_token_has_a_record(stage: &Stage) {
    stage.ready();
    let leased = stage.mint(&stage.alpha, "reader").expect(200);
    let named = json!({ "org_id": stage.alpha.id, "role_name": "reader", "logical_name": "app" });
    let named = stage.write("org/token", named).expect(200);
    let listed = stage.list(&format!("tokens/{}", stage.alpha.id)).expect(200);
    let mut expected = [leased.text("clientId").to_owned(), named.text("clientId").to_owned()];
    expected.sort();
    assert_eq!(listed.keys(), expected);
    let info = &listed.data["key_info"];
    assert_eq!(info[named.text("clientId")]["role"], "reader", "{info}");
    assert_eq!(info[named.text("clientId")]["logical_name"], "app", "{info}");
    stage.assert_consistent(&stage.alpha, 2);
}

fn a_record_holds_nothing_secret_and_who_made_it(stage: &Stage) {
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let record = stage.read(&path(stage, minted.text("clientId")), Value::Null).expect(200);
    assert!(record.lease.is_none());
    assert_eq!(record.data.get("secret"), None);
    assert_eq!(record.data.get("token"), None);
    let maker = &record.data["created_by"];
    assert_eq!(maker["display_name"], "token", "as the server calls a root token's holder: {record:#?}");
    assert!(maker["accessor"].as_str().is_some_and(|accessor| !accessor.is_empty()), "{record:#?}");
}

fn deleting_a_record_revokes_the_token(stage: &Stage) {
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let deleted = stage.delete(&path(stage, minted.text("clientId")), Value::Null);
    assert!(deleted.status < 300, "{deleted:#?}");
    assert!(!stage.works(minted.text("token")));
    assert!(stage.records(&stage.alpha).is_empty());
    // The server still has its lease; the revocation finds nothing to do.
    stage.revoke(&minted.lease_id()).expect(204);
    stage.assert_consistent(&stage.alpha, 0);
}

fn deleting_a_record_that_astra_refuses_keeps_it(stage: &Stage) {
    use astra_simulator::{Action, Effect, FaultBody, FaultRule};
    stage.configure_with(&stage.alpha, json!({ "max_retries": 0 }));
    stage.make_role(&stage.alpha, "reader", json!({}));
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let down = Action::Status { status: 500, body: FaultBody::Errors, retry_after: None, effect: Effect::NotDone };
    stage.astra.fault(FaultRule::new(down));
    stage.delete(&path(stage, minted.text("clientId")), Value::Null).expect_error(502, &[&stage.alpha.id, "500"]);
    stage.astra.clear_faults();
    stage.assert_consistent(&stage.alpha, 1);
}

fn deleting_what_is_not_there(stage: &Stage) {
    stage.ready();
    let deleted = stage.delete(&path(stage, &"n".repeat(24)), Value::Null);
    assert!([204, 404].contains(&deleted.status), "{deleted:#?}");
    stage.read(&path(stage, &"n".repeat(24)), Value::Null).expect(404);
    stage.read("tokens/nobody/x", Value::Null).expect(404);
}

fn deleting_works_for_a_token_that_is_gone_already(stage: &Stage) {
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let client_id = minted.text("clientId").to_owned();
    assert!(stage.astra.change(&OutsideChange::RevokeToken { client_id: client_id.clone() }));
    assert!(stage.delete(&path(stage, &client_id), Value::Null).status < 300);
    assert!(stage.records(&stage.alpha).is_empty());
}

fn info_counts(stage: &Stage) {
    stage.ready();
    stage.mint(&stage.alpha, "reader").expect(200);
    let info = stage.read("info", Value::Null).expect(200);
    assert!(!info.text("version").is_empty(), "{info:#?}");
    assert!(info.data.to_string().contains(&stage.alpha.id), "{info:#?}");
}
