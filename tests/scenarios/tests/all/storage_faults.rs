//! A server whose storage fails at any step: each storage call in turn fails, is done without an answer, or is the last
//! one before the server crashes. Afterwards each live token has its record and its lease, as after a fault of Astra.

use std::time::Duration;

use harness::fake::StorageFault;
use harness::{DriverKind, Note, Outcome, Stage, StageOptions, play, play_rows};
use serde_json::{Value, json};

use crate::{fault_walk_rotation, static_role};

const FAULTS: [StorageFault; 3] = [StorageFault::FailsOnce, StorageFault::DoneButNotTold, StorageFault::GoneForGood];

/// More storage calls than any request makes, so that a walk that does not end fails.
const STEPS_MAX: u32 = 200;

/// Runs `act` with a fault at its first storage call, at its second, and so on until it makes no more calls; then lets
/// `check` examine the outcome.
fn walk(
    kind: DriverKind,
    prepare: fn(&Stage) -> String,
    act: fn(&Stage, &str) -> Outcome,
    check: fn(&Stage, &str, Outcome),
) {
    let rows = [true, false].into_iter().flat_map(|transactional| FAULTS.map(|fault| (transactional, fault)));
    let named = |(transactional, fault): &_| format!("{fault:?}, transactions: {transactional}");
    play_rows(rows.collect(), named, |(transactional, fault)| {
        let mut step = 0;
        let mut reached = true;
        while reached {
            step += 1;
            assert!(step < STEPS_MAX, "{fault:?}: the walk does not end");
            let options = StageOptions { transactional, ..StageOptions::default() };
            let _note = Note::new(&format!("call {step}"));
            play(kind, options, |stage| {
                let subject = prepare(stage);
                stage.fake().storage.script(step, fault);
                let outcome = act(stage, &subject);
                reached = stage.fake().storage.heal();
                if !reached {
                    assert!(outcome.status < 300, "{outcome:#?}");
                }
                check(stage, &subject, outcome);
            });
        }
        assert!(step > 2, "{fault:?}: there was no step to fail at");
    });
}

fn ready(stage: &Stage) -> String {
    stage.ready();
    String::new()
}

fn with_a_token(stage: &Stage) -> String {
    stage.ready();
    stage.mint(&stage.alpha, "reader").expect(200).lease_id()
}

fn with_a_record(stage: &Stage) -> String {
    stage.ready();
    stage.mint(&stage.alpha, "reader").expect(200).text("clientId").to_owned()
}

fn settled_as_answered(stage: &Stage, _: &str, outcome: Outcome) {
    stage.age_wal();
    stage.settle_at(&stage.alpha, usize::from(outcome.status == 200));
    let next = stage.mint(&stage.alpha, "reader").expect(200);
    stage.revoke(&next.lease_id()).expect(204);
}

fn named() -> Value {
    json!({ "role_name": "reader", "logical_name": "app" })
}

fn mint(stage: &Stage, _: &str) -> Outcome {
    stage.mint(&stage.alpha, "reader")
}

fn mint_named(stage: &Stage, _: &str) -> Outcome {
    let mut body = named();
    body["org_id"] = json!(stage.alpha.id);
    stage.write("org/token", body)
}

/// A name whose mint failed can be minted again, and only once.
fn name_is_free_or_taken(stage: &Stage, subject: &str, outcome: Outcome) {
    let made = outcome.status == 200;
    stage.age_wal();
    stage.settle_at(&stage.alpha, usize::from(made));
    let expected = if made { 409 } else { 200 };
    mint_named(stage, subject).expect(expected);
    stage.assert_consistent(&stage.alpha, 1);
}

fn with_a_named_token(stage: &Stage) -> String {
    stage.ready();
    mint_named(stage, "").expect(200).text("clientId").to_owned()
}

fn read_secret(stage: &Stage, _: &str) -> Outcome {
    let mut which = named();
    which["org_id"] = json!(stage.alpha.id);
    stage.read("org/token", which)
}

/// No access stays unrecorded.
fn every_shown_token_is_recorded(stage: &Stage, client_id: &str, outcome: Outcome) {
    let history = || stage.read(&format!("tokens/{}/{client_id}", stage.alpha.id), Value::Null).expect(200).data;
    let reads = || history()["history"].as_array().unwrap().iter().filter(|event| event["event"] == "read").count();
    assert!(outcome.status != 200 || reads() == 1, "{outcome:#?}");
    let recorded = reads();
    assert!(stage.driver.settle(&|| stage.fake().storage.keys_below("reads/").is_empty()));
    assert_eq!(reads(), recorded, "also in the history");
}

fn revoke(stage: &Stage, lease: &str) -> Outcome {
    stage.revoke(lease)
}

/// The server repeats a failed revocation.
fn ends_revoked(stage: &Stage, lease: &str, outcome: Outcome) {
    if outcome.status != 204 {
        stage.revoke(lease).expect(204);
    }
    stage.age_wal();
    stage.settle_at(&stage.alpha, 0);
}

fn renew(stage: &Stage, lease: &str) -> Outcome {
    stage.renew(lease, Some(Duration::from_secs(60)))
}

