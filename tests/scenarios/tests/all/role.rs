//! Roles: `role`, `roles`, `roles/:org`, `roles/:org/:role`.

use harness::{Stage, StageOptions};
use serde_json::{Value, json};
use std::time::Duration;

scenarios! { all:
    a_role_is_read_as_written,
    both_paths_of_a_role_are_one_thing,
    a_role_needs_its_fields,
    an_update_changes_only_the_fields_given,
    durations_are_taken_in_every_form,
    a_ttl_above_the_maximum_is_clamped_with_a_warning,
    negative_and_malformed_durations_are_refused,
    the_old_path_folds_case_and_the_new_one_refuses_it,
    bad_names_are_refused,
    lists_name_roles_and_tell_organizations_apart,
    deleting_and_deleting_again,
    a_role_may_carry_several_astra_roles,
    only_allowed_astra_roles_may_be_used,
    unset_durations_are_the_mounts with short_mount(),
}

fn short_mount() -> StageOptions {
    StageOptions {
        default_ttl: Some(Duration::from_secs(600)),
        max_ttl: Some(Duration::from_secs(1200)),
        ..StageOptions::default()
    }
}

fn path(stage: &Stage, name: &str) -> String {
    format!("roles/{}/{name}", stage.alpha.id)
}

fn old_fields(stage: &Stage, name: &str) -> Value {
    json!({ "org_id": stage.alpha.id, "role_name": name, "role_id": stage.astra_role(&stage.alpha, "R/W User") })
}

fn a_role_is_read_as_written(stage: &Stage) {
    stage.configure(&stage.alpha);
    let mut body = old_fields(stage, "reader");
    body["ttl"] = json!("1h");
    body["max_ttl"] = json!(7200);
    let written = stage.write("role", body);
    assert!(written.status < 300 && written.warnings.is_empty(), "{written:#?}");
    let read = stage.read("role", json!({ "org_id": stage.alpha.id, "role_name": "reader" })).expect(200);
    assert_eq!(read.text("org_id"), stage.alpha.id);
    assert_eq!(read.text("role_name"), "reader");
    assert_eq!(read.text("role_id"), stage.astra_role(&stage.alpha, "R/W User"));
    assert_eq!(read.text("ttl"), "1h0m0s");
    assert_eq!(read.text("max_ttl"), "2h0m0s");
}

fn both_paths_of_a_role_are_one_thing(stage: &Stage) {
    stage.configure(&stage.alpha);
    stage.make_role(&stage.alpha, "reader", json!({ "ttl": "90s" }));
    let old = stage.read("role", json!({ "org_id": stage.alpha.id, "role_name": "reader" })).expect(200);
    let new = stage.read(&path(stage, "reader"), Value::Null).expect(200);
    assert_eq!((old.text("ttl"), old.text("max_ttl")), ("1m30s", "0s"), "as the Go plugin shows it");
    assert_eq!((&new.data["ttl"], &new.data["max_ttl"]), (&json!(90), &json!(0)), "whole seconds");
    let mut same = old.data.clone();
    (same["ttl"], same["max_ttl"]) = (json!(90), json!(0));
    assert_eq!(same, new.data, "all else is the same");
}

fn a_role_needs_its_fields(stage: &Stage) {
    stage.configure(&stage.alpha);
    for missing in ["org_id", "role_name", "role_id"] {
        let mut body = old_fields(stage, "reader");
        body.as_object_mut().unwrap().remove(missing);
        stage.write("role", body).expect_error(400, &[missing]);
    }
    stage.write(&path(stage, "reader"), json!({})).expect_error(400, &["role_id"]);
    let mut unknown = old_fields(stage, "reader");
    unknown["org_id"] = json!("nobody");
    let early = stage.write("role", unknown).expect(200);
    assert!(early.warnings[0].contains("nobody"), "a role may come before its organization: {early:#?}");
    stage.read(&path(stage, "reader"), Value::Null).expect(404);
    stage.read("role", json!({ "org_id": stage.alpha.id, "role_name": "reader" })).expect(404);
}

fn an_update_changes_only_the_fields_given(stage: &Stage) {
    stage.configure(&stage.alpha);
    stage.make_role(&stage.alpha, "reader", json!({ "ttl": "1h", "max_ttl": "2h" }));
    let updated = stage.write(&path(stage, "reader"), json!({ "ttl": "30m" }));
    assert!(updated.status < 300, "{updated:#?}");
    let read = stage.read(&path(stage, "reader"), Value::Null);
    assert_eq!((&read.data["ttl"], &read.data["max_ttl"]), (&json!(1800), &json!(7200)));
    assert_eq!(read.text("role_id"), stage.astra_role(&stage.alpha, "R/W User"));
}

fn durations_are_taken_in_every_form(stage: &Stage) {
    stage.configure(&stage.alpha);
    let rows = [
        (json!(60), 60),
        (json!("60"), 60),
        (json!(3600.0), 3600),
        (json!("1e3"), 1000),
        (json!("1h30m"), 5400),
        (json!("1d"), 86_400),
        (json!("1500ms"), 1),
        (json!(""), 0),
        (json!(0), 0),
    ];
    for (value, shown) in rows {
        stage.make_role(&stage.alpha, "reader", json!({ "ttl": value }));
        assert_eq!(stage.read(&path(stage, "reader"), Value::Null).data["ttl"], shown, "{value}");
    }
}

