//! Fields, spellings, lists and mistakes of `static-roles`, `static-creds` and `rotate-role`.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use secrets_framework::Operation;
use secrets_framework::testing::{StorageCall, request};
use serde_json::{Value, json};

use crate::BACKEND;
use crate::limits::{ROLE_IDS_MAX, STATIC_ROLES_MAX};
use crate::static_role::test_mount::path;
use crate::testing::{ADMIN_A, ADMIN_B, Mount, ORG_A, ORG_B, ROLE_ID};

const OTHER_ID: &str = "88888888-8888-4888-8888-888888888888";

fn exists(mount: &Mount, path: &str) -> Option<bool> {
    BACKEND.check_existence(&mount.host, &request(Operation::Update, path, json!({})))
}

fn list(mount: &Mount, org: &str) -> crate::config::test_mount::Answered {
    mount.send(Operation::List, &format!("static-roles/{org}/"), Value::Null)
}

#[test]
fn one_is_written_and_read_without_anything_secret() {
    let mount = Mount::new();
    let fields = json!({
        "role_ids": [ROLE_ID, OTHER_ID], "rotation_schedule": "30 3 * * SUN", "rotation_window": "2h",
        "grace_period": "30m", "description": "for {{org}}",
    });
    assert_eq!(exists(&mount, &path("app")), Some(false));
    mount.write_static("app", fields).done();
    assert_eq!(exists(&mount, &path("app")), Some(true));
    let client_id = mount.static_token("app");
    assert_eq!(
        mount.read_static("app"),
        json!({
            "org_id": ORG_A, "name": "app", "role_ids": [ROLE_ID, OTHER_ID], "rotation_period": 0,
            "rotation_schedule": "30 3 * * SUN", "rotation_window": 7200, "grace_period": 1800,
            "description": "for {{org}}", "client_id": client_id, "previous_client_id": null, "previous_ends": null,
            "last_rotated": "2026-01-01T00:00:00Z", "next_rotation": "2026-01-04T03:30:00Z", "failures": 0,
            "last_error": "",
        })
    );
    assert_eq!(mount.astra.roles(&client_id), json!([ROLE_ID, OTHER_ID]));
}

#[test]
fn a_change_changes_only_what_is_given_and_says_what_comes_later() {
    let mount = Mount::new();
    let client_id = mount.daily("app");
    let before = mount.read_static("app");
    mount.write(&path("app"), json!({})).done();
    assert_eq!(mount.read_static("app"), before);
    mount.write(&path("app"), json!({ "grace_period": "10m", "description": "x" })).done();
    let mut after = mount.read_static("app");
    assert_eq!((&after["grace_period"], &after["description"]), (&json!(600), &json!("x")));
    after["grace_period"] = json!(3600);
    after["description"] = json!("");
    assert_eq!(after, before);

    let warnings = mount.write(&path("app"), json!({ "role_ids": OTHER_ID })).warnings();
    assert!(warnings[0].contains(&format!("rotate-role/{ORG_A}/app")), "{warnings:?}");
    assert_eq!(mount.static_token("app"), client_id, "not rotated in silence");
    assert_eq!(mount.astra.roles(&client_id), json!([ROLE_ID]));
    mount.write(&path("app"), json!({ "role_ids": [OTHER_ID] })).done();
    mount.rotate_static("app").data();
    assert_eq!(mount.astra.roles(&mount.static_token("app")), json!([OTHER_ID]));
    // As a client writes back what it read.
    let read = mount.read_static("app");
    let names = ["role_ids", "rotation_period", "rotation_schedule", "rotation_window", "grace_period", "description"];
    let written: serde_json::Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), read[*name].clone())).collect();
    mount.write(&path("app"), Value::Object(written)).done();
    assert_eq!(mount.read_static("app"), read);
}

#[test]
fn the_grace_period_fits_the_time_between_two_rotations() {
    let mount = Mount::new();
    let warnings = mount.write_static("app", json!({ "rotation_period": "30m" })).warnings();
    assert_eq!(
        warnings,
        ["`grace_period` of 1h0m0s is longer than the 30m0s between two rotations: it was set to 30m0s"]
    );
    assert_eq!(mount.read_static("app")["grace_period"], 1800);
    mount.write_static("app", json!({ "rotation_period": "10m" })).warnings();
    assert_eq!(mount.read_static("app")["grace_period"], 600);
    mount.write_static("app", json!({ "rotation_period": "10m", "grace_period": "10m" })).done();
    for fields in
        [json!({ "grace_period": "11m" }), json!({ "rotation_schedule": "*/5 * * * *", "grace_period": "6m" })]
    {
        let mistake = mount.write_static("app", fields).mistake();
        assert!(mistake.contains("`grace_period`") && mistake.contains("between two rotations"), "{mistake}");
    }
    let warnings = mount.write_static("app", json!({ "grace_period": 0 })).warnings();
    assert!(warnings[0].contains("is 0"), "{warnings:?}");
    assert_eq!(mount.read_static("app")["grace_period"], 0);
    assert_eq!(mount.read_static("app")["rotation_period"], 600);
}

