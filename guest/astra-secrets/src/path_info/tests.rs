use serde_json::json;

use crate::config::test_mount::{Mount, ORG_A, ORG_B, ROLE_ID, TOKEN_B};

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
            ORG_A: { "logical_name": "", "roles": 2, "tokens": 0 },
            ORG_B: { "logical_name": "b", "roles": 0, "tokens": 1 },
        })
    );
    assert!(!info.to_string().contains("AstraCS"));
    assert!(mount.asked().is_empty());
}

#[test]
fn an_empty_mount_has_no_organizations() {
    assert_eq!(Mount::new().read("info", json!({})).data()["organizations"], json!({}));
}
