//! The contract of `sync-roles` and `config/:org/sync-roles`, through the table.

use secrets_framework::host::HttpError;
use serde_json::{Value, json};

use crate::config::test_mount::{Mount, ORG_A, ORG_B, TOKEN_A, TOKEN_B, http_answer};
use crate::limits::{IMPORTED_ROLES_MAX, SYNC_ALL_BUDGET};

fn one() -> String {
    format!("config/{ORG_A}/sync-roles")
}

/// A mount with both organizations, whose Astra lists these roles.
fn mount(roles_a: Value, roles_b: Value) -> Mount {
    let mount = Mount::new();
    mount.script_astra(&[(TOKEN_A, ORG_A, roles_a), (TOKEN_B, ORG_B, roles_b)]);
    mount.write("config", json!({ "org_id": ORG_A, "astra_token": TOKEN_A })).done();
    mount.write("config", json!({ "org_id": ORG_B, "astra_token": TOKEN_B })).done();
    mount.host.http.clear();
    mount
}

#[test]
fn one_organizations_roles_are_imported_and_then_unchanged() {
    let mount = mount(json!([{ "id": "1", "name": "R/W User" }, { "ID": "2", "Name": "apiRole" }]), json!([]));
    let answer = mount.write(&one(), json!({ "ttl": "1h", "max_ttl": "2h" })).data();
    assert_eq!(
        answer,
        json!({
            "created": ["apirole", "r_w_user"], "updated": [], "unchanged": [], "removed": [], "skipped": [],
            "failed": {}, "dry_run": false,
        })
    );
    let role = mount.read(&format!("roles/{ORG_A}/r_w_user"), json!({})).data();
    assert_eq!((&role["role_id"], &role["ttl"], &role["max_ttl"]), (&json!("1"), &json!(3600), &json!(7200)));
    let again = mount.write(&one(), json!({ "ttl": "5h", "max_ttl": "5h" })).data();
    assert_eq!((&again["created"], &again["unchanged"]), (&json!([]), &json!(["apirole", "r_w_user"])));
    assert_eq!(mount.read(&format!("roles/{ORG_A}/r_w_user"), json!({})).data()["ttl"], 3600);
    assert!(mount.host.http.requests().iter().all(|request| request.client_id == "AdminClientOfOrgAaaaaaaa"));
}

#[test]
fn new_roles_without_a_time_to_live_are_warned_of() {
    let mount = mount(json!([{ "id": "1", "name": "new" }]), json!([]));
    for (path, fields, warned) in [
        (one(), json!({ "dry_run": true, "ttl": "1h" }), false),
        (one(), json!({ "dry_run": true }), true),
        ("sync-roles".to_owned(), json!({}), true),
        ("sync-roles".to_owned(), json!({}), false),
    ] {
        let warnings = mount.write(&path, fields).warnings();
        assert_eq!(warnings.iter().any(|text| text.contains("768h") && text.contains("24h")), warned, "{warnings:?}");
    }
}

#[test]
fn a_dry_run_changes_nothing() {
    let mount = mount(json!([{ "id": "1", "name": "new" }]), json!([]));
    let before = mount.host.storage.snapshot();
    let answer = mount.write(&one(), json!({ "dry_run": true, "prune": true })).data();
    assert_eq!((&answer["created"], &answer["dry_run"]), (&json!(["new"]), &json!(true)));
    assert_eq!(mount.host.storage.snapshot(), before);
}

#[test]
fn roles_that_have_gone_are_pruned_on_request() {
    let mount = mount(json!([{ "id": "1", "name": "stays" }, { "id": "2", "name": "goes" }]), json!([]));
    mount.write(&one(), json!({})).data();
    mount.write("role", json!({ "org_id": ORG_A, "role_name": "mine", "role_id": "gone" })).done();
    mount.script_astra(&[(TOKEN_A, ORG_A, json!([{ "id": "1", "name": "stays" }]))]);
    assert_eq!(mount.write(&one(), json!({})).data()["removed"], json!([]));
    assert_eq!(mount.write(&one(), json!({ "prune": true, "dry_run": true })).data()["removed"], json!(["goes"]));
    assert_eq!(mount.write(&one(), json!({ "prune": true })).data()["removed"], json!(["goes"]));
    assert_eq!(mount.list(&format!("roles/{ORG_A}/")).data()["keys"], json!(["mine", "stays"]));

    mount.script_astra(&[(TOKEN_A, ORG_A, json!([]))]);
    assert_eq!(mount.write(&one(), json!({ "prune": true })).data()["removed"], json!([]), "an empty list is a fault");
}

