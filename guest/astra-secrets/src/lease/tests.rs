//! Renewing and revoking: within which bounds, by what is left when all else
//! has gone, and the end state after each fault.

#![expect(clippy::unwrap_used, reason = "tests")]

mod empty;
mod revoke;

use std::time::Duration;

use secrets_framework::host::Clock;
use secrets_framework::{Lease, Operation};
use serde_json::{Value, json};

use crate::config::test_mount::Answered;
use crate::testing::{Fault, Leased, Mount, ORG_A, On, ROLE_ID, copy_of_lease};

const HOUR: Duration = Duration::from_secs(3600);

/// What a renew grants: `ttl`, `max_ttl` and warnings.
#[track_caller]
fn granted(answered: Answered) -> (Duration, Duration, Vec<String>) {
    let response = answered.0.unwrap().unwrap();
    assert!(!response.is_error(), "{response:?}");
    assert!(response.data.is_none());
    let secret = response.secret.unwrap();
    assert!(secret.renewable && secret.internal_data["secret_type"] == "astra_token");
    (secret.ttl, secret.max_ttl, response.warnings)
}

fn with(lease: &Lease, change: impl FnOnce(&mut Lease)) -> Lease {
    let mut copy = copy_of_lease(lease);
    change(&mut copy);
    copy
}

fn leased(mount: &Mount) -> Lease {
    let made = Leased::of(mount.creds());
    mount.lease(made.secret)
}

#[test]
fn a_renewal_gives_the_roles_ttl_or_the_increment_up_to_the_maximum() {
    let mount = Mount::new();
    let lease = leased(&mount);
    assert_eq!(granted(mount.renew(with(&lease, |_| {}))), (HOUR, 4 * HOUR, vec![]));
    assert_eq!(granted(mount.renew(with(&lease, |lease| lease.increment = 2 * HOUR))).0, 2 * HOUR);
    mount.host.clock.advance(3 * HOUR + Duration::from_secs(1800));
    let (ttl, max_ttl, warnings) = granted(mount.renew(with(&lease, |lease| lease.increment = 2 * HOUR)));
    assert_eq!((ttl, max_ttl), (HOUR / 2, 4 * HOUR));
    assert!(warnings[0].contains("2h0m0s") && warnings[0].contains("30m0s"), "{warnings:?}");
    mount.host.clock.advance(HOUR);
    let text = mount.renew(lease).mistake();
    assert!(text.contains("maximum"), "{text}");
}

#[test]
fn a_renewal_moves_the_end_of_the_record() {
    let mount = Mount::new();
    let lease = leased(&mount);
    mount.host.clock.advance(HOUR / 2);
    mount.renew(lease).0.unwrap();
    mount.assert_settled(1);
    let end = (mount.host.clock.now() + HOUR).as_secs();
    let client_id = mount.recorded().pop_first().unwrap();
    assert_eq!(mount.host.storage.json(&format!("token/{client_id}"))["leaseEnd"], end);
    // Its first end passes, and nothing happens to it.
    mount.host.clock.advance(HOUR);
    mount.rollback().unwrap();
    mount.assert_settled(1);
}

#[test]
fn a_time_to_live_that_was_asked_for_when_the_token_was_made_is_kept_by_renewals() {
    let mount = Mount::new();
    let path = format!("creds/{ORG_A}/reader");
    for made in [mount.write(&path, json!({ "ttl": "20m" })), mount.org_token(json!({ "ttl": 1200 }))] {
        let lease = mount.lease(Leased::of(made).secret);
        assert_eq!(lease.ttl, HOUR / 3);
        assert_eq!(granted(mount.renew(with(&lease, |_| {}))), (HOUR / 3, 4 * HOUR, vec![]));
        assert_eq!(granted(mount.renew(with(&lease, |lease| lease.increment = 2 * HOUR))).0, 2 * HOUR, "an increment");
        mount.write_role(ORG_A, "reader", json!({ "max_ttl": "10m" }));
        assert_eq!(granted(mount.renew(with(&lease, |_| {}))).0, HOUR / 6, "up to the maximum");
        mount.write_role(ORG_A, "reader", json!({ "max_ttl": "4h" }));
    }
}

#[test]
fn a_renewal_warns_of_what_is_lost_by_more_than_rounding() {
    let mount = Mount::new();
    let lease = leased(&mount);
    mount.host.clock.advance(3 * HOUR + Duration::from_secs(1));
    assert_eq!(granted(mount.renew(with(&lease, |_| {}))), (HOUR - Duration::from_secs(1), 4 * HOUR, vec![]));
    mount.host.clock.advance(Duration::from_secs(1));
    assert_eq!(granted(mount.renew(with(&lease, |_| {}))).2.len(), 1);
}

