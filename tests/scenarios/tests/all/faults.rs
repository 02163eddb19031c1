//! An Astra that fails, hangs, lies or cuts connections, at the mint and at the revocation of a token. At the end each
//! live token has its record and its lease, and nothing is left to undo.

use std::time::Duration;

use astra_simulator::{Action, Damage, Effect, FaultBody, FaultRule, Lag, OutsideChange, ResetAt, RetryAfter};
use harness::{Outcome, Stage, StageOptions};
use serde_json::{Value, json};

scenarios! { all:
    a_rate_limit_that_passes_is_waited_for,
    a_rate_limit_that_stays_is_a_503,
    errors_of_a_gateway_and_of_astra_differ,
    a_server_error_that_passes_is_repeated,
    a_server_error_that_stays_is_a_502,
    a_refused_admin_token_is_a_502,
    no_answer_in_time_is_a_504,
    redirects_are_not_followed,
    a_post_is_repeated_only_when_the_list_is_clean,
    a_token_without_secrets_is_never_stored,
    deep_json_and_huge_bodies_are_refused,
    upstream_bodies_are_never_quoted,
}

scenarios! { fake:
    a_lost_answer_is_found_later_when_the_list_lags,
    a_list_that_lags_behind_a_delete_ends_well,
    chance_faults_settle,
}

pub(crate) const SECRETS: &str = "/v2/clientIdSecrets";

pub(crate) fn status(status: u16, effect: Effect) -> Action {
    Action::Status { status, body: FaultBody::Errors, retry_after: None, effect }
}

pub(crate) fn rate_limit(retry_after: Option<RetryAfter>) -> Action {
    Action::Status { status: 429, body: FaultBody::Empty, retry_after, effect: Effect::NotDone }
}

/// Configures alpha with one retry, so that permanent faults take little time.
pub(crate) fn few_retries(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "max_retries": 1 }));
    stage.make_role(&stage.alpha, "reader", json!({}));
}

/// Has alpha wait a second for each answer, so that faults without an answer take little time.
pub(crate) fn impatient(stage: &Stage) {
    set_request_timeout(stage, "1s");
}

/// The end of [`impatient`]: on a busy machine an answer without a fault may take longer than a second.
pub(crate) fn patient(stage: &Stage) {
    set_request_timeout(stage, "10s");
}

fn set_request_timeout(stage: &Stage, timeout: &str) {
    let written = stage.write(&format!("config/{}", stage.alpha.id), json!({ "request_timeout": timeout }));
    assert!(written.status < 300, "{written:#?}");
}

pub(crate) fn mint(stage: &Stage) -> Outcome {
    stage.mint(&stage.alpha, "reader")
}

/// A list without the mark settles nothing by itself: the entry stays until a later list lacks the mark, too.
#[track_caller]
pub(crate) fn settled(stage: &Stage, tokens: usize) {
    if stage.driver.fake().is_some() {
        stage.age_wal();
    }
    stage.settle_at(&stage.alpha, tokens);
}

fn a_rate_limit_that_passes_is_waited_for(stage: &Stage) {
    stage.ready();
    let limit = rate_limit(Some(RetryAfter::Seconds(1)));
    stage.astra.fault(FaultRule::new(limit).method("POST").path(SECRETS).first(1));
    mint(stage).expect(200);
    stage.assert_consistent(&stage.alpha, 1);
}

fn a_rate_limit_that_stays_is_a_503(stage: &Stage) {
    stage.ready();
    let limit = rate_limit(Some(RetryAfter::Seconds(86_400)));
    stage.astra.fault(FaultRule::new(limit).method("POST").path(SECRETS));
    mint(stage).expect_error(503, &[&stage.alpha.id]);
    stage.assert_consistent(&stage.alpha, 0);
}

/// Astra's own errors are distinguished from pages of a gateway, and the text says how long either asks to wait.
fn errors_of_a_gateway_and_of_astra_differ(stage: &Stage) {
    few_retries(stage);
    let answer = |status, body, retry_after| Action::Status { status, body, retry_after, effect: Effect::NotDone };
    let (seconds, date) = (Some(RetryAfter::Seconds(86_400)), Some(RetryAfter::Date(86_400)));
    let rows = [
        (answer(429, FaultBody::Html, seconds.clone()), 503, "A gateway before Astra limits", "asks to wait 86400 s"),
        (answer(429, FaultBody::Errors, date.clone()), 503, "Astra limits the rate", "asks to wait until "),
        (answer(503, FaultBody::Html, date), 502, "A gateway before Astra failed", "asks to wait until "),
        (answer(503, FaultBody::Errors, seconds), 502, "Astra failed", "asks to wait 86400 s"),
    ];
    for (action, status, who, wait) in rows {
        stage.astra.fault(FaultRule::new(action).method("POST").path(SECRETS));
        let posts = stage.astra.request_count();
        mint(stage).expect_error(status, &[who, wait, &stage.alpha.id]);
        let posts = stage.astra.request_count() - posts;
        stage.astra.clear_faults();
        assert!(posts <= 2, "{posts} requests: a wait of a day is not waited for");
    }
    settled(stage, 0);
}

