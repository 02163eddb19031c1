//! What is noted of Astra's own roles: by whom, how much, and what a read shows of it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use secrets_framework::Operation;
use secrets_framework::host::StorageError;
use secrets_framework::testing::{READ_ONLY_TEXT, StorageCall};
use serde_json::{Value, json};

use crate::config::test_mount::{Mount, ORG_A, TOKEN_A};
use crate::limits::{
    ASTRA_ROLE_BYTES_MAX, ASTRA_ROLE_KEPT, ASTRA_ROLE_NOTED_AGAIN, ASTRA_ROLES_NOTED_MAX, ASTRA_ROLES_PER_WRITE,
};
use crate::testing;

const READER: &str = "99999999-9999-4999-8999-999999999999";

fn listed(name: &str, resources: &[&str]) -> Value {
    json!({ "id": READER, "name": name, "policy": { "resources": resources, "actions": ["db-cql"] } })
}

/// A mount of organization A whose Astra lists these roles.
fn mount(roles: Value) -> Mount {
    let mount = Mount::with_org_a();
    astra_lists(&mount, roles);
    mount
}

fn astra_lists(mount: &Mount, roles: Value) {
    mount.script_astra(&[(TOKEN_A, ORG_A, roles)]);
}

fn sync(mount: &Mount, fields: Value) {
    mount.write(&format!("config/{ORG_A}/sync-roles"), fields).data();
}

fn noted(mount: &Mount) -> Vec<String> {
    mount.host.storage.keys().into_iter().filter(|key| key.starts_with("astra-role/")).collect()
}

fn key() -> String {
    format!("astra-role/{ORG_A}/{READER}")
}

fn role(mount: &Mount) -> Value {
    mount.write(&format!("roles/{ORG_A}/app"), json!({ "role_ids": [READER.to_uppercase(), "unknown"] }));
    mount.read(&format!("roles/{ORG_A}/app"), json!({ "with_astra_roles": true })).data()
}

#[test]
fn a_sync_of_roles_notes_them_and_a_read_of_a_role_shows_them_if_it_asks() {
    let mount = mount(json!([listed("R/W User", &["drn:astra:org:o", "drn:astra:org:o:db:d"])]));
    sync(&mount, json!({ "dry_run": true }));
    assert_eq!(noted(&mount), Vec::<String>::new(), "a dry run changes nothing");
    sync(&mount, json!({}));
    assert_eq!(noted(&mount), [key()]);
    let expected = json!([{
        "id": READER, "name": "R/W User", "resources": ["drn:astra:org:o", "drn:astra:org:o:db:d"],
        "seen_at": "2026-01-01T00:00:00Z",
    }]);
    assert_eq!(role(&mount)["astra_roles"], expected);
    let by_body = json!({ "org_id": ORG_A, "role_name": "app", "with_astra_roles": true });
    let without = [(format!("roles/{ORG_A}/app"), json!({ "with_astra_roles": false })), ("role".to_owned(), by_body)];
    for (path, data) in without {
        assert_eq!(mount.read(&path, data).data().get("astra_roles"), None, "{path}");
    }
    assert_eq!(mount.list(&format!("roles/{ORG_A}")).data()["keys"], json!(["app", "r_w_user"]), "lists are as before");
}

#[test]
fn a_check_and_a_tidy_note_what_astra_lists() {
    for by in ["check", "tidy"] {
        let mount = testing::Mount::new();
        let capitals =
            |_| json!([{ "ID": READER, "Name": "R/W User", "Policy": "{\"resources\":[\"drn:1\"]}" }]).to_string();
        mount.astra.fail_times(testing::On::Roles, 9, testing::Fault::DoneThenBody(capitals));
        if by == "check" {
            mount.send(Operation::Read, &format!("config/{ORG_A}/check"), Value::Null).data();
        } else {
            mount.write("tidy", json!({ "dry_run": true })).data();
            assert!(!mount.host.storage.keys().contains(&key()), "a dry run changes nothing");
            mount.write("tidy", json!({ "dry_run": false })).data();
        }
        let made = testing::Leased::of(mount.creds());
        let path = format!("tokens/{ORG_A}/{}", made.client_id());
        let told = mount.send(Operation::Read, &path, Value::Null).data();
        assert_eq!(told["astra_roles"][0]["name"], "R/W User", "{by}: {told}");
        assert_eq!(told["astra_roles"][0]["resources"], json!(["drn:1"]), "{by}");
        mount.send(Operation::Delete, &path, Value::Null).done();
        let ended = mount.send(Operation::Read, &path, Value::Null).data();
        assert_eq!(ended["astra_roles"], told["astra_roles"], "of a token that has ended, too");
        mount.write_static("app", json!({ "role_ids": [READER], "rotation_period": "24h" })).0.unwrap();
        let statics = mount.send(Operation::Read, &format!("static-roles/{ORG_A}/app"), Value::Null).data();
        assert_eq!(statics["astra_roles"], told["astra_roles"]);
    }
}