#[test]
fn mistakes_are_400_name_the_field_and_make_nothing() {
    let mount = Mount::new();
    let before = mount.host.storage.snapshot();
    let long = "a".repeat(129);
    let daily = |fields: Value| {
        let mut data = json!({ "role_ids": [ROLE_ID], "rotation_period": "24h" });
        data.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        data
    };
    let ids: Vec<String> = (0..=ROLE_IDS_MAX).map(|number| format!("id-{number}")).collect();
    for (name, data, named) in [
        ("app", json!({}), "`role_ids`"),
        ("app", json!({ "rotation_period": "24h" }), "`role_ids`"),
        ("app", json!({ "role_ids": [ROLE_ID] }), "`rotation_schedule`"),
        ("app", daily(json!({ "role_ids": [] })), "`role_ids`"),
        ("app", daily(json!({ "role_ids": ["a b"] })), "`role_ids` is `a b`"),
        ("app", daily(json!({ "role_ids": ids })), "`role_ids`"),
        ("app", daily(json!({ "rotation_period": 59 })), "`rotation_period` is `59 s`"),
        ("app", daily(json!({ "rotation_period": "-1h" })), "`rotation_period`"),
        ("app", daily(json!({ "rotation_period": 0 })), "`rotation_period`"),
        ("app", daily(json!({ "rotation_schedule": "0 3 * * *" })), "`rotation_period`"),
        ("app", daily(json!({ "rotation_window": "1h" })), "`rotation_window`"),
        ("app", daily(json!({ "rotation_period": 0, "rotation_schedule": "0 3 30 2 *" })), "`rotation_schedule`"),
        ("app", daily(json!({ "rotation_period": 0, "rotation_schedule": "soon" })), "`rotation_schedule`"),
        ("app", daily(json!({ "grace_period": -1 })), "`grace_period` is `-1 s`"),
        ("app", daily(json!({ "grace_period": "90000h" })), "`grace_period` is `324000000 s`"),
        ("app", daily(json!({ "grace_period": "25h" })), "`grace_period` is `25h0m0s`"),
        ("app", daily(json!({ "description": "{{org" })), "`description`"),
        ("app", daily(json!({ "description": "{{who}}" })), "`description`"),
        ("App", daily(json!({})), "`name` is `App`"),
        ("a:b", daily(json!({})), "`name` is `a:b`"),
        (".a", daily(json!({})), "`name` is `.a`"),
        (&long, daily(json!({})), "`name`"),
    ] {
        let mistake = mount.write(&path(name), data.clone()).mistake();
        assert!(mistake.contains(named), "{data}: {mistake}");
    }
    assert_eq!(mount.host.storage.snapshot(), before);
    assert!(mount.host.http.requests().is_empty());
}

#[test]
fn a_thing_has_one_spelling() {
    let mount = Mount::new();
    mount.daily("app");
    mount.configure(ORG_A, ADMIN_A, json!({ "logical_name": "prod" }));
    for operation in [Operation::Read, Operation::Delete, Operation::Create] {
        let mistake = mount.send(operation, "static-roles/prod/app", json!({})).mistake();
        assert!(mistake.contains(ORG_A), "{mistake}");
        let mistake = mount.send(operation, &path("App"), json!({})).mistake();
        assert!(mistake.contains("lower case"), "{mistake}");
    }
    for (operation, kind) in [(Operation::Read, "static-creds"), (Operation::Update, "rotate-role")] {
        let mistake = mount.send(operation, &format!("{kind}/prod/app"), json!({})).mistake();
        assert!(mistake.contains(ORG_A), "{mistake}");
        let mistake = mount.send(operation, &format!("{kind}/{ORG_A}/aPP"), json!({})).mistake();
        assert!(mistake.contains("lower case"), "{mistake}");
    }
    assert!(list(&mount, "prod").mistake().contains(ORG_A));
    assert_eq!(exists(&mount, "static-roles/prod/app"), Some(false));
    mount.assert_static(1, 0);
}

#[test]
fn what_is_not_there_is_missing() {
    let mount = Mount::new();
    let long = "o".repeat(9_000);
    for org in [ORG_A, "nobody", &long] {
        mount.send(Operation::Read, &format!("static-roles/{org}/app"), Value::Null).missing();
        mount.send(Operation::Delete, &format!("static-roles/{org}/app"), Value::Null).done();
        mount.send(Operation::Read, &format!("static-creds/{org}/app"), Value::Null).missing();
        list(&mount, org).missing();
        let mistake = mount.send(Operation::Update, &format!("rotate-role/{org}/app"), json!({})).mistake();
        assert!(mistake.contains("no such static role") && mistake.len() < 400, "{mistake}");
    }
    let fields = json!({ "role_ids": [ROLE_ID], "rotation_period": "24h" });
    let mistake = mount.write("static-roles/nobody/app", fields).mistake();
    assert!(mistake.contains("`org` is `nobody`"), "{mistake}");
}