fn a_server_error_that_passes_is_repeated(stage: &Stage) {
    stage.ready();
    stage.astra.fault(FaultRule::new(status(503, Effect::NotDone)).method("POST").path(SECRETS).first(1));
    mint(stage).expect(200);
    settled(stage, 1);
}

fn a_server_error_that_stays_is_a_502(stage: &Stage) {
    few_retries(stage);
    stage.astra.fault(FaultRule::new(status(500, Effect::NotDone)).method("POST").path(SECRETS));
    mint(stage).expect_error(502, &[&stage.alpha.id, "500"]);
    stage.astra.clear_faults();
    settled(stage, 0);
}

fn a_refused_admin_token_is_a_502(stage: &Stage) {
    stage.ready();
    let minted = mint(stage).expect(200);
    let client_id = stage.alpha.token.split(':').nth(1).unwrap().to_owned();
    assert!(stage.astra.change(&OutsideChange::RevokeToken { client_id }));
    mint(stage).expect_error(502, &[&stage.alpha.id, "401"]);
    // The token does not count as revoked either, because no authorized request has seen it.
    stage.revoke(&minted.lease_id()).expect(400);
    stage.assert_consistent(&stage.alpha, 1);
    let administrator = stage.astra_role(&stage.alpha, "Organization Administrator");
    let next = stage.astra.add_token(&stage.alpha.id, &[&administrator], "next", None);
    let written = stage.write(&format!("config/{}", stage.alpha.id), json!({ "astra_token": next.token }));
    assert!(written.status < 300, "{written:#?}");
    stage.revoke(&minted.lease_id()).expect(204);
    stage.assert_consistent(&stage.alpha, 0);
}

fn no_answer_in_time_is_a_504(stage: &Stage) {
    few_retries(stage);
    impatient(stage);
    stage.astra.fault(FaultRule::new(Action::Hang { effect: Effect::NotDone }).method("POST").path(SECRETS));
    mint(stage).expect_error(504, &[&stage.alpha.id]);
    stage.astra.clear_faults();
    assert!(stage.live(&stage.alpha).is_empty());
}

fn redirects_are_not_followed(stage: &Stage) {
    let elsewhere = harness::start_astra(&StageOptions { seed: 99, ..StageOptions::default() });
    few_retries(stage);
    for code in [301, 302, 303, 307, 308] {
        let location = format!("{}/v2/clientIdSecrets", elsewhere.url());
        stage.astra.fault(FaultRule::new(Action::Redirect { status: code, location }));
        mint(stage).expect_error(502, &[&stage.alpha.id]);
        stage.astra.clear_faults();
    }
    assert_eq!(elsewhere.request_count(), 0, "no request, and so no token, went elsewhere");
    settled(stage, 0);
}

/// A 502 after which the token exists, and then one after which it does not.
fn a_post_is_repeated_only_when_the_list_is_clean(stage: &Stage) {
    stage.ready();
    stage.astra.fault(FaultRule::new(status(502, Effect::Done)).method("POST").path(SECRETS).first(1));
    let outcome = mint(stage);
    let posts = stage.astra.requests().iter().filter(|request| request.method == "POST").count();
    assert!(posts <= 2, "{posts} calls");
    let marks: std::collections::BTreeSet<String> =
        stage.astra.tokens_marked(&stage.alpha.id, "vault-mark:").into_iter().map(|token| token.description).collect();
    assert_eq!(marks.len(), posts, "each attempt has a fresh mark");
    let made = usize::from(outcome.status == 200);
    assert_eq!(stage.live(&stage.alpha).len(), made, "{outcome:#?}");
    assert_eq!(stage.driver.leases().len(), made);
}

fn a_token_without_secrets_is_never_stored(stage: &Stage) {
    few_retries(stage);
    for damage in [Damage::Body("null".to_owned()), Damage::Missing(vec!["token".to_owned(), "clientId".to_owned()])] {
        stage.astra.fault(FaultRule::new(Action::Damage { damage }).method("POST").path(SECRETS));
        mint(stage).expect_error(502, &[&stage.alpha.id]);
        stage.astra.clear_faults();
        assert!(stage.live(&stage.alpha).is_empty(), "settled at once, by the mark");
        assert!(stage.records(&stage.alpha).is_empty());
    }
}

