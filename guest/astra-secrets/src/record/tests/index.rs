//! The index by client ID: how it is filled and kept whole, what is told while
//! it is not, and two requests that change it at once.

use std::time::Duration;

use secrets_framework::host::Locks;
use secrets_framework::testing::StorageCall;

use super::*;
use crate::limits::{INDEX_WALK_PAUSE, INDEXED_PER_ROLLBACK_MAX, TOKENS_DESCRIBED_MAX};
use crate::testing::{ASTRA, LATER};

/// What the Go plugin stores of a token with a logical name, under the hash of that.
fn seed_go(mount: &Mount, number: usize, client_id: &str, org_id: &str) {
    let record = json!({ "clientId": client_id, "orgId": org_id, "roleName": "reader", "logicalName": "x" });
    mount.host.storage.seed(&format!("token/{number:064}"), record.to_string());
}

/// A mount that has just come from the Go plugin, which made so many tokens for organization B.
fn from_go(tokens: usize) -> Mount {
    let mount = Mount::new();
    mount.host.storage.remove("state/index");
    for number in 0..tokens {
        seed_go(&mount, number, &format!("Go{number:05}"), ORG_B);
    }
    mount
}

fn path(client_id: &str) -> String {
    format!("tokens/{ORG_A}/{client_id}")
}

fn is_read(mount: &Mount, client_id: &str) -> bool {
    mount.send(Operation::Read, &path(client_id), Value::Null).0.unwrap().is_some()
}

fn calls(mount: &Mount) -> [u64; 3] {
    [StorageCall::Get, StorageCall::List, StorageCall::Put].map(|call| mount.host.storage.calls(call))
}

#[test]
fn tokens_that_the_go_plugin_made_in_between_are_found_within_the_hour() {
    let mount = Mount::new();
    let ours = Leased::of(mount.creds()).client_id();
    let named = Leased::of(mount.org_token(json!({ "logical_name": "app" }))).client_id();
    let id = mount.host.storage.keys().into_iter().find(|key| key.len() == "token/".len() + 64).unwrap();
    // Two more than one step takes; and one of ours is revoked, its name given out again.
    let many = INDEXED_PER_ROLLBACK_MAX as usize + 2;
    for number in 0..many {
        seed_go(&mount, number, &format!("Between{number}"), ORG_A);
    }
    let again = json!({ "clientId": "Again", "orgId": ORG_A, "roleName": "reader", "logicalName": "app" });
    mount.host.storage.seed(&id, again.to_string());
    assert!(!is_read(&mount, "Between0"));
    mount.host.clock.advance(INDEX_WALK_PAUSE);
    mount.rollback().unwrap();
    assert!(is_read(&mount, "Between0") && !is_read(&mount, &format!("Between{}", many - 1)));
    mount.rollback().unwrap();
    for client_id in [&ours, "Again", "Between0", &format!("Between{}", many - 1)] {
        assert!(is_read(&mount, client_id), "{client_id}");
    }
    assert!(!is_read(&mount, &named));
    assert!(mount.host.storage.json(&id).get("origin").is_some(), "where it was made is noted, too");
    mount.host.storage.clear_calls();
    assert!(is_read(&mount, "Between7"));
    assert_eq!(calls(&mount), [3, 1, 0], "config, index, record; reads that wait");
}

#[test]
fn a_walk_that_finds_nothing_writes_its_state_alone_and_then_rests() {
    let mount = Mount::new();
    mount.write_role(ORG_A, "reader", json!({ "ttl": "4h" }));
    for _ in 0..3 {
        Leased::of(mount.creds());
    }
    // Damaged, of a folder, of an organization without config: nothing to do about any of them.
    mount.host.storage.seed("token/damaged", "canary");
    mount.host.storage.seed("token/a/b", "{}");
    seed_go(&mount, 1, "OfB", ORG_B);
    let scan_end = || mount.host.storage.json("state/index")["walked"].clone();
    let (before, end_before) = (mount.host.storage.snapshot(), scan_end());
    // What rollback counts for the metrics changes oftener, and the state of the index says how far the count came.
    let changed = || {
        let after = mount.host.storage.snapshot();
        let keys = after.iter().filter(|(key, entry)| before.get(*key) != Some(entry)).map(|(key, _)| key.clone());
        let is_of_walk = |key: &String| match key.as_str() {
            "state/index" => scan_end() != end_before,
            key => !["queue/", "metrics/", "state/"].iter().any(|other| key.starts_with(other)),
        };
        keys.filter(is_of_walk).collect::<Vec<_>>()
    };
    mount.host.clock.advance(INDEX_WALK_PAUSE - Duration::from_secs(1));
    mount.rollback().unwrap();
    assert!(changed().is_empty());
    mount.host.clock.advance(Duration::from_secs(1));
    mount.rollback().unwrap();
    assert_eq!(changed(), [format!("client-index/{ORG_B}/OfB"), "state/index".to_owned()]);
    // The tasks of the tokens move, or are looked at.
    mount.rollback().unwrap();
    mount.host.clock.advance(INDEX_WALK_PAUSE);
    mount.has_looked();
    mount.host.storage.clear_calls();
    mount.rollback().unwrap();
    assert_eq!(changed(), [format!("client-index/{ORG_B}/OfB"), "state/index".to_owned()]);
    assert_eq!(mount.host.storage.calls(StorageCall::Put), 2, "its state and that of the schedule queue");
    mount.host.storage.clear_calls();
    mount.rollback().unwrap();
    assert_eq!(calls(&mount), [3, 6, 0], "an idle call");
}

