//! Rotation of static roles by hand and by schedule. The old token stays valid for a while, so that a client that keeps
//! reading and using its credential never sees a refusal.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use astra_simulator::{Effect, FaultRule};
use harness::{Outcome, Stage};
use serde_json::{Value, json};

use crate::faults::{SECRETS, status};
use crate::rotation::{minutes_pass, minutes_until, to_five_past};
use crate::static_role::{creds, current, made, path, rotate, write};

scenarios! { all:
    a_rotation_by_hand_overlaps,
    a_client_never_sees_a_refused_request,
    tokens_in_their_grace_are_limited,
}

scenarios! { fake:
    a_replaced_token_is_gone_after_its_grace,
    a_read_only_node_rotates_nothing,
}

scenarios! { clock:
    a_period_rotates_again_and_again,
    a_client_that_reads_each_minute_never_sees_a_refusal,
    a_cron_expression_rotates_at_its_times,
    missed_rotations_are_one_rotation,
    a_rotation_outside_its_window_waits_for_the_next_time,
    a_failing_rotation_backs_off_and_is_shown,
}

fn a_rotation_by_hand_overlaps(stage: &Stage) {
    stage.configure(&stage.alpha);
    made(stage, json!({}));
    let old = creds(stage, "app").expect(200);
    let rotated = rotate(stage, "app");
    assert!(rotated.status < 300, "{rotated:#?}");
    let new = creds(stage, "app").expect(200);
    assert_ne!(old.text("clientId"), new.text("clientId"));
    assert!(stage.works(old.text("token")), "a client that read just before goes on working");
    assert!(stage.works(new.text("token")));
    let read = stage.read(&path(stage, "app"), Value::Null).expect(200);
    assert_eq!(read.text("client_id"), new.text("clientId"));
    assert_eq!(read.text("previous_client_id"), old.text("clientId"));
    assert!(!read.text("previous_ends").is_empty(), "{read:#?}");
    let proved = stage.astra.requests().into_iter().any(|call| call.client_id.as_deref() == Some(new.text("clientId")));
    assert!(proved, "the new one was proved with a call of its own");
    stage.assert_held(&stage.alpha, 0, 2);
}

/// The client keeps reading and using its credential, and after each rotation once uses the token that it had read
/// before.
fn a_client_never_sees_a_refused_request(stage: &Stage) {
    const ROTATIONS: usize = 15;
    stage.configure(&stage.alpha);
    made(stage, json!({}));
    let done = AtomicBool::new(false);
    let read = std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            let mut read = BTreeSet::new();
            let mut last = creds(stage, "app").expect(200).text("token").to_owned();
            while !done.load(Ordering::SeqCst) {
                let next = creds(stage, "app").expect(200);
                assert!(stage.works(&last), "what was read just before");
                assert!(stage.works(next.text("token")), "what was read just now");
                next.text("token").clone_into(&mut last);
                read.insert(next.text("clientId").to_owned());
            }
            read
        });
        for _ in 0..ROTATIONS {
            let rotated = rotate(stage, "app");
            assert!(rotated.status < 300, "{rotated:#?}");
        }
        done.store(true, Ordering::SeqCst);
        client.join().unwrap()
    });
    assert!(!read.is_empty());
    stage.assert_held(&stage.alpha, 0, ROTATIONS + 1);
}

/// Each of them is a live token in Astra, so the number of rotations by hand is limited.
fn tokens_in_their_grace_are_limited(stage: &Stage) {
    const FAR_TOO_MANY: usize = 40;
    stage.configure(&stage.alpha);
    made(stage, json!({}));
    let mut outcome = Outcome::default();
    for _ in 0..FAR_TOO_MANY {
        outcome = rotate(stage, "app");
        if outcome.status >= 300 {
            break;
        }
    }
    outcome.expect_error(400, &["app", &stage.alpha.id, "grace"]);
    assert!(stage.live(&stage.alpha).len() < FAR_TOO_MANY);
    assert!(stage.works(creds(stage, "app").expect(200).text("token")));
}

