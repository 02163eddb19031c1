//! A mount of the Go plugin under a real server, with leases: its entries are written into the mount's storage, and its
//! leases into the server's own storage, which the server loads when it is unsealed.

use std::sync::Arc;
use std::time::Duration;

use harness::openbao::{Server, ServerKind};
use harness::{Org, Stage};
use serde_json::{Value, json};

use crate::compat::{Entry, OldToken, go_config, go_role, go_token};
use crate::lifecycle::on;

/// A lease of the Go plugin, and its expected end.
struct OldLease {
    id: String,
    token: OldToken,
}

#[test]
fn a_mount_of_the_go_plugin_is_taken_over_in_place() {
    let server = Arc::new(Server::start(ServerKind::Raft));
    let stage = on(&server, "astra");
    let form = lease_form(&stage, &server);

    let (alpha, beta) = (&stage.alpha, &stage.beta);
    put(&server, &go_config(&stage, alpha, "main", 1));
    put(&server, &go_config(&stage, beta, "", 2));
    let mut leases = Vec::new();
    for (org, role, logical_name) in
        [(alpha, "reader", "app"), (alpha, "team/a:b c", "with space"), (alpha, "gone", "x"), (beta, "reader", "")]
    {
        // The role of one of them has been deleted.
        if role != "gone" {
            put(&server, &go_role(&stage, org, role));
        }
        leases.push(old_lease(&stage, &server, &form, (org, role, logical_name)));
    }
    server.seal();
    server.unseal();

    let mut known = stage.driver.leases();
    known.sort();
    let mut expected: Vec<_> = leases.iter().map(|lease| lease.id.clone()).collect();
    expected.sort();
    assert_eq!(known, expected, "the server took the entries for leases");
    let query = json!({ "org_id": alpha.id, "role_name": "reader", "logical_name": "app" });
    assert_eq!(stage.read("org/token", query).expect(200).text("token"), leases[0].token.token);
    assert_eq!(stage.read("config", json!({ "logical_name": "main" })).expect(200).text("org_id"), alpha.id);
    let minted = stage.mint(alpha, "reader").expect(200);
    assert_eq!(minted.lease.as_ref().map(|lease| lease.duration), Some(600), "the old role's");
    stage.revoke(&minted.lease_id()).expect(204);

    for lease in &leases {
        let renewed = stage.renew(&lease.id, Some(Duration::from_secs(900))).expect(200);
        assert!((890..=900).contains(&renewed.lease.map_or(0, |lease| lease.duration)), "{}", lease.id);
        assert!(stage.works(&lease.token.token));
    }
    let last = leases.pop().unwrap();
    for lease in leases {
        stage.revoke(&lease.id).expect(204);
        assert!(!stage.works(&lease.token.token), "{}", lease.id);
    }
    assert!(stage.records(alpha).is_empty());
    assert_eq!(stage.driver.leases(), std::slice::from_ref(&last.id));
    // The remaining leases end with the mount.
    stage.driver.disable().expect(204);
    assert!(!stage.works(&last.token.token));
}

/// The server's own form of a lease, from a new one.
pub(crate) fn lease_form(stage: &Stage, server: &Server) -> Value {
    stage.ready();
    let lease = stage.mint(&stage.alpha, "reader").expect(200).lease_id();
    let raw = server.client().must("GET", &format!("sys/raw/sys/expire/id/{lease}"), &Value::Null);
    let form = serde_json::from_str(raw["data"]["value"].as_str().unwrap()).unwrap();
    stage.revoke(&lease).expect(204);
    let role = format!("roles/{}/reader", stage.alpha.id);
    assert!(stage.delete(&role, Value::Null).status < 300);
    assert!(stage.delete(&format!("config/{}", stage.alpha.id), Value::Null).status < 300);
    form
}

/// A token and a lease as the Go plugin left them: with its own internal data, and none of ours.
fn old_lease(stage: &Stage, server: &Server, form: &Value, (org, role, logical_name): (&Org, &str, &str)) -> OldLease {
    let token = go_token(stage, org, role, logical_name);
    put(server, &token.entry);
    let id = plant_lease(server, form, &token.internal_data);
    OldLease { id, token }
}

/// Writes a lease of the Go plugin into the server's storage; returns its ID.
pub(crate) fn plant_lease(server: &Server, form: &Value, internal_data: &Value) -> String {
    let id = format!("astra/org/token/{}", &harness::sha256_hex(internal_data.to_string().as_bytes())[..24]);
    let mut entry = form.clone();
    entry["lease_id"] = json!(id);
    entry["path"] = json!("astra/org/token");
    entry["data"] = internal_data.clone();
    entry["secret"]["internal_data"] = internal_data.clone();
    entry["secret"]["lease_id"] = json!("");
    server.put_lease(&id, &entry);
    id
}

pub(crate) fn put(server: &Server, (key, entry): &Entry) {
    server.put_entry("astra/", key, entry);
}
