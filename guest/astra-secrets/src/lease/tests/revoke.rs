//! Revoking: what counts as done, and by whose token and where Astra is asked.

use secrets_framework::host::{HttpError, HttpMethod, Loss, NotSent};
use secrets_framework::{Lease, Operation};
use serde_json::{Value, json};

use super::{leased, with};
use crate::testing::{ADMIN_A, ADMIN_B, Fault, LATER, Leased, Mount, ORG_A, On, assert_no_secret};

const ELSEWHERE: &str = "https://astra.example.org";

#[test]
fn both_successes_end_lease_token_and_record() {
    for status in [200, 204] {
        for mount in [Mount::new(), Mount::on_vault()] {
            mount.astra.set_delete_statuses(status, 404);
            let lease = leased(&mount);
            mount.revoke(lease).done();
            let calls: Vec<_> = mount.host.http.requests().iter().map(|request| request.method).collect();
            assert_eq!(calls, [HttpMethod::Post, HttpMethod::Delete], "no call more than is needed");
            mount.assert_settled(0);
        }
    }
}

#[test]
fn a_token_that_is_gone_already_is_revoked_whatever_astra_answers() {
    for unknown in [404, 204, 400, 500] {
        let mount = Mount::new();
        mount.astra.set_delete_statuses(204, unknown);
        let lease = leased(&mount);
        mount.astra.delete_outside(&mount.recorded().pop_first().unwrap());
        if unknown >= 500 {
            // Astra may have failed to delete it, and a list may not show yet what was just made.
            mount.revoke(with(&lease, |_| {})).failed();
            assert_eq!(mount.recorded().len(), 1);
            mount.host.clock.advance(LATER);
        }
        mount.revoke(with(&lease, |_| {})).done();
        mount.assert_settled(0);
        // And again, as the server may: without a record, too.
        mount.revoke(lease).done();
        mount.assert_settled(0);
    }
}

/// Else its lease could never be revoked, nor the mount be disabled.
#[test]
fn a_revocation_that_the_server_repeats_when_the_config_has_gone_is_done() {
    let mount = Mount::new();
    let lease = leased(&mount);
    mount.send(Operation::Delete, &format!("config/{ORG_A}"), json!({ "force": true })).done();
    mount.revoke(with(&lease, |_| {})).done();
    mount.rollback().unwrap();
    assert!(!mount.host.storage.keys().iter().any(|key| key.starts_with("retired-config/")), "nothing needs it");
    mount.host.http.clear();
    mount.revoke(lease).done();
    assert!(mount.host.http.requests().is_empty());
    mount.assert_settled(0);
}

#[test]
fn a_404_of_a_token_that_lives_leaves_the_lease() {
    let mount = Mount::new();
    let lease = leased(&mount);
    mount.astra.fail(On::Delete, Fault::Status(404, "404 page not found"));
    let (code, text) = mount.revoke(with(&lease, |_| {})).failed();
    assert_eq!(code, Some(502), "{text}");
    mount.assert_settled(1);
    mount.revoke(lease).done();
    mount.assert_settled(0);
}

#[test]
fn a_list_of_another_organization_proves_nothing() {
    let mount = Mount::new();
    let lease = leased(&mount);
    // The admin token was replaced, unchecked, by one of another organization.
    mount.configure(ORG_A, ADMIN_B, json!({ "verify": false }));
    assert_eq!(mount.revoke(with(&lease, |_| {})).failed().0, Some(502));
    mount.assert_settled(1);
    mount.configure(ORG_A, ADMIN_A, json!({}));
    mount.revoke(lease).done();
    mount.assert_settled(0);
}

