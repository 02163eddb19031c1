//! Records in storage: the Go plugin's JSON is read and kept, ours is stable.

#![expect(clippy::unwrap_used, reason = "tests")]

mod empty_mount;
mod index;
mod role_counts;
mod unreadable;

use secrets_framework::host::{Host, StorageEntry};
use secrets_framework::testing::request;
use secrets_framework::{Context, Operation};
use serde_json::{Value, json};

use super::*;
use crate::testing::{Leased, Mount, ORG_A, ORG_B, ROLE_ID, task_key};

fn decoded(value: &Value) -> Record {
    let entry = StorageEntry { key: "token/x".to_owned(), value: value.to_string().into_bytes(), seal_wrap: false };
    stored::decode(&entry, &RecordId::stored("x")).unwrap()
}

fn encoded(record: &Record) -> Value {
    let entry = stored::encode(record).unwrap();
    assert!(entry.seal_wrap);
    assert_eq!(entry.key, "token/x");
    serde_json::from_slice(&entry.value).unwrap()
}

#[test]
fn what_the_go_plugin_wrote_is_read_and_kept_on_a_rewrite() {
    let go = json!({
        "clientId": "AbC", "secret": "canary-s", "orgId": "o", "roleName": "r", "roles": ["id"], "token": "canary-t",
        "generatedOn": "2021-04-30T19:38:26.147847107Z", "logicalName": "app", "metadata": { "k": "v" },
        "future": [1, { "deep": null }],
    });
    let record = decoded(&go);
    assert_eq!((record.client_id.as_str(), record.org_id.as_str(), record.role_name.as_str()), ("AbC", "o", "r"));
    let secrets = record.secrets.as_ref().unwrap();
    assert_eq!((secrets.secret.expose().as_str(), secrets.token.expose().as_str()), ("canary-s", "canary-t"));
    assert_eq!((record.kind, record.made, record.lease_end), (TokenKind::Standard, None, None));
    let rewritten = encoded(&record);
    for (name, value) in go.as_object().unwrap() {
        assert_eq!(&rewritten[name], value, "{name}");
    }
}

#[test]
fn nulls_and_absent_fields_of_the_go_plugin_are_empty() {
    let record =
        decoded(&json!({ "clientId": "c", "orgId": "o", "roles": null, "metadata": null, "generatedOn": null }));
    assert!(record.role_ids.is_empty() && record.metadata.is_empty() && record.generated_on.is_empty());
    assert!(record.secrets.is_none() && record.origin.is_none() && record.expires_at.is_none());
    let rewritten = encoded(&record);
    assert!(rewritten.get("secret").is_none() && rewritten.get("token").is_none());
}

#[test]
fn a_damaged_record_is_named_and_not_quoted() {
    for value in ["null", "[]", "{}", r#"{"clientId":"c","orgId":"o","token":["canary"]}"#, "canary"] {
        let entry = StorageEntry { key: "token/x".to_owned(), value: value.into(), seal_wrap: false };
        let text = stored::decode(&entry, &RecordId::stored("x")).unwrap_err().to_string();
        assert!(text.contains("token/x") && !text.contains("canary"), "{text}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let record =
        decoded(&json!({ "clientId": "c", "orgId": "o", "secret": "canary", "token": "canary", "x": "canary" }));
    let text = format!("{record:?}");
    assert!(text.contains("\"c\"") && !text.contains("canary"), "{text}");
}

#[test]
fn a_record_of_ours_has_this_shape() {
    let mount = Mount::new();
    let made = Leased::of(mount.org_token(json!({ "metadata": "k=v" })));
    let client_id = made.client_id();
    let mut stored = mount.host.storage.json(&format!("token/{client_id}"));
    let mark = stored.as_object_mut().unwrap().remove("mark").unwrap();
    assert!(mark.as_str().unwrap().starts_with("vault-mark:"));
    assert_eq!(
        stored,
        json!({
            "clientId": client_id, "secret": format!("canary-secret-{client_id}"), "orgId": ORG_A, "roleName": "reader",
            "roles": [ROLE_ID], "token": format!("AstraCS:{client_id}:canary"),
            "generatedOn": "2026-01-01T00:00:00.147847107Z", "logicalName": "", "metadata": { "k": "v" },
            "expiresAt": "2026-01-01T04:20:00Z", "origin": "https://api.astra.datastax.com", "kind": "standard",
            "createdBy": {
                "displayName": "userpass-alice", "entityId": "entity-alice", "accessor": "accessor-alice",
                "requestId": "00000000-0000-4000-8000-000000000001", "remoteAddress": "127.0.0.1",
            },
            "made": 1_767_225_600, "leaseEnd": 1_767_229_200,
        })
    );
    assert!(mount.host.storage.snapshot()[&format!("token/{client_id}")].seal_wrap);
}

#[test]
fn organizations_are_counted_with_and_without_the_index() {
    let mount = Mount::new();
    for _ in 0..3 {
        Leased::of(mount.creds());
    }
    let request = request(Operation::Read, "info", Value::Null);
    let context = Context { host: &mount.host as &dyn Host, request: &request };
    let (a, b) = (OrgId::stored(ORG_A), OrgId::stored(ORG_B));
    for _ in 0..2 {
        let counted = counts(&context, &[b.clone(), a.clone()]).unwrap();
        assert_eq!(counted.iter().map(|count| count.tokens).collect::<Vec<_>>(), [Some(0), Some(3)]);
        assert!(any_given_out(&context, &a).unwrap() && !any_given_out(&context, &b).unwrap());
        mount.host.storage.remove("state/index");
    }
}

#[test]
fn an_entry_of_the_index_alone_is_no_token() {
    let mount = Mount::new();
    // What a crash leaves on a server without transactions.
    mount.host.storage.seed(&format!("client-index/{ORG_A}/Ghost"), r#"{"id":"Ghost"}"#);
    mount.host.storage.seed(&task_key("token", 1_767_225_600, &format!("{ORG_A}.Ghost")), "{}");
    let request = request(Operation::Read, "info", Value::Null);
    let context = Context { host: &mount.host as &dyn Host, request: &request };
    assert!(!any_given_out(&context, &OrgId::stored(ORG_A)).unwrap());
    mount.rollback().unwrap();
    mount.assert_settled(0);
}