#[test]
fn roles_stay_within_what_the_organization_allows() {
    let mount = Mount::new();
    mount.configure(ORG_A, ADMIN_A, json!({ "allowed_role_ids": [ROLE_ID] }));
    let fields = json!({ "role_ids": [ROLE_ID, OTHER_ID], "rotation_period": "24h" });
    let mistake = mount.write_static("app", fields).mistake();
    assert!(mistake.contains(OTHER_ID) && mistake.contains("`allowed_role_ids`"), "{mistake}");
    mount.assert_static(0, 0);
    mount.daily("app");
    mount.write_static("app", json!({ "role_ids": [OTHER_ID] })).mistake();
}

#[test]
fn a_list_tells_when_each_rotates_and_nothing_else() {
    let mount = Mount::new();
    mount.configure(ORG_B, ADMIN_B, json!({}));
    mount.daily("b.app");
    mount.host.clock.advance(Duration::from_secs(60));
    mount.write_static("a-app", json!({ "rotation_schedule": "0 3 * * *" })).done();
    let other = json!({ "role_ids": [OTHER_ID], "rotation_period": "24h" });
    mount.write(&format!("static-roles/{ORG_B}/c"), other).done();
    mount.host.storage.clear_calls();
    assert_eq!(
        list(&mount, ORG_A).data(),
        json!({
            "keys": ["a-app", "b.app"],
            "key_info": {
                "a-app": {
                    "role_ids": [ROLE_ID], "last_rotated": "2026-01-01T00:01:00Z",
                    "next_rotation": "2026-01-01T03:00:00Z",
                },
                "b.app": {
                    "role_ids": [ROLE_ID], "last_rotated": "2026-01-01T00:00:00Z",
                    "next_rotation": "2026-01-02T00:00:00Z",
                },
            },
        })
    );
    assert!(mount.host.storage.calls(StorageCall::Get) <= 3);
    assert_eq!(list(&mount, ORG_B).data()["keys"], json!(["c"]));
}

#[test]
fn organizations_have_roles_of_one_name_each() {
    let mount = Mount::new();
    mount.configure(ORG_B, ADMIN_B, json!({}));
    mount.daily("app");
    let fields = json!({ "role_ids": [ROLE_ID], "rotation_period": "24h" });
    mount.write(&format!("static-roles/{ORG_B}/app"), fields).done();
    let of_b = mount.send(Operation::Read, &format!("static-creds/{ORG_B}/app"), Value::Null).data();
    assert_ne!(of_b["clientId"], mount.static_token("app"));
    assert_eq!(of_b["orgId"], ORG_B);
    mount.delete_static("app").done();
    mount.send(Operation::Read, &format!("static-creds/{ORG_B}/app"), Value::Null).data();
}

#[test]
fn an_organization_has_a_limit() {
    let mount = Mount::new();
    for number in 0..STATIC_ROLES_MAX {
        mount.host.storage.seed(&format!("static-role/{ORG_A}/r{number}"), "{}");
    }
    let mistake = mount.write_static("app", json!({ "rotation_period": "24h" })).mistake();
    assert!(mistake.contains(&STATIC_ROLES_MAX.to_string()), "{mistake}");
    assert!(mount.host.http.requests().is_empty());
}

#[test]
fn one_that_is_not_readable_says_so_and_can_be_deleted() {
    let mount = Mount::new();
    let client_id = mount.daily("app");
    mount.daily("other");
    mount.host.storage.seed(&format!("static-role/{ORG_A}/app"), "canary");
    let fields = json!({ "role_ids": [ROLE_ID], "rotation_period": "24h" });
    for answered in [
        mount.read_creds("app"),
        mount.rotate_static("app"),
        mount.send(Operation::Read, &path("app"), Value::Null),
        mount.write(&path("app"), fields),
    ] {
        let (_, text) = answered.failed();
        assert!(text.contains("not readable") && text.contains("tokens/") && !text.contains("canary"), "{text}");
    }
    assert_eq!(list(&mount, ORG_A).data()["keys"], json!(["app", "other"]));
    let warnings = mount.delete_static("app").warnings();
    assert!(warnings[0].contains(&format!("tokens/{ORG_A}")), "{warnings:?}");
    mount.send(Operation::Delete, &format!("tokens/{ORG_A}/{client_id}"), Value::Null).done();
    mount.host.clock.advance(Duration::from_secs(24 * 3600));
    mount.rollback().unwrap();
    mount.assert_static(1, 1);
}