fn a_replaced_token_is_gone_after_its_grace(stage: &Stage) {
    const GRACE: Duration = Duration::from_secs(2);
    stage.configure(&stage.alpha);
    made(stage, json!({ "grace_period": GRACE.as_secs() }));
    let old = creds(stage, "app").expect(200);
    let rotated = rotate(stage, "app");
    assert!(rotated.status < 300, "{rotated:#?}");
    stage.settle_after(GRACE, &|| !stage.works(old.text("token")));
    stage.settle_held(&stage.alpha, 0, 1);
    assert!(stage.works(creds(stage, "app").expect(200).text("token")));
    let read = stage.read(&path(stage, "app"), Value::Null).expect(200);
    assert_eq!(read.text("client_id"), current(stage));
}

fn a_read_only_node_rotates_nothing(stage: &Stage) {
    stage.configure(&stage.alpha);
    made(stage, json!({}));
    let client_id = current(stage);
    stage.fake().storage.set_read_only();
    let requests = stage.astra.request_count();
    for outcome in [rotate(stage, "app"), write(stage, "new", json!({ "rotation_period": "24h" })), creds(stage, "app")]
    {
        assert_eq!(outcome.errors, [harness::fake::READ_ONLY_TEXT], "so that the server forwards it");
    }
    let deleted = stage.delete(&path(stage, "app"), Value::Null);
    assert_eq!(deleted.errors, [harness::fake::READ_ONLY_TEXT], "{deleted:#?}");
    assert_eq!(stage.astra.request_count(), requests, "Astra is not asked");
    stage.read(&path(stage, "app"), Value::Null).expect(200);
    stage.fake().storage.heal();
    assert_eq!(current(stage), client_id);
    stage.assert_held(&stage.alpha, 0, 1);
    // If reads are not recorded, such a node answers itself.
    let config = stage.write(&format!("config/{}", stage.alpha.id), json!({ "record_reads": false }));
    assert!(config.status < 300, "{config:#?}");
    stage.fake().storage.set_read_only();
    creds(stage, "app").expect(200);
    stage.fake().storage.heal();
}

fn a_period_rotates_again_and_again(stage: &Stage) {
    const ROTATIONS: usize = 10;
    stage.configure(&stage.alpha);
    made(stage, json!({ "rotation_period": "2h", "grace_period": "10m" }));
    let mut seen = BTreeSet::from([current(stage)]);
    minutes_pass(stage, 119);
    assert!(!seen.insert(current(stage)), "it is not due yet");
    for _ in 0..ROTATIONS {
        minutes_pass(stage, 2);
        assert!(seen.insert(current(stage)), "another token each time");
        stage.assert_held(&stage.alpha, 0, 2);
        minutes_pass(stage, 11);
        stage.assert_held(&stage.alpha, 0, 1);
        minutes_pass(stage, 107);
    }
}

/// During a day of rotations, the client reads once a minute and uses the token for that minute.
fn a_client_that_reads_each_minute_never_sees_a_refusal(stage: &Stage) {
    const MINUTES: usize = 240;
    stage.configure(&stage.alpha);
    made(stage, json!({ "rotation_period": "10m", "grace_period": "2m" }));
    let mut seen = BTreeSet::new();
    for _ in 0..MINUTES {
        let read = creds(stage, "app").expect(200);
        minutes_pass(stage, 1);
        assert!(stage.works(read.text("token")), "what it read a minute ago");
        seen.insert(read.text("clientId").to_owned());
    }
    assert!(seen.len() > 20, "{} tokens", seen.len());
    minutes_pass(stage, 3);
    assert!(stage.live(&stage.alpha).len() <= 2);
}

