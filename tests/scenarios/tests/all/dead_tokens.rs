//! Tokens that ended in Astra without the engine: a check names them, tidy and rollback replace those of static roles,
//! and every error about a dead admin token says what to do.

use std::time::Duration;

use astra_simulator::OutsideChange;
use harness::{Outcome, Stage, StageOptions};
use serde_json::{Value, json};

use crate::faults::SECRETS;
use crate::rotation::minutes_pass;
use crate::static_role::{creds, current, made};

scenarios! { all:
    a_dead_static_token_is_named_by_a_check_and_replaced_by_tidy with any_age(),
    a_dead_static_token_is_replaced_by_rollback with any_age(),
    a_dead_admin_token_is_reported_with_the_next_step,
}

scenarios! { clock:
    a_dead_static_token_is_replaced_within_the_hour,
    a_dead_admin_token_has_a_log_line_of_its_own_once_an_hour,
    a_young_static_token_is_not_judged,
}

/// A minimum age of a millisecond: zero would mean the default.
fn any_age() -> StageOptions {
    StageOptions { wal_min_age: Duration::from_millis(1), ..StageOptions::default() }
}

fn end_in_astra(stage: &Stage, client_id: &str) {
    assert!(stage.astra.change(&OutsideChange::RevokeToken { client_id: client_id.to_owned() }));
}

fn check(stage: &Stage) -> Outcome {
    stage.read(&format!("config/{}/check", stage.alpha.id), Value::Null).expect(200)
}

/// A static role `app` whose current token has ended in Astra. Returns the token's client ID.
fn with_dead(stage: &Stage) -> String {
    stage.configure(&stage.alpha);
    made(stage, json!({}));
    let dead = current(stage);
    end_in_astra(stage, &dead);
    dead
}

fn assert_named(stage: &Stage) {
    let deep = stage.read(&format!("config/{}/check", stage.alpha.id), json!({ "deep": true })).expect(200);
    for check in [check(stage), deep] {
        let item = &check.data["served_tokens"];
        assert_eq!((&check.data["healthy"], &item["ok"]), (&json!(false), &json!("no")), "{check:#?}");
        assert!(item["message"].as_str().unwrap().contains("`app`"), "{item}");
    }
}

/// Clients read a valid token, the mount knows it and no other one, and no check reports a dead token.
fn assert_replaced(stage: &Stage, dead: &str) {
    let new = creds(stage, "app").expect(200);
    assert_ne!(new.text("clientId"), dead);
    assert!(stage.works(new.text("token")));
    stage.settle_held(&stage.alpha, 0, 1);
    assert_eq!(check(stage).data["served_tokens"]["ok"], "yes");
    let old = stage.read(&format!("tokens/{}/{dead}", stage.alpha.id), Value::Null).expect(200);
    assert!(["rotated", "tidied"].contains(&old.text("ended_how")), "{old:#?}");
}

fn a_dead_static_token_is_named_by_a_check_and_replaced_by_tidy(stage: &Stage) {
    let dead = with_dead(stage);
    assert_named(stage);
    let dry = stage.write("tidy", json!({})).expect(200);
    assert_eq!((&dry.data["gone"], &dry.data["removed"]), (&json!([dead]), &json!([])), "{dry:#?}");
    assert_eq!(current(stage), dead, "a dry run changes nothing");
    let real = stage.write("tidy", json!({ "dry_run": false })).expect(200);
    assert!(real.data["messages"].to_string().contains("static role `app`"), "{real:#?}");
    assert_replaced(stage, &dead);
}

fn a_dead_static_token_is_replaced_by_rollback(stage: &Stage) {
    let dead = with_dead(stage);
    assert_named(stage);
    stage.settle_after(Duration::from_secs(60), &|| current(stage) != dead);
    assert_replaced(stage, &dead);
}

fn a_dead_admin_token_is_reported_with_the_next_step(stage: &Stage) {
    stage.ready();
    end_in_astra(stage, &stage.admin_client_id(&stage.alpha));
    let remedy = format!("`config/{}`", stage.alpha.id);
    let told = ["has ended", "astra_token", remedy.as_str()];
    let valid = check(stage).data["token_valid"]["message"].as_str().unwrap().to_owned();
    assert!(told.iter().all(|part| valid.contains(part)), "{valid}");
    stage.mint(&stage.alpha, "reader").expect_error(502, &told);
    stage.write(&format!("config/{}/rotate-root", stage.alpha.id), json!({})).expect_error(502, &told);
    stage.write("tidy", json!({ "org_id": stage.alpha.id })).expect_error(502, &told);
    // The next step in the text works.
    let administrator = stage.astra_role(&stage.alpha, "Organization Administrator");
    let mut org = stage.alpha.clone();
    org.token = stage.astra.add_token(&org.id, &[&administrator], "another", None).token;
    stage.configure(&org);
    stage.mint(&stage.alpha, "reader").expect(200);
    stage.assert_consistent(&stage.alpha, 1);
}

/// With one list each hour, whatever the number of static roles and calls.
fn a_dead_static_token_is_replaced_within_the_hour(stage: &Stage) {
    stage.configure(&stage.alpha);
    made(stage, json!({}));
    minutes_pass(stage, 1);
    minutes_pass(stage, 15);
    let dead = current(stage);
    end_in_astra(stage, &dead);
    let before = stage.astra.request_count();
    for _ in 0..55 {
        minutes_pass(stage, 1);
    }
    // Only the daily request about the end of the admin token, and none each minute.
    assert_eq!(stage.astra.request_count(), before + 1);
    for _ in 0..10 {
        minutes_pass(stage, 1);
    }
    assert_replaced(stage, &dead);
    let lists = stage.astra.requests().into_iter().filter(|call| call.method == "GET" && call.path == SECRETS).count();
    assert!(lists < 8, "{lists}");
}

fn a_young_static_token_is_not_judged(stage: &Stage) {
    let young = with_dead(stage);
    for _ in 0..8 {
        minutes_pass(stage, 1);
        stage.write("tidy", json!({ "dry_run": false })).expect(200);
    }
    assert_eq!(check(stage).data["served_tokens"]["ok"], "yes");
    assert_eq!(current(stage), young);
    // Old enough now, and a minute before rollback checks for the first time.
    minutes_pass(stage, 2);
    assert_named(stage);
    stage.write("tidy", json!({ "dry_run": false })).expect(200);
    assert_replaced(stage, &young);
}

/// The hourly check finds the dead token, a tidy finds it again, and the log has one line for both, each hour.
fn a_dead_admin_token_has_a_log_line_of_its_own_once_an_hour(stage: &Stage) {
    let lines = || stage.driver.logs().matches("Astra refused the admin token of an organization").count();
    stage.ready();
    made(stage, json!({}));
    minutes_pass(stage, 1);
    let dead = stage.admin_client_id(&stage.alpha);
    end_in_astra(stage, &dead);
    for hour in 1..=2 {
        for _ in 0..60 {
            minutes_pass(stage, 1);
        }
        stage.write("tidy", json!({ "org_id": stage.alpha.id })).expect_error(502, &["has ended"]);
        assert_eq!(lines(), hour, "{}", stage.driver.logs());
    }
    let logs = stage.driver.logs();
    assert!(logs.contains(&dead) && logs.contains(&format!("`config/{}`", stage.alpha.id)), "{logs}");
}
