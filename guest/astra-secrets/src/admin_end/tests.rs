#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use secrets_framework::Operation;
use secrets_framework::host::{Clock, HttpMethod, Locks, StorageError};
use secrets_framework::testing::{READ_ONLY_TEXT, StorageCall};
use serde_json::{Value, json};

use super::*;
use crate::testing::{ADMIN_B, Fault, Mount, ORG_A, ORG_B, On, task_key};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// An end 30 days after the tests begin, and the renewal before it: an hour and the grace period, by default 10 minutes.
const IN_30_DAYS: &str = "2026-01-31T00:00:00Z";
const RENEWAL: u64 = 1_769_817_600 - 3600 - 600;

fn metric(mount: &Mount, name: &str, org_id: &str) -> Option<u64> {
    let data = mount.send(Operation::Read, "metrics", Value::Null).data();
    let family = data["families"].as_array().unwrap().iter().find(|family| family["name"] == name)?;
    let labels = json!({ "organization": org_id });
    let sample = family["samples"].as_array().unwrap().iter().find(|sample| sample["labels"] == labels)?;
    sample["value"].as_u64()
}

fn lists(mount: &Mount) -> usize {
    let requests = mount.host.http.requests();
    mount.host.http.clear();
    requests
        .iter()
        .filter(|request| request.method == HttpMethod::Get && request.path_and_query.ends_with("/v2/clientIdSecrets"))
        .count()
}

fn rollback_after(mount: &Mount, time: Duration) -> usize {
    mount.host.http.clear();
    mount.host.clock.advance(time);
    mount.rollback().unwrap();
    lists(mount)
}

#[test]
fn the_end_of_an_admin_token_is_looked_up_once_a_day_and_after_a_change() {
    let mount = Mount::new();
    mount.astra.set_expiry("AdminOfA", "2026-01-15T00:00:00Z");
    assert_eq!(metric(&mount, "astra_admin_token_end_timestamp_seconds", ORG_A), None);
    assert_eq!(rollback_after(&mount, HOUR), 1);
    let now = mount.host.clock.now().as_secs();
    let ends = 1_768_435_200;
    assert_eq!(metric(&mount, "astra_admin_token_end_timestamp_seconds", ORG_A), Some(ends));
    assert_eq!(metric(&mount, "astra_admin_token_remaining_seconds", ORG_A), Some(ends - now));
    assert_eq!(metric(&mount, "astra_admin_token_seen_timestamp_seconds", ORG_A), Some(now));
    assert_eq!(rollback_after(&mount, HOUR), 0, "known for today");
    assert_eq!(rollback_after(&mount, 23 * HOUR), 1);
    // Another token, of which nothing is known until the next look.
    mount.write(&format!("config/{ORG_A}/rotate-root"), json!({})).data();
    assert_eq!(metric(&mount, "astra_admin_token_end_timestamp_seconds", ORG_A), None);
    assert_eq!(metric(&mount, "astra_admin_token_seen_timestamp_seconds", ORG_A), None);
    assert!(rollback_after(&mount, HOUR) >= 1);
    assert_eq!(metric(&mount, "astra_admin_token_end_timestamp_seconds", ORG_A), None, "Astra tells no end");
    assert!(metric(&mount, "astra_admin_token_seen_timestamp_seconds", ORG_A).is_some());
}

#[test]
fn a_token_that_has_ended_has_no_time_left() {
    let mount = Mount::new();
    mount.astra.set_expiry("AdminOfA", "2026-01-01T02:00:00Z");
    rollback_after(&mount, HOUR);
    mount.host.clock.advance(3 * HOUR);
    assert_eq!(metric(&mount, "astra_admin_token_remaining_seconds", ORG_A), Some(0));
}

#[test]
fn an_organization_that_cannot_be_asked_keeps_no_other_from_it() {
    let mount = Mount::new();
    mount.configure(ORG_B, ADMIN_B, json!({}));
    mount.astra.fail(On::List, Fault::Status(401, ""));
    mount.host.log.clear();
    rollback_after(&mount, HOUR);
    assert!(mount.host.log.text().contains("the end of an admin token could not be found out"));
    let seen = |org_id| metric(&mount, "astra_admin_token_seen_timestamp_seconds", org_id).is_some();
    assert_eq!((seen(ORG_A), seen(ORG_B)), (false, true));
    rollback_after(&mount, HOUR);
    assert!(seen(ORG_A), "asked again an hour later");
}

#[test]
fn one_call_asks_for_a_bounded_number_of_lists_and_the_next_goes_on() {
    let mount = Mount::new();
    let config = mount.host.storage.json(&format!("config/{ORG_A}"));
    for number in 0..ADMIN_END_LISTS_MAX {
        let mut other = config.clone();
        other["org_id"] = json!(format!("org-{number:02}"));
        mount.host.storage.seed(&format!("config/org-{number:02}"), other.to_string());
    }
    assert_eq!(rollback_after(&mount, HOUR), ADMIN_END_LISTS_MAX);
    assert_eq!(rollback_after(&mount, Duration::from_secs(60)), 1);
    assert_eq!(rollback_after(&mount, Duration::from_secs(60)), 0);
}

