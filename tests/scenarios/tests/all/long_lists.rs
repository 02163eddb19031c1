//! Organizations with so many tokens that Astra's list of them has far more than 8 MiB: a look-up in it works as with
//! few tokens, and reads no more than it needs.

use std::time::{Duration, Instant};

use astra_simulator::{Effect, FaultRule, OutsideChange, RequestRecord};
use harness::limits::{CONDITION_DEADLINE, POLL_INTERVAL};
use harness::{Stage, StageOptions};

use crate::faults::{SECRETS, settled, status};
use crate::rotation::rotated;

scenarios! { all:
    an_admin_token_is_rotated_and_the_list_read_up_to_it,
    a_gone_token_is_revoked_by_a_list_that_lacks_it,
    a_token_of_a_lost_mint_is_found_and_deleted,
    a_token_of_a_lost_mint_is_found_by_rollback with soon_left_behind(),
}

/// Tokens that the Go plugin's sidecar mode left behind.
const CROWD: usize = 80_000;
const LIST_BYTES_MIN: usize = 24 * 1024 * 1024;

fn soon_left_behind() -> StageOptions {
    StageOptions { wal_min_age: Duration::from_secs(2), ..StageOptions::default() }
}

fn crowded(stage: &Stage) {
    stage.astra.set_crowd(&stage.alpha.id, CROWD, &"left behind by a sidecar ".repeat(9));
    stage.ready();
}

fn lists(stage: &Stage) -> Vec<RequestRecord> {
    let requests = stage.astra.requests().into_iter();
    requests.filter(|request| request.method == "GET" && request.path == SECRETS).collect()
}

#[track_caller]
fn assert_long(list: &RequestRecord) {
    let bytes = list.answer.as_ref().unwrap().body_bytes;
    assert!(bytes > LIST_BYTES_MIN, "{bytes}");
}

/// Astra saw the client close the connection before the list was complete.
#[track_caller]
fn assert_broken_off(stage: &Stage, number: u64) {
    let deadline = Instant::now() + CONDITION_DEADLINE;
    while lists(stage).iter().any(|list| list.number == number && list.told) {
        assert!(Instant::now() < deadline, "the list was read to its end");
        std::thread::sleep(POLL_INTERVAL);
    }
}

fn an_admin_token_is_rotated_and_the_list_read_up_to_it(stage: &Stage) {
    crowded(stage);
    let old = stage.admin_client_id(&stage.alpha);
    rotated(stage);
    let list = lists(stage).pop().unwrap();
    assert_long(&list);
    assert_broken_off(stage, list.number);
    let new = stage.admin_client_id(&stage.alpha);
    assert_ne!(new, old);
    assert_eq!(stage.astra_token(&new).roles, stage.astra_token(&old).roles);
    stage.mint(&stage.alpha, "reader").expect(200);
}

fn a_gone_token_is_revoked_by_a_list_that_lacks_it(stage: &Stage) {
    crowded(stage);
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let other = stage.mint(&stage.alpha, "reader").expect(200);
    let client_id = minted.text("clientId").to_owned();
    assert!(stage.astra.change(&OutsideChange::RevokeToken { client_id }));
    stage.revoke(&minted.lease_id()).expect(204);
    let list = lists(stage).pop().unwrap();
    assert_long(&list);
    assert!(list.told, "the whole list was read");
    assert!(stage.works(other.text("token")));
    stage.assert_consistent(&stage.alpha, 1);
}

fn a_token_of_a_lost_mint_is_found_and_deleted(stage: &Stage) {
    crowded(stage);
    stage.astra.fault(FaultRule::new(status(502, Effect::Done)).method("POST").path(SECRETS).first(1));
    stage.mint(&stage.alpha, "reader").expect_error(502, &[&stage.alpha.id]);
    assert_long(&lists(stage).pop().unwrap());
    stage.assert_consistent(&stage.alpha, 0);
}

fn a_token_of_a_lost_mint_is_found_by_rollback(stage: &Stage) {
    crowded(stage);
    stage.astra.fault(FaultRule::new(status(502, Effect::Done)).method("POST").path(SECRETS).first(1));
    stage.astra.fault(FaultRule::new(status(500, Effect::NotDone)).method("GET").path(SECRETS));
    stage.mint(&stage.alpha, "reader").expect_error(502, &[&stage.alpha.id]);
    assert_eq!(stage.live(&stage.alpha).len(), 1, "the token was made and nobody has it");
    stage.astra.clear_faults();
    settled(stage, 0);
}
