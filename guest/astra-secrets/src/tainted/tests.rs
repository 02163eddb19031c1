//! The texts of a tainted mount: none leads to a path that the server has closed.

#![expect(clippy::unwrap_used, reason = "tests")]

use secrets_framework::host::{HttpError, LogLevel};
use secrets_framework::{Lease, Operation};
use serde_json::{Value, json};

use crate::testing::{ADMIN_A, ADMIN_B, Fault, LATER, Leased, Mount, ORG_A, ORG_B, On, copy_of_lease};

fn leased(mount: &Mount) -> Lease {
    let made = Leased::of(mount.creds());
    mount.lease(made.secret)
}

fn taint(mount: &Mount) {
    mount.host.system_view.set_tainted(true);
    mount.host.log.clear();
}

/// No text leads to a closed path, and each says what is left to do.
#[track_caller]
fn assert_leads_to_no_path(text: &str) {
    for closed in ["config/", "astra_token", "to the config", "that config", "write one", "write another"] {
        assert!(!text.contains(closed), "{closed} in: {text}");
    }
    assert!(text.contains("`vault secrets disable`"), "{text}");
}

#[track_caller]
fn assert_given_up(text: &str) {
    assert_leads_to_no_path(text);
    let mark = "vault-mark:11111111-2222-4333-8444-555555555555:";
    assert!(text.contains("revoke -force -prefix`") && text.contains(mark), "{text}");
}

#[test]
fn only_a_failure_asks_whether_the_mount_is_tainted() {
    let mount = Mount::new();
    let lease = leased(&mount);
    mount.send(Operation::Read, &format!("config/{ORG_A}"), Value::Null).data();
    mount.write("tidy", json!({})).data();
    mount.rollback().unwrap();
    mount.revoke(lease).done();
    assert_eq!(mount.host.system_view.tainted_asked(), 0);
    mount.astra.fail_times(On::Make, 10, Fault::Status(404, ""));
    mount.creds().failed();
    assert!(mount.host.system_view.tainted_asked() > 0);
}

#[test]
fn a_refused_admin_token_is_told_without_its_config() {
    let mount = Mount::new();
    let lease = leased(&mount);
    mount.astra.delete_outside("AdminOfA");
    taint(&mount);
    let (code, text) = mount.revoke(lease).failed();
    assert_eq!(code, Some(502));
    assert_given_up(&text);
    assert!(!mount.host.log.text().contains("config/"), "{}", mount.host.log.text());
}

#[test]
fn a_failure_that_may_pass_is_told_with_another_disable() {
    for fault in [Fault::Fails(HttpError::TimedOut), Fault::Status(503, ""), Fault::RetryAfter(429, "3600")] {
        let mount = Mount::new();
        let lease = leased(&mount);
        mount.astra.fail_times(On::Delete, 10, fault);
        taint(&mount);
        let (_, text) = mount.revoke(lease).failed();
        assert!(text.ends_with("repeat `vault secrets disable` later"), "{text}");
        assert!(!mount.host.log.text().contains("config"), "{}", mount.host.log.text());
    }
}

#[test]
fn a_missing_config_and_a_damaged_one_are_told_without_a_write_of_them() {
    let key = format!("config/{ORG_A}");
    let missing = Mount::new();
    let lease = leased(&missing);
    missing.host.storage.remove(&key);
    let open = missing.revoke(copy_of_lease(&lease)).mistake();
    assert!(open.contains("write one with the `url`"), "{open}");
    taint(&missing);
    assert_given_up(&missing.revoke(lease).mistake());

    let damaged = Mount::new();
    let lease = leased(&damaged);
    damaged.host.storage.seed(&key, "canary");
    let (_, open) = damaged.revoke(copy_of_lease(&lease)).failed();
    assert!(open.contains(&format!("write `{key}` anew")), "{open}");
    taint(&damaged);
    assert_given_up(&damaged.revoke(lease).failed().1);
}

#[test]
fn an_admin_token_of_another_organization_is_told_without_a_write_of_that_config() {
    let mount = Mount::new();
    mount.configure(ORG_B, ADMIN_B, json!({}));
    let record = json!({
        "clientId": "AdminOfA", "orgId": ORG_B, "roleName": "reader", "logicalName": "", "secret": "canary",
        "token": ADMIN_A, "generatedOn": "2025-01-01T00:00:00Z", "roles": [], "metadata": {},
    });
    mount.host.storage.seed("token/AdminOfA", record.to_string());
    let mut lease = leased(&mount);
    lease.internal_data = serde_json::from_value(json!({
        "clientId": "AdminOfA", "orgId": ORG_B, "roleName": "reader", "secret_type": "astra_token",
        "tokenId": "AdminOfA",
    }))
    .unwrap();
    taint(&mount);
    let (code, text) = mount.revoke(lease).failed();
    assert_eq!(code, Some(409));
    assert_given_up(&text);
}

#[test]
fn rollback_logs_no_write_of_a_config() {
    let mount = Mount::new();
    mount.configure(ORG_A, ADMIN_A, json!({ "max_retries": 0 }));
    mount.configure(ORG_B, ADMIN_B, json!({}));
    leased(&mount);
    // One entry whose config has gone, and one lease of an admin token that Astra does not know.
    mount.astra.set_lag(1);
    mount.astra.fail(On::Make, Fault::DoneThenFails(HttpError::TimedOut));
    mount.creds().failed();
    let entry = mount.host.storage.keys().into_iter().find(|key| key.starts_with("wal/")).unwrap();
    let mut undone = mount.host.storage.json(&entry);
    undone["data"]["org_id"] = "another".into();
    undone["data"]["orgId"] = "another".into();
    mount.host.storage.seed(&entry, undone.to_string());
    mount.astra.delete_outside("AdminOfA");
    mount.host.clock.advance(2 * LATER + std::time::Duration::from_secs(3600));
    taint(&mount);
    let _ = mount.rollback();
    let lines = mount.host.log.lines();
    let told: Vec<&str> = lines
        .iter()
        .filter(|line| line.level != LogLevel::Info)
        .flat_map(|line| &line.fields)
        .filter(|(name, _)| matches!(name.as_str(), "error" | "reason"))
        .map(|(_, text)| text.as_str())
        .collect();
    assert!(told.iter().any(|text| text.contains("there is no config")), "{}", mount.host.log.text());
    assert!(told.iter().any(|text| text.contains("does not know the admin token")), "{}", mount.host.log.text());
    for text in told.iter().filter(|text| text.contains("there is no config") || text.contains("admin token")) {
        assert_given_up(text);
    }
}
