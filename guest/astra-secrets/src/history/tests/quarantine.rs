//! Histories that cannot be read, or that a newer version wrote: nothing of
//! them is lost.

use std::time::Duration;

use secrets_framework::Operation;
use serde_json::{Value, json};

use super::{app, events, read_as, shown, stored_record};
use crate::limits::HISTORY_KEPT;
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

/// What is set aside, by key.
fn aside(mount: &Mount) -> Vec<(String, Vec<u8>)> {
    let entries = mount.host.storage.snapshot().into_iter();
    entries.filter(|(key, _)| key.starts_with("history-unreadable/")).map(|(key, entry)| (key, entry.value)).collect()
}

/// The warnings of a read of the token.
fn warnings(mount: &Mount, client_id: &str) -> Vec<String> {
    let path = format!("tokens/{ORG_A}/{client_id}");
    mount.send(Operation::Read, &path, Value::Null).0.unwrap().unwrap().warnings
}

#[test]
fn a_damaged_history_is_told_set_aside_and_begun_anew() {
    for mount in [Mount::new(), Mount::on_vault()] {
        let client_id = app(&mount).client_id();
        for (number, damaged) in damaged().into_iter().enumerate() {
            mount.host.clock.advance(Duration::from_secs(1));
            seed(&mount, &client_id, &damaged);
            mount.host.log.clear();
            assert_eq!(events(&mount, &client_id), ["mint"], "{damaged}");
            assert!(warnings(&mount, &client_id)[0].contains("cannot be read"));
            assert_eq!(aside(&mount).len(), number, "a look changes nothing");

            read_as(&mount, "bob", &client_id).data();
            assert_eq!(events(&mount, &client_id), ["mint", "read"], "{damaged}");
            mount.rollback().unwrap();
            assert_eq!(events(&mount, &client_id), ["mint", "read"], "{damaged}");
            let (kept_at, bytes) = aside(&mount).pop().unwrap();
            assert_eq!((bytes.as_slice(), aside(&mount).len()), (damaged.to_string().as_bytes(), number + 1));
            assert!(mount.host.log.text().contains(&kept_at) && !mount.host.log.text().contains("canary"));
            read_as(&mount, "bob", &client_id).data();
            mount.rollback().unwrap();
            assert!(warnings(&mount, &client_id)[0].contains(&kept_at), "also later");
        }
        mount.send(Operation::Delete, &format!("tokens/{ORG_A}/{client_id}"), Value::Null).done();
        assert_eq!(warnings(&mount, &client_id).len(), 1, "also of a token that has ended");
        mount.assert_settled(0);
    }
}

#[test]
fn the_bytes_of_a_damaged_history_are_somewhere_wherever_a_write_dies() {
    let dies = |nth| {
        let mount = Mount::on_vault();
        let client_id = app(&mount).client_id();
        seed(&mount, &client_id, &json!("canary"));
        read_as(&mount, "bob", &client_id).data();
        mount.host.storage.die_at_write(nth);
        let died = mount.rollback().is_err();
        mount.host.storage.clear_faults();
        let in_place = stored_record(&mount, &client_id).1["history"] == "canary";
        assert!(in_place || aside(&mount)[0].1 == b"\"canary\"", "write {nth}");
        died
    };
    // The bytes, the record, the read.
    assert_eq!((1..9).take_while(|nth| dies(*nth)).count(), 3);
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
    assert!(aside(&mount).is_empty() && warnings(&mount, &client_id).is_empty());
    // A way of ending that we do not know, with facts that we do not know.
    let ended = json!({
        "events": [], "ended": { "at": 1_767_225_601, "how": "moved", "facts": { "roleName": "reader", "to": "x" } },
    });
    mount.host.storage.seed(&key("Ended"), ended.to_string());
    assert_eq!(shown(&mount, "Ended")["ended_how"], "moved");
}

#[test]
fn what_was_set_aside_is_forgotten_with_the_history_and_not_before() {
    let mount = Mount::new();
    let client_id = app(&mount).client_id();
    read_as(&mount, "bob", &client_id).data();
    mount.send(Operation::Delete, &format!("tokens/{ORG_A}/{client_id}"), Value::Null).done();
    mount.host.storage.seed(&key(&client_id), "canary");
    let later = |mount: &Mount| {
        mount.host.clock.advance(HISTORY_KEPT + Duration::from_secs(2 * 3600));
        mount.rollback().unwrap();
    };
    // Nobody knows when its token ended: it has its time once more.
    later(&mount);
    assert_eq!(aside(&mount)[0].1, b"canary");
    later(&mount);
    let left = mount.host.storage.keys().into_iter().filter(|key| key.starts_with("history"));
    assert_eq!(left.count(), 0);
}
