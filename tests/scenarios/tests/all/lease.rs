//! Leases: renewals and revocations, whatever happened to role, config or Astra before.

use std::time::Duration;

use astra_simulator::OutsideChange;
use harness::{Stage, StageOptions};
use serde_json::{Value, json};

scenarios! { all:
    renewing_extends_by_the_roles_ttl,
    an_increment_is_granted_within_the_maximum,
    revoking_ends_the_token_and_its_record,
    revoking_what_is_gone_already_succeeds,
    every_success_status_of_astra_counts,
    leases_outlive_their_role,
    leases_outlive_their_config,
    leases_follow_a_replaced_admin_token,
    an_unreachable_astra_keeps_the_lease,
    a_wrong_url_does_not_count_as_revoked,
    a_prefix_of_leases_is_revoked,
    disabling_the_mount_revokes_everything,
    a_failed_disable_leads_to_no_path_of_the_mount,
    the_last_list_settles_a_refused_delete with unknown_is(500),
    a_bad_request_for_a_gone_token_is_settled_by_the_list with unknown_is(400),
}

scenarios! { fake:
    renewing_never_passes_the_end_in_astra,
    the_record_knows_the_latest_end_of_its_lease,
}

scenarios! { clock:
    a_lease_that_the_server_lost_is_ended_by_rollback,
}

fn unknown_is(status: u16) -> StageOptions {
    // A list proves that a token is gone only if the token is as old as this.
    let mut options = StageOptions { wal_min_age: AGE, ..StageOptions::default() };
    options.switches.delete_unknown_status = status;
    options
}

const AGE: Duration = Duration::from_millis(20);

fn duration(outcome: &harness::Outcome) -> u64 {
    outcome.lease.as_ref().map_or(0, |lease| lease.duration)
}

fn renewing_extends_by_the_roles_ttl(stage: &Stage) {
    stage.configure(&stage.alpha);
    stage.make_role(&stage.alpha, "reader", json!({ "ttl": "10m", "max_ttl": "1h" }));
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let renewed = stage.renew(&minted.lease_id(), None).expect(200);
    assert!((599..=600).contains(&duration(&renewed)), "{renewed:#?}");
    // A changed role applies from the next renewal on.
    let changed = stage.write(&format!("roles/{}/reader", stage.alpha.id), json!({ "ttl": "20m" }));
    assert!(changed.status < 300, "{changed:#?}");
    let renewed = stage.renew(&minted.lease_id(), None).expect(200);
    assert!((1199..=1200).contains(&duration(&renewed)), "{renewed:#?}");
    assert!(stage.works(minted.text("token")));
    stage.assert_consistent(&stage.alpha, 1);
}

fn an_increment_is_granted_within_the_maximum(stage: &Stage) {
    stage.configure(&stage.alpha);
    stage.make_role(&stage.alpha, "reader", json!({ "ttl": "10m", "max_ttl": "1h" }));
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let renewed = stage.renew(&minted.lease_id(), Some(Duration::from_secs(1800))).expect(200);
    assert!((1799..=1800).contains(&duration(&renewed)), "{renewed:#?}");
    let renewed = stage.renew(&minted.lease_id(), Some(Duration::from_secs(10 * 3600))).expect(200);
    assert!((3500..=3600).contains(&duration(&renewed)), "{renewed:#?}");
}

fn revoking_ends_the_token_and_its_record(stage: &Stage) {
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let other = stage.mint(&stage.alpha, "reader").expect(200);
    stage.revoke(&minted.lease_id()).expect(204);
    assert!(!stage.works(minted.text("token")));
    assert!(stage.works(other.text("token")));
    let record = stage.read(&format!("tokens/{}/{}", stage.alpha.id, minted.text("clientId")), Value::Null);
    assert_eq!(record.expect(200).text("ended_how"), "revoked");
    stage.assert_consistent(&stage.alpha, 1);
}