fn a_ttl_above_the_maximum_is_clamped_with_a_warning(stage: &Stage) {
    stage.configure(&stage.alpha);
    let role_id = stage.astra_role(&stage.alpha, "R/W User");
    let body = json!({ "role_id": role_id, "ttl": "3h", "max_ttl": "2h" });
    let written = stage.write(&path(stage, "reader"), body).expect(200);
    assert_eq!(written.warnings.len(), 1, "{written:#?}");
    assert!(written.warnings[0].contains("ttl"), "{written:#?}");
    assert_eq!(stage.read(&path(stage, "reader"), Value::Null).data["ttl"], 7200);
}

fn negative_and_malformed_durations_are_refused(stage: &Stage) {
    stage.configure(&stage.alpha);
    for name in ["ttl", "max_ttl"] {
        for value in [json!(-1), json!("-1h"), json!("soon"), json!({ "a": 1 })] {
            let mut body = old_fields(stage, "reader");
            body[name] = value;
            stage.write("role", body).expect_error(400, &[name]);
        }
    }
    stage.list("roles").expect(404);
}

fn the_old_path_folds_case_and_the_new_one_refuses_it(stage: &Stage) {
    stage.configure(&stage.alpha);
    assert!(stage.write("role", old_fields(stage, "Reader")).status < 300);
    assert_eq!(stage.list("roles").keys(), ["reader"]);
    stage.read("role", json!({ "org_id": stage.alpha.id, "role_name": "READER" })).expect(200);
    stage.read(&path(stage, "reader"), Value::Null).expect(200);
    stage.read(&path(stage, "Reader"), Value::Null).expect_error(400, &["Reader", "lower case"]);
    let body = json!({ "role_id": stage.astra_role(&stage.alpha, "R/W User") });
    stage.write(&path(stage, "Writer"), body).expect_error(400, &["Writer", "lower case"]);
    stage.read(&format!("creds/{}/Reader", stage.alpha.id), Value::Null).expect_error(400, &["lower case"]);
}

fn bad_names_are_refused(stage: &Stage) {
    stage.configure(&stage.alpha);
    for name in ["a/b", "a:b", "-a", "a b", &"x".repeat(129)] {
        stage.write("role", old_fields(stage, name)).expect_error(400, &["role_name"]);
    }
    stage.list("roles").expect(404);
    assert!(stage.write("role", old_fields(stage, &"x".repeat(128))).status < 300);
}

fn lists_name_roles_and_tell_organizations_apart(stage: &Stage) {
    let (alpha, beta) = (&stage.alpha, &stage.beta);
    stage.configure(alpha);
    stage.configure(beta);
    stage.make_role(alpha, "reader", json!({}));
    stage.make_role(alpha, "writer", json!({}));
    assert_eq!(stage.list("roles").keys(), ["reader", "writer"]);
    // If several organizations have a role of this name, each key names its organization.
    stage.make_role(beta, "reader", json!({}));
    let mut expected = vec![format!("{}:reader", alpha.id), format!("{}:reader", beta.id), "writer".to_owned()];
    expected.sort();
    let listed = stage.list("roles");
    assert_eq!(listed.keys(), expected);
    assert!(listed.data["key_info"].get("writer").is_some(), "{listed:#?}");
    assert_eq!(stage.list(&format!("roles/{}", alpha.id)).keys(), ["reader", "writer"]);
    assert_eq!(stage.list(&format!("roles/{}", beta.id)).keys(), ["reader"]);
}

fn deleting_and_deleting_again(stage: &Stage) {
    stage.ready();
    for _ in 0..2 {
        assert!(stage.delete(&path(stage, "reader"), Value::Null).status < 300);
        assert!(stage.delete("role", json!({ "org_id": stage.alpha.id, "role_name": "reader" })).status < 300);
    }
    stage.read(&path(stage, "reader"), Value::Null).expect(404);
    stage.mint(&stage.alpha, "reader").expect_error(400, &["reader"]);
}

fn a_role_may_carry_several_astra_roles(stage: &Stage) {
    stage.configure(&stage.alpha);
    let mut ids = ["R/W User", "RO User"].map(|name| stage.astra_role(&stage.alpha, name));
    let written = stage.write(&path(stage, "both"), json!({ "role_ids": ids }));
    assert!(written.status < 300, "{written:#?}");
    let minted = stage.mint(&stage.alpha, "both").expect(200);
    let mut roles = stage.astra_token(minted.text("clientId")).roles;
    roles.sort();
    ids.sort();
    assert_eq!(roles, ids);
}

fn only_allowed_astra_roles_may_be_used(stage: &Stage) {
    let allowed = stage.astra_role(&stage.alpha, "R/W User");
    let administrator = stage.astra_role(&stage.alpha, "Organization Administrator");
    stage.configure_with(&stage.alpha, json!({ "allowed_role_ids": [allowed] }));
    stage.write(&path(stage, "all"), json!({ "role_id": administrator })).expect_error(400, &["allowed_role_ids"]);
    stage.make_role(&stage.alpha, "reader", json!({}));
    stage.mint(&stage.alpha, "reader").expect(200);
    // A list that was narrowed later also applies to existing roles.
    let narrowed = stage.write(&format!("config/{}", stage.alpha.id), json!({ "allowed_role_ids": [administrator] }));
    assert!(narrowed.status < 300, "{narrowed:#?}");
    stage.mint(&stage.alpha, "reader").expect_error(400, &["allowed_role_ids"]);
    assert_eq!(stage.live(&stage.alpha).len(), 1);
}

fn unset_durations_are_the_mounts(stage: &Stage) {
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    assert_eq!(minted.lease.as_ref().map(|lease| lease.duration), Some(600));
    stage.make_role(&stage.alpha, "long", json!({ "ttl": "2h" }));
    let minted = stage.mint(&stage.alpha, "long").expect(200);
    assert_eq!(minted.lease.as_ref().map(|lease| lease.duration), Some(1200), "never larger than the mount's maximum");
}