#[test]
fn one_call_looks_at_a_bounded_number_of_organizations() {
    let mount = Mount::new();
    for number in 0..ADMIN_END_ORGANIZATIONS_MAX {
        // No admin token, so Astra is not asked.
        let other = json!({ "org_id": format!("org-{number:03}"), "astra_token": "", "url": "https://a.example" });
        mount.host.storage.seed(&format!("config/org-{number:03}"), other.to_string());
    }
    rollback_after(&mount, HOUR);
    let after = || mount.host.storage.json(ADMIN_END_STATE_KEY)["after"].as_str().unwrap().to_owned();
    assert_eq!(after(), format!("org-{:03}", ADMIN_END_ORGANIZATIONS_MAX - 2), "{ORG_A} comes first");
    rollback_after(&mount, Duration::from_secs(60));
    assert_eq!(after(), "");
}

#[test]
fn what_is_known_of_the_end_goes_with_the_config() {
    let mount = Mount::new();
    rollback_after(&mount, HOUR);
    let key = key(&OrgId::stored(ORG_A));
    assert!(mount.host.storage.keys().contains(&key));
    mount.send(Operation::Delete, &format!("config/{ORG_A}"), Value::Null).0.unwrap();
    assert!(!mount.host.storage.keys().contains(&key));
}

/// Sets when the admin token rotates, by the day.
fn rotate_each(mount: &Mount, days: u64) {
    let period = json!({ "rotation_period": format!("{}h", 24 * days) });
    mount.write(&format!("config/{ORG_A}"), period).done();
}

fn admin_token(mount: &Mount) -> String {
    let config = mount.host.storage.json(&format!("config/{ORG_A}"));
    config["astra_token"].as_str().unwrap().split(':').nth(1).unwrap().to_owned()
}

/// The config and the schedule queue agree that the admin token rotates then.
#[track_caller]
fn assert_due(mount: &Mount, at: u64) {
    assert_eq!(mount.queued(Some("rotate-admin")), [task_key("rotate-admin", at, ORG_A)]);
    assert_eq!(mount.host.storage.json(&format!("config/{ORG_A}"))["rotation_state"]["due"], at);
}

fn count_in_log(mount: &Mount, words: &str) -> usize {
    mount.host.log.lines().iter().filter(|logged| logged.message.contains(words)).count()
}

#[test]
fn an_admin_token_that_ends_before_its_rotation_is_rotated_before() {
    for mount in [Mount::new(), Mount::on_vault()] {
        rotate_each(&mount, 90);
        let begin = mount.host.clock.now().as_secs();
        assert_due(&mount, begin + 90 * 86400);
        mount.astra.set_expiry("AdminOfA", IN_30_DAYS);
        rollback_after(&mount, HOUR);
        assert_due(&mount, RENEWAL);
        assert_eq!(count_in_log(&mount, "was brought forward"), 1);
        mount.host.clock.set(Duration::from_secs(RENEWAL) - MINUTE);
        mount.rollback().unwrap();
        assert_eq!(admin_token(&mount), "AdminOfA", "not before its time");
        rollback_after(&mount, MINUTE);
        let made = admin_token(&mount);
        assert_ne!(made, "AdminOfA");
        assert!(mount.astra.is_live(&made));
        // Nor did Astra's answer tell the end of the new token.
        assert_due(&mount, RENEWAL + 90 * 86400);
        mount.astra.set_expiry(&made, "2026-03-02T00:00:00Z");
        rollback_after(&mount, HOUR);
        assert_due(&mount, RENEWAL + 30 * 86400);
        mount.assert_no_secret_logged();
    }
}

#[test]
fn a_rotation_that_comes_in_time_or_was_brought_forward_is_written_no_more() {
    let mount = Mount::new();
    mount.astra.set_expiry("AdminOfA", IN_30_DAYS);
    let without_schedule = mount.host.storage.json(&format!("config/{ORG_A}"));
    rollback_after(&mount, HOUR);
    assert_eq!(mount.host.storage.json(&format!("config/{ORG_A}")), without_schedule);
    rotate_each(&mount, 20);
    let begin = mount.host.clock.now().as_secs();
    rollback_after(&mount, HOUR);
    assert_due(&mount, begin + 20 * 86400);
    // A later schedule: the end is known, so Astra is not asked for it.
    rotate_each(&mount, 90);
    assert_eq!(rollback_after(&mount, HOUR), 0);
    assert_due(&mount, RENEWAL);
    let config = mount.host.storage.json(&format!("config/{ORG_A}"));
    for day in 0..28 {
        rollback_after(&mount, 24 * HOUR);
        assert_eq!(mount.host.storage.json(&format!("config/{ORG_A}")), config, "day {day}");
    }
    assert_eq!(count_in_log(&mount, "was brought forward"), 1);
}