fn revoking_what_is_gone_already_succeeds(stage: &Stage) {
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let client_id = minted.text("clientId").to_owned();
    assert!(stage.astra.change(&OutsideChange::RevokeToken { client_id }));
    std::thread::sleep(AGE);
    stage.revoke(&minted.lease_id()).expect(204);
    stage.assert_consistent(&stage.alpha, 0);
}

fn every_success_status_of_astra_counts(stage: &Stage) {
    stage.ready();
    for status in [200, 204] {
        stage.astra.switch(|switches| switches.delete_status = status);
        let minted = stage.mint(&stage.alpha, "reader").expect(200);
        stage.revoke(&minted.lease_id()).expect(204);
        stage.assert_consistent(&stage.alpha, 0);
    }
}

fn leases_outlive_their_role(stage: &Stage) {
    stage.configure(&stage.alpha);
    stage.make_role(&stage.alpha, "reader", json!({ "ttl": "10m", "max_ttl": "1h" }));
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let deleted = stage.delete(&format!("roles/{}/reader", stage.alpha.id), Value::Null);
    assert!(deleted.status < 300, "{deleted:#?}");
    let renewed = stage.renew(&minted.lease_id(), None).expect(200);
    assert!((599..=600).contains(&duration(&renewed)), "by what the lease itself holds: {renewed:#?}");
    stage.revoke(&minted.lease_id()).expect(204);
    stage.assert_consistent(&stage.alpha, 0);
}

fn leases_outlive_their_config(stage: &Stage) {
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let deleted = stage.delete(&format!("config/{}", stage.alpha.id), json!({ "force": true }));
    assert!(deleted.status < 300, "{deleted:#?}");
    stage.renew(&minted.lease_id(), None).expect(200);
    stage.revoke(&minted.lease_id()).expect(204);
    stage.assert_consistent(&stage.alpha, 0);
}

fn leases_follow_a_replaced_admin_token(stage: &Stage) {
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let administrator = stage.astra_role(&stage.alpha, "Organization Administrator");
    let next = stage.astra.add_token(&stage.alpha.id, &[&administrator], "the next admin token", None);
    let written = stage.write(&format!("config/{}", stage.alpha.id), json!({ "astra_token": next.token }));
    assert!(written.status < 300, "{written:#?}");
    let old = stage.alpha.token.split(':').nth(1).unwrap().to_owned();
    assert!(stage.astra.change(&OutsideChange::RevokeToken { client_id: old }));
    stage.revoke(&minted.lease_id()).expect(204);
    stage.assert_consistent(&stage.alpha, 0);
}

fn an_unreachable_astra_keeps_the_lease(stage: &Stage) {
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    stage.astra.listener_off();
    stage.astra.drop_connections();
    stage.revoke(&minted.lease_id()).expect(400);
    assert_eq!(stage.driver.leases().len(), 1);
    stage.astra.listener_on();
    stage.assert_consistent(&stage.alpha, 1);
    stage.revoke(&minted.lease_id()).expect(204);
    stage.assert_consistent(&stage.alpha, 0);
}

fn a_wrong_url_does_not_count_as_revoked(stage: &Stage) {
    use astra_simulator::{Action, Effect, FaultBody, FaultRule};
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    // A proxy without such a path answers 404 to everything.
    let not_found = Action::Status {
        status: 404,
        body: FaultBody::Raw("404 page not found".to_owned()),
        retry_after: None,
        effect: Effect::NotDone,
    };
    stage.astra.fault(FaultRule::new(not_found));
    stage.revoke(&minted.lease_id()).expect(400);
    stage.astra.clear_faults();
    stage.assert_consistent(&stage.alpha, 1);
    stage.revoke(&minted.lease_id()).expect(204);
}

fn a_prefix_of_leases_is_revoked(stage: &Stage) {
    stage.ready();
    stage.make_role(&stage.alpha, "writer", json!({}));
    for role in ["reader", "reader", "writer"] {
        stage.mint(&stage.alpha, role).expect(200);
    }
    stage.driver.revoke_prefix(&format!("creds/{}/reader", stage.alpha.id)).expect(204);
    stage.assert_consistent(&stage.alpha, 1);
}

