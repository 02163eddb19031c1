//! Importing Astra's roles: `sync-roles`, `config/:org/sync-roles`.

use astra_simulator::{OutsideChange, RoleFields, RolePolicy};
use harness::{Outcome, Stage};
use serde_json::{Value, json};

scenarios! { all:
    every_role_of_astra_becomes_a_role,
    names_become_paths,
    a_dry_run_changes_nothing,
    a_second_run_changes_nothing,
    names_that_fall_together_are_skipped_and_said_so,
    durations_are_for_new_roles_only,
    pruning_removes_imported_roles_that_are_gone,
    roles_made_by_hand_are_left_alone,
    all_organizations_at_once,
    both_spellings_of_astras_fields_are_read,
    an_organization_that_is_not_there_is_a_400,
    a_refusal_of_astra_changes_nothing,
    a_role_without_ascii_letters_and_digits_is_named_after_its_id,
    a_role_and_a_token_show_what_their_astra_roles_are,
}

fn sync(stage: &Stage, body: Value) -> Outcome {
    stage.write(&format!("config/{}/sync-roles", stage.alpha.id), body).expect(200)
}

/// The number in one of the lists of an answer.
fn count(outcome: &Outcome, name: &str) -> usize {
    outcome.data[name].as_array().map_or_else(|| panic!("no `{name}` in {outcome:#?}"), Vec::len)
}

fn roles(stage: &Stage) -> Vec<String> {
    stage.list(&format!("roles/{}", stage.alpha.id)).keys()
}

fn every_role_of_astra_becomes_a_role(stage: &Stage) {
    stage.configure(&stage.alpha);
    let synced = sync(stage, json!({}));
    assert_eq!(count(&synced, "created"), 16, "{synced:#?}");
    assert_eq!((count(&synced, "removed"), count(&synced, "skipped")), (0, 0), "{synced:#?}");
    let read = stage.read(&format!("roles/{}/r_w_user", stage.alpha.id), Value::Null).expect(200);
    assert_eq!(read.text("role_id"), stage.astra_role(&stage.alpha, "R/W User"));
    stage.mint(&stage.alpha, "r_w_user").expect(200);
}

