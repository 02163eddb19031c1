//! What the mount itself knows: roles, open entries, rotation, tidy.

use super::*;
use crate::limits::{CHECK_NAMES_SHOWN_MAX, CHECKED_ROLES_MAX, OPEN_INTENTS_MAX, OVERDUE_AFTER};
use crate::testing::{LATER, ROLE_ID};

fn edit_config(mount: &Mount, fields: Value) {
    let key = format!("config/{ORG_A}");
    let mut config = mount.host.storage.json(&key);
    config.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    mount.host.storage.seed(&key, config.to_string());
}

fn seed_entry(mount: &Mount, number: usize, org_id: &str, created_at: u64) {
    let data =
        json!({ "orgId": org_id, "origin": "https://x", "mark": format!("vault-mark:x:{number:032}"), "roles": [] });
    let entry = json!({ "type": "astra_token", "data": data, "created_at": created_at });
    mount.host.storage.seed(&Mount::entry_key(org_id, &format!("{number:08}")), entry.to_string());
}

#[test]
fn roles_that_have_gone_or_may_not_be_used_are_named() {
    let mount = Mount::new();
    assert_item(&check(&mount), "roles_exist", "yes", "1 roles");
    for number in 0..=CHECK_NAMES_SHOWN_MAX {
        mount.write_role(ORG_A, &format!("old{number}"), json!({ "role_id": format!("gone{number}") }));
    }
    let answer = check(&mount);
    assert_item(&answer, "roles_exist", "no", "`old0`, `old1`, `old2`, `old3`, `old4` and 1 more");
    assert_eq!(answer["healthy"], false);
    let mount = Mount::new();
    mount.configure(ORG_A, ADMIN_A, json!({ "allowed_role_ids": ["nowhere"] }));
    let answer = check(&mount);
    assert_item(&answer, "roles_exist", "no", "`allowed_role_ids` that Astra does not list (`nowhere`)");
    assert_item(&answer, "roles_exist", "no", "does not allow any more (`reader`)");
    mount.configure(ORG_A, ADMIN_A, json!({ "allowed_role_ids": [ROLE_ID] }));
    mount.host.storage.seed(&format!("role/{ORG_A}:broken"), "canary");
    assert_item(&check(&mount), "roles_exist", "no", "cannot be read (`broken`)");
}

/// What each sentence says to do is done, and then there is nothing to be told.
#[test]
fn what_is_said_of_roles_works() {
    let mount = Mount::new();
    let role = |name: &str| format!("roles/{ORG_A}/{name}");
    mount.configure(ORG_A, ADMIN_A, json!({ "allowed_role_ids": [ROLE_ID, "nowhere"] }));
    mount.write_role(ORG_A, "gone", json!({ "role_id": "nowhere" }));
    mount.daily("static-gone");
    let key = format!("static-role/{ORG_A}/static-gone");
    let mut gone = mount.host.storage.json(&key);
    gone["role_ids"] = json!(["nowhere"]);
    mount.host.storage.seed(&key, gone.to_string());
    mount.write_role(ORG_A, "forbidden", json!({ "role_id": ROLE_ID }));
    let key = format!("role/{ORG_A}:forbidden");
    let mut forbidden = mount.host.storage.json(&key);
    forbidden["role_id"] = json!("other");
    mount.host.storage.seed(&key, forbidden.to_string());
    for name in ["broken", "broken-too"] {
        mount.host.storage.seed(&format!("role/{ORG_A}:{name}"), "canary");
    }
    let answer = check(&mount);
    let told = |holds: &str| assert_item(&answer, "roles_exist", "no", holds);
    told("`allowed_role_ids` that Astra does not list (`nowhere`): write others to the config");
    mount.configure(ORG_A, ADMIN_A, json!({ "allowed_role_ids": [ROLE_ID] }));
    told("roles whose Astra role has gone (`forbidden`, `gone`): write another `role_id` to each");
    mount.write_role(ORG_A, "gone", json!({ "role_id": ROLE_ID }));
    told("static roles whose Astra role has gone (`static-gone`): write other `role_ids` to each");
    mount.write_static("static-gone", json!({})).0.unwrap();
    told("roles that `allowed_role_ids` does not allow any more (`forbidden`): write another `role_id` to each");
    mount.write_role(ORG_A, "forbidden", json!({ "role_id": ROLE_ID }));
    told("roles that cannot be read (`broken`, `broken-too`): delete each, and write it anew");
    mount.send(Operation::Delete, &role("broken"), Value::Null).done();
    mount.send(Operation::Delete, "role", json!({ "org_id": ORG_A, "role_name": "broken-too" })).done();
    mount.write_role(ORG_A, "broken", json!({ "role_id": ROLE_ID }));
    assert_eq!(check(&mount)["healthy"], true);
    mount.send(Operation::Read, &role("broken-too"), Value::Null).missing();
}

