//! A damaged retired config stops no write and no deletion of the organization's config.

use secrets_framework::host::StorageError;
use secrets_framework::testing::{LogLine, StorageCall, rollback_request};
use serde_json::{Value, json};

use super::*;
use crate::BACKEND;

const CLIENT: &str = "LiveClientLiveClientLive";
const NEW_URL: &str = "https://api.dev.cloud.datastax.com";

fn retired_key() -> String {
    format!("retired-config/{ORG_A}")
}

fn retired(mount: &Mount) -> Value {
    mount.host.storage.json(&retired_key())
}

/// A mount with a live token of organization A, and the bytes `canary` in place of its retired configs.
fn damaged() -> Mount {
    let mount = Mount::with_org_a();
    mount.seed_token(ORG_A, CLIENT);
    mount.host.storage.seed(&retired_key(), "canary");
    mount
}

fn rollback(mount: &Mount) {
    BACKEND.handle(&mount.host, &rollback_request(false)).unwrap();
}

fn lines_of_key(mount: &Mount) -> usize {
    let is_it = |line: &&LogLine| line.fields.contains(&("key".to_owned(), retired_key()));
    mount.host.log.lines().iter().filter(is_it).count()
}

#[test]
fn a_config_is_written_beside_a_damaged_retired_config() {
    let mount = damaged();
    mount.write(&path_a(), json!({ "max_retries": 1 })).done();
    assert_eq!(mount.host.storage.snapshot()[&retired_key()].value, b"canary", "the write needs no change of it");
    mount.write(&path_a(), json!({ "astra_token": TOKEN_A, "url": NEW_URL, "force": true })).done();
    assert_eq!(retired(&mount)["damaged"], json!(["canary"]));
    assert_eq!(retired(&mount)["configs"][0]["url"], "https://api.astra.datastax.com");
    // Back again: the config serves its first origin itself.
    mount.write(&path_a(), json!({ "astra_token": TOKEN_A, "url": "", "force": true })).done();
    assert_eq!(retired(&mount)["configs"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&retired(&mount)["configs"][0]["url"], &retired(&mount)["damaged"]),
        (&json!(NEW_URL), &json!(["canary"]))
    );
}

#[test]
fn a_config_without_tokens_is_deleted_beside_a_damaged_retired_config() {
    let mount = Mount::with_org_a();
    mount.host.storage.seed(&retired_key(), "canary");
    mount.delete(&path_a(), json!({})).done();
    mount.read(&path_a(), json!({})).missing();
    assert!(!mount.host.storage.keys().contains(&retired_key()), "nothing is left that it could end");
}

#[test]
fn a_forced_deletion_gives_a_damaged_retired_config_up_and_says_so() {
    for unreadable in [false, true] {
        let mount = damaged();
        if unreadable {
            let error = StorageError::Failed("cannot decrypt".to_owned());
            mount.host.storage.fail_prefix(StorageCall::Get, &retired_key(), error);
        }
        mount.delete(&path_a(), json!({ "force": true })).done();
        mount.host.storage.clear_faults();
        assert_eq!(retired(&mount)["configs"][0]["astra_token"], TOKEN_A, "its token is kept to revoke with");
        assert!(retired(&mount).get("damaged").is_none());
        let text = mount.host.log.text();
        assert!(text.contains("was given up") && text.contains(&retired_key()) && !text.contains("canary"), "{text}");
    }
    // Also where the config itself has gone before.
    let mount = damaged();
    mount.host.storage.remove(&format!("config/{ORG_A}"));
    mount.delete(&path_a(), json!({})).done();
    assert!(mount.host.storage.keys().contains(&retired_key()), "only by force");
    mount.delete(&path_a(), json!({ "force": true })).done();
    assert!(!mount.host.storage.keys().contains(&retired_key()));
}

#[test]
fn rollback_logs_a_damaged_retired_config_once_and_keeps_it_while_tokens_live() {
    for unreadable in [false, true] {
        let mount = damaged();
        if unreadable {
            let error = StorageError::Failed("cannot decrypt".to_owned());
            mount.host.storage.fail_prefix(StorageCall::Get, &retired_key(), error);
        }
        for _ in 0..4 {
            rollback(&mount);
        }
        assert_eq!(lines_of_key(&mount), 1, "{}", mount.host.log.text());
        assert_eq!(mount.host.storage.snapshot()[&retired_key()].value, b"canary");
        assert!(!mount.host.log.text().contains("canary"));
    }
}

#[test]
fn a_revocation_that_a_damaged_retired_config_prevents_names_it() {
    let mount = Mount::with_org_a();
    let record = json!({ "clientId": CLIENT, "orgId": ORG_A, "roleName": "r", "origin": "https://left.example" });
    mount.host.storage.seed(&format!("token/{CLIENT}"), record.to_string());
    mount.host.storage.seed(&retired_key(), json!({ "configs": [{ "astra_token": TOKEN_A, "url": 5 }] }).to_string());
    mount.host.http.clear();
    let mistake = mount.delete(&format!("tokens/{ORG_A}/{CLIENT}"), json!({})).mistake();
    assert!(mistake.contains(&retired_key()) && mistake.contains("https://left.example"), "{mistake}");
    assert!(mount.host.http.requests().is_empty(), "a token without a URL goes nowhere");
}
