//! The Go plugin's mistakes in the recorded run, and their end here: the lease of a token that was never made, and the
//! token that is in another organization than its record says.

use std::collections::BTreeSet;

use astra_simulator::TokenState;
use harness::Stage;
use harness::go_plugin::Recording;
use serde_json::{Value, json};

use crate::faults::SECRETS;
use crate::recorded::{live_tokens, recorded};

recorded! {
    the_lease_of_a_token_that_was_never_made_ends_without_asking_astra,
    the_name_of_a_token_that_was_never_made_is_free_after_its_lease,
    a_token_in_another_organization_is_ended_where_it_lives,
    every_lease_ends_by_its_prefix,
    the_mount_can_be_disabled,
}

/// The three names of the token that was never made.
fn empty_name(stage: &Stage) -> Value {
    json!({ "org_id": stage.alpha.id, "role_name": "reader", "logical_name": "empty" })
}

fn the_lease_of_a_token_that_was_never_made_ends_without_asking_astra(stage: &Stage, recording: &Recording) {
    let requests = stage.astra.request_count();
    let live = (live_tokens(stage, &stage.alpha), live_tokens(stage, &stage.beta));
    stage.revoke(&recording.empty_lease().id).expect(204);
    assert_eq!(stage.astra.request_count(), requests, "Astra was asked for a token that is none");
    assert_eq!(stage.driver.leases().len(), recording.leases.len() - 1);
    assert_eq!((live_tokens(stage, &stage.alpha), live_tokens(stage, &stage.beta)), live);
    stage.read("org/token", empty_name(stage)).expect(404);
}

fn the_name_of_a_token_that_was_never_made_is_free_after_its_lease(stage: &Stage, recording: &Recording) {
    stage.revoke(&recording.empty_lease().id).expect(204);
    let made = stage.write("org/token", empty_name(stage)).expect(200);
    assert!(stage.works(made.text("token")));
    stage.revoke(&made.lease_id()).expect(204);
    assert_eq!(stage.astra_token(made.text("clientId")).state, TokenState::Revoked);
}

fn a_token_in_another_organization_is_ended_where_it_lives(stage: &Stage, recording: &Recording) {
    let lease = recording.misplaced_lease();
    let asked = stage.astra.requests().len();
    stage.revoke(&lease.id).expect(204);
    assert_eq!(stage.astra_token(&lease.client_id).state, TokenState::Revoked);
    assert!(!stage.driver.leases().contains(&lease.id));
    // Revoked with the admin token of the organization to which the token belongs; no other token changed.
    let admin = stage.admin_client_id(&stage.alpha);
    let requests = stage.astra.requests();
    let path = format!("{SECRETS}/{}", lease.client_id);
    let deletes: Vec<_> = requests[asked..].iter().filter(|request| request.method == "DELETE").collect();
    assert!(deletes.iter().all(|request| request.path == path), "{deletes:#?}");
    assert_eq!(deletes.last().unwrap().client_id.as_ref(), Some(&admin));
    let others = recording.tokens.iter().filter(|(client_id, _)| **client_id != lease.client_id);
    assert!(others.into_iter().all(|(_, token)| stage.works(&token.token)));
    // The log and the token's record name the organization.
    let record = stage.read(&format!("tokens/{}/{}", stage.beta.id, lease.client_id), Value::Null).expect(200);
    assert!(record.data.to_string().contains(&stage.alpha.id), "{record:#?}");
    let names_both = |line: &str| line.contains(&lease.client_id) && line.contains(&stage.alpha.id);
    assert!(stage.driver.settle(&|| stage.driver.logs().lines().any(names_both)), "the log names the organization");
}

fn every_lease_ends_by_its_prefix(stage: &Stage, _: &Recording) {
    stage.driver.revoke_prefix("org/token").expect(204);
    nothing_is_left(stage);
    for org in [&stage.alpha, &stage.beta] {
        assert!(stage.delete(&format!("config/{}", org.id), Value::Null).status < 300);
    }
}

fn the_mount_can_be_disabled(stage: &Stage, _: &Recording) {
    stage.driver.disable().expect(204);
    for org in [&stage.alpha, &stage.beta] {
        assert_eq!(live_tokens(stage, org), BTreeSet::new());
        assert!(stage.works(&org.token), "an operator's admin token is left alone");
    }
}

#[track_caller]
fn nothing_is_left(stage: &Stage) {
    assert_eq!(stage.driver.leases(), Vec::<String>::new());
    for org in [&stage.alpha, &stage.beta] {
        assert_eq!(live_tokens(stage, org), BTreeSet::new());
        assert_eq!(stage.records(org), BTreeSet::new());
        assert!(stage.works(&org.token), "an operator's admin token is left alone");
    }
}
