#![expect(clippy::unwrap_used, reason = "tests")]

use std::ops::Range;

use secrets_framework::testing::{StorageCall, rollback_request};
use serde_json::{Value, json};

use crate::BACKEND;
use crate::config::test_mount::{Mount, ORG_A, ORG_B, ROLE_ID, TOKEN_B};
use crate::limits::{
    INDEX_WALK_PAUSE, ROLES_LISTED_MAX, TOKENS_COUNTED_MAX, TOKENS_DESCRIBED_MAX, TOKENS_KEPT_COUNT_MIN,
    TOKENS_RECOUNTED_MAX,
};

#[test]
fn it_tells_version_and_counts_and_nothing_secret() {
    let mount = Mount::with_org_a();
    mount.write("config", json!({ "org_id": ORG_B, "astra_token": TOKEN_B, "logical_name": "b" })).done();
    for name in ["r1", "r2"] {
        mount.write("role", json!({ "org_id": ORG_A, "role_name": name, "role_id": ROLE_ID })).done();
    }
    mount.seed_token(ORG_B, "ClientOneClientOneClient");
    mount.host.http.clear();
    let info = mount.read("info", json!({})).data();
    assert_eq!(info["name"], crate::BACKEND.name);
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(info["storage_version"], 1);
    assert_eq!(
        info["organizations"],
        json!({
            ORG_A: { "logical_name": "", "roles": 2, "static_roles": 0, "tokens": 0 },
            ORG_B: { "logical_name": "b", "roles": 0, "static_roles": 0, "tokens": 1 },
        })
    );
    assert!(!info.to_string().contains("AstraCS"));
    assert!(mount.asked().is_empty());
}

#[test]
fn counts_too_large_for_one_request_are_null_and_told() {
    let mount = Mount::with_org_a();
    for number in 0..=ROLES_LISTED_MAX {
        mount.host.storage.seed(&format!("role/{ORG_A}:r{number}"), "{}");
    }
    let info = mount.read("info", json!({}));
    assert_eq!(info.warnings().len(), 1);
    let info = mount.read("info", json!({})).data();
    assert_eq!(
        info["organizations"][ORG_A],
        json!({ "logical_name": "", "roles": null, "static_roles": 0, "tokens": 0 })
    );

    let (_, text) = mount.list("roles/").failed();
    assert!(text.contains(&ROLES_LISTED_MAX.to_string()), "{text}");
    mount.host.storage.remove(&format!("role/{ORG_A}:r0"));
    assert_eq!(mount.read("info", json!({})).data()["organizations"][ORG_A]["roles"], ROLES_LISTED_MAX);
}

#[test]
fn tokens_too_many_for_one_request_are_null_and_told() {
    let mount = Mount::with_org_a();
    mount.write("config", json!({ "org_id": ORG_B, "astra_token": TOKEN_B })).done();
    mount.host.storage.seed("state/index", r#"{"complete":true}"#);
    for number in 0..=TOKENS_COUNTED_MAX {
        mount.host.storage.seed(&format!("client-index/{ORG_A}/T{number:06}"), "{}");
    }
    mount.host.storage.seed(&format!("client-index/{ORG_B}/T"), "{}");
    let tokens = || mount.read("info", json!({})).data()["organizations"].clone();
    assert_eq!(tokens()[ORG_A]["tokens"], json!(null));
    assert_eq!(mount.read("info", json!({})).warnings().len(), 1);
    mount.host.storage.remove(&format!("client-index/{ORG_A}/T000000"));
    let counted = tokens();
    assert_eq!((&counted[ORG_A]["tokens"], &counted[ORG_B]["tokens"]), (&json!(TOKENS_COUNTED_MAX), &json!(null)));
    // Before the index is filled each record is read, of all organizations once.
    mount.host.storage.remove("state/index");
    for number in 0..TOKENS_DESCRIBED_MAX {
        mount.seed_token(ORG_B, &format!("T{number}"));
    }
    assert_eq!(tokens()[ORG_B]["tokens"], json!(null));
    mount.host.storage.remove("token/T0");
    let counted = tokens();
    let tokens = (&counted[ORG_A]["tokens"], &counted[ORG_B]["tokens"]);
    assert_eq!(tokens, (&json!(0), &json!(TOKENS_DESCRIBED_MAX - 1)));
}

#[test]
fn an_empty_mount_has_no_organizations() {
    assert_eq!(Mount::new().read("info", json!({})).data()["organizations"], json!({}));
}

fn index(mount: &Mount, tokens: Range<usize>) {
    for number in tokens {
        mount.host.storage.seed(&format!("client-index/{ORG_A}/T{number:06}"), "{}");
    }
}

fn walk(mount: &Mount) {
    mount.host.clock.advance(INDEX_WALK_PAUSE);
    BACKEND.handle(&mount.host, &rollback_request(false)).unwrap();
}

/// What `info` tells of organization A's tokens, and how many lists that took.
fn tokens(mount: &Mount) -> (Value, Value, u64) {
    mount.host.storage.clear_calls();
    let told = mount.read("info", json!({})).data()["organizations"][ORG_A].clone();
    (told["tokens"].clone(), told["tokens_counted"].clone(), mount.host.storage.calls(StorageCall::List))
}

#[test]
fn few_tokens_are_counted_for_each_who_asks_and_many_once_an_hour() {
    let mount = Mount::with_org_a();
    mount.host.storage.seed("state/index", r#"{"complete":true}"#);
    index(&mount, 1..TOKENS_KEPT_COUNT_MIN);
    walk(&mount);
    assert_eq!(tokens(&mount), (json!(TOKENS_KEPT_COUNT_MIN - 1), Value::Null, 4));
    index(&mount, 0..6_000);
    // The walk has not come past yet.
    assert_eq!(tokens(&mount), (json!(6_000), Value::Null, 10));
    walk(&mount);
    let counted = json!("2026-01-01T02:00:00Z");
    assert_eq!(tokens(&mount), (json!(6_000), counted.clone(), 3));
    index(&mount, 6_000..12_000);
    assert_eq!(tokens(&mount), (json!(6_000), counted, 3), "as it was then, at the same cost");
    walk(&mount);
    assert_eq!(tokens(&mount), (json!(12_000), json!("2026-01-01T03:00:00Z"), 3));
    assert!(super::INFO.description.contains(&format!("From {TOKENS_KEPT_COUNT_MIN} tokens on")));
}

#[test]
fn tokens_too_many_for_one_rollback_call_are_counted_for_each_who_asks() {
    let mount = Mount::with_org_a();
    mount.host.storage.seed("state/index", r#"{"complete":true}"#);
    index(&mount, 0..TOKENS_RECOUNTED_MAX + 1);
    walk(&mount);
    assert_eq!(tokens(&mount).0, json!(TOKENS_RECOUNTED_MAX + 1));
    assert_eq!(tokens(&mount).1, Value::Null);
    mount.host.storage.remove(&format!("client-index/{ORG_A}/T000000"));
    walk(&mount);
    assert_eq!(tokens(&mount).0, json!(TOKENS_RECOUNTED_MAX));
    assert_ne!(tokens(&mount).1, Value::Null);
}
