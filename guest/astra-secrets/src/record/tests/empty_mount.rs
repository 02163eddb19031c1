//! A mount without tokens has a complete index from its first write on.

use super::*;
use crate::limits::TOKENS_DESCRIBED_MAX;
use crate::testing::{ADMIN_A, FakeAstra};
use secrets_framework::testing::{StorageCall, TestHost};

fn fresh() -> Mount {
    let host = TestHost::new();
    let astra = FakeAstra::new(&host);
    Mount { host, astra }
}

fn ready(mount: &Mount) {
    mount.configure(ORG_A, ADMIN_A, json!({}));
    mount.write_role(ORG_A, "reader", json!({ "role_id": ROLE_ID }));
}

#[test]
fn a_fresh_mount_with_many_tokens_knows_them_before_its_first_rollback() {
    let mount = fresh();
    ready(&mount);
    let made = Leased::of(mount.creds()).client_id();
    // As many more as a look-up without the index could not walk through.
    let record = mount.host.storage.json(&format!("token/{made}"));
    for number in 0..=TOKENS_DESCRIBED_MAX {
        let client_id = format!("Client9{number:05}");
        let mut record = record.clone();
        record["clientId"] = json!(client_id);
        mount.host.storage.seed(&format!("token/{client_id}"), record.to_string());
        let index = format!("client-index/{ORG_A}/{client_id}");
        mount.host.storage.seed(&index, json!({ "id": client_id }).to_string());
    }
    mount.send(Operation::Read, &format!("tokens/{ORG_A}/Unknown"), Value::Null).missing();
    let page = mount.send(Operation::List, &format!("tokens/{ORG_A}/"), json!({ "limit": 3 })).data();
    assert_eq!(page["keys"].as_array().unwrap().len(), 3);
    assert!(mount.send(Operation::Delete, &format!("config/{ORG_A}"), Value::Null).mistake().contains("alive"));
}

#[test]
fn a_mount_of_the_go_plugin_is_walked_through_first() {
    let mount = fresh();
    mount.host.storage.seed("token/Old", json!({ "clientId": "Old", "orgId": ORG_A }).to_string());
    ready(&mount);
    assert!(!mount.host.storage.keys().contains(&"state/index".to_owned()));
    mount.rollback().unwrap();
    assert_eq!(mount.host.storage.json("state/index")["complete"], true);
}

#[test]
fn only_the_first_config_costs_a_look_at_the_tokens() {
    let mount = fresh();
    ready(&mount);
    let walked = mount.host.storage.json("state/index");
    mount.host.storage.clear_calls();
    mount.configure(ORG_A, ADMIN_A, json!({ "caller_mode": "standard" }));
    assert_eq!(mount.host.storage.calls(StorageCall::List), 0);
    mount.configure(ORG_B, crate::testing::ADMIN_B, json!({}));
    assert_eq!(mount.host.storage.json("state/index"), walked, "what a walk noted stays");
}
