//! Static roles: `static-roles/:org`, `static-roles/:org/:name`, and their tokens at `static-creds/:org/:name`.
//! `static_rotation` tests the rotation.

use std::time::Duration;

use astra_simulator::{Effect, FaultRule, OutsideChange};
use harness::{DriverKind, Outcome, Stage};
use serde_json::{Value, json};

use crate::faults::{SECRETS, status};
use crate::rotation::bad_schedules;

scenarios! { all:
    a_static_role_is_read_as_written,
    its_token_is_read_without_a_lease,
    an_update_changes_only_the_fields_given,
    deleting_revokes_every_token,
    deleting_what_astra_refuses_keeps_the_role,
    lists_show_nothing_secret,
    bad_fields_name_field_and_value,
    a_name_has_one_spelling,
    allowed_role_ids_bind_static_roles,
    what_is_not_there,
    only_known_verbs_are_served,
    a_making_that_fails_leaves_no_role_and_no_token,
    a_config_with_static_roles_is_deleted_by_force_only,
    a_token_deleted_behind_the_role_is_made_anew,
}

scenarios! { fake:
    secrets_are_seal_wrapped_and_nowhere_else,
    a_forced_delete_ends_its_tokens,
}

pub(crate) fn path(stage: &Stage, name: &str) -> String {
    format!("static-roles/{}/{name}", stage.alpha.id)
}

/// Reads the current token of a static role.
pub(crate) fn creds(stage: &Stage, name: &str) -> Outcome {
    stage.read(&format!("static-creds/{}/{name}", stage.alpha.id), Value::Null)
}

pub(crate) fn rotate(stage: &Stage, name: &str) -> Outcome {
    stage.write(&format!("rotate-role/{}/{name}", stage.alpha.id), json!({}))
}

/// Creates a static role on a built-in role of Astra.
pub(crate) fn write(stage: &Stage, name: &str, more: Value) -> Outcome {
    let mut body = json!({ "role_ids": [stage.astra_role(&stage.alpha, "R/W User")] });
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    stage.write(&path(stage, name), body)
}

/// Creates a static role `app` that rotates once a day.
#[track_caller]
pub(crate) fn made(stage: &Stage, more: Value) {
    let mut body = json!({ "rotation_period": "24h" });
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    let written = write(stage, "app", body);
    assert!(written.status < 300, "{written:#?}");
}

pub(crate) fn current(stage: &Stage) -> String {
    creds(stage, "app").expect(200).text("clientId").to_owned()
}

fn a_static_role_is_read_as_written(stage: &Stage) {
    stage.configure(&stage.alpha);
    let role_ids = json!([stage.astra_role(&stage.alpha, "R/W User"), stage.astra_role(&stage.alpha, "RO User")]);
    let body =
        json!({ "role_ids": role_ids, "rotation_period": "24h", "grace_period": "2h", "description": "{{role}}" });
    let written = stage.write(&path(stage, "app"), body);
    assert!(written.status < 300 && written.warnings.is_empty(), "{written:#?}");
    let read = stage.read(&path(stage, "app"), Value::Null).expect(200);
    assert_eq!(read.data["role_ids"], role_ids);
    assert_eq!((&read.data["rotation_period"], &read.data["grace_period"]), (&json!(86_400), &json!(7200)));
    assert_eq!(read.text("description"), "{{role}}");
    assert!(!read.text("last_rotated").is_empty() && !read.text("next_rotation").is_empty(), "{read:#?}");
    assert!(read.lease.is_none());
    stage.assert_held(&stage.alpha, 0, 1);
    // With a schedule, and with the default grace period.
    let body = json!({ "role_ids": role_ids, "rotation_schedule": "30 3 * * SUN", "rotation_window": "2h" });
    let written = stage.write(&path(stage, "weekly"), body);
    assert!(written.status < 300, "{written:#?}");
    let read = stage.read(&path(stage, "weekly"), Value::Null).expect(200);
    assert_eq!((read.text("rotation_schedule"), &read.data["rotation_window"]), ("30 3 * * SUN", &json!(7200)));
    assert_eq!(read.data["grace_period"], 3600);
    assert!(read.text("next_rotation").ends_with("T03:30:00Z"), "{read:#?}");
    stage.assert_held(&stage.alpha, 0, 2);
}

