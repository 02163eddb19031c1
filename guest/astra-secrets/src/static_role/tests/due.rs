//! Rotation by the schedule: when it comes, what a failure does to it, and
//! what a call costs.

use std::time::Duration;

use secrets_framework::Operation;
use secrets_framework::host::{Clock, HttpError, StorageError};
use secrets_framework::testing::StorageCall;
use serde_json::{Value, json};

use super::super::StaticRole;
use super::{DAY, HOUR, MINUTE, with_role};
use crate::limits::{LEASE_END_MARGIN, ROLLBACK_BUDGET, ROTATION_BACK_OFF_MAX, SCHEDULED_TASKS_PER_ROLLBACK_MAX};
use crate::names::{OrgId, RoleName};
use crate::schedule::Schedule;
use crate::static_role::test_mount::path;
use crate::testing::{Fault, Mount, ORG_A, On, ROLE_ID, task_key};
use crate::time_text;
use crate::who::Who;

fn now(mount: &Mount) -> u64 {
    mount.host.clock.now().as_secs()
}

fn set_clock(mount: &Mount, text: &str) {
    mount.host.clock.set(time_text::parse(text).unwrap());
}

#[test]
fn it_rotates_when_its_time_has_come_and_not_before() {
    let (mount, first) = with_role(Mount::new());
    mount.host.clock.advance(DAY - MINUTE);
    mount.rollback().unwrap();
    assert_eq!(mount.static_token("app"), first);
    mount.host.clock.advance(MINUTE);
    mount.rollback().unwrap();
    let second = mount.static_token("app");
    assert_ne!(second, first);
    mount.assert_static(1, 1);
    let read = mount.read_static("app");
    assert_eq!(read["last_rotated"], "2026-01-02T00:00:00Z");
    assert_eq!(read["next_rotation"], "2026-01-03T00:00:00Z");
    assert_eq!((&read["previous_client_id"], &read["previous_ends"]), (&json!(first), &json!("2026-01-02T01:00:00Z")));
    mount.host.clock.advance(HOUR);
    mount.rollback().unwrap();
    mount.assert_static(1, 0);
    assert_eq!(mount.static_token("app"), second);
    assert_eq!(mount.read_static("app")["previous_client_id"], Value::Null);
}

#[test]
fn the_end_of_a_replaced_token_is_logged_as_such_and_not_as_that_of_a_lease() {
    let (mount, first) = with_role(Mount::new());
    mount.host.clock.advance(DAY);
    mount.rollback().unwrap();
    mount.host.log.clear();
    mount.host.clock.advance(HOUR);
    mount.rollback().unwrap();
    let lines = mount.host.log.lines();
    let [line] = <[_; 1]>::try_from(lines).unwrap();
    assert_eq!(line.message, "a replaced token was removed at the end of its grace period");
    let fields: Vec<_> = line.fields.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(fields, [("org", ORG_A), ("static_role", "app"), ("client_id", &first), ("kind", "static")]);
}

#[test]
fn a_shorter_period_that_has_passed_already_rotates_at_the_next_rollback() {
    let (mount, first) = with_role(Mount::new());
    mount.host.clock.advance(3 * HOUR);
    // This hour's look for earlier hours of the schedule queue is over.
    mount.rollback().unwrap();
    mount.host.clock.advance(MINUTE);
    mount.write(&path("app"), json!({ "rotation_period": "1h" })).done();
    assert_eq!(mount.static_token("app"), first);
    assert_eq!(mount.read_static("app")["next_rotation"], time_text::of_seconds(now(&mount)).unwrap());
    mount.host.clock.advance(MINUTE);
    mount.rollback().unwrap();
    assert_ne!(mount.static_token("app"), first);
    mount.assert_static(1, 1);
}

/// Else it would keep all others waiting, each minute.
#[test]
fn a_rotation_that_does_not_come_back_is_not_first_in_line_again() {
    let (mount, _) = with_role(Mount::new());
    let before = mount.queued(Some("rotate-static"));
    mount.host.clock.advance(DAY);
    let storage = std::sync::Arc::clone(&mount.host.storage);
    mount.astra.during_next_make(move || storage.fail_all(StorageError::Failed("the instance died here".to_owned())));
    assert!(mount.rollback().is_err());
    mount.host.storage.clear_faults();
    let after = mount.queued(Some("rotate-static"));
    assert!(after.len() == 1 && after > before, "{before:?} {after:?}");
    mount.rollback_later();
    mount.assert_static(1, 1);
}