#[test]
fn a_tidy_asks_for_roles_once_a_day_and_is_none_the_worse_without_them() {
    let mount = testing::Mount::new();
    let tidied = || {
        mount.host.http.clear();
        let answer = mount.write("tidy", json!({ "dry_run": false })).data();
        assert_eq!(answer["complete"], true, "{answer}");
        mount.host.http.requests().iter().filter(|asked| asked.path_and_query.ends_with("/roles")).count()
    };
    mount.astra.fail_times(testing::On::Roles, 1, testing::Fault::Status(403, "null"));
    assert_eq!((tidied(), tidied(), tidied()), (1, 1, 0), "a failure is tried again by the next tidy");
    mount.host.clock.advance(ASTRA_ROLE_NOTED_AGAIN);
    assert_eq!(tidied(), 1);
}

#[test]
fn a_note_is_written_again_only_if_it_changed_or_is_old() {
    let mount = mount(json!([listed("one", &["a"])]));
    sync(&mount, json!({}));
    let written = |mount: &Mount| {
        mount.host.storage.clear_calls();
        sync(mount, json!({}));
        mount.host.storage.calls(StorageCall::Put)
    };
    assert_eq!(written(&mount), 0);
    astra_lists(&mount, json!([listed("one", &["b"])]));
    assert_eq!(written(&mount), 1);
    assert_eq!(mount.host.storage.json(&key())["resources"], json!(["b"]));
    mount.host.clock.advance(ASTRA_ROLE_NOTED_AGAIN);
    assert_eq!(written(&mount), 1);
}

#[test]
fn an_entry_is_no_larger_than_its_limit_and_says_what_it_leaves_out() {
    let long = "\u{1}".repeat(2000);
    let resources: Vec<String> = (0..900).map(|number| format!("drn:astra:org:o:db:{number:040}")).collect();
    let texts: Vec<&str> = resources.iter().map(String::as_str).collect();
    let mount = mount(json!([listed(&long, &texts)]));
    sync(&mount, json!({}));
    let size = mount.host.storage.snapshot()[&key()].value.len();
    assert!((ASTRA_ROLE_BYTES_MAX / 2..=ASTRA_ROLE_BYTES_MAX).contains(&size), "{size}");
    let shown = &role(&mount)["astra_roles"][0];
    let kept = shown["resources"].as_array().unwrap().len();
    assert!(kept > 100, "{kept}");
    assert_eq!(shown["resources_left_out"], 900 - kept);
}

#[test]
fn a_request_notes_no_more_roles_than_its_limit() {
    let count = ASTRA_ROLES_NOTED_MAX + 1;
    let roles: Vec<Value> = (0..count).map(|number| json!({ "id": format!("id-{number:04}"), "name": "x" })).collect();
    let mount = mount(roles.into());
    mount.host.storage.clear_calls();
    mount.read(&format!("config/{ORG_A}/check"), Value::Null).data();
    assert_eq!(noted(&mount).len(), ASTRA_ROLES_NOTED_MAX);
    let writes = ASTRA_ROLES_NOTED_MAX / ASTRA_ROLES_PER_WRITE;
    assert_eq!(mount.host.storage.calls(StorageCall::Commit), u64::try_from(writes).unwrap());
}

#[test]
fn a_missing_a_damaged_and_an_unreadable_note_join_nothing_and_fail_nothing() {
    let mount = mount(json!([listed("one", &["a"])]));
    assert_eq!(role(&mount).get("astra_roles"), None);
    for damaged in ["canary", "[]", "7"] {
        mount.host.storage.seed(&key(), damaged);
        assert_eq!(role(&mount).get("astra_roles"), None, "{damaged}");
    }
    sync(&mount, json!({}));
    assert_eq!(role(&mount)["astra_roles"][0]["name"], "one", "a damaged note is written anew");
    let large = || StorageError::Failed("received message larger than max".to_owned());
    mount.host.storage.fail_prefix(StorageCall::Get, "astra-role/", large());
    assert_eq!(role(&mount).get("astra_roles"), None);
    sync(&mount, json!({}));
}

#[test]
fn a_node_that_cannot_write_checks_all_the_same() {
    let mount = mount(json!([listed("one", &["a"])]));
    mount.host.storage.fail_prefix(StorageCall::Put, "astra-role/", StorageError::ReadOnly(READ_ONLY_TEXT.to_owned()));
    let check = mount.read(&format!("config/{ORG_A}/check"), Value::Null).data();
    assert_eq!(check["may_list_roles"]["ok"], "yes");
    assert_eq!(noted(&mount), Vec::<String>::new());
}

#[test]
fn a_note_goes_with_the_config_and_long_after_astra_lists_the_role_no_more() {
    let mount = mount(json!([listed("one", &["a"])]));
    sync(&mount, json!({}));
    astra_lists(&mount, json!([{ "id": "another", "name": "two" }]));
    sync(&mount, json!({}));
    assert_eq!(noted(&mount).len(), 2, "what is not listed for a moment is kept");
    mount.host.clock.advance(ASTRA_ROLE_KEPT + Duration::from_secs(1));
    sync(&mount, json!({}));
    assert_eq!(noted(&mount), [format!("astra-role/{ORG_A}/another")]);
    mount.delete(&format!("config/{ORG_A}"), Value::Null).done();
    assert_eq!(noted(&mount), Vec::<String>::new());
}
