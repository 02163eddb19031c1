#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use secrets_framework::Operation;
use secrets_framework::host::Clock;
use secrets_framework::testing::StorageCall;
use serde_json::{Value, json};

use crate::limits::{METRICS_ORGANIZATIONS_MAX, QUEUED_TASKS_LISTED_MAX};
use crate::testing::{ADMIN_B, Fault, Leased, Mount, ORG_A, ORG_B, On, ROLE_ID};

/// The value of a metric, of an organization or of the mount; none where there is none.
fn value(mount: &Mount, name: &str, org_id: Option<&str>) -> Option<u64> {
    let data = mount.send(Operation::Read, "metrics", Value::Null).data();
    let families = data["families"].as_array().unwrap();
    let family = families.iter().find(|family| family["name"] == name)?;
    assert!(family["type"] == "gauge" && !family["help"].as_str().unwrap().is_empty());
    let samples = family["samples"].as_array().unwrap();
    let labels = org_id.map_or_else(|| json!({}), |org_id| json!({ "organization": org_id }));
    samples.iter().find(|sample| sample["labels"] == labels).and_then(|sample| sample["value"].as_u64())
}

#[test]
fn metrics_tell_what_lies_in_storage() {
    let mount = Mount::new();
    mount.configure(ORG_B, ADMIN_B, json!({}));
    mount.creds().data();
    mount.write_static("app", json!({ "role_ids": [ROLE_ID], "rotation_period": "24h" })).0.unwrap();
    let of = |name: &str, org_id: &str| value(&mount, name, Some(org_id));
    assert_eq!((of("astra_tokens", ORG_A), of("astra_tokens", ORG_B)), (Some(2), Some(0)));
    assert_eq!((of("astra_static_roles", ORG_A), of("astra_static_roles_failing", ORG_A)), (Some(1), Some(0)));
    assert_eq!(of("astra_admin_rotation_failures", ORG_A), Some(0));
    assert_eq!(of("astra_admin_rotation_due_timestamp_seconds", ORG_A), None, "nothing is scheduled");
    assert_eq!(value(&mount, "astra_organizations", None), Some(2));
    assert_eq!(value(&mount, "astra_write_ahead_entries", None), Some(0));
    assert_eq!(value(&mount, "astra_write_ahead_oldest_timestamp_seconds", None), None);
}

#[test]
fn failures_and_open_entries_are_counted() {
    let mount = Mount::new();
    mount.write_static("app", json!({ "role_ids": [ROLE_ID], "rotation_period": "24h" })).0.unwrap();
    let key = format!("static-role/{ORG_A}/app");
    let mut role = mount.host.storage.json(&key);
    role["failures"] = json!(3);
    role["token_dead"] = json!(true);
    mount.host.storage.seed(&key, role.to_string());
    let intent =
        json!({ "type": "mint", "created_at": 77, "data": { "orgId": ORG_A, "origin": "https://x", "mark": "m" } });
    let noted = mount.host.storage.keys().into_iter().filter(|key| key.starts_with("wal/")).count();
    assert_eq!(noted, 0);
    mount.host.storage.seed("wal/one", intent.to_string());
    mount.host.storage.seed("wal/two", "damaged");
    let of = |name: &str| value(&mount, name, Some(ORG_A));
    assert_eq!((of("astra_static_roles_failing"), of("astra_static_role_failures_max")), (Some(1), Some(3)));
    assert_eq!(of("astra_static_tokens_dead"), Some(1));
}

