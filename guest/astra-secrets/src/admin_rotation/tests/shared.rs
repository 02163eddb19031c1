//! Admin tokens that two configs of a mount have: the Go plugin may know one
//! organization by Astra's UUID and by another name.

use super::*;
use crate::testing::ADMIN_A;

const NAME: &str = "prod";

/// A mount whose organization has a second config under another name, with the same admin token.
fn with_namesake() -> Mount {
    let mount = Mount::new();
    let mut config = mount.host.storage.json(&format!("config/{ORG_A}"));
    config["org_id"] = json!(NAME);
    mount.host.storage.seed(&format!("config/{NAME}"), config.to_string());
    mount
}

fn rotate_namesake(mount: &Mount) {
    mount.send(Operation::Update, &format!("config/{NAME}/rotate-root"), Value::Null).0.unwrap();
}

#[test]
fn an_admin_token_that_another_config_uses_is_not_ended_by_a_rotation() {
    let mount = with_namesake();
    let shared = mount.current();
    mount.rotate();
    mount.settle();
    assert!(mount.astra.is_live(&shared), "the other config uses it");
    let log = mount.host.log.text();
    assert!(log.contains("another config of this mount uses the token") && log.contains(NAME), "{log}");
    // Its own rotation ends it.
    rotate_namesake(&mount);
    mount.settle();
    assert!(!mount.astra.is_live(&shared));
    assert_eq!(mount.astra.live().len(), 2, "one for each config");
    mount.assert_no_secret_logged();
}

#[test]
fn an_admin_token_of_another_config_is_not_deleted_by_its_record() {
    let mount = with_namesake();
    rotate_namesake(&mount);
    let shared = mount.current();
    let path = format!("tokens/{NAME}/{shared}");
    let text = mount.send(Operation::Delete, &path, Value::Null).mistake();
    assert!(text.contains(&format!("config/{ORG_A}/rotate-root")), "{text}");
    assert!(mount.astra.is_live(&shared));
}

#[test]
fn an_admin_token_of_another_config_is_not_taken_over_by_a_static_role() {
    let mount = with_namesake();
    mount.astra.make_admin("AstraCS:Another:canary");
    mount.configure(ORG_A, "AstraCS:Another:canary", json!({}));
    let data = json!({ "role_ids": [ADMIN_ROLE_ID], "rotation_period": "24h", "token": ADMIN_A });
    let (code, text) = mount.write(&format!("static-roles/{ORG_A}/app"), data).failed();
    assert_eq!(code, Some(409), "{text}");
    assert!(text.contains(&format!("the admin token of organization `{NAME}`")), "{text}");
}