fn names_become_paths(stage: &Stage) {
    stage.configure(&stage.alpha);
    stage.astra.add_role(&stage.alpha.id, "My -- Röle (v2)!", &["org-db-view"]).unwrap();
    sync(stage, json!({}));
    let found = roles(stage);
    assert!(found.iter().any(|name| name.starts_with("my_r") && name.contains("v2")), "{found:?}");
    assert!(found.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')));
}

fn a_dry_run_changes_nothing(stage: &Stage) {
    stage.configure(&stage.alpha);
    let synced = sync(stage, json!({ "dry_run": true }));
    assert_eq!(count(&synced, "created"), 16, "{synced:#?}");
    assert!(roles(stage).is_empty());
}

fn a_second_run_changes_nothing(stage: &Stage) {
    stage.configure(&stage.alpha);
    sync(stage, json!({}));
    let synced = sync(stage, json!({}));
    assert_eq!((count(&synced, "created"), count(&synced, "unchanged")), (0, 16), "{synced:#?}");
    assert_eq!(count(&synced, "updated"), 0, "{synced:#?}");
}

fn names_that_fall_together_are_skipped_and_said_so(stage: &Stage) {
    stage.configure(&stage.alpha);
    stage.astra.add_role(&stage.alpha.id, "R-W-User", &["org-db-view"]).unwrap();
    let synced = sync(stage, json!({}));
    assert_eq!((count(&synced, "created"), count(&synced, "skipped")), (16, 1), "{synced:#?}");
    assert!(synced.data["skipped"].to_string().contains("r_w_user"), "{synced:#?}");
}

fn durations_are_for_new_roles_only(stage: &Stage) {
    stage.configure(&stage.alpha);
    sync(stage, json!({ "ttl": "5m", "max_ttl": "10m" }));
    sync(stage, json!({ "ttl": "7m" }));
    let read = stage.read(&format!("roles/{}/ro_user", stage.alpha.id), Value::Null);
    assert_eq!((&read.data["ttl"], &read.data["max_ttl"]), (&json!(300), &json!(600)));
}

fn pruning_removes_imported_roles_that_are_gone(stage: &Stage) {
    stage.configure(&stage.alpha);
    let role = stage.astra.add_role(&stage.alpha.id, "Passing", &["org-db-view"]).unwrap();
    sync(stage, json!({}));
    assert!(roles(stage).contains(&"passing".to_owned()));
    stage.astra.change(&OutsideChange::DeleteRole { organization: stage.alpha.id.clone(), role });
    assert_eq!(count(&sync(stage, json!({})), "removed"), 0);
    assert!(roles(stage).contains(&"passing".to_owned()), "removed only when asked to");
    assert_eq!(count(&sync(stage, json!({ "prune": true })), "removed"), 1);
    assert!(!roles(stage).contains(&"passing".to_owned()));
}

fn roles_made_by_hand_are_left_alone(stage: &Stage) {
    stage.configure(&stage.alpha);
    stage.make_role(&stage.alpha, "mine", json!({ "ttl": "1h" }));
    stage.make_role(&stage.alpha, "ro_user", json!({ "ttl": "1h" }));
    sync(stage, json!({ "prune": true }));
    assert!(roles(stage).contains(&"mine".to_owned()));
    let read = stage.read(&format!("roles/{}/ro_user", stage.alpha.id), Value::Null);
    assert_eq!(read.data["ttl"], 3600);
    assert_eq!(read.text("role_id"), stage.astra_role(&stage.alpha, "R/W User"), "not overwritten");
}

fn all_organizations_at_once(stage: &Stage) {
    stage.configure(&stage.alpha);
    stage.configure(&stage.beta);
    let synced = stage.write("sync-roles", json!({})).expect(200);
    let text = synced.data.to_string();
    assert!(text.contains(&stage.alpha.id) && text.contains(&stage.beta.id), "{synced:#?}");
    for org in [&stage.alpha, &stage.beta] {
        assert_eq!(stage.list(&format!("roles/{}", org.id)).keys().len(), 16);
    }
}

fn both_spellings_of_astras_fields_are_read(stage: &Stage) {
    stage.configure(&stage.alpha);
    for (fields, policy) in [(RoleFields::Upper, RolePolicy::Text), (RoleFields::Lower, RolePolicy::Object)] {
        stage.astra.switch(|switches| {
            switches.role_fields = fields;
            switches.role_policy = policy;
        });
        let synced = sync(stage, json!({}));
        assert_eq!(count(&synced, "created") + count(&synced, "unchanged"), 16, "{fields:?} {synced:#?}");
    }
}

fn an_organization_that_is_not_there_is_a_400(stage: &Stage) {
    stage.write("config/nobody/sync-roles", json!({})).expect_error(400, &["nobody"]);
    let body = json!({ "ttl": -1 });
    stage.configure(&stage.alpha);
    stage.write(&format!("config/{}/sync-roles", stage.alpha.id), body).expect_error(400, &["ttl"]);
}

fn a_refusal_of_astra_changes_nothing(stage: &Stage) {
    stage.configure(&stage.alpha);
    stage.astra.switch(|switches| switches.role_list = astra_simulator::RoleListAllowed::RoleRead);
    let viewer = stage.astra_role(&stage.alpha, "UI View Only");
    let weak = stage.astra.add_token(&stage.alpha.id, &[&viewer], "a weak admin token", None);
    let written = stage.write(&format!("config/{}", stage.alpha.id), json!({ "astra_token": weak.token }));
    assert!(written.status < 300, "{written:#?}");
    let path = format!("config/{}/sync-roles", stage.alpha.id);
    stage.write(&path, json!({})).expect_error(502, &[&stage.alpha.id, "403"]);
    assert!(roles(stage).is_empty());
}

fn a_role_and_a_token_show_what_their_astra_roles_are(stage: &Stage) {
    stage.configure(&stage.alpha);
    sync(stage, json!({}));
    let made = stage.mint(&stage.alpha, "r_w_user").expect(200);
    let alpha = &stage.alpha.id;
    let role_id = stage.astra_role(&stage.alpha, "R/W User");
    let token = format!("tokens/{alpha}/{}", made.text("clientId"));
    let role = format!("roles/{alpha}/r_w_user");
    let asked = json!({ "with_astra_roles": true });
    for (path, data) in [(&role, asked.clone()), (&token, Value::Null)] {
        let known = stage.read(path, data).expect(200).data["astra_roles"].clone();
        let known = known.as_array().map(Vec::as_slice).unwrap_or_default();
        let [only] = known else { panic!("{path}: {known:?}") };
        assert_eq!((&only["id"], &only["name"]), (&json!(role_id), &json!("R/W User")), "{path}");
        assert!(only["resources"].as_array().is_some_and(|all| !all.is_empty()), "{path}: {only}");
        assert!(only["seen_at"].as_str().is_some_and(|time| time.ends_with('Z')), "{path}: {only}");
    }
    for data in [Value::Null, json!({ "with_astra_roles": false })] {
        let unasked = stage.read(&role, data).expect(200).data;
        assert_eq!(unasked.get("astra_roles"), None, "{unasked:#?}");
    }
    assert_eq!(roles(stage).len(), 16, "a list of roles has roles only");
    stage.revoke(&made.lease_id()).expect(204);
    assert!(stage.read(&token, Value::Null).expect(200).data["astra_roles"].is_array(), "of a token that has ended");
    stage.delete(&format!("config/{alpha}"), Value::Null).expect(204);
    let role = stage.read(&role, asked).expect(200);
    assert_eq!(role.data.get("astra_roles"), None, "they go with the config: {role:#?}");
}

fn a_role_without_ascii_letters_and_digits_is_named_after_its_id(stage: &Stage) {
    stage.configure(&stage.alpha);
    stage.astra.add_role(&stage.alpha.id, "Чтение", &["org-db-view"]).unwrap();
    sync(stage, json!({}));
    let name = stage.astra_role(&stage.alpha, "Чтение").to_ascii_lowercase().replace('-', "_");
    assert!(roles(stage).contains(&name), "{:?}", roles(stage));
}
