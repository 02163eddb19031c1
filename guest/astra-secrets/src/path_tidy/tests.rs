//! What an answer brings together.

#![expect(clippy::unwrap_used, reason = "tests")]

use secrets_framework::Operation;
use serde_json::{Value, json};

use crate::testing::{ADMIN_B, Fault, LATER, Mount, ORG_A, ORG_B, On};

#[test]
fn a_mount_without_organizations_is_told_what_to_do_first() {
    let mount = Mount::new();
    mount.send(Operation::Delete, &format!("config/{ORG_A}"), Value::Null).done();
    let answered = mount.write("tidy", json!({}));
    assert!(answered.warnings()[0].contains("write `config` first"));
}

#[test]
fn a_read_brings_together_the_last_result_of_each_organization() {
    let mount = Mount::new();
    mount.configure(ORG_B, ADMIN_B, json!({}));
    mount.astra.fail(On::CurrentOrg, Fault::Status(401, "null"));
    mount.write("tidy", json!({ "org_id": ORG_A })).failed();
    mount.host.clock.advance(LATER);
    mount.write("tidy", json!({ "org_id": ORG_B, "dry_run": false })).data();
    let read = mount.send(Operation::Read, "tidy", Value::Null).data();
    assert_eq!((&read["dry_run"], &read["complete"]), (&json!(false), &json!(false)));
    assert_eq!((&read["began"], &read["ended"]), (&json!("2026-01-01T00:11:00Z"), &json!("2026-01-01T00:11:00Z")));
    assert!(read["failed"][ORG_A].as_str().unwrap().contains("401"));
    assert_eq!(
        read["organizations"],
        json!({
            ORG_A: { "at": "2026-01-01T00:00:00Z", "dry_run": true, "scheduled": false, "complete": false },
            ORG_B: { "at": "2026-01-01T00:11:00Z", "dry_run": false, "scheduled": false, "complete": true },
        })
    );
}

#[test]
fn fields_are_checked() {
    let mount = Mount::new();
    assert!(mount.write("tidy", json!({ "dry_run": "perhaps" })).mistake().contains("dry_run"));
    for operation in [Operation::Read, Operation::Update] {
        mount.write("tidy", json!({})).data();
        let mistake = mount.send(operation, "tidy", json!({ "org_id": "" })).mistake();
        assert!(mistake.contains("`org_id` is empty"), "{mistake}");
    }
    assert!(mount.write("tidy", json!({ "org_id": "AstraCS:x:canary" })).mistake().contains("a token, which does not"));
}
