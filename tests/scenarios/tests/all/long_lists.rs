//! Organizations with so many tokens that Astra's list of them has far more than 8 MiB: a look-up in it works as with
//! few tokens, and reads no more than it needs.

use std::time::{Duration, Instant};

use astra_simulator::{Action, Effect, FaultRule, OutsideChange, RequestRecord};
use harness::limits::{CONDITION_DEADLINE, POLL_INTERVAL};
use harness::{Stage, StageOptions};
use serde_json::{Value, json};

use crate::faults::{SECRETS, settled, status};
use crate::rotation::rotated;
use crate::tidy_tokens::{any_age, list, orphan, tidy};

scenarios! { all:
    an_admin_token_is_rotated_and_the_list_read_up_to_it,
    a_gone_token_is_revoked_by_a_list_that_lacks_it,
    a_token_of_a_lost_mint_is_found_and_deleted,
    a_token_of_a_lost_mint_is_found_by_rollback with soon_left_behind(),
    tidy_and_check_read_the_whole_list with any_age(),
    a_hundred_revocations_of_gone_tokens_read_the_list_a_few_times,
}

scenarios! { fake:
    a_list_that_takes_longer_than_the_request_timeout_is_read,
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

fn tidy_and_check_read_the_whole_list(stage: &Stage) {
    crowded(stage);
    crate::static_role::made(stage, json!({}));
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let gone = stage.mint(&stage.alpha, "reader").expect(200).text("clientId").to_owned();
    assert!(stage.astra.change(&OutsideChange::RevokeToken { client_id: gone.clone() }));
    let orphan = orphan(stage, minted.text("clientId"), '1');
    let done = tidy(stage, json!({ "dry_run": false })).expect(200);
    assert_eq!(list(&done, "removed"), [gone, orphan.clone()].into(), "{done:#?}");
    assert_eq!((list(&done, "orphans"), &done.data["complete"]), ([orphan].into(), &json!(true)), "{done:#?}");
    assert!(stage.works(minted.text("token")));
    let check = stage.read(&format!("config/{}/check", stage.alpha.id), Value::Null).expect(200);
    for item in ["may_list_tokens", "served_tokens"] {
        assert_eq!(check.data[item]["ok"], "yes", "{check:#?}");
    }
    assert!(lists(stage).iter().any(|list| list.told), "a whole list was read");
    lists(stage).iter().for_each(assert_long);
}

fn a_hundred_revocations_of_gone_tokens_read_the_list_a_few_times(stage: &Stage) {
    stage.ready();
    let minted: Vec<_> = (0..100).map(|_| stage.mint(&stage.alpha, "reader").expect(200)).collect();
    for one in &minted {
        let client_id = one.text("clientId").to_owned();
        assert!(stage.astra.change(&OutsideChange::RevokeToken { client_id }));
    }
    // A list proves nothing of tokens that were made in its own second.
    std::thread::sleep(Duration::from_secs(1));
    for one in &minted {
        stage.revoke(&one.lease_id()).expect(204);
    }
    assert!(lists(stage).len() <= 10, "{} lists", lists(stage).len());
    stage.assert_consistent(&stage.alpha, 0);
}

/// `request_timeout` bounds the time to the head of the answer, and between two pieces of its body; not the whole.
fn a_list_that_takes_longer_than_the_request_timeout_is_read(stage: &Stage) {
    const TIMEOUT_MS: u64 = 5_000;
    stage.configure_with(&stage.alpha, json!({ "request_timeout": "5s", "max_retries": 0 }));
    // The head of the answer comes slowly, too, and must be a small part of the whole.
    stage.astra.set_crowd(&stage.alpha.id, 5, &"left behind by a sidecar ".repeat(5));
    rotated(stage);
    let bytes = lists(stage).pop().unwrap().answer.unwrap().body_bytes;
    let drip = Action::Drip { interval_ms: TIMEOUT_MS / u64::try_from(bytes).unwrap() + 1 };
    stage.astra.fault(FaultRule::new(drip).method("GET").path(SECRETS));
    let start = Instant::now();
    rotated(stage);
    assert!(start.elapsed() > Duration::from_millis(TIMEOUT_MS), "the list came too soon to tell");
}