fn still_lives(stage: &Stage, lease: &str, _: Outcome) {
    stage.assert_consistent(&stage.alpha, 1);
    stage.renew(lease, None).expect(200);
    stage.revoke(lease).expect(204);
    stage.assert_consistent(&stage.alpha, 0);
}

fn delete_record(stage: &Stage, client_id: &str) -> Outcome {
    stage.delete(&format!("tokens/{}/{client_id}", stage.alpha.id), Value::Null)
}

fn record_and_token_go_together(stage: &Stage, client_id: &str, outcome: Outcome) {
    if outcome.status >= 300 {
        let again = delete_record(stage, client_id);
        assert!(again.status < 300 || again.status == 404, "{again:#?}");
    }
    stage.age_wal();
    stage.driver.settle(&|| stage.wal().is_empty());
    assert!(stage.live(&stage.alpha).is_empty() && stage.records(&stage.alpha).is_empty());
}

fn forced_delete(stage: &Stage, _: &str) -> Outcome {
    stage.delete(&format!("config/{}", stage.alpha.id), json!({ "force": true }))
}

/// Whatever remains of the config, its token can still be revoked.
fn still_revocable(stage: &Stage, lease: &str, _: Outcome) {
    stage.revoke(lease).expect(204);
    assert!(stage.live(&stage.alpha).is_empty());
    assert!(stage.driver.leases().is_empty());
}

fn write_config(stage: &Stage, _: &str) -> Outcome {
    let body = json!({ "astra_token": stage.alpha.token, "url": stage.astra.url(), "logical_name": "main" });
    stage.write(&format!("config/{}", stage.alpha.id), body)
}

fn nothing_to_prepare(_: &Stage) -> String {
    String::new()
}

/// Whether the config was written or not, it can be written again, and then exists under both names.
fn config_is_whole(stage: &Stage, subject: &str, _: Outcome) {
    let again = write_config(stage, subject);
    assert!(again.status < 300, "{again:#?}");
    let read = stage.read("config", json!({ "logical_name": "main" })).expect(200);
    assert_eq!(read.text("org_id"), stage.alpha.id);
}

fn with_config(stage: &Stage) -> String {
    stage.configure_with(&stage.alpha, json!({ "rotation_grace_period": 0 }));
    String::new()
}

fn rotate_admin(stage: &Stage, _: &str) -> Outcome {
    crate::rotation::rotate(stage)
}

fn one_admin_token(stage: &Stage, _: &str, outcome: Outcome) {
    stage.age_wal();
    fault_walk_rotation::one_admin_token(stage, &outcome);
}

fn with_a_static_role(stage: &Stage) -> String {
    with_config(stage);
    let made = create_static(stage, "");
    assert!(made.status < 300, "{made:#?}");
    String::new()
}

fn create_static(stage: &Stage, _: &str) -> Outcome {
    static_role::write(stage, "app", json!({ "rotation_period": "24h", "grace_period": 0 }))
}

fn role_and_token_come_together(stage: &Stage, _: &str, outcome: Outcome) {
    stage.age_wal();
    fault_walk_rotation::created_or_not(stage, &outcome);
}

fn rotate_static(stage: &Stage, _: &str) -> Outcome {
    static_role::rotate(stage, "app")
}

fn one_static_token(stage: &Stage, _: &str, outcome: Outcome) {
    stage.age_wal();
    fault_walk_rotation::one_static_token(stage, &outcome);
}

fn delete_static(stage: &Stage, _: &str) -> Outcome {
    stage.delete(&static_role::path(stage, "app"), Value::Null)
}

fn role_and_tokens_go_together(stage: &Stage, _: &str, outcome: Outcome) {
    stage.age_wal();
    fault_walk_rotation::deleted_in_the_end(stage, &outcome);
}

macro_rules! walks {
    ($($name:ident($prepare:ident, $act:ident, $check:ident);)+) => {
        mod native {
            use super::*;
            $(#[test] fn $name() { walk(DriverKind::Native, $prepare, $act, $check); })+
        }
        #[cfg(feature = "component")]
        mod component {
            use super::*;
            $(#[test] fn $name() { walk(DriverKind::Component, $prepare, $act, $check); })+
        }
    };
}

walks! {
    minting(ready, mint, settled_as_answered);
    minting_by_name(ready, mint_named, name_is_free_or_taken);
    reading_a_secret(with_a_named_token, read_secret, every_shown_token_is_recorded);
    revoking(with_a_token, revoke, ends_revoked);
    renewing(with_a_token, renew, still_lives);
    deleting_a_record(with_a_record, delete_record, record_and_token_go_together);
    deleting_a_config_by_force(with_a_token, forced_delete, still_revocable);
    writing_a_config(nothing_to_prepare, write_config, config_is_whole);
    rotating_an_admin_token(with_config, rotate_admin, one_admin_token);
    creating_a_static_role(with_config, create_static, role_and_token_come_together);
    rotating_a_static_role(with_a_static_role, rotate_static, one_static_token);
    deleting_a_static_role(with_a_static_role, delete_static, role_and_tokens_go_together);
}
