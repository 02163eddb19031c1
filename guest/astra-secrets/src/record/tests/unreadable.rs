//! Records that cannot be read or indexed: each is passed over, logged once,
//! and named by `check`, and all others are served.

use secrets_framework::host::{Clock, StorageError};
use secrets_framework::testing::StorageCall;

use super::*;
use crate::limits::{ENDED_PER_ROLLBACK_MAX, INDEX_WALK_PAUSE, LIST_PAGE, QUEUE_NAMES_MAX, UNREADABLE_KEPT_MAX};

const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// Keys of records of a mount from the Go plugin of which none is well, beside one that is.
fn seed_bad(mount: &Mount) -> Vec<String> {
    let storage = &mount.host.storage;
    let wide = "x".repeat(5_000);
    let bad = [
        ("token/array", json!(["canary"]).to_string()),
        ("token/damaged", "canary".to_owned()),
        ("token/large", json!({ "clientId": "large", "orgId": ORG_A }).to_string()),
        ("token/wide", json!({ "clientId": wide, "orgId": ORG_A }).to_string()),
        // The Go plugin's key of an empty token in sidecar mode.
        ("token/", json!({ "clientId": "", "orgId": ORG_A }).to_string()),
    ];
    bad.iter().for_each(|(key, value)| storage.seed(key, value.as_str()));
    let too_large = StorageError::Failed("received message larger than max".to_owned());
    storage.fail_prefix(StorageCall::Get, "token/large", too_large);
    storage.seed("token/zulu", json!({ "clientId": "zulu", "orgId": ORG_A, "roleName": "reader" }).to_string());
    storage.seed("token/folder/x", "canary");
    storage.remove("state/index");
    bad.iter().map(|(key, _)| (*key).to_owned()).collect()
}

fn check(mount: &Mount) -> Value {
    mount.send(Operation::Read, &format!("config/{ORG_A}/check"), Value::Null).data()["entries"].clone()
}

fn keys_of(mount: &Mount, path: &str) -> Value {
    mount.send(Operation::List, path, Value::Null).data()["keys"].clone()
}

#[test]
fn bad_records_are_passed_over_and_named_and_the_others_are_indexed() {
    let mount = Mount::new();
    let bad = seed_bad(&mount);
    let path = format!("tokens/{ORG_A}/");
    assert!(keys_of(&mount, &path).as_array().unwrap().contains(&json!("zulu")), "before the walk, too");
    mount.host.log.clear();
    mount.rollback().unwrap();
    assert_eq!(mount.host.storage.json("state/index")["complete"], true);
    for key in &bad {
        let text = mount.host.log.text();
        assert_eq!(text.matches(&format!("(\"key\", \"{key}\")")).count(), 1, "{key}: {text}");
    }
    assert_eq!(keys_of(&mount, &path), json!(["zulu"]));
    assert_eq!(keys_of(&mount, "org/tokens/"), json!(["zulu"]));
    let item = check(&mount);
    assert_eq!(item["ok"], "no");
    for key in ["token/", "token/array", "token/damaged", "token/large", "token/wide"] {
        assert!(item["message"].as_str().unwrap().contains(&format!("`{key}`")), "{key}: {item}");
    }
    mount.assert_no_secret_logged();
    // Walks to come say nothing new.
    mount.host.log.clear();
    for _ in 0..3 {
        mount.host.clock.advance(INDEX_WALK_PAUSE);
        mount.rollback().unwrap();
    }
    assert_eq!(mount.host.log.text(), "");
    // What is repaired, or has gone, is not named any more.
    mount.host.storage.clear_faults();
    bad.iter().for_each(|key| mount.host.storage.remove(key));
    assert_eq!(check(&mount)["ok"], "yes");
}