fn disabling_the_mount_revokes_everything(stage: &Stage) {
    stage.ready();
    stage.mint(&stage.alpha, "reader").expect(200);
    stage
        .write("org/token", json!({ "org_id": stage.alpha.id, "role_name": "reader", "logical_name": "a" }))
        .expect(200);
    assert_eq!(stage.live(&stage.alpha).len(), 2);
    stage.driver.disable().expect(204);
    assert!(stage.live(&stage.alpha).is_empty());
    assert!(stage.driver.leases().is_empty());
}

/// The server closes the paths of such a mount permanently.
fn a_failed_disable_leads_to_no_path_of_the_mount(stage: &Stage) {
    stage.ready();
    stage.mint(&stage.alpha, "reader").expect(200);
    let client_id = stage.admin_client_id(&stage.alpha);
    assert!(stage.astra.change(&OutsideChange::RevokeToken { client_id }));
    let told = stage.driver.disable().expect_error(
        400,
        &[
            "does not know the admin token",
            "`vault lease revoke -force -prefix`",
            "`vault secrets disable`",
            "vault-mark:",
        ],
    );
    let text = told.messages();
    assert!(!text.contains("config") && !text.contains("astra_token"), "{text}");
}

fn the_last_list_settles_a_refused_delete(stage: &Stage) {
    a_token_that_vanished_in_astra_is_settled(stage);
}

fn a_bad_request_for_a_gone_token_is_settled_by_the_list(stage: &Stage) {
    a_token_that_vanished_in_astra_is_settled(stage);
}

/// Astra's answer for a missing token is not specified, so the list decides.
fn a_token_that_vanished_in_astra_is_settled(stage: &Stage) {
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let client_id = minted.text("clientId").to_owned();
    assert!(stage.astra.change(&OutsideChange::RevokeToken { client_id }));
    stage.revoke(&minted.lease_id()).expect(204);
    stage.assert_consistent(&stage.alpha, 0);
}

fn renewing_never_passes_the_end_in_astra(stage: &Stage) {
    stage.configure(&stage.alpha);
    stage.make_role(&stage.alpha, "reader", json!({ "ttl": "10m", "max_ttl": "1h" }));
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    // The role's maximum is raised after the token's expiry in Astra was set.
    let raised = stage.write(&format!("roles/{}/reader", stage.alpha.id), json!({ "max_ttl": "100h" }));
    assert!(raised.status < 300, "{raised:#?}");
    let renewed = stage.renew(&minted.lease_id(), Some(Duration::from_secs(90 * 3600))).expect(200);
    assert!(duration(&renewed) <= 2 * 3600, "{renewed:#?}");
}

fn the_record_knows_the_latest_end_of_its_lease(stage: &Stage) {
    stage.configure(&stage.alpha);
    stage.make_role(&stage.alpha, "reader", json!({ "ttl": "10m", "max_ttl": "10h" }));
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let path = format!("tokens/{}/{}", stage.alpha.id, minted.text("clientId"));
    let before = stage.read(&path, Value::Null).expect(200);
    stage.renew(&minted.lease_id(), Some(Duration::from_secs(5 * 3600))).expect(200);
    let after = stage.read(&path, Value::Null).expect(200);
    assert_ne!(before.data, after.data, "renewing moves the end");
}

/// The server crashes after the engine's answer and before it stored the lease, so it will never revoke the lease.
fn a_lease_that_the_server_lost_is_ended_by_rollback(stage: &Stage) {
    stage.configure(&stage.alpha);
    stage.make_role(&stage.alpha, "reader", json!({ "ttl": "1s", "max_ttl": "1s", "token_expiry": "off" }));
    stage.fake().lose_next_answer();
    stage.mint(&stage.alpha, "reader").expect(500);
    assert_eq!((stage.live(&stage.alpha).len(), stage.driver.leases().len()), (1, 0));
    stage.driver.settle(&|| true);
    assert_eq!(stage.live(&stage.alpha).len(), 1, "the lease could still be there");
    stage.fake().clock.advance(Duration::from_secs(3600));
    stage.settle_at(&stage.alpha, 0);
}