#[test]
fn a_clock_that_was_set_back_does_not_stop_the_walks() {
    let mount = Mount::new();
    mount.host.storage.seed("state/index", r#"{"complete":true,"walked":9999999999}"#);
    seed_go(&mount, 1, "Between", ORG_A);
    mount.rollback().unwrap();
    assert!(is_read(&mount, "Between"));
}

#[test]
fn an_unknown_client_id_is_503_where_only_a_filled_index_would_know() {
    let mount = from_go(TOKENS_DESCRIBED_MAX + 1);
    seed_go(&mount, TOKENS_DESCRIBED_MAX + 1, "Last", ORG_A);
    for client_id in ["Last", "None"] {
        mount.host.storage.clear_calls();
        let (code, text) = mount.send(Operation::Read, &path(client_id), Value::Null).failed();
        assert_eq!(code, Some(503));
        assert!(text.contains("being indexed") && text.contains("try again"), "{text}");
        let [gets, lists, _] = calls(&mount);
        assert!(gets <= TOKENS_DESCRIBED_MAX as u64 + 10 && lists <= 10, "{gets} {lists}");
    }
    mount.send(Operation::Delete, &path("None"), Value::Null).failed();
    // Those that are in the index already are not walked through again, so soon the rest fits one request.
    mount.rollback().unwrap();
    assert!(is_read(&mount, "Last") && !is_read(&mount, "None"));
}

#[test]
fn a_page_that_may_lack_tokens_is_503_and_never_the_end() {
    let mount = from_go(TOKENS_DESCRIBED_MAX);
    seed_go(&mount, TOKENS_DESCRIBED_MAX, "Last", ORG_A);
    let list = |fields: Value| mount.send(Operation::List, &format!("tokens/{ORG_A}/"), fields);
    for fields in [json!({ "limit": 3 }), json!({ "after": "Kilo" }), Value::Null] {
        let (code, text) = list(fields.clone()).failed();
        assert_eq!(code, Some(503), "{fields}");
        assert!(text.contains("being indexed"), "{text}");
    }
    while mount.host.storage.json("state/index")["complete"] != true {
        mount.rollback().unwrap();
    }
    assert_eq!(list(json!({ "limit": 3 })).data()["keys"], json!(["Last"]));
    list(json!({ "limit": 3, "after": "Last" })).missing();
}

#[test]
fn leases_are_revoked_and_tokens_made_while_much_is_not_indexed() {
    let mount = from_go(TOKENS_DESCRIBED_MAX + 1);
    let leased = Leased::of(mount.creds());
    let client_id = leased.client_id();
    let mut lease = mount.lease(leased.secret);
    mount.renew(mount.lease(Leased::of(mount.creds()).secret)).0.unwrap();
    // One whose record has gone, and one of the Go plugin that names no record.
    mount.host.storage.remove(&format!("token/{client_id}"));
    lease.internal_data.remove("tokenId");
    mount.revoke(lease).done();
    assert!(!mount.astra.is_live(&client_id));
}

#[test]
fn a_config_is_not_forgotten_before_it_is_known_what_needs_it() {
    let tokens = TOKENS_DESCRIBED_MAX + INDEXED_PER_ROLLBACK_MAX as usize;
    let mount = from_go(tokens);
    seed_go(&mount, tokens, "Last", ORG_A);
    let (config, retired) = (format!("config/{ORG_A}"), "retired-config/nobody".to_owned());
    assert_eq!(mount.send(Operation::Delete, &config, Value::Null).failed().0, Some(503));
    mount.host.storage.seed(&retired, r#"{"configs":[]}"#);
    mount.rollback().unwrap();
    assert!(mount.host.storage.keys().contains(&retired));
    mount.rollback().unwrap();
    assert!(mount.send(Operation::Delete, &config, Value::Null).mistake().contains("tokens"));
}

#[test]
fn force_does_not_wait_until_all_is_indexed() {
    const MOVED: &str = "AstraCS:Moved:canary";
    const NEW_ORIGIN: &str = "https://moved.example.org";
    for deletes in [true, false] {
        let mount = from_go(TOKENS_DESCRIBED_MAX + 1);
        seed_go(&mount, TOKENS_DESCRIBED_MAX + 1, "Last", ORG_A);
        if deletes {
            mount.send(Operation::Delete, &format!("config/{ORG_A}"), json!({ "force": true })).done();
        } else {
            mount.astra.add_org(MOVED, ORG_A, NEW_ORIGIN);
            mount.configure(ORG_A, MOVED, json!({ "url": NEW_ORIGIN, "force": true }));
        }
        while mount.host.storage.json("state/index")["complete"] != true {
            mount.rollback().unwrap();
        }
        let retired = mount.host.storage.json(&format!("retired-config/{ORG_A}"));
        assert_eq!(retired["configs"].as_array().unwrap().len(), 1, "a token needs it");
        assert!(is_read(&mount, "Last"));
    }
}

#[test]
fn the_delete_of_a_config_that_never_was_costs_little() {
    let mount = from_go(TOKENS_DESCRIBED_MAX + 1);
    mount.host.storage.clear_calls();
    mount.send(Operation::Delete, "config/33333333-aaaa-4aaa-8aaa-333333333333", Value::Null).done();
    let [gets, lists, puts] = calls(&mount);
    assert!(gets <= 5 && lists <= 2 && puts == 0, "{gets} {lists} {puts}");
}

#[test]
fn where_it_was_made_is_noted_of_a_token_that_a_look_up_put_into_the_index() {
    let mount = Mount::new();
    let record = json!({ "clientId": "Between", "orgId": ORG_A, "roleName": "reader" });
    mount.host.storage.seed("token/Between", record.to_string());
    assert!(is_read(&mount, "Between"));
    assert!(mount.host.storage.keys().contains(&format!("client-index/{ORG_A}/Between")));
    mount.host.clock.advance(INDEX_WALK_PAUSE);
    mount.rollback().unwrap();
    assert_eq!(mount.host.storage.json("token/Between")["origin"], "https://api.astra.datastax.com");
}

/// On a server without transactions a mint's entry of the index stands before its record.
#[test]
fn a_look_up_in_the_midst_of_a_mint_does_not_hide_its_token() {
    let mount = Mount::on_vault();
    let racing = mount.clone();
    mount.host.storage.before_next(StorageCall::Put, "token/", move || {
        racing.send(Operation::List, &format!("tokens/{ORG_A}/"), Value::Null).missing();
    });
    let client_id = Leased::of(mount.org_token(json!({ "logical_name": "app" }))).client_id();
    assert!(is_read(&mount, &client_id));
    mount.host.clock.advance(LATER);
    assert_eq!(mount.write("tidy", json!({ "dry_run": false })).data()["removed"], json!([]));
    mount.assert_settled(1);
}

#[test]
fn a_mint_in_the_midst_of_a_look_up_is_found() {
    let mount = Mount::on_vault();
    let id = format!("{:064}", 1);
    mount.host.storage.seed(&format!("client-index/{ORG_A}/Raced"), json!({ "id": id }).to_string());
    let racing = mount.clone();
    mount.host.storage.before_next(StorageCall::Delete, "client-index/", move || seed_go(&racing, 1, "Raced", ORG_A));
    assert!(is_read(&mount, "Raced"));
    mount.host.storage.clear_calls();
    assert!(is_read(&mount, "Raced"));
    assert_eq!(calls(&mount), [3, 1, 0], "its entry of the index is there again");
}

/// A revocation holds its token's lock while an Astra that hangs is waited for.
#[test]
fn a_walk_ends_beside_tokens_that_other_requests_work_on() {
    let mount = Mount::new();
    mount.host.storage.remove("state/index");
    for number in 0..4 {
        seed_go(&mount, number, &format!("Go{number}"), ORG_A);
    }
    mount.host.locks.set_wait(Duration::from_millis(10));
    let keys = [0, 2].map(|number| format!("token/{number:064}"));
    let held = keys.clone().map(|key| mount.host.locks.acquire(&key).unwrap());
    mount.rollback().unwrap();
    assert_eq!(mount.host.storage.json("state/index")["complete"], true);
    assert!((0..4).all(|number| is_read(&mount, &format!("Go{number}"))));
    assert!(keys.iter().all(|key| mount.host.storage.json(key).get("origin").is_none()), "they belong to others");
    drop(held);
    mount.host.clock.advance(INDEX_WALK_PAUSE);
    mount.rollback().unwrap();
    assert!(keys.iter().all(|key| mount.host.storage.json(key)["origin"] == ASTRA));
}
