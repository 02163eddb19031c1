//! `creds/:org/:role`: names, `ttl`, and that nothing secret stays.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use secrets_framework::Operation;
use serde_json::{Value, json};

use crate::testing::{ADMIN_A, Leased, Mount, ORG_A, ORG_B, ROLE_ID};

#[test]
fn nothing_secret_is_kept() {
    let mount = Mount::new();
    let made = Leased::of(mount.creds());
    let record = mount.host.storage.json(&format!("token/{}", made.client_id()));
    assert!(record.get("secret").is_none() && record.get("token").is_none(), "{record}");
    for (key, entry) in mount.host.storage.snapshot() {
        let value = String::from_utf8(entry.value).unwrap();
        assert!(key.starts_with("config/") || !value.contains("canary"), "{key}: {value}");
    }
}

#[test]
fn each_call_makes_another_token_and_a_write_may_carry_metadata() {
    let mount = Mount::new();
    let first = Leased::of(mount.creds());
    let path = format!("creds/{ORG_A}/reader");
    let second = Leased::of(mount.write(&path, json!({ "metadata": ["team=blue", "app=x"] })));
    assert_ne!(first.client_id(), second.client_id());
    assert_eq!(second.data["custom_metadata"], json!({ "team": "blue", "app": "x" }));
    assert_eq!(first.data["custom_metadata"], Value::Null);
    for answer in [&first, &second] {
        assert_eq!(answer.data.get("metadata"), None, "an agent takes a map for a sign that the secret was deleted");
    }
    mount.assert_settled(2);
}

#[test]
fn a_ttl_asked_for_is_given_and_clamped_aloud() {
    let mount = Mount::new();
    let path = format!("creds/{ORG_A}/reader");
    let asked = |ttl: Value| Leased::of(mount.write(&path, json!({ "ttl": ttl })));
    assert_eq!(asked(json!("2h")).secret.ttl, Duration::from_secs(7200));
    assert_eq!(asked(json!(0)).secret.ttl, Duration::from_secs(3600));
    let clamped = asked(json!("100h"));
    assert_eq!(clamped.secret.ttl, Duration::from_secs(4 * 3600));
    assert!(clamped.warnings[0].contains("100h0m0s") && clamped.warnings[0].contains("4h0m0s"));
    assert!(mount.write(&path, json!({ "ttl": -5 })).mistake().contains("ttl"));
}

#[test]
fn a_read_says_what_it_ignores() {
    let mount = Mount::new();
    let read = Leased::of(mount.send(Operation::Read, &format!("creds/{ORG_A}/reader"), json!({ "ttl": "2h" })));
    assert_eq!(read.secret.ttl, Duration::from_secs(3600));
    assert!(read.warnings[0].contains("`ttl`"), "{:?}", read.warnings);
}

#[test]
fn names_have_one_spelling() {
    let mount = Mount::new();
    mount.configure(ORG_A, ADMIN_A, json!({ "logical_name": "Prod" }));
    let read = |path: &str| mount.send(Operation::Read, path, Value::Null).mistake();
    let text = read("creds/Prod/reader");
    assert!(text.contains("Prod") && text.contains(ORG_A), "{text}");
    let text = read(&format!("creds/{ORG_A}/Reader"));
    assert!(text.contains("Reader") && text.contains("lower case"), "{text}");
    mount.assert_settled(0);
}

#[test]
fn unknown_names_are_400_and_name_field_and_value() {
    let mount = Mount::new();
    let text = mount.send(Operation::Read, &format!("creds/{ORG_B}/reader"), Value::Null).mistake();
    assert!(text.contains("`org`") && text.contains(ORG_B), "{text}");
    let text = mount.send(Operation::Read, &format!("creds/{ORG_A}/nobody"), Value::Null).mistake();
    assert!(text.contains("`role`") && text.contains("`nobody`") && text.contains(ORG_A), "{text}");
}

#[test]
fn several_astra_roles_go_on_one_token() {
    let mount = Mount::new();
    mount.write_role(ORG_A, "both", json!({ "role_ids": [ROLE_ID, "r-2"] }));
    mount.host.http.clear();
    Leased::of(mount.send(Operation::Read, &format!("creds/{ORG_A}/both"), Value::Null));
    let body: Value = serde_json::from_str(&mount.host.http.requests()[0].body).unwrap();
    assert_eq!(body["roles"], json!([ROLE_ID, "r-2"]));
}