#[test]
fn an_early_rotation_that_fails_keeps_its_back_off() {
    let mount = Mount::new();
    rotate_each(&mount, 90);
    // Past by our clock, and shown all the same.
    mount.astra.set_expiry("AdminOfA", "2026-01-01T00:30:00Z");
    mount.astra.fail_times(On::Make, 100, Fault::Status(503, ""));
    rollback_after(&mount, HOUR);
    assert_due(&mount, mount.host.clock.now().as_secs());
    for failures in 1..=12_u64 {
        mount.host.clock.advance(MINUTE);
        mount.host.storage.seed(ADMIN_END_STATE_KEY, json!({ "next": 1 }).to_string());
        let _ = mount.rollback();
        let state = mount.host.storage.json(&format!("config/{ORG_A}"))["rotation_state"].clone();
        assert!(state["failures"].as_u64().unwrap() <= failures.ilog2() as u64 + 1, "{failures}: {state}");
    }
    assert_eq!(count_in_log(&mount, "was brought forward"), 1);
    mount.astra.heal();
    for _ in 0..16 {
        mount.host.clock.advance(MINUTE);
        mount.rollback().unwrap();
    }
    assert_ne!(admin_token(&mount), "AdminOfA");
}

#[test]
fn a_config_that_got_another_token_since_the_look_keeps_its_time() {
    let mount = Mount::new();
    rotate_each(&mount, 90);
    let due = mount.host.clock.now().as_secs() + 90 * 86400;
    mount.astra.set_expiry("AdminOfA", IN_30_DAYS);
    let other = mount.clone();
    mount.host.storage.before_next(StorageCall::Put, ADMIN_END_PREFIX, move || {
        let key = format!("config/{ORG_A}");
        let mut config = other.host.storage.json(&key);
        config["astra_token"] = json!("AstraCS:Another:canary");
        other.host.storage.seed(&key, config.to_string());
    });
    rollback_after(&mount, HOUR);
    assert_eq!(admin_token(&mount), "Another");
    assert_due(&mount, due);
    assert_eq!(count_in_log(&mount, "was brought forward"), 0);
}

#[test]
fn a_rotation_that_cannot_be_brought_forward_is_logged_stops_nothing_and_has_its_turn_an_hour_later() {
    let mount = Mount::new();
    mount.configure(ORG_B, ADMIN_B, json!({}));
    rotate_each(&mount, 90);
    mount.astra.set_expiry("AdminOfA", IN_30_DAYS);
    mount.host.locks.set_wait(Duration::ZERO);
    let held = mount.host.locks.acquire("config").unwrap();
    rollback_after(&mount, HOUR);
    drop(held);
    assert_eq!(count_in_log(&mount, "could not be brought forward"), 1);
    assert!(metric(&mount, "astra_admin_token_seen_timestamp_seconds", ORG_B).is_some());
    assert_eq!(rollback_after(&mount, HOUR), 0, "the end is known");
    assert_due(&mount, RENEWAL);
}

#[test]
fn a_node_that_may_not_write_brings_nothing_forward_and_logs_nothing() {
    let mount = Mount::new();
    mount.astra.set_expiry("AdminOfA", IN_30_DAYS);
    rollback_after(&mount, HOUR);
    rotate_each(&mount, 90);
    let config = mount.host.storage.json(&format!("config/{ORG_A}"));
    mount.host.log.clear();
    mount.host.clock.advance(HOUR);
    mount.host.storage.set_read_only(true);
    let error = mount.rollback().unwrap_err();
    assert!(error.to_string().contains(READ_ONLY_TEXT), "{error}");
    assert_eq!(mount.host.log.text(), "");
    mount.host.storage.set_read_only(false);
    mount.host.system_view.set_upstream_read_only(true);
    mount.rollback().unwrap();
    assert_eq!(mount.host.storage.json(&format!("config/{ORG_A}")), config);
}

#[test]
fn storage_that_fails_for_one_config_keeps_no_other_from_its_turn() {
    let mount = Mount::new();
    mount.astra.set_expiry("AdminOfA", IN_30_DAYS);
    rollback_after(&mount, HOUR);
    mount.configure(ORG_B, ADMIN_B, json!({}));
    rotate_each(&mount, 90);
    let failure = StorageError::Failed("storage is down".to_owned());
    mount.host.storage.fail_prefix(StorageCall::Put, &format!("config/{ORG_A}"), failure);
    mount.host.clock.advance(HOUR);
    mount.rollback().unwrap_err();
    rollback_after(&mount, MINUTE);
    assert!(metric(&mount, "astra_admin_token_seen_timestamp_seconds", ORG_B).is_some());
}