fn its_token_is_read_without_a_lease(stage: &Stage) {
    stage.configure(&stage.alpha);
    made(stage, json!({ "description": "for {{role}} of {{org}}" }));
    let read = creds(stage, "app").expect(200);
    assert!(read.lease.is_none(), "{read:#?}");
    for name in
        ["clientId", "secret", "token", "orgId", "roleName", "generatedOn", "lastRotated", "last_vault_rotation"]
    {
        assert!(!read.text(name).is_empty(), "no `{name}` in {read:#?}");
    }
    assert_eq!((read.text("orgId"), read.text("roleName")), (stage.alpha.id.as_str(), "app"));
    assert_eq!(read.text("rotation_schedule"), "@every 86400s");
    assert_eq!((read.data.get("rotation_period"), read.data.get("metadata")), (None, None), "{read:#?}");
    assert!(read.data["ttl"].as_u64().is_some_and(|ttl| (86_000..=86_400).contains(&ttl)), "{read:#?}");
    assert!(stage.works(read.text("token")));
    let astra = stage.astra_token(read.text("clientId"));
    assert_eq!(astra.roles, [stage.astra_role(&stage.alpha, "R/W User")]);
    assert_eq!(astra.expires, None, "a static token has no end");
    assert!(astra.description.starts_with(&format!("for app of {} ", stage.alpha.id)), "{}", astra.description);
    assert_eq!(creds(stage, "app").text("token"), read.text("token"), "the same again");
    let record = stage.read(&format!("tokens/{}/{}", stage.alpha.id, read.text("clientId")), Value::Null).expect(200);
    assert_eq!((record.text("kind"), record.text("role")), ("static", "app"));
}

fn an_update_changes_only_the_fields_given(stage: &Stage) {
    stage.configure(&stage.alpha);
    made(stage, json!({ "grace_period": "2h" }));
    let (before, client_id) = (stage.read(&path(stage, "app"), Value::Null).expect(200), current(stage));
    let written = stage.write(&path(stage, "app"), json!({ "rotation_period": "48h" }));
    assert!(written.status < 300, "{written:#?}");
    let after = stage.read(&path(stage, "app"), Value::Null).expect(200);
    assert_eq!((&after.data["rotation_period"], &after.data["grace_period"]), (&json!(172_800), &json!(7200)));
    assert!(after.text("next_rotation") > before.text("next_rotation"), "{after:#?}");
    // Other Astra roles apply to the next token.
    let reader = stage.astra_role(&stage.alpha, "RO User");
    let written = stage.write(&path(stage, "app"), json!({ "role_ids": [reader] })).expect(200);
    assert_eq!(written.warnings.len(), 1, "{written:#?}");
    assert_eq!(current(stage), client_id, "an update makes no token");
    let rotated = rotate(stage, "app");
    assert!(rotated.status < 300, "{rotated:#?}");
    assert_eq!(stage.astra_token(&current(stage)).roles, [reader]);
}

fn deleting_revokes_every_token(stage: &Stage) {
    stage.configure(&stage.alpha);
    made(stage, json!({}));
    let first = creds(stage, "app").expect(200);
    let rotated = rotate(stage, "app");
    assert!(rotated.status < 300, "{rotated:#?}");
    let second = creds(stage, "app").expect(200);
    let deleted = stage.delete(&path(stage, "app"), Value::Null);
    assert!(deleted.status < 300, "{deleted:#?}");
    assert!(!stage.works(first.text("token")) && !stage.works(second.text("token")));
    creds(stage, "app").expect(404);
    stage.read(&path(stage, "app"), Value::Null).expect(404);
    stage.list(&format!("static-roles/{}", stage.alpha.id)).expect(404);
    stage.assert_held(&stage.alpha, 0, 0);
}

fn deleting_what_astra_refuses_keeps_the_role(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "max_retries": 0 }));
    made(stage, json!({}));
    stage.astra.fault(FaultRule::new(status(500, Effect::NotDone)).method("DELETE"));
    stage.delete(&path(stage, "app"), Value::Null).expect_error(502, &[&stage.alpha.id, "500"]);
    stage.astra.clear_faults();
    assert!(stage.works(creds(stage, "app").expect(200).text("token")));
    stage.assert_held(&stage.alpha, 0, 1);
    assert!(stage.delete(&path(stage, "app"), Value::Null).status < 300);
    stage.assert_held(&stage.alpha, 0, 0);
}

fn lists_show_nothing_secret(stage: &Stage) {
    stage.configure(&stage.alpha);
    let list = format!("static-roles/{}", stage.alpha.id);
    let empty = stage.list(&list).expect(404);
    assert!(empty.errors.is_empty() && empty.warnings.is_empty(), "{empty:#?}");
    for name in ["app", "app-2"] {
        assert!(write(stage, name, json!({ "rotation_period": "24h" })).status < 300);
    }
    let listed = stage.list(&list).expect(200);
    assert_eq!(listed.keys(), ["app", "app-2"]);
    assert!(listed.data["key_info"]["app"]["next_rotation"].is_string(), "{listed:#?}");
    let tokens = stage.list(&format!("tokens/{}", stage.alpha.id)).expect(200);
    assert_eq!(tokens.keys().len(), 2);
    assert_eq!(stage.list(&format!("static-roles/{}", stage.beta.id)).status, 404);
}