fn deep_json_and_huge_bodies_are_refused(stage: &Stage) {
    stage.ready();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for damage in [Damage::Body(deep), Damage::VeryLarge(9 * 1024 * 1024)] {
        stage.astra.fault(FaultRule::new(Action::Damage { damage }).method("POST").path(SECRETS).first(1));
        mint(stage).expect_error(502, &[&stage.alpha.id]);
        stage.astra.clear_faults();
        assert!(stage.live(&stage.alpha).is_empty());
    }
    mint(stage).expect(200);
}

/// A proxy that answers with the request, token included; the stage searches all messages and logs.
fn upstream_bodies_are_never_quoted(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "max_retries": 0 }));
    stage.make_role(&stage.alpha, "reader", json!({}));
    let minted = mint(stage).expect(200);
    for code in [200, 400, 401, 403, 404, 500] {
        let body = FaultBody::Raw(format!("request with Bearer {} was refused", stage.alpha.token));
        let echo = Action::Status { status: code, body, retry_after: None, effect: Effect::NotDone };
        stage.astra.fault(FaultRule::new(echo));
        assert!(mint(stage).status >= 400, "{code}");
        let synced = stage.write(&format!("config/{}/sync-roles", stage.alpha.id), json!({}));
        assert!(synced.status >= 400, "{synced:#?}");
        // A 200 to a delete is Astra's own answer.
        if code != 200 {
            let deleted = stage.delete(&format!("tokens/{}/{}", stage.alpha.id, minted.text("clientId")), Value::Null);
            assert!(deleted.status >= 400, "{deleted:#?}");
        }
        stage.astra.clear_faults();
    }
}

/// Astra made the token, the answer is lost, and Astra's list does not show the token yet.
fn a_lost_answer_is_found_later_when_the_list_lags(stage: &Stage) {
    const LAG: Duration = Duration::from_secs(120);
    stage.configure_with(&stage.alpha, json!({ "max_retries": 0 }));
    stage.make_role(&stage.alpha, "reader", json!({}));
    let lag_ms = u64::try_from(LAG.as_millis()).unwrap();
    stage.astra.set_lag(Lag { new_token_unlisted_ms: lag_ms, ..Lag::default() });
    let lost = Action::Reset { at: ResetAt::BeforeAnswer, effect: Effect::Done };
    stage.astra.fault(FaultRule::new(lost).method("POST").path(SECRETS));
    let outcome = mint(stage);
    assert!(outcome.status >= 500, "{outcome:#?}");
    stage.astra.clear_faults();
    assert_eq!((stage.live(&stage.alpha).len(), stage.wal().len()), (1, 1), "not finding settles nothing");
    assert_eq!(stage.fake().storage.unwrapped_below("wal/"), Vec::<String>::new(), "the seal wraps what is to undo");
    stage.driver.settle(&|| true);
    assert_eq!((stage.live(&stage.alpha).len(), stage.wal().len()), (1, 1), "too young for rollback");
    stage.astra.advance(LAG * 2);
    stage.age_wal();
    stage.settle_at(&stage.alpha, 0);
}

fn a_list_that_lags_behind_a_delete_ends_well(stage: &Stage) {
    few_retries(stage);
    stage.astra.set_lag(Lag { deleted_token_listed_lists: 3, ..Lag::default() });
    let minted = mint(stage).expect(200);
    // The token is deleted, but the answer is lost, and the list still shows the token.
    stage.astra.fault(FaultRule::new(status(502, Effect::Done)).method("DELETE").first(1));
    let mut tries = 0;
    while stage.revoke(&minted.lease_id()).status != 204 {
        tries += 1;
        assert!(tries < 10, "the lease is never revoked");
    }
    stage.assert_consistent(&stage.alpha, 0);
}

/// Every third call fails in one way or another, for a while.
fn chance_faults_settle(stage: &Stage) {
    const ROUNDS: usize = 30;
    few_retries(stage);
    for action in [
        status(500, Effect::NotDone),
        status(502, Effect::Done),
        rate_limit(None),
        Action::Reset { at: ResetAt::BeforeAnswer, effect: Effect::Done },
        Action::Reset { at: ResetAt::DuringAnswer, effect: Effect::Done },
        Action::Damage { damage: Damage::CutJson },
    ] {
        stage.astra.fault(FaultRule::new(action).chance(0.08));
    }
    let leases: Vec<_> = (0..ROUNDS).filter_map(|_| mint(stage).lease).collect();
    let (ending, staying) = leases.split_at(ROUNDS / 3);
    let failed: Vec<_> = ending.iter().filter(|lease| stage.revoke(&lease.id).status != 204).collect();
    stage.astra.clear_faults();
    for lease in failed {
        stage.revoke(&lease.id).expect(204);
    }
    stage.age_wal();
    stage.settle_at(&stage.alpha, staying.len());
}