#[test]
fn organizations_beyond_the_limit_are_told_as_left_out() {
    let mount = Mount::new();
    let config = mount.host.storage.json(&format!("config/{ORG_A}"));
    for number in 0..METRICS_ORGANIZATIONS_MAX {
        let id = format!("org-{number:04}");
        let mut other = config.clone();
        other["org_id"] = json!(id);
        mount.host.storage.seed(&format!("config/{id}"), other.to_string());
    }
    assert_eq!(value(&mount, "astra_organizations_left_out", None), Some(1));
    let data = mount.send(Operation::Read, "metrics", Value::Null).data();
    let tokens = data["families"].as_array().unwrap().iter().find(|family| family["name"] == "astra_tokens").unwrap();
    assert_eq!(tokens["samples"].as_array().unwrap().len(), METRICS_ORGANIZATIONS_MAX);
}

/// Rotations of this kind that are due, by the metrics.
fn due(mount: &Mount, kind: &str) -> u64 {
    let data = mount.send(Operation::Read, "metrics", Value::Null).data();
    let families = data["families"].as_array().unwrap();
    let family = families.iter().find(|family| family["name"] == "astra_rotations_due").unwrap();
    let samples = family["samples"].as_array().unwrap();
    samples.iter().find(|sample| sample["labels"]["kind"] == kind).unwrap()["value"].as_u64().unwrap()
}

#[test]
fn rotations_that_are_due_are_counted_up_to_a_limit() {
    let mount = Mount::new();
    let at = mount.host.clock.now().as_secs();
    for number in 0..=QUEUED_TASKS_LISTED_MAX {
        mount.host.storage.seed(&crate::testing::task_key("rotate-static", at, &format!("{ORG_A}.app{number}")), "{}");
    }
    mount.host.clock.advance(Duration::from_secs(60));
    assert_eq!(due(&mount, "static"), QUEUED_TASKS_LISTED_MAX as u64);
}

#[test]
fn rotations_that_are_due_done_failed_and_missed_are_told() {
    let mount = Mount::new();
    mount.write_static("app", json!({ "role_ids": [ROLE_ID], "rotation_period": "24h" })).0.unwrap();
    let rotations = |kind: &str, outcome: &str| {
        mount.host.metrics.value("astra_rotations_total", &[("kind", kind), ("outcome", outcome)])
    };
    assert_eq!((due(&mount, "admin"), due(&mount, "static"), rotations("static", "done")), (0, 0, 0));
    mount.host.clock.advance(Duration::from_secs(24 * 3600 + 2));
    mount.host.storage.clear_calls();
    assert_eq!((due(&mount, "admin"), due(&mount, "static")), (0, 1));
    assert_eq!(mount.host.storage.calls(StorageCall::Put), 0, "metrics are read on standbys, too");
    mount.rollback().unwrap();
    assert_eq!((due(&mount, "static"), rotations("static", "done")), (0, 1));
    mount.write(&format!("config/{ORG_A}/rotate-root"), json!({})).data();
    assert_eq!((rotations("admin", "done"), rotations("admin", "failed")), (1, 0));
    mount.astra.fail_times(On::Make, 9, Fault::Status(403, ""));
    mount.write(&format!("config/{ORG_A}/rotate-root"), json!({})).0.unwrap_err();
    assert_eq!((rotations("admin", "done"), rotations("admin", "failed")), (1, 1));
}

#[test]
fn tokens_that_are_made_read_and_ended_are_counted_by_kind() {
    let mount = Mount::new();
    let value = |name, label: (&str, &str)| mount.host.metrics.value(name, &[label]);
    let leased = Leased::of(mount.creds());
    mount.org_token(json!({ "logical_name": "app" })).data();
    mount
        .send(Operation::Read, "org/token", json!({ "org_id": ORG_A, "role_name": "reader", "logical_name": "app" }))
        .data();
    mount.revoke(mount.lease(leased.secret)).0.unwrap();
    assert_eq!(value("astra_tokens_made_total", ("kind", "creds")), 1);
    assert_eq!(value("astra_tokens_made_total", ("kind", "standard")), 1);
    assert_eq!(value("astra_secrets_read_total", ("kind", "standard")), 1);
    assert_eq!(value("astra_tokens_ended_total", ("how", "revoked")), 1);
}