fn bad_fields_name_field_and_value(stage: &Stage) {
    stage.configure(&stage.alpha);
    let mut rows = bad_schedules("grace_period");
    let named = |field: &str, value: &str| vec![field.to_owned(), value.to_owned()];
    rows.extend([
        (json!({}), named("rotation_period", "rotation_schedule")),
        (json!({ "rotation_period": 0 }), named("rotation_period", "rotation_schedule")),
        (json!({ "rotation_period": "24h", "role_ids": [] }), named("role_ids", "")),
        (json!({ "rotation_period": "24h", "role_ids": ["a b"] }), named("role_ids", "a b")),
        (json!({ "rotation_period": "24h", "description": "x".repeat(257) }), named("description", "")),
        (json!({ "rotation_period": "24h", "description": "{{unknown}}" }), named("description", "unknown")),
    ]);
    let posts = || stage.astra.requests().iter().filter(|call| call.method == "POST").count();
    let before = posts();
    for (more, texts) in rows {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        write(stage, "app", more).expect_error(400, &texts);
    }
    stage.write(&path(stage, "app"), json!({ "rotation_period": "24h" })).expect_error(400, &["role_ids"]);
    for name in ["a:b", "-a", "a-", "a,b", &"x".repeat(129)] {
        write(stage, name, json!({ "rotation_period": "24h" })).expect_error(400, &["name"]);
    }
    assert_eq!(posts(), before, "found out before Astra is asked");
    stage.list(&format!("static-roles/{}", stage.alpha.id)).expect(404);
    stage.assert_held(&stage.alpha, 0, 0);
    // A grace period of zero is allowed, and a warning names the consequence.
    let written = write(stage, "app", json!({ "rotation_period": "24h", "grace_period": 0 })).expect(200);
    assert_eq!(written.warnings.len(), 1, "{written:#?}");
}

fn a_name_has_one_spelling(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "logical_name": "main" }));
    made(stage, json!({}));
    let alpha = &stage.alpha.id;
    for path in [format!("static-creds/{alpha}/APP"), format!("static-roles/{alpha}/App")] {
        stage.read(&path, Value::Null).expect_error(400, &["lower"]);
    }
    rotate(stage, "apP").expect_error(400, &["lower"]);
    write(stage, "App", json!({ "rotation_period": "24h" })).expect_error(400, &["lower"]);
    for path in ["static-creds/main/app", "static-roles/main/app"] {
        stage.read(path, Value::Null).expect_error(400, &["main", alpha]);
    }
    stage.write("rotate-role/main/app", json!({})).expect_error(400, &["main", alpha]);
    stage.assert_held(&stage.alpha, 0, 1);
}

fn allowed_role_ids_bind_static_roles(stage: &Stage) {
    let reader = stage.astra_role(&stage.alpha, "RO User");
    stage.configure_with(&stage.alpha, json!({ "allowed_role_ids": [reader] }));
    let writer = stage.astra_role(&stage.alpha, "R/W User");
    write(stage, "app", json!({ "rotation_period": "24h" })).expect_error(400, &[&writer, "allowed_role_ids"]);
    let allowed = stage.write(&path(stage, "app"), json!({ "rotation_period": "24h", "role_ids": [reader] }));
    assert!(allowed.status < 300, "{allowed:#?}");
    // Astra roles that are no longer allowed are not used for another token.
    let config = stage.write(&format!("config/{}", stage.alpha.id), json!({ "allowed_role_ids": [writer] }));
    assert!(config.status < 300, "{config:#?}");
    rotate(stage, "app").expect_error(400, &[&reader, "allowed_role_ids"]);
    stage.assert_held(&stage.alpha, 0, 1);
}

fn what_is_not_there(stage: &Stage) {
    write(stage, "app", json!({ "rotation_period": "24h" })).expect_error(400, &[&stage.alpha.id]);
    stage.configure(&stage.alpha);
    creds(stage, "app").expect(404);
    stage.read(&path(stage, "app"), Value::Null).expect(404);
    rotate(stage, "app").expect_error(400, &["app", &stage.alpha.id]);
    assert!(stage.delete(&path(stage, "app"), Value::Null).status < 300);
    stage.read("static-creds/nobody/app", Value::Null).expect(404);
}

