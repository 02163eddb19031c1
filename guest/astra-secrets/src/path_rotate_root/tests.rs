//! The path itself; what a rotation does is tested beside it.

#![expect(clippy::unwrap_used, reason = "tests")]

use secrets_framework::Operation;
use serde_json::{Value, json};

use crate::testing::{Mount, ORG_A};

#[test]
fn an_organization_that_is_not_configured_is_400() {
    let mount = Mount::new();
    let mistake = mount.send(Operation::Update, "config/nobody/rotate-root", Value::Null).mistake();
    assert!(mistake.contains("`org` is `nobody`") && mistake.contains("write its config first"), "{mistake}");
    assert!(mount.host.http.requests().is_empty());
}

#[test]
fn an_organization_has_one_spelling() {
    let mount = Mount::new();
    mount.write(&format!("config/{ORG_A}"), json!({ "logical_name": "prod" })).done();
    let mistake = mount.send(Operation::Update, "config/prod/rotate-root", Value::Null).mistake();
    assert!(mistake.contains(ORG_A), "{mistake}");
}

#[test]
fn a_token_of_no_known_form_is_told() {
    let mount = Mount::new();
    let config = json!({ "astra_token": "canary", "url": "", "org_id": ORG_A, "logical_name": "", "caller_mode": 1 });
    mount.host.storage.seed(&format!("config/{ORG_A}"), config.to_string());
    let mistake = mount.send(Operation::Update, &format!("config/{ORG_A}/rotate-root"), Value::Null).mistake();
    assert!(mistake.contains("`astra_token`") && !mistake.contains("canary"), "{mistake}");
}

#[test]
fn only_an_update_rotates() {
    let mount = Mount::new();
    let path = format!("config/{ORG_A}/rotate-root");
    for operation in [Operation::Read, Operation::Delete] {
        mount.send(operation, &path, Value::Null).0.unwrap_err();
    }
    assert!(mount.host.http.requests().is_empty());
}