#[test]
fn what_is_said_of_a_damaged_static_role_works() {
    let mount = Mount::new();
    let client_id = mount.daily("app");
    mount.host.storage.seed(&format!("static-role/{ORG_A}/app"), "canary");
    assert_item(&check(&mount), "static_roles", "no", "`app` cannot be read: delete it, and write it anew");
    mount.delete_static("app").0.unwrap();
    mount.send(Operation::Delete, &format!("tokens/{ORG_A}/{client_id}"), Value::Null).done();
    mount.daily("app");
    assert_eq!(check(&mount)["healthy"], true);
}

#[test]
fn what_is_said_of_times_that_are_missing_works() {
    let mount = Mount::new();
    mount.configure(ORG_A, ADMIN_A, json!({ "rotation_period": "24h", "tidy_period": "1h" }));
    let state = json!({ "due": 0, "failures": 2, "failed": 1_767_312_000, "error": "Astra was away" });
    edit_config(&mount, json!({ "rotation_state": state, "tidy_due": 0 }));
    assert_item(&check(&mount), "rotation", "no", &format!("by itself: write `config/{ORG_A}/rotate-root`"));
    edit_config(&mount, json!({ "rotation_state": { "due": 0 } }));
    let answer = check(&mount);
    for name in ["rotation", "tidy"] {
        assert_item(&answer, name, "no", &format!("no time at which it comes: write any field of `config/{ORG_A}`"));
    }
    mount.write(&format!("config/{ORG_A}"), json!({ "description": "x" })).0.unwrap();
    let answer = check(&mount);
    for name in ["rotation", "tidy"] {
        assert_item(&answer, name, "yes", "is due at");
    }
}

#[test]
fn too_many_roles_to_list_fail_no_check() {
    let mount = Mount::new();
    let role = mount.host.storage.json(&format!("role/{ORG_A}:reader"));
    for number in 0..crate::limits::ROLES_LISTED_MAX {
        mount.host.storage.seed(&format!("role/{ORG_A}:r{number:05}"), role.to_string());
    }
    let answer = check_with(&mount, json!({ "deep": true }));
    assert_item(&answer, "roles_exist", "unknown", "were not looked at");
    assert_item(&answer, "may_manage_tokens", "yes", "own Astra roles");
}

#[test]
fn more_roles_than_are_looked_at_are_told() {
    let mount = Mount::new();
    let role = mount.host.storage.json(&format!("role/{ORG_A}:reader"));
    for number in 0..CHECKED_ROLES_MAX {
        mount.host.storage.seed(&format!("role/{ORG_A}:r{number:04}"), role.to_string());
    }
    assert_item(&check(&mount), "roles_exist", "unknown", "1001 roles");
}

#[test]
fn open_entries_are_counted_and_old_ones_are_a_fault() {
    let mount = Mount::new();
    let now = mount.host.clock.now().as_secs();
    seed_entry(&mount, 1, ORG_A, now);
    seed_entry(&mount, 2, "another", 0);
    assert_item(&check(&mount), "pending_wal", "yes", "1 open write-ahead entries, none");
    mount.host.clock.advance(LATER + OVERDUE_AFTER);
    let answer = check(&mount);
    assert_item(&answer, "pending_wal", "no", "1 of them for more than 25m");
    assert_eq!(answer["healthy"], false);
    for number in 0..OPEN_INTENTS_MAX {
        seed_entry(&mount, number, ORG_A, now);
    }
    assert_item(&check(&mount), "pending_wal", "no", "2000 or more");
}

#[test]
fn the_rotation_is_told_in_each_of_its_states() {
    let mount = Mount::new();
    assert_item(&check(&mount), "rotation", "yes", "does not rotate by itself");
    mount.configure(ORG_A, ADMIN_A, json!({ "rotation_period": "24h" }));
    assert_item(&check(&mount), "rotation", "yes", "next rotation is due at 2026-01-02T00:00:00Z");
    mount.host.clock.advance(Duration::from_secs(24 * 3600) + OVERDUE_AFTER + Duration::from_secs(1));
    assert_item(&check(&mount), "rotation", "no", "whether the server calls rollback");
    let state = json!({
        "due": 1_767_315_600, "rotated": 1_767_225_600, "failures": 3, "failed": 1_767_312_000,
        "error": "Astra refused the admin token",
    });
    edit_config(&mount, json!({ "rotation_state": state }));
    let answer = check(&mount);
    assert_item(&answer, "rotation", "no", "3 times, last at 2026-01-02T00:00:00Z: Astra refused the admin token.");
    assert_item(&answer, "rotation", "no", "tried again at 2026-01-02T01:00:00Z");
    assert_eq!(answer["healthy"], false);
    // As a damaged or older mount may hold it.
    let never = json!({ "rotation_period": 0, "rotation_schedule": "0 0 30 2 *", "rotation_state": { "due": 0 } });
    edit_config(&mount, never);
    assert_item(&check(&mount), "rotation", "no", "never fires");
}