#[test]
fn a_renewal_never_passes_the_tokens_own_end() {
    let mount = Mount::new();
    mount.write_role(ORG_A, "reader", json!({ "token_expiry": "off", "max_ttl": "24h" }));
    mount.astra.set_expiry_max("2026-01-01T02:00:00Z");
    let lease = leased(&mount);
    mount.host.clock.advance(HOUR / 2);
    // The server holds an increment to the maximum, so that ends there, too.
    assert_eq!(granted(mount.renew(with(&lease, |lease| lease.increment = 20 * HOUR))).1, 2 * HOUR);
    mount.host.clock.advance(HOUR);
    assert_eq!(granted(mount.renew(with(&lease, |_| {}))).0, HOUR / 2);
    // Also when nothing but the lease knows it.
    let client_id = mount.recorded().pop_first().unwrap();
    mount.host.storage.remove(&format!("token/{client_id}"));
    assert_eq!(granted(mount.renew(lease)).0, HOUR / 2);
}

#[test]
fn an_end_that_astra_was_asked_for_and_does_not_tell_bounds_a_renewal_too() {
    let mount = Mount::new();
    mount.astra.fail(
        On::Make,
        Fault::DoneThenBody(|mut body| {
            body.as_object_mut().unwrap().remove("tokenExpiry");
            body.to_string()
        }),
    );
    let made = Leased::of(mount.creds());
    assert!(made.data.get("expiresAt").is_none());
    mount.write_role(ORG_A, "reader", json!({ "max_ttl": "100h" }));
    let lease = mount.lease(made.secret);
    let asked = 4 * HOUR + crate::limits::LEASE_END_MARGIN;
    assert_eq!(granted(mount.renew(with(&lease, |lease| lease.increment = 50 * HOUR))).1, asked);
}

#[test]
fn a_renewal_follows_the_role_as_it_is_now() {
    let mount = Mount::new();
    let lease = leased(&mount);
    mount.write_role(ORG_A, "reader", json!({ "ttl": "10m", "max_ttl": "2h" }));
    assert_eq!(granted(mount.renew(with(&lease, |_| {}))), (HOUR / 6, 2 * HOUR, vec![]));
    // The mount's maximum bounds a role without one.
    mount.write_role(ORG_A, "reader", json!({ "ttl": 0, "max_ttl": 0 }));
    mount.host.system_view.set_default_lease_ttl(Ok(HOUR / 4));
    mount.host.system_view.set_max_lease_ttl(Ok(3 * HOUR));
    assert_eq!(granted(mount.renew(lease)), (HOUR / 4, 3 * HOUR, vec![]));
}

#[test]
fn a_renewal_works_when_role_config_and_record_have_gone() {
    let mount = Mount::new();
    let lease = leased(&mount);
    mount.send(Operation::Delete, &format!("roles/{ORG_A}/reader"), Value::Null).done();
    mount.send(Operation::Delete, &format!("config/{ORG_A}"), json!({ "force": true })).0.unwrap();
    assert_eq!(granted(mount.renew(with(&lease, |_| {}))), (HOUR, 4 * HOUR, vec![]));
    let client_id = mount.recorded().pop_first().unwrap();
    mount.host.storage.remove(&format!("token/{client_id}"));
    assert_eq!(granted(mount.renew(lease)), (HOUR, 4 * HOUR, vec![]));
}

#[test]
fn a_lease_of_the_go_plugin_is_renewed_and_revoked() {
    let mount = Mount::new();
    mount.astra.make_outside("GoToken", "");
    let record = json!({
        "clientId": "GoToken", "secret": "canary", "orgId": ORG_A, "roleName": "reader", "roles": [ROLE_ID],
        "token": "AstraCS:GoToken:canary", "generatedOn": "2025-12-31T23:00:00.1Z", "logicalName": "app", "metadata": null,
        "future": { "kept": true },
    });
    let id = crate::record::RecordId::named(
        &crate::names::OrgId::stored(ORG_A),
        &crate::names::RoleName::stored("reader"),
        "app",
    );
    mount.host.storage.seed(&id.key(), record.to_string());
    let internal = json!({
        "secret_type": "astra_token", "orgId": ORG_A, "clientId": "GoToken", "roleName": "reader", "tokenId": id.as_str(),
    });
    let lease = Lease {
        issue_time: mount.host.clock.now().saturating_sub(HOUR),
        ttl: HOUR,
        max_ttl: 4 * HOUR,
        renewable: true,
        internal_data: internal.as_object().unwrap().clone(),
        ..Lease::default()
    };
    assert_eq!(granted(mount.renew(with(&lease, |_| {}))), (HOUR, 4 * HOUR, vec![]));
    let kept = mount.host.storage.json(&id.key());
    assert_eq!(kept["future"], json!({ "kept": true }));
    assert_eq!(kept["secret"], "canary");
    mount.revoke(lease).done();
    mount.assert_settled(0);
}

#[test]
fn a_lease_that_names_no_token_is_told_so() {
    let mount = Mount::new();
    for internal in [json!({}), json!({ "orgId": ORG_A }), json!({ "orgId": 7, "clientId": "x" })] {
        let mut data = internal.as_object().unwrap().clone();
        data.insert("secret_type".to_owned(), "astra_token".into());
        let lease = || Lease { internal_data: data.clone(), ..Lease::default() };
        assert!(mount.renew(lease()).mistake().contains("names no token"));
        assert!(mount.revoke(lease()).mistake().contains("names no token"));
    }
    assert!(mount.host.http.requests().is_empty());
}