fn a_cron_expression_rotates_at_its_times(stage: &Stage) {
    to_five_past(stage);
    stage.configure(&stage.alpha);
    let written = write(stage, "app", json!({ "rotation_schedule": "*/30 * * * *", "grace_period": "10m" }));
    assert!(written.status < 300, "{written:#?}");
    let mut seen = BTreeSet::from([current(stage)]);
    for _ in 0..4 {
        minutes_pass(stage, 15);
        seen.insert(current(stage));
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}

fn missed_rotations_are_one_rotation(stage: &Stage) {
    stage.configure(&stage.alpha);
    made(stage, json!({ "rotation_period": "1h", "grace_period": "10m" }));
    let first = current(stage);
    // The server was down for a week, or its clock jumped.
    minutes_pass(stage, 7 * 24 * 60);
    let second = current(stage);
    assert_ne!(first, second);
    minutes_pass(stage, 1);
    assert_eq!(current(stage), second, "what was missed is not made up for one by one");
    stage.assert_held(&stage.alpha, 0, 2);
    minutes_pass(stage, 11);
    stage.assert_held(&stage.alpha, 0, 1);
}

fn a_rotation_outside_its_window_waits_for_the_next_time(stage: &Stage) {
    to_five_past(stage);
    stage.configure(&stage.alpha);
    let body = json!({ "rotation_schedule": "0 * * * *", "rotation_window": "5m", "grace_period": "10m" });
    assert!(write(stage, "app", body).status < 300);
    let first = current(stage);
    let next = || stage.read(&path(stage, "app"), Value::Null).text("next_rotation").to_owned();
    let missed = next();
    minutes_pass(stage, minutes_until(stage, &missed) + 30);
    assert_eq!(current(stage), first, "it waits");
    let later = next();
    assert!(later > missed, "{missed} {later}");
    minutes_pass(stage, minutes_until(stage, &later) + 1);
    assert_ne!(current(stage), first, "within its window it rotates");
}

fn a_failing_rotation_backs_off_and_is_shown(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "max_retries": 0 }));
    made(stage, json!({ "rotation_period": "1h", "grace_period": "10m" }));
    let first = creds(stage, "app").expect(200);
    stage.astra.fault(FaultRule::new(status(500, Effect::NotDone)).method("POST").path(SECRETS));
    let asked = || stage.astra.fault_hits().iter().sum::<u64>();
    for _ in 0..120 {
        minutes_pass(stage, 1);
        assert_eq!(current(stage), first.text("clientId"));
    }
    let tries = asked();
    assert!((2..30).contains(&tries), "it is tried again, but not each minute: {tries} times in an hour");
    assert!(stage.works(first.text("token")), "the current one stays");
    let read = stage.read(&path(stage, "app"), Value::Null).expect(200);
    assert!(read.data["failures"].as_u64().is_some_and(|failures| failures >= 2), "{read:#?}");
    let check = stage.read(&format!("config/{}/check", stage.alpha.id), Value::Null).expect(200);
    assert!(check.data.to_string().contains("`app`"), "{check:#?}");
    stage.astra.clear_faults();
    minutes_pass(stage, 24 * 60);
    assert_ne!(current(stage), first.text("clientId"), "it recovers");
    let read = stage.read(&path(stage, "app"), Value::Null).expect(200);
    assert_eq!(read.data["failures"], 0, "{read:#?}");
    stage.age_wal();
    minutes_pass(stage, 11);
    stage.settle_held(&stage.alpha, 0, 1);
}

/// A rotation by the server's own rollback. For the sample, which shares its wait with a row that waits for a token's
/// end.
pub(crate) fn a_period_under_a_server(stage: &Stage) {
    stage.configure(&stage.alpha);
    made(stage, json!({ "rotation_period": 60, "grace_period": 30 }));
    let first = creds(stage, "app").expect(200);
    stage.driver.settle(&|| current(stage) != first.text("clientId"));
    let second = creds(stage, "app").expect(200);
    assert_ne!(second.text("clientId"), first.text("clientId"), "a minute later another token has taken its place");
    assert!(stage.works(second.text("token")));
    assert!(stage.delete(&path(stage, "app"), Value::Null).status < 300);
    assert!(stage.live(&stage.alpha).is_empty());
}