#[test]
fn static_roles_are_told_in_each_of_their_states() {
    let mount = Mount::new();
    assert_item(&check(&mount), "static_roles", "yes", "0 static roles");
    mount.daily("app");
    mount.daily("batch");
    let key = format!("static-role/{ORG_A}/app");
    let stored = mount.host.storage.json(&key);
    let edit = |fields: Value| {
        let mut role = stored.clone();
        role.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        mount.host.storage.seed(&key, role.to_string());
    };
    assert_item(&check(&mount), "static_roles", "yes", "All of 2 static roles");
    edit(json!({ "failures": 3, "error": "Astra was away" }));
    let answer = check(&mount);
    assert_item(&answer, "static_roles", "no", "1 of 2 static roles are in trouble: static role `app`");
    assert_item(&answer, "static_roles", "no", "Astra was away");
    assert_eq!(answer["healthy"], false);
    edit(json!({ "role_ids": ["nowhere"] }));
    assert_item(&check(&mount), "roles_exist", "no", "static roles whose Astra role has gone (`app`)");
    mount.host.storage.seed(&key, "canary");
    assert_item(&check(&mount), "static_roles", "no", "`app` cannot be read");
    edit(json!({}));
    mount.host.clock.advance(Duration::from_secs(24 * 3600 + 1) + OVERDUE_AFTER);
    assert_item(&check(&mount), "static_roles", "no", "whether the server calls rollback");
}

#[test]
fn more_static_roles_than_are_looked_at_are_told() {
    let mount = Mount::new();
    mount.daily("app");
    let role = mount.host.storage.json(&format!("static-role/{ORG_A}/app"));
    for number in 0..CHECKED_ROLES_MAX {
        mount.host.storage.seed(&format!("static-role/{ORG_A}/r{number:04}"), role.to_string());
    }
    assert_item(&check(&mount), "static_roles", "unknown", "1001 static roles");
}

#[test]
fn the_tidy_is_told_in_each_of_its_states() {
    let mount = Mount::new();
    assert_item(&check(&mount), "tidy", "yes", "has not been tidied yet");
    mount.write("tidy", json!({})).data();
    assert_item(&check(&mount), "tidy", "yes", "last tidied at 2026-01-01T00:00:00Z; it is not by itself");
    mount.configure(ORG_A, ADMIN_A, json!({ "tidy_period": "1h" }));
    assert_item(&check(&mount), "tidy", "yes", "next tidy is due at 2026-01-01T01:00:00Z");
    mount.host.clock.advance(Duration::from_secs(3601) + OVERDUE_AFTER);
    assert_item(&check(&mount), "tidy", "no", "whether the server calls rollback");
    mount.astra.fail_times(On::List, 9, Fault::Status(500, "canary"));
    mount.rollback().unwrap();
    mount.astra.heal();
    let answer = check(&mount);
    assert_item(&answer, "tidy", "no", "and that failed: Astra failed for organization");
    assert_item(&answer, "tidy", "no", &format!("write `tidy` with `org_id={ORG_A}`"));
    assert_eq!(answer["healthy"], false);
    mount.write("tidy", json!({})).data();
    let began = mount.host.clock.now().as_secs();
    mount.host.storage.seed("tidy/run", json!({ "began": began }).to_string());
    assert_item(&check(&mount), "tidy", "yes", "");
    mount.host.clock.advance(OVERDUE_AFTER + Duration::from_secs(1));
    assert_item(&check(&mount), "tidy", "no", "did not come to its end");
}

#[test]
fn a_healthy_organization_with_tokens_and_work_is_still_healthy() {
    let mount = Mount::new();
    mount.configure(ORG_A, ADMIN_A, json!({ "rotation_schedule": "30 3 * * SUN", "tidy_period": "24h" }));
    Leased::of(mount.creds());
    assert_eq!(check(&mount)["healthy"], true);
    mount.assert_settled(1);
}

#[test]
fn roles_without_a_time_to_live_are_told_and_are_no_fault() {
    let mount = Mount::new();
    assert_item(&check(&mount), "role_lifetimes", "yes", "Every role that was looked at has a `ttl`");
    mount.write_role(ORG_A, "long", json!({ "role_id": ROLE_ID, "ttl": 0 }));
    let answer = check(&mount);
    for holds in ["(`long`)", "768h", "24h"] {
        assert_item(&answer, "role_lifetimes", "yes", holds);
    }
}
