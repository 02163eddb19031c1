//! Histories that cannot be read, or that a newer version wrote: nothing of them is lost.

use std::time::Duration;

use secrets_framework::Operation;
use serde_json::{Value, json};

use super::{app, events, read_as, shown, stored_record};
use crate::limits::{HISTORY_DAMAGED_BYTES_MAX, HISTORY_KEPT};
use crate::testing::{Mount, ORG_A};

fn damaged() -> [Value; 4] {
    [json!("canary"), json!(["canary"]), json!({ "events": "canary" }), json!({ "events": [{ "event": "canary" }] })]
}

fn key(client_id: &str) -> String {
    format!("history/{ORG_A}/{client_id}")
}

/// Puts this history into the record of a token.
fn seed(mount: &Mount, client_id: &str, history: &Value) {
    let (key, mut record) = stored_record(mount, client_id);
    record["history"] = history.clone();
    mount.host.storage.seed(&key, record.to_string());
}

/// The warnings of a read of the token.
fn warnings(mount: &Mount, client_id: &str) -> Vec<String> {
    let path = format!("tokens/{ORG_A}/{client_id}");
    mount.send(Operation::Read, &path, Value::Null).0.unwrap().unwrap().warnings
}

#[test]
fn a_damaged_history_is_told_and_kept_within_another() {
    for mount in [Mount::new(), Mount::on_vault()] {
        for damaged in damaged() {
            let client_id = app(&mount).client_id();
            seed(&mount, &client_id, &damaged);
            let (record_key, record) = stored_record(&mount, &client_id);
            assert_eq!(events(&mount, &client_id), ["mint"], "{damaged}");
            assert!(warnings(&mount, &client_id)[0].contains(&format!("`{record_key}`")));
            assert_eq!(stored_record(&mount, &client_id).1, record, "a look changes nothing");

            read_as(&mount, "bob", &client_id).data();
            mount.rollback().unwrap();
            assert_eq!(events(&mount, &client_id), ["mint", "read"], "{damaged}");
            assert_eq!(stored_record(&mount, &client_id).1["history"]["damaged"], json!([damaged]));
            assert_eq!(warnings(&mount, &client_id).len(), 1, "also later");

            mount.send(Operation::Delete, &format!("tokens/{ORG_A}/{client_id}"), Value::Null).done();
            assert!(warnings(&mount, &client_id)[0].contains(&format!("`{}`", key(&client_id))), "and after its end");
            assert_eq!(mount.host.storage.json(&key(&client_id))["damaged"], json!([damaged]));
            assert!(!mount.host.log.text().contains("canary"));
            mount.assert_settled(0);
        }
    }
}

#[test]
fn a_history_that_is_damaged_again_is_kept_with_what_was_damaged_before() {
    let mount = Mount::new();
    let client_id = app(&mount).client_id();
    let before = json!({ "events": "canary", "damaged": ["canary"] });
    seed(&mount, &client_id, &before);
    read_as(&mount, "bob", &client_id).data();
    mount.rollback().unwrap();
    assert_eq!(stored_record(&mount, &client_id).1["history"]["damaged"], json!([before]));
}

#[test]
fn a_damaged_history_that_is_too_large_to_be_kept_stops_no_event() {
    let mount = Mount::new();
    let client_id = app(&mount).client_id();
    seed(&mount, &client_id, &json!("x".repeat(HISTORY_DAMAGED_BYTES_MAX)));
    read_as(&mount, "bob", &client_id).data();
    mount.rollback().unwrap();
    assert_eq!(events(&mount, &client_id), ["mint", "read"]);
    let damaged = stored_record(&mount, &client_id).1["history"]["damaged"].to_string();
    assert!(damaged.contains("too many to be kept") && damaged.len() < 100, "{damaged}");
}

#[test]
fn what_a_newer_version_wrote_is_shown_and_kept() {
    let mount = Mount::new();
    let client_id = app(&mount).client_id();
    let newer = json!({
        "events": [{ "at": 1_767_225_599, "event": "show", "displayName": "userpass-eve", "via": { "ui": 1 } }],
        "since": "4.0.0",
    });
    seed(&mount, &client_id, &newer);
    read_as(&mount, "bob", &client_id).data();
    mount.rollback().unwrap();
    assert_eq!(events(&mount, &client_id), ["mint", "show", "read"]);
    let stored = stored_record(&mount, &client_id).1["history"].clone();
    assert_eq!((&stored["events"][0], &stored["since"]), (&newer["events"][0], &newer["since"]));
    assert!(warnings(&mount, &client_id).is_empty());
    // A way of ending that we do not know, with facts that we do not know.
    let ended = json!({
        "events": [], "ended": { "at": 1_767_225_601, "how": "moved", "facts": { "roleName": "reader", "to": "x" } },
    });
    mount.host.storage.seed(&key("Ended"), ended.to_string());
    assert_eq!(shown(&mount, "Ended")["ended_how"], "moved");
}

#[test]
fn a_damaged_history_of_an_ended_token_is_kept_for_its_whole_time_once_more() {
    let mount = Mount::new();
    let client_id = app(&mount).client_id();
    read_as(&mount, "bob", &client_id).data();
    mount.send(Operation::Delete, &format!("tokens/{ORG_A}/{client_id}"), Value::Null).done();
    mount.rollback().unwrap();
    mount.host.storage.seed(&key(&client_id), "canary");
    let later = |mount: &Mount| {
        mount.host.clock.advance(HISTORY_KEPT + Duration::from_secs(2 * 3600));
        mount.rollback().unwrap();
    };
    // When its token ended cannot be told.
    later(&mount);
    assert_eq!(mount.host.storage.json(&key(&client_id))["damaged"], json!(["canary"]));
    assert!(mount.host.log.text().contains(&key(&client_id)) && !mount.host.log.text().contains("canary"));
    later(&mount);
    assert!(!mount.host.storage.keys().iter().any(|key| key.starts_with("history") || key.starts_with("queue/")));
}