#[test]
fn more_bad_records_than_are_kept_for_check_stop_nothing() {
    let mount = Mount::new();
    for number in 0..=UNREADABLE_KEPT_MAX {
        mount.host.storage.seed(&format!("token/bad{number:03}"), "canary");
    }
    mount.host.storage.remove("state/index");
    mount.rollback().unwrap();
    let state = mount.host.storage.json("state/index");
    assert_eq!(state["passed_over"].as_array().unwrap().len(), UNREADABLE_KEPT_MAX);
    assert_eq!(state["complete"], true);
}

#[test]
fn a_config_that_cannot_be_read_does_not_stop_the_walk() {
    let mount = Mount::new();
    mount.host.storage.seed("token/OfB", json!({ "clientId": "OfB", "orgId": ORG_B }).to_string());
    mount
        .host
        .storage
        .seed(&format!("config/{ORG_B}"), json!({ "astra_token": "AstraCS:x:canary", "url": 5 }).to_string());
    mount.host.storage.remove("state/index");
    mount.rollback().unwrap();
    assert_eq!(mount.host.storage.json("state/index")["complete"], true);
    assert!(check(&mount)["message"].as_str().unwrap().contains(&format!("`config/{ORG_B}`")));
}

#[test]
fn storage_that_fails_as_a_whole_fails_the_walk() {
    let mount = Mount::new();
    mount.host.clock.advance(INDEX_WALK_PAUSE);
    mount.host.storage.fail_all(StorageError::Failed("gone".to_owned()));
    assert!(mount.rollback().is_err());
}

#[test]
fn bad_records_and_names_at_the_head_of_the_schedule_queue_take_nobodys_place() {
    let mount = Mount::new();
    for number in 0..ENDED_PER_ROLLBACK_MAX + 10 {
        mount.host.storage.seed(&task_key("token", 1, &format!("{ORG_A}.bad{number:03}")), "{}");
        mount.host.storage.seed(&format!("token/bad{number:03}"), "canary");
        for folder in ["", "00000000/", "00000000/token/", "00000000/tidy/"] {
            mount.host.storage.seed(&format!("queue/{folder}!{number:03}"), "{}");
        }
    }
    // Entries of records that cannot be there.
    let impossible = ["", "%2E%2E"].map(|id| task_key("token", 1, &format!("{ORG_A}.{id}")));
    impossible.iter().for_each(|key| mount.host.storage.seed(key, "{}"));
    Leased::of(mount.creds());
    mount.host.clock.advance(DAY);
    mount
        .host
        .storage
        .seed("state/index", json!({ "complete": true, "walked": mount.host.clock.now().as_secs() }).to_string());
    mount.host.log.clear();
    mount.rollback().unwrap();
    assert!(mount.astra.live().is_empty());
    assert!(!mount.host.log.text().contains("bad"), "{}", mount.host.log.text());
    assert!(!mount.host.storage.keys().iter().any(|key| impossible.contains(key)));
    let message = check(&mount)["message"].as_str().unwrap().to_owned();
    assert!(message.contains("`queue/!000`"), "{message}");
}

#[test]
fn a_record_that_cannot_be_read_counts_as_a_token_that_is_alive() {
    let mount = Mount::new();
    let client_id = Leased::of(mount.creds()).client_id();
    mount.host.storage.seed(&format!("token/{client_id}"), "canary");
    let path = format!("config/{ORG_A}");
    assert!(mount.send(Operation::Delete, &path, Value::Null).mistake().contains("force"));
    mount.send(Operation::Delete, &path, json!({ "force": true })).done();
    assert!(mount.host.storage.keys().contains(&format!("retired-config/{ORG_A}")), "to end it with");
}

#[test]
fn a_queue_full_of_names_that_are_not_ours_ends_a_call_in_time() {
    let mount = Mount::new();
    for number in 0..QUEUE_NAMES_MAX + LIST_PAGE as usize {
        mount.host.storage.seed(&format!("queue/00000000/token/!{number:05}"), "{}");
    }
    mount.host.storage.clear_calls();
    mount.rollback().unwrap();
    let lists = mount.host.storage.calls(StorageCall::List);
    assert!(lists <= (QUEUE_NAMES_MAX / LIST_PAGE as usize) as u64 + 10, "{lists}");
}