#[test]
fn an_imported_role_that_was_changed_by_hand_is_left_alone() {
    let mount = mount(json!([{ "id": "1", "name": "r" }, { "id": "2", "name": "s" }]), json!([]));
    mount.write(&one(), json!({})).data();
    mount.write(&format!("roles/{ORG_A}/r"), json!({ "role_id": "mine" })).done();
    mount.write(&format!("roles/{ORG_A}/s"), json!({ "ttl": "5m", "role_id": "2" })).done();
    mount.script_astra(&[(TOKEN_A, ORG_A, json!([{ "id": "1", "name": "r" }, { "id": "22", "name": "s" }]))]);
    let answer = mount.write(&one(), json!({ "prune": true })).data();
    assert_eq!((&answer["updated"], &answer["removed"]), (&json!(["s"]), &json!([])));
    assert_eq!(mount.read(&format!("roles/{ORG_A}/r"), json!({})).data()["role_id"], "mine");
    let read = mount.read(&format!("roles/{ORG_A}/s"), json!({})).data();
    assert_eq!((&read["role_id"], &read["ttl"]), (&json!("22"), &json!(300)));
}

#[test]
fn collisions_and_what_is_not_allowed_are_skipped_and_said() {
    let roles = json!([{ "id": "1", "name": "a b" }, { "id": "2", "name": "A/B" }, { "id": "3", "name": "admin" }]);
    let mount = mount(roles, json!([]));
    mount.write(&format!("config/{ORG_A}"), json!({ "allowed_role_ids": ["1", "2"] })).done();
    let answer = mount.write(&one(), json!({})).data();
    assert_eq!(answer["created"], json!(["a_b"]));
    assert_eq!(
        answer["skipped"],
        json!([
            format!("a b (1) of {ORG_A}: `a_b` is already the name of `A/B`"),
            format!("admin (3) of {ORG_A}: it is not among the organization's `allowed_role_ids`"),
        ])
    );
}

#[test]
fn all_organizations_are_imported_each_with_its_own_token() {
    let both = json!([{ "id": "1", "name": "both" }]);
    let mount = mount(both.clone(), json!([{ "id": "1", "name": "both" }, { "id": "2", "name": "only b" }]));
    let answer = mount.write("sync-roles", json!({})).data();
    assert_eq!(answer["created"], json!([format!("{ORG_A}:both"), format!("{ORG_B}:both"), "only_b"]));
    let clients: Vec<_> = mount.host.http.requests().into_iter().map(|request| request.client_id).collect();
    assert_eq!(clients, ["AdminClientOfOrgAaaaaaaa", "AdminClientOfOrgBbbbbbbb"], "section 6, point 1");
}

#[test]
fn one_organization_that_fails_does_not_lose_the_others() {
    let mount = mount(json!([]), json!([{ "id": "1", "name": "r" }]));
    mount.script_astra(&[(TOKEN_B, ORG_B, json!([{ "id": "1", "name": "r" }]))]);
    let answered = mount.write("sync-roles", json!({ "ttl": "1h" }));
    let response = answered.0.as_ref().ok().and_then(Option::as_ref);
    assert_eq!(response.map(|response| response.warnings.len()), Some(1));
    let answer = answered.data();
    assert_eq!(answer["created"], json!(["r"]));
    assert!(answer["failed"][ORG_A].as_str().is_some_and(|text| text.contains("401")), "{answer}");
    assert_eq!(mount.list(&format!("roles/{ORG_B}/")).data()["keys"], json!(["r"]));
}

