//! Astra refuses an admin token: rollback and tidy say so, once an hour.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use secrets_framework::Operation;
use secrets_framework::host::LogLevel;
use secrets_framework::testing::LogLine;
use serde_json::{Value, json};

use crate::limits::{ADMIN_REFUSAL_LOG_PERIOD, HELD_LOOK_PERIOD};
use crate::testing::{ADMIN_B, Fault, LATER, Leased, Mount, ORG_A, ORG_B, On};

const MINUTE: Duration = Duration::from_secs(60);

fn warnings(mount: &Mount) -> Vec<LogLine> {
    let lines = mount.host.log.lines().into_iter();
    lines.filter(|line| line.message == "Astra refused the admin token of an organization").collect()
}

#[track_caller]
fn assert_warned(mount: &Mount, org_id: &str, client_id: &str, times: usize) {
    let of_org: Vec<LogLine> =
        warnings(mount).into_iter().filter(|line| line.fields[0] == ("org".to_owned(), org_id.to_owned())).collect();
    assert_eq!(of_org.len(), times, "{of_org:#?}");
    for line in of_org {
        assert_eq!(line.level, LogLevel::Warn);
        assert_eq!(line.fields[1], ("client_id".to_owned(), client_id.to_owned()));
        let (name, error) = &line.fields[2];
        assert!(name == "error" && error.contains("401") && error.contains(&format!("`config/{org_id}`")), "{error}");
        assert!(error.contains("`astra_token`") && !error.contains("canary"), "{error}");
    }
}

/// Astra knows the admin token of organization A no more.
fn with_dead_admin(mount: Mount) -> Mount {
    mount.astra.delete_outside("AdminOfA");
    mount
}

/// What a tidy that is refused answers is not looked at here.
fn tidy(mount: &Mount) {
    let _ = mount.write("tidy", json!({ "dry_run": true }));
}

#[test]
fn the_hourly_look_warns_of_a_refused_admin_token_once_an_hour() {
    let mount = Mount::new();
    mount.daily("app");
    mount.rollback().unwrap();
    let mount = with_dead_admin(mount);
    for hour in 1..=3 {
        mount.host.clock.advance(HELD_LOOK_PERIOD);
        mount.rollback().unwrap();
        mount.host.clock.advance(MINUTE);
        mount.rollback().unwrap();
        assert_warned(&mount, ORG_A, "AdminOfA", hour);
    }
    mount.assert_no_secret_logged();
}

#[test]
fn tidy_warns_of_a_refused_admin_token() {
    let mount = Mount::new();
    mount.configure(ORG_B, ADMIN_B, json!({}));
    let mount = with_dead_admin(mount);
    for _ in 0..3 {
        tidy(&mount);
        mount.host.clock.advance(MINUTE);
    }
    assert_warned(&mount, ORG_A, "AdminOfA", 1);
    assert_warned(&mount, ORG_B, "AdminOfB", 0);
    mount.host.clock.advance(ADMIN_REFUSAL_LOG_PERIOD);
    tidy(&mount);
    assert_warned(&mount, ORG_A, "AdminOfA", 2);
}

#[test]
fn a_scheduled_tidy_and_the_end_of_leases_warn_once_together() {
    let mount = Mount::new();
    mount.write(&format!("config/{ORG_A}"), json!({ "tidy_period": "1h" })).done();
    for _ in 0..5 {
        Leased::of(mount.creds());
    }
    let mount = with_dead_admin(mount);
    mount.host.clock.advance(2 * LATER + 2 * Duration::from_secs(3600));
    for _ in 0..3 {
        let _ = mount.rollback();
        mount.host.clock.advance(MINUTE);
    }
    assert_warned(&mount, ORG_A, "AdminOfA", 1);
}

#[test]
fn a_refused_mint_is_no_warning_for_its_caller_is_told() {
    let mount = with_dead_admin(Mount::new());
    let told = mount.creds().0.unwrap_err().to_string();
    assert!(told.contains(&format!("`config/{ORG_A}`")), "{told}");
    assert_eq!(warnings(&mount), []);
}

#[test]
fn another_admin_token_that_is_refused_is_warned_of_at_once() {
    let mount = with_dead_admin(Mount::new());
    tidy(&mount);
    assert_warned(&mount, ORG_A, "AdminOfA", 1);
    mount.configure(ORG_A, "AstraCS:Another:canary", json!({ "verify": false }));
    mount.host.log.clear();
    tidy(&mount);
    assert_warned(&mount, ORG_A, "Another", 1);
}

#[test]
fn a_refused_token_of_a_retired_config_is_no_warning_of_the_current_one() {
    let mount = Mount::new();
    let live = Leased::of(mount.creds());
    mount.astra.add_org("AstraCS:Moved:canary", ORG_A, "https://moved.example.org");
    let fields = json!({ "url": "https://moved.example.org", "force": true });
    mount.configure(ORG_A, "AstraCS:Moved:canary", fields);
    let mount = with_dead_admin(mount);
    mount.host.clock.advance(Duration::from_secs(5 * 3600));
    let _ = mount.rollback();
    assert!(mount.host.log.text().contains("could not be removed yet"), "its token {} lives", live.client_id());
    assert_eq!(warnings(&mount), []);
}

#[test]
fn a_401_that_may_be_a_missing_permission_is_worded_so() {
    let mount = Mount::new();
    mount.astra.fail_times(On::CurrentOrg, 5, Fault::Status(401, "null"));
    tidy(&mount);
    assert_warned(&mount, ORG_A, "AdminOfA", 1);
    assert!(mount.host.log.text().contains("check that the token is valid, may manage tokens"));
}

#[test]
fn other_answers_than_401_are_no_warning() {
    let mount = Mount::new();
    for fault in [Fault::Status(403, "null"), Fault::Status(503, ""), Fault::Status(404, "null")] {
        mount.astra.fail_times(On::List, 5, fault.clone());
        mount.astra.fail_times(On::CurrentOrg, 5, fault);
        mount.write("tidy", json!({ "dry_run": true, "org_id": ORG_A })).0.unwrap_err();
        mount.astra.heal();
    }
    assert_eq!(warnings(&mount), []);
}

#[test]
fn what_was_noted_goes_with_the_config() {
    let mount = with_dead_admin(Mount::new());
    tidy(&mount);
    let noted = || mount.host.storage.keys().into_iter().filter(|key| key.starts_with("admin-token-refused/")).count();
    assert_eq!(noted(), 1);
    mount.send(Operation::Delete, &format!("config/{ORG_A}"), Value::Null).done();
    assert_eq!(noted(), 0);
}
