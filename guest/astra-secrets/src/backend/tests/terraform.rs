//! The rule of Terraform's `vault_generic_endpoint` with `ignore_absent_fields`: after an apply, a field that a read
//! answers replaces the field that was written, and any difference is a change to be made, for ever. So each field of
//! each path that a client writes comes back as a read answers it, or not at all.

use secrets_framework::{Operation, Path, Segment};
use serde_json::{Map, Value, json};

use super::BACKEND;
use crate::testing::{ADMIN_A, Mount, ORG_A, ROLE_ID};

const OTHER_ID: &str = "88888888-8888-4888-8888-888888888888";

/// Fields that only a read looks at.
const OF_READS: [&str; 1] = ["with_astra_roles"];

/// Writable paths that keep the Go plugin's form, which is older than Terraform's rule.
const GO_PLUGINS: [&str; 2] = ["config", "role"];

/// A value for each field that can be written, as reads answer it. Where two fields exclude each other, one is absent
/// as a read shows it.
fn samples(path: &str) -> Value {
    match path {
        "config/:org" => json!({
            "astra_token": ADMIN_A, "url": "https://api.astra.datastax.com", "logical_name": "Prod",
            "caller_mode": "sidecar", "allowed_role_ids": [OTHER_ID, ROLE_ID], "description": "by {{display_name}}",
            "request_timeout": 20, "max_retries": 0, "rotation_period": 86400, "rotation_schedule": "",
            "rotation_window": 0, "rotation_grace_period": 1200, "tidy_period": 7200, "record_reads": false, "max_tokens": 100,
            "verify": false, "force": false,
        }),
        "roles/:org/:role" => json!({
            "role_id": OTHER_ID, "role_ids": [OTHER_ID, ROLE_ID], "ttl": 3600, "max_ttl": 7200,
            "description": "for {{metadata.app}}", "token_expiry": "off", "max_tokens": 50,
        }),
        "static-roles/:org/:name" => json!({
            "role_ids": [OTHER_ID, ROLE_ID], "rotation_period": 0, "rotation_schedule": "30 3 * * SUN",
            "rotation_window": 7200, "grace_period": 1800, "description": "for {{role}}",
            "token": "AstraCS:Portal:canary",
        }),
        other => panic!("give samples for `{other}`, and Terraform users will have an empty plan"),
    }
}

/// The path as documents write it, and as a request to organization A.
fn spelled(path: &Path) -> (String, String) {
    let of = |capture: fn(&'static str) -> String| {
        let segments = path.pattern.iter().map(|segment| match segment {
            Segment::Literal(text) => (*text).to_owned(),
            Segment::Capture(name) => capture(name),
        });
        segments.collect::<Vec<_>>().join("/")
    };
    (of(|name| format!(":{name}")), of(|name| if name == "org" { ORG_A.to_owned() } else { "app".to_owned() }))
}

/// What Terraform's state has after an apply: each written field as the read answers it.
fn state_after(written: &Value, read: &Value) -> Map<String, Value> {
    let written = written.as_object().unwrap();
    written.iter().map(|(name, value)| (name.clone(), read.get(name).unwrap_or(value).clone())).collect()
}

#[test]
fn a_plan_is_empty_after_an_apply_on_every_path_that_can_be_written() {
    let mut looked_at = 0;
    for path in BACKEND.paths {
        let creates = path.operations.iter().any(|spec| spec.operation == Operation::Create);
        let (documented, request_path) = spelled(path);
        if !creates || GO_PLUGINS.contains(&documented.as_str()) {
            continue;
        }
        looked_at += 1;
        let written = samples(&documented);
        let is_written = |name: &str| !documented.contains(&format!(":{name}")) && !OF_READS.contains(&name);
        for field in path.fields.iter().filter(|field| is_written(field.name)) {
            assert!(written.get(field.name).is_some(), "`{documented}`: no sample of the field `{}`", field.name);
        }
        let mount = Mount::new();
        mount.astra.make_in_portal("Portal", &[OTHER_ID, ROLE_ID]);
        mount.write(&request_path, written.clone());
        let read = mount.send(Operation::Read, &request_path, Value::Null).data();
        let state = state_after(&written, &read);
        assert_eq!(Value::Object(state), written, "`{documented}`");
        // A second apply of what was read changes nothing either.
        mount.write(&request_path, written.clone());
        assert_eq!(mount.send(Operation::Read, &request_path, Value::Null).data(), read, "`{documented}`");
    }
    assert_eq!(looked_at, 3);
}

#[test]
fn secret_fields_do_not_come_back() {
    let mount = Mount::new();
    let read = mount.send(Operation::Read, &format!("config/{ORG_A}"), Value::Null).data();
    assert_eq!(read.get("astra_token"), None);
    assert_eq!(read["astra_token_client_id"], "AdminOfA");
}