fn only_known_verbs_are_served(stage: &Stage) {
    stage.configure(&stage.alpha);
    made(stage, json!({}));
    let alpha = &stage.alpha.id;
    stage.write(&format!("static-creds/{alpha}/app"), json!({})).expect(405);
    stage.delete(&format!("static-creds/{alpha}/app"), Value::Null).expect(405);
    stage.read(&format!("rotate-role/{alpha}/app"), Value::Null).expect(405);
    stage.read(&format!("static-roles/{alpha}"), Value::Null).expect(405);
    stage.assert_held(&stage.alpha, 0, 1);
}

fn a_making_that_fails_leaves_no_role_and_no_token(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "max_retries": 0 }));
    stage.astra.fault(FaultRule::new(status(500, Effect::NotDone)).method("POST").path(SECRETS));
    write(stage, "app", json!({ "rotation_period": "24h" })).expect_error(502, &[&stage.alpha.id, "500"]);
    stage.astra.clear_faults();
    // The token is made, but cannot prove that it works.
    stage.astra.fault(FaultRule::new(status(500, Effect::NotDone)).path("/v2/currentOrg"));
    write(stage, "app", json!({ "rotation_period": "24h" })).expect_error(502, &[&stage.alpha.id, "500"]);
    stage.astra.clear_faults();
    stage.read(&path(stage, "app"), Value::Null).expect(404);
    assert!(stage.live(&stage.alpha).is_empty());
    made(stage, json!({}));
    assert!(stage.works(creds(stage, "app").expect(200).text("token")));
}

fn a_config_with_static_roles_is_deleted_by_force_only(stage: &Stage) {
    stage.configure(&stage.alpha);
    made(stage, json!({}));
    let token = creds(stage, "app").expect(200).text("token").to_owned();
    let config = format!("config/{}", stage.alpha.id);
    stage.delete(&config, Value::Null).expect_error(400, &["force"]);
    stage.delete("config", json!({ "org_id": stage.alpha.id })).expect_error(400, &["force"]);
    assert!(stage.works(&token));
    assert!(stage.delete(&path(stage, "app"), Value::Null).status < 300);
    assert!(!stage.works(&token));
    assert!(stage.delete(&config, Value::Null).status < 300, "nothing is left to end");
}

fn a_token_deleted_behind_the_role_is_made_anew(stage: &Stage) {
    stage.configure(&stage.alpha);
    made(stage, json!({}));
    let client_id = current(stage);
    assert!(stage.astra.change(&OutsideChange::RevokeToken { client_id: client_id.clone() }));
    let rotated = rotate(stage, "app");
    assert!(rotated.status < 300, "{rotated:#?}");
    let new = creds(stage, "app").expect(200);
    assert!(stage.works(new.text("token")));
    assert!(stage.delete(&path(stage, "app"), Value::Null).status < 300);
    stage.assert_held(&stage.alpha, 0, 0);
}

fn secrets_are_seal_wrapped_and_nowhere_else(stage: &Stage) {
    stage.configure(&stage.alpha);
    made(stage, json!({}));
    let read = creds(stage, "app").expect(200);
    let hash = read.text("token").rsplit(':').next().unwrap().to_owned();
    let storage = &stage.fake().storage;
    for prefix in ["static-role/", "token/"] {
        assert!(!storage.keys_below(prefix).is_empty(), "{prefix}");
        assert_eq!(storage.unwrapped_below(prefix), Vec::<String>::new());
    }
    for (key, value) in storage.dump() {
        let text = value.to_string();
        let is_secret = text.contains(&hash) || text.contains(read.text("secret"));
        assert!(!is_secret || key.starts_with("token/") || key.starts_with("static-role/"), "`{key}` holds the token");
    }
}

fn a_forced_delete_ends_its_tokens(stage: &Stage) {
    stage.configure(&stage.alpha);
    made(stage, json!({}));
    assert!(rotate(stage, "app").status < 300);
    let token = creds(stage, "app").expect(200).text("token").to_owned();
    let deleted = stage.delete(&format!("config/{}", stage.alpha.id), json!({ "force": true }));
    assert!(deleted.status < 300, "{deleted:#?}");
    creds(stage, "app").expect(404);
    // The replaced token lives for its grace period; the current one is revoked.
    stage.settle_after(Duration::ZERO, &|| !stage.works(&token));
    if stage.driver.kind() == DriverKind::Native {
        stage.settle_after(Duration::from_secs(3600), &|| stage.live(&stage.alpha).is_empty());
        stage.assert_held(&stage.alpha, 0, 0);
        let hash = stage.alpha.token.rsplit(':').next().unwrap();
        assert!(!stage.fake().storage.dump().values().any(|value| value.to_string().contains(hash)));
    }
}