#[test]
fn faults_leave_the_lease_to_be_retried() {
    for (fault, code) in [
        (Fault::Status(401, "null"), 502),
        (Fault::Status(403, r#""canary""#), 502),
        (Fault::Status(500, ""), 502),
        (Fault::RetryAfter(429, "3600"), 503),
        (Fault::Fails(HttpError::TimedOut), 504),
        (Fault::Fails(HttpError::Lost(Loss::Closed)), 502),
        (Fault::Fails(HttpError::NotSent(NotSent::Refused)), 502),
        (Fault::Status(202, ""), 502),
    ] {
        let mount = Mount::new();
        let lease = leased(&mount);
        mount.astra.fail_times(On::Delete, 10, fault);
        let (got, text) = mount.revoke(with(&lease, |_| {})).failed();
        assert_eq!(got, Some(code), "{text}");
        assert_no_secret(&text);
        mount.assert_settled(1);
        mount.astra.heal();
        mount.revoke(lease).done();
        mount.assert_settled(0);
    }
}

#[test]
fn done_but_not_told_is_settled_by_the_list() {
    for fault in [Fault::DoneThenFails(HttpError::Lost(Loss::Closed)), Fault::DoneThenStatus(502, "")] {
        let mount = Mount::new();
        let lease = leased(&mount);
        mount.astra.fail(On::Delete, fault);
        mount.revoke(lease).done();
        mount.assert_settled(0);
    }
}

#[test]
fn a_spoilt_list_proves_nothing() {
    let spoilt: [fn(Value) -> String; 5] = [
        |_| "null".to_owned(),
        |_| "[]".to_owned(),
        |_| r#"{"clients":null}"#.to_owned(),
        |_| r#"{"clients":[{"description":"no id"}]}"#.to_owned(),
        |body| body.to_string()[..20].to_owned(),
    ];
    for body in spoilt {
        let mount = Mount::new();
        let lease = leased(&mount);
        mount.astra.fail(On::Delete, Fault::Status(404, ""));
        mount.astra.fail(On::List, Fault::DoneThenBody(body));
        assert_eq!(mount.revoke(lease).failed().0, Some(502));
        mount.assert_settled(1);
    }
}

#[test]
fn storage_that_fails_after_astra_is_asked_again_and_then_in_order() {
    for mount in [Mount::new(), Mount::on_vault()] {
        for nth in 1..=4 {
            let lease = leased(&mount);
            mount
                .host
                .storage
                .fail_nth_write(nth, secrets_framework::host::StorageError::Failed("disk full".to_owned()));
            let answered = mount.revoke(with(&lease, |_| {})).0;
            mount.host.storage.clear_faults();
            if answered.is_err() {
                mount.revoke(lease).done();
            }
            assert!(mount.recorded().is_empty() && mount.astra.live().is_empty(), "write {nth}");
        }
    }
}

#[test]
fn it_works_when_role_and_config_have_gone() {
    let mount = Mount::new();
    let (first, second) = (leased(&mount), leased(&mount));
    mount.send(Operation::Delete, &format!("roles/{ORG_A}/reader"), Value::Null).done();
    mount.send(Operation::Delete, &format!("config/{ORG_A}"), json!({ "force": true })).0.unwrap();
    mount.revoke(first).done();
    let retired = |mount: &Mount| mount.host.storage.keys().iter().any(|key| key.starts_with("retired-config/"));
    assert!(retired(&mount), "the second token still needs it");
    mount.revoke(second).done();
    mount.rollback().unwrap();
    assert!(!retired(&mount), "nothing needs it any more");
    mount.assert_settled(0);
}

#[test]
fn a_token_is_ended_where_it_was_made_by_the_token_of_that_origin() {
    let mount = Mount::new();
    let lease = leased(&mount);
    let fields = json!({ "url": ELSEWHERE, "force": true, "verify": false });
    mount.configure(ORG_A, "AstraCS:Other:canary", fields);
    mount.host.http.clear();
    mount.revoke(lease).done();
    for request in mount.host.http.requests() {
        assert_eq!((request.origin.as_str(), request.client_id.as_str()), (crate::testing::ASTRA, "AdminOfA"));
    }
    mount.assert_settled(0);
}

#[test]
fn without_any_config_the_lease_is_left_and_the_operator_told() {
    let mount = Mount::new();
    let lease = leased(&mount);
    mount.host.storage.remove(&format!("config/{ORG_A}"));
    let text = mount.revoke(lease).mistake();
    assert!(text.contains(ORG_A) && text.contains("write one"), "{text}");
    mount.assert_settled(1);
}

#[test]
fn a_lease_of_an_older_token_does_not_touch_the_newer_one_of_its_name() {
    let mount = Mount::new();
    let first = Leased::of(mount.org_token(json!({ "logical_name": "app" })));
    let first = mount.lease(first.secret);
    mount.revoke(with(&first, |_| {})).done();
    Leased::of(mount.org_token(json!({ "logical_name": "app" })));
    mount.revoke(with(&first, |_| {})).done();
    mount.renew(first).0.unwrap();
    mount.assert_settled(1);
}

#[test]
fn renewals_revocations_and_lists_race_safely() {
    let mount = Mount::new();
    let leases: Vec<Lease> = (0..20).map(|_| leased(&mount)).collect();
    std::thread::scope(|scope| {
        for lease in &leases {
            scope.spawn(|| mount.renew(with(lease, |_| {})).0.unwrap());
            scope.spawn(|| mount.revoke(with(lease, |_| {})).done());
            scope.spawn(|| mount.send(Operation::List, "org/tokens/", Value::Null).0.unwrap());
            scope.spawn(|| {
                let path = format!("tokens/{ORG_A}/{}", lease.internal_data["clientId"].as_str().unwrap());
                mount.send(Operation::Delete, &path, Value::Null).done();
            });
        }
    });
    mount.assert_settled(0);
}

#[test]
fn a_failed_revocation_that_rollback_cannot_go_on_with_names_both_reasons() {
    let mount = Mount::new();
    let lease = leased(&mount);
    mount.astra.fail_times(On::Delete, 10, Fault::Status(503, ""));
    let full = secrets_framework::host::StorageError::Failed("disk full".to_owned());
    mount.host.storage.fail_prefix(secrets_framework::testing::StorageCall::Commit, "", full);
    let (_, text) = mount.revoke(lease).failed();
    assert!(text.contains("disk full") && text.contains("Astra failed"), "{text}");
    mount.assert_settled(1);
}

/// The server gives up after some attempts; its operator wanted the token to end all the same.
#[test]
fn a_revocation_that_failed_is_made_up_for_by_rollback() {
    for mount in [Mount::new(), Mount::on_vault()] {
        let lease = leased(&mount);
        mount.astra.fail_times(On::Delete, 10, Fault::Status(503, ""));
        mount.revoke(with(&lease, |_| {})).failed();
        mount.assert_settled(1);
        mount.rollback().unwrap();
        mount.assert_settled(1);
        mount.astra.heal();
        mount.rollback_later();
        mount.assert_settled(0);
        mount.revoke(lease).done();
    }
}