#[test]
fn a_damaged_config_is_told_and_the_others_are_imported() {
    let mount = mount(json!([{ "id": "1", "name": "r" }]), json!([]));
    mount.host.storage.seed("config/0", "AstraCS:canary");
    let answer = mount.write("sync-roles", json!({})).data();
    assert_eq!(answer["created"], json!(["r"]));
    assert!(answer["failed"]["0"].as_str().is_some_and(|text| text.contains("damaged")), "{answer}");
}

#[test]
fn when_nobody_could_be_asked_it_is_an_error() {
    let mount = mount(json!([]), json!([]));
    mount.script_status(401);
    assert_eq!(mount.write("sync-roles", json!({})).failed().0, Some(502));
    assert_eq!(mount.write(&one(), json!({})).failed().0, Some(502));
    mount.script_error(HttpError::TimedOut);
    assert_eq!(mount.write(&one(), json!({})).failed().0, Some(504));
    mount.host.http.script(|_| Ok(http_answer(200, &json!({ "not": "a list" }))));
    assert_eq!(mount.write(&one(), json!({})).failed().0, Some(502));
}

#[test]
fn mistakes_are_400() {
    let mount = mount(json!([]), json!([]));
    let mistake = mount.write("config/nobody/sync-roles", json!({})).mistake();
    assert!(mistake.contains("`nobody`"), "{mistake}");
    assert!(mount.write("sync-roles", json!({ "ttl": -1 })).mistake().contains("`ttl`"));
    mount.write(&format!("config/{ORG_A}"), json!({ "logical_name": "prod" })).done();
    assert!(mount.write("config/prod/sync-roles", json!({})).mistake().contains(ORG_A));
    let empty = Mount::new().write("sync-roles", json!({}));
    assert!(empty.warnings()[0].contains("no organization is configured"));
}

#[test]
fn a_clamped_ttl_is_told() {
    let mount = mount(json!([{ "id": "1", "name": "r" }]), json!([]));
    let warnings = mount.write(&one(), json!({ "ttl": "2h", "max_ttl": "1h" })).warnings();
    assert!(warnings[0].contains("set to 1h0m0s"), "{warnings:?}");
    assert_eq!(mount.read(&format!("roles/{ORG_A}/r"), json!({})).data()["ttl"], 3600);
}

#[test]
fn it_is_bounded_in_roles_and_in_time() {
    let roles = |count: usize| {
        Value::Array((0..count).map(|n| json!({ "id": n.to_string(), "name": format!("r{n}") })).collect())
    };
    let big = mount(roles(IMPORTED_ROLES_MAX + 1), json!([]));
    let mistake = big.write(&one(), json!({})).mistake();
    assert!(mistake.contains(&IMPORTED_ROLES_MAX.to_string()), "{mistake}");

    let slow = mount(json!([]), json!([]));
    let clock = std::sync::Arc::clone(&slow.host.clock);
    slow.host.http.script(move |_| {
        clock.advance(SYNC_ALL_BUDGET);
        Ok(http_answer(200, &json!([{ "id": "1", "name": "r" }])))
    });
    let answer = slow.write("sync-roles", json!({})).data();
    assert_eq!(answer["created"], json!(["r"]));
    assert!(answer["failed"][ORG_B].as_str().is_some_and(|text| text.contains("no time was left")), "{answer}");
}

#[test]
fn a_sync_that_is_cut_short_is_finished_by_the_next() {
    let mount = mount(json!([{ "id": "1", "name": "a" }, { "id": "2", "name": "b" }]), json!([]));
    mount.host.storage.die_at_write(2);
    mount.write(&one(), json!({})).failed();
    mount.host.storage.clear_faults();
    let answer = mount.write(&one(), json!({})).data();
    assert_eq!((&answer["created"], &answer["unchanged"]), (&json!(["b"]), &json!(["a"])));
    assert!(mount.host.locks.held().is_empty());
}

#[test]
fn a_node_that_cannot_write_says_it_in_the_servers_words() {
    let mount = mount(json!([{ "id": "1", "name": "r" }]), json!([]));
    mount.host.storage.set_read_only(true);
    for path in ["sync-roles", &one()] {
        assert_eq!(mount.write(path, json!({})).failed().1, secrets_framework::testing::READ_ONLY_TEXT);
    }
}