#[test]
fn missed_rotations_are_one_rotation_at_the_next_call() {
    let (mount, first) = with_role(Mount::on_vault());
    mount.host.clock.advance(10 * DAY + HOUR);
    mount.rollback().unwrap();
    assert_ne!(mount.static_token("app"), first);
    mount.rollback().unwrap();
    mount.assert_static(1, 1);
    assert_eq!(mount.read_static("app")["next_rotation"], "2026-01-12T01:00:00Z");
}

#[test]
fn a_cron_expression_is_served_within_its_window_only() {
    let mount = Mount::new();
    let fields = json!({ "rotation_schedule": "0 3 * * *", "rotation_window": "1h" });
    mount.write_static("app", fields).done();
    let first = mount.static_token("app");
    assert_eq!(mount.read_creds("app").data()["ttl"], 3 * 3600);
    set_clock(&mount, "2026-01-01T04:00:01Z");
    mount.rollback().unwrap();
    assert_eq!(mount.static_token("app"), first, "too late");
    assert_eq!(mount.read_static("app")["next_rotation"], "2026-01-02T03:00:00Z");
    mount.assert_static(1, 0);
    set_clock(&mount, "2026-01-02T04:00:00Z");
    mount.rollback().unwrap();
    assert_ne!(mount.static_token("app"), first, "just in time");
    assert_eq!(mount.read_static("app")["next_rotation"], "2026-01-03T03:00:00Z");
    mount.assert_static(1, 1);
}

#[test]
fn a_failure_backs_off_is_shown_and_ends_with_a_success() {
    let (mount, first) = with_role(Mount::new());
    mount.host.clock.advance(DAY);
    mount.astra.fail_times(On::Make, 100, Fault::Status(503, "canary"));
    let mut pauses = Vec::new();
    for failures in 1..=8 {
        mount.rollback().unwrap_err();
        let read = mount.read_static("app");
        assert_eq!(read["failures"], failures);
        assert!(read["last_error"].as_str().unwrap().contains("status 503"), "{read}");
        let next = mount.host.storage.json(&format!("static-role/{ORG_A}/app"))["due"].as_u64().unwrap();
        pauses.push(next - now(&mount));
        assert_eq!(mount.static_token("app"), first);
        // Not tried again before its time.
        mount.host.clock.advance(Duration::from_secs(next - now(&mount) - 1));
        mount.rollback().unwrap();
        assert_eq!(mount.read_static("app")["failures"], failures);
        mount.host.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(pauses, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
    assert_eq!(pauses.last().copied(), Some(ROTATION_BACK_OFF_MAX.as_secs()));
    mount.astra.heal();
    mount.rollback().unwrap();
    let read = mount.read_static("app");
    assert_eq!((&read["failures"], &read["last_error"]), (&json!(0), &json!("")));
    assert_ne!(mount.static_token("app"), first);
    mount.rollback_later();
    mount.assert_static(1, 1);
}

/// As Vault Secrets Operator polls: it reads again when `ttl` has passed.
#[test]
fn a_client_that_reads_again_after_ttl_gets_the_new_token_as_soon_as_a_failing_rotation_works() {
    let (mount, first) = with_role(Mount::new());
    mount.host.clock.advance(DAY);
    mount.astra.fail_times(On::Make, 100, Fault::Status(503, ""));
    for pause in [60, 120, 240] {
        mount.rollback().unwrap_err();
        let read = mount.read_creds("app").data();
        assert_eq!((&read["ttl"], &read["clientId"]), (&json!(pause), &json!(first)), "the time to the next try");
        mount.host.clock.advance(Duration::from_secs(pause));
    }
    mount.astra.heal();
    mount.rollback().unwrap();
    let read = mount.read_creds("app").data();
    assert_eq!((&read["ttl"], &read["clientId"]), (&json!(86_400), &json!(mount.static_token("app"))));
    assert_ne!(mount.static_token("app"), first);
}

#[test]
fn a_rotation_by_hand_ends_a_row_of_failures() {
    let (mount, _) = with_role(Mount::new());
    mount.host.clock.advance(DAY);
    mount.astra.fail(On::Make, Fault::Status(401, ""));
    mount.rollback().unwrap_err();
    mount.rotate_static("app").data();
    assert_eq!(mount.read_static("app")["failures"], 0);
    assert_eq!(mount.read_creds("app").data()["ttl"], 24 * 3600);
    mount.assert_static(1, 1);
}

#[test]
fn a_retry_outside_the_window_waits_for_the_next_time() {
    let mount = Mount::new();
    let fields = json!({ "rotation_schedule": "0 3 * * *", "rotation_window": "5m" });
    mount.write_static("app", fields).done();
    set_clock(&mount, "2026-01-01T03:02:00Z");
    mount.astra.fail_times(On::Make, 100, Fault::Status(401, ""));
    mount.rollback().unwrap_err();
    assert_eq!(mount.read_static("app")["next_rotation"], "2026-01-01T03:03:00Z");
    set_clock(&mount, "2026-01-01T03:03:30Z");
    mount.rollback().unwrap_err();
    let read = mount.read_static("app");
    assert_eq!(read["next_rotation"], "2026-01-02T03:00:00Z", "03:05:30 would be outside");
    assert_eq!(read["failures"], 2, "it is still to be seen");
    mount.assert_static(1, 0);
}

#[test]
fn a_clock_that_jumps_ahead_rotates_once_and_one_that_jumps_back_is_shown() {
    let (mount, first) = with_role(Mount::new());
    let start = mount.host.clock.now();
    mount.host.clock.advance(1000 * DAY);
    mount.rollback().unwrap();
    let second = mount.static_token("app");
    assert_ne!(second, first);
    mount.assert_static(1, 1);

    mount.host.clock.set(start);
    mount.rollback().unwrap();
    assert_eq!(mount.static_token("app"), second, "nothing happens by itself");
    let warnings = |mount: &Mount| mount.send(Operation::Read, &path("app"), Value::Null).warnings();
    assert!(warnings(&mount)[0].contains("the clock has been set back"));
    // A write, of whatever, plans by the clock as it is now; so does a rotation.
    mount.write_static("app", json!({})).done();
    assert_eq!(mount.read_creds("app").data()["ttl"], 24 * 3600);
    mount.rotate_static("app").data();
    assert!(warnings(&mount).is_empty());
    // What the wrong clock had replaced ends with what was replaced now, and not in years.
    mount.assert_static(1, 2);
    mount.host.clock.advance(HOUR);
    mount.rollback().unwrap();
    mount.assert_static(1, 0);
}

#[test]
fn what_is_wrong_is_said() {
    let mut role = StaticRole::new(OrgId::stored(ORG_A), RoleName::stored("app"), Who::default());
    assert!(role.trouble(0).is_some_and(|text| text.contains("has no time")));
    role.set_schedule(Schedule::Period(DAY), 1000);
    assert_eq!(role.trouble(1000), None);
    role.turn.failures = 3;
    role.turn.error = "Astra failed".to_owned();
    assert!(role.trouble(1000).is_some_and(|text| text.contains("3 times in a row: Astra failed")));
}

#[test]
fn an_entry_that_its_role_does_not_confirm_is_dropped() {
    let (mount, first) = with_role(Mount::new());
    let now = mount.host.clock.now().as_secs();
    let key = |name: &str| task_key("rotate-static", now, &format!("{ORG_A}.{name}"));
    mount.host.storage.seed(&format!("static-role/{ORG_A}/damaged"), "{");
    for name in ["app", "gone", "damaged", "a%00"] {
        mount.host.storage.seed(&key(name), "{}");
    }
    mount.rollback().unwrap();
    mount.host.storage.remove(&format!("static-role/{ORG_A}/damaged"));
    mount.assert_static(1, 0);
    assert_eq!(mount.static_token("app"), first);
}

#[test]
fn a_role_that_is_busy_has_its_turn_at_the_next_call() {
    let (mount, _) = with_role(Mount::new());
    mount.host.clock.advance(DAY);
    mount.host.locks.set_wait(Duration::from_millis(20));
    let racing = mount.clone();
    mount.astra.during_next_make(move || {
        racing.rollback().unwrap_err();
    });
    mount.rotate_static("app").data();
    mount.rollback().unwrap();
    mount.assert_static(1, 1);
}

#[test]
fn an_organization_that_fails_does_not_keep_other_roles_waiting() {
    let (mount, first) = with_role(Mount::new());
    mount.write_static("zzz", json!({ "rotation_period": "24h" })).done();
    mount.host.clock.advance(DAY);
    mount.astra.fail(On::Make, Fault::Status(401, ""));
    let other = mount.static_token("zzz");
    mount.rollback().unwrap_err();
    assert_eq!(mount.static_token("app"), first);
    assert_ne!(mount.static_token("zzz"), other);
    mount.assert_static(2, 1);
}

#[test]
fn a_slow_astra_ends_a_call_early() {
    let mount = Mount::new();
    for number in 0..10 {
        mount.daily(&format!("app{number}"));
    }
    mount.host.clock.advance(DAY);
    mount.astra.fail_times(On::Make, 100, Fault::Fails(HttpError::TimedOut));
    let start = mount.host.clock.now();
    mount.rollback().unwrap_err();
    let spent = mount.host.clock.now() - start;
    assert!(spent > ROLLBACK_BUDGET && spent < 2 * ROLLBACK_BUDGET, "{spent:?}");
    mount.astra.heal();
    for _ in 0..2 {
        mount.host.clock.advance(2 * MINUTE);
        mount.rollback().unwrap();
    }
    mount.rollback_later();
    mount.assert_static(10, 10);
}

#[test]
fn a_call_costs_what_is_due_and_not_what_is_stored() {
    const ROLES: u64 = 1000;
    // Made without transactions: those of the storage in memory cost what is stored.
    let mount = Mount::on_vault();
    for number in 0..ROLES {
        // Half of them hourly, half daily.
        let period = if number % 2 == 0 { "1h" } else { "24h" };
        mount.write_static(&format!("app{number}"), json!({ "rotation_period": period })).0.unwrap();
        mount.host.clock.advance(Duration::from_secs(1));
    }
    mount.assert_static(1000, 0);
    // Each token is looked at once, whether it came into use.
    mount.host.clock.advance(LEASE_END_MARGIN);
    mount.rollback().unwrap();
    assert_eq!(mount.queued(Some("token")), Vec::<String>::new());
    mount.host.storage.set_transactional(true);
    mount.has_looked();
    mount.host.storage.clear_calls();
    mount.host.http.clear();
    mount.rollback().unwrap();
    let calls = |call| mount.host.storage.calls(call);
    assert!(calls(StorageCall::Get) <= 4 && calls(StorageCall::List) <= 6, "an idle call");
    assert_eq!((calls(StorageCall::Put), mount.host.http.requests().len()), (0, 0));

    // The first two hourly ones are due.
    mount.host.clock.advance(HOUR - Duration::from_secs(ROLES) - LEASE_END_MARGIN + Duration::from_secs(3));
    mount.finish_index_scan();
    mount.has_looked();
    mount.host.storage.clear_calls();
    mount.rollback().unwrap();
    let all = [StorageCall::Get, StorageCall::Put, StorageCall::Delete, StorageCall::List];
    let spent: u64 = all.into_iter().map(calls).sum();
    assert!(spent <= 60, "{spent} storage calls for two rotations");
    assert_eq!(mount.host.http.requests().len(), 4);
    mount.assert_static(1000, 2);
}

#[test]
fn a_call_rotates_a_bounded_number() {
    let mount = Mount::new();
    let many = SCHEDULED_TASKS_PER_ROLLBACK_MAX + 1;
    for number in 0..many {
        mount.daily(&format!("app{number}"));
    }
    mount.host.clock.advance(DAY);
    mount.rollback().unwrap();
    mount.assert_static(many, many - 1);
    mount.rollback().unwrap();
    mount.assert_static(many, many);
}

#[test]
fn a_schedule_that_changes_moves_the_entry() {
    let (mount, _) = with_role(Mount::new());
    mount.host.clock.advance(HOUR);
    mount.write_static("app", json!({ "rotation_period": "2h" })).done();
    assert_eq!(mount.read_static("app")["next_rotation"], "2026-01-01T02:00:00Z", "from the last rotation");
    mount.assert_static(1, 0);
    mount.write_static("app", json!({ "rotation_schedule": "30 3 * * *" })).done();
    let read = mount.read_static("app");
    assert_eq!(read["next_rotation"], "2026-01-01T03:30:00Z");
    assert_eq!((&read["rotation_period"], &read["rotation_schedule"]), (&json!(0), &json!("30 3 * * *")));
    mount.assert_static(1, 0);
    // What is written again as it is keeps its time.
    mount.host.clock.advance(MINUTE);
    mount.write_static("app", json!({ "rotation_schedule": "30 3 * * *", "description": "x" })).done();
    assert_eq!(mount.read_static("app")["next_rotation"], "2026-01-01T03:30:00Z");
    // Overdue by the new period: the next call rotates.
    mount.host.clock.advance(2 * HOUR);
    mount.write_static("app", json!({ "rotation_period": "1h" })).done();
    mount.rollback().unwrap();
    mount.assert_static(1, 1);
}

#[test]
fn fields_of_a_later_version_are_kept() {
    let (mount, _) = with_role(Mount::new());
    let key = format!("static-role/{ORG_A}/app");
    let mut entry = mount.host.storage.json(&key);
    entry["future"] = json!({ "a": 1 });
    mount.host.storage.seed(&key, entry.to_string());
    mount.write_static("app", json!({ "role_ids": [ROLE_ID] })).done();
    mount.rotate_static("app").data();
    assert_eq!(mount.host.storage.json(&key)["future"], json!({ "a": 1 }));
    let entry = mount.host.storage.snapshot().remove(&key).unwrap();
    assert!(entry.seal_wrap);
    assert!(!String::from_utf8(entry.value).unwrap().contains("canary"), "no secret is in it");
}
