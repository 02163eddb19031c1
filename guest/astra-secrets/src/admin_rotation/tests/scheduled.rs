//! Rotations by the schedule queue: on time, outside the window, after failures, after
//! a standstill, and with clocks that jump.

use secrets_framework::testing::READ_ONLY_TEXT;

use super::*;
use crate::names::OrgId;
use crate::schedule_queue::{QueuedTask, Task};
use crate::testing::{ADMIN_B, Fault, ORG_B, On};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

fn now(mount: &Mount) -> u64 {
    mount.host.clock.now().as_secs()
}

fn pass(mount: &Mount, seconds: u64) {
    mount.host.clock.advance(Duration::from_secs(seconds));
}

/// The state that `config/:org/check` tells of.
fn state(mount: &Mount) -> Value {
    mount.host.storage.json(&format!("config/{ORG_A}"))["rotation_state"].clone()
}

#[track_caller]
fn assert_due(mount: &Mount, at: u64) {
    let due = QueuedTask::new(Task::RotateAdmin(OrgId::stored(ORG_A)), at);
    assert_eq!(mount.queued(Some("rotate-admin")), [due.key()]);
    assert_eq!(state(mount)["due"], at);
}

#[test]
fn a_period_rotates_each_time() {
    let mount = Mount::new();
    mount.set(json!({ "rotation_period": "24h" }));
    let mut current = mount.current();
    for _ in 0..3 {
        pass(&mount, DAY - 1);
        mount.rollback().unwrap();
        assert_eq!(mount.current(), current, "not before its time");
        pass(&mount, 1);
        mount.rollback().unwrap();
        assert_ne!(mount.current(), current);
        assert_due(&mount, now(&mount) + DAY);
        current = mount.current();
    }
    mount.settle();
    mount.assert_one_admin();
}

#[test]
fn a_shorter_period_that_has_passed_already_rotates_at_the_next_rollback() {
    let mount = Mount::new();
    mount.set(json!({ "rotation_period": "24h" }));
    pass(&mount, DAY);
    mount.rollback().unwrap();
    let current = mount.current();
    pass(&mount, 3 * HOUR);
    // This hour's look for earlier hours of the schedule queue is over.
    mount.rollback().unwrap();
    pass(&mount, MINUTE);
    mount.set(json!({ "rotation_period": "1h" }));
    assert_due(&mount, now(&mount));
    pass(&mount, MINUTE);
    mount.rollback().unwrap();
    assert_ne!(mount.current(), current);
    mount.settle();
    mount.assert_one_admin();
}

#[test]
fn a_schedule_rotates_at_its_times() {
    let mount = Mount::new();
    mount.set(json!({ "rotation_schedule": "30 3 * * SUN", "rotation_window": "1h" }));
    // 2026-01-01 is a Thursday.
    let start = now(&mount);
    let sunday = start + 3 * DAY + 3 * HOUR + 30 * MINUTE;
    assert_due(&mount, sunday);
    pass(&mount, sunday - start + HOUR);
    mount.rollback().unwrap();
    assert_ne!(mount.current(), OPERATORS, "within its window");
    assert_due(&mount, sunday + 7 * DAY);
    mount.settle();
    mount.assert_one_admin();
}

#[test]
fn outside_its_window_it_waits_for_the_next_time() {
    let mount = Mount::new();
    mount.set(json!({ "rotation_schedule": "30 3 * * SUN", "rotation_window": "1h" }));
    pass(&mount, 3 * DAY + 4 * HOUR + 30 * MINUTE + 1);
    mount.has_looked();
    mount.host.http.clear();
    mount.rollback().unwrap();
    assert_eq!(mount.current(), OPERATORS);
    assert!(mount.host.http.requests().is_empty());
    assert!(mount.host.log.text().contains("missed its window"));
    assert_due(&mount, now(&mount) - 1 - HOUR + 7 * DAY);
}

#[test]
fn missed_times_are_made_up_for_once() {
    for schedule in [json!({ "rotation_period": "1h" }), json!({ "rotation_schedule": "0 * * * *" })] {
        let mount = Mount::new();
        mount.set(schedule);
        pass(&mount, 100 * HOUR);
        mount.rollback().unwrap();
        let current = mount.current();
        assert_ne!(current, OPERATORS);
        pass(&mount, MINUTE);
        mount.rollback().unwrap();
        assert_eq!(mount.current(), current);
        assert_due(&mount, now(&mount) - MINUTE + HOUR);
    }
}

#[test]
fn a_rotation_by_hand_begins_the_period_anew() {
    let mount = Mount::new();
    mount.set(json!({ "rotation_period": "24h" }));
    pass(&mount, DAY / 2);
    mount.rotate();
    assert_due(&mount, now(&mount) + DAY);
    // A shorter one counts from the rotation, too.
    pass(&mount, 2 * HOUR);
    mount.set(json!({ "rotation_period": "6h" }));
    assert_due(&mount, now(&mount) + 4 * HOUR);
}

#[test]
fn failures_back_off_are_told_and_pass() {
    let mount = Mount::new();
    mount.set(json!({ "rotation_period": "24h" }));
    mount.astra.fail_times(On::List, 1000, Fault::Status(503, "canary"));
    pass(&mount, DAY);
    for (number, pause) in [1, 2, 4, 8, 16, 32, 60, 60].into_iter().enumerate() {
        mount.rollback().unwrap_err();
        assert_due(&mount, now(&mount) + pause * MINUTE);
        let state = state(&mount);
        assert_eq!(state["failures"], number + 1);
        assert_eq!(state["failed"], now(&mount));
        let error = state["error"].as_str().unwrap();
        assert!(error.contains("status 503") && error.contains(ORG_A), "{error}");
        assert_no_secret(error);
        mount.host.http.clear();
        pass(&mount, pause * MINUTE - 1);
        mount.has_looked();
        mount.rollback().unwrap();
        assert!(mount.host.http.requests().is_empty(), "not before its time");
        pass(&mount, 1);
    }
    assert_eq!(mount.current(), OPERATORS);
    mount.astra.heal();
    mount.rollback().unwrap();
    assert_ne!(mount.current(), OPERATORS);
    assert_due(&mount, now(&mount) + DAY);
    assert_eq!((&state(&mount)["failures"], &state(&mount)["error"]), (&json!(0), &json!("")));
    mount.settle();
    mount.assert_one_admin();
}

#[test]
fn a_retry_does_not_leave_the_window() {
    let mount = Mount::new();
    mount.set(json!({ "rotation_schedule": "0 3 * * *", "rotation_window": "5m" }));
    mount.astra.fail_times(On::List, 1000, Fault::Status(503, ""));
    let due = now(&mount) + 3 * HOUR;
    pass(&mount, 3 * HOUR);
    for at in [due + MINUTE, due + 3 * MINUTE, due + DAY] {
        mount.rollback().unwrap_err();
        assert_due(&mount, at);
        pass(&mount, at - now(&mount));
    }
    mount.astra.heal();
    mount.rollback().unwrap();
    assert_ne!(mount.current(), OPERATORS);
}

#[test]
fn another_token_forgets_the_failures_of_the_old() {
    let mount = Mount::new();
    mount.set(json!({ "rotation_period": "24h" }));
    mount.astra.delete_outside(OPERATORS);
    pass(&mount, DAY);
    mount.rollback().unwrap_err();
    assert_eq!(state(&mount)["failures"], 1);
    mount.astra.make_admin("AstraCS:Another:canary");
    mount.set(json!({ "astra_token": "AstraCS:Another:canary" }));
    assert_eq!((&state(&mount)["failures"], &state(&mount)["error"]), (&json!(0), &json!("")));
    assert_due(&mount, now(&mount) + DAY);
}

#[test]
fn failures_go_with_their_schedule() {
    let mount = Mount::new();
    mount.set(json!({ "rotation_period": "24h" }));
    mount.astra.fail_times(On::List, 10, Fault::Status(503, ""));
    pass(&mount, DAY);
    mount.rollback().unwrap_err();
    mount.set(json!({ "rotation_period": 0 }));
    assert_eq!(state(&mount), Value::Null);
    assert!(mount.queued(Some("rotate-admin")).is_empty());
}

#[test]
fn one_organization_that_fails_does_not_keep_another_waiting() {
    let mount = Mount::new();
    mount.set(json!({ "rotation_period": "24h" }));
    mount.configure(ORG_B, ADMIN_B, json!({ "rotation_period": "24h" }));
    mount.astra.set_roles(OPERATORS, &[]);
    pass(&mount, DAY);
    mount.rollback().unwrap_err();
    let config = mount.host.storage.json(&format!("config/{ORG_B}"));
    assert_ne!(config["astra_token"], ADMIN_B, "B was rotated");
    assert_eq!(mount.current(), OPERATORS);
}

#[test]
fn a_rotation_by_hand_that_goes_on_when_one_is_due_is_the_only_one() {
    let mount = Mount::new();
    mount.set(json!({ "rotation_period": "24h" }));
    pass(&mount, DAY);
    mount.host.locks.set_wait(Duration::from_millis(20));
    let racing = mount.clone();
    mount.astra.during_next_make(move || {
        let error = racing.rollback().unwrap_err().to_string();
        assert_no_secret(&error);
    });
    mount.rotate();
    let current = mount.current();
    mount.rollback().unwrap();
    assert_eq!(mount.current(), current);
    assert_due(&mount, now(&mount) + DAY);
    mount.settle();
    mount.assert_one_admin();
}

#[test]
fn a_config_deleted_while_its_token_rotates_leaves_nothing() {
    let mount = Mount::new();
    mount.rotate();
    mount.settle();
    let racing = mount.clone();
    mount.astra.during_next_make(move || {
        racing.send(Operation::Delete, &format!("config/{ORG_A}"), Value::Null).done();
        racing.rollback().unwrap();
    });
    assert_eq!(mount.try_rotate().failed().0, Some(409));
    mount.settle();
    assert_eq!(mount.astra.live(), BTreeSet::new());
    mount.assert_recorded(&BTreeSet::new());
}

#[test]
fn a_rotation_that_dies_is_not_begun_again_at_once() {
    let mount = Mount::new();
    mount.set(json!({ "rotation_period": "24h" }));
    pass(&mount, DAY);
    mount.has_looked();
    // The state of the schedule queue; four writes that move the task; the next notes the new token, and there the
    // process dies.
    mount.host.storage.die_at_write(6);
    mount.rollback().unwrap_err();
    mount.host.storage.clear_faults();
    assert_eq!(mount.current(), OPERATORS);
    assert_eq!(mount.queued(Some("rotate-admin")).len(), 1);
    assert_due(&mount, now(&mount) + MINUTE);
    mount.settle();
    assert_ne!(mount.current(), OPERATORS);
    mount.settle();
    mount.assert_one_admin();
}

#[test]
fn a_schedule_that_was_taken_away_rotates_no_more() {
    let mount = Mount::new();
    mount.set(json!({ "rotation_period": "24h" }));
    let leftover = mount.queued(Some("rotate-admin")).remove(0);
    mount.set(json!({ "rotation_period": 0 }));
    mount.host.storage.seed(&leftover, "{}");
    pass(&mount, 2 * DAY);
    mount.rollback().unwrap();
    assert_eq!(mount.current(), OPERATORS);
    assert!(mount.queued(Some("rotate-admin")).is_empty());
}

#[test]
fn clocks_that_jump_rotate_at_the_most_once() {
    let mount = Mount::new();
    let start = mount.host.clock.now();
    mount.set(json!({ "rotation_period": "24h" }));
    pass(&mount, 1000 * DAY);
    mount.rollback().unwrap();
    let current = mount.current();
    assert_ne!(current, OPERATORS);
    // Back again: the next time is far away, and a write of the config puts it right.
    mount.host.clock.set(start);
    mount.rollback().unwrap();
    assert_eq!(mount.current(), current);
    mount.set(json!({ "rotation_period": "24h" }));
    assert_due(&mount, now(&mount) + DAY);
    mount.host.clock.set(start + Duration::from_secs(1001 * DAY));
    mount.rollback().unwrap();
    mount.settle();
    mount.settle();
    mount.assert_one_admin();
}

#[test]
fn a_node_that_cannot_write_asks_nobody() {
    let mount = Mount::new();
    mount.set(json!({ "rotation_period": "24h" }));
    pass(&mount, DAY);
    mount.host.http.clear();
    mount.host.storage.set_read_only(true);
    let error = mount.rollback().unwrap_err().to_string();
    assert_eq!(error, READ_ONLY_TEXT);
    assert!(mount.host.http.requests().is_empty());
}

#[test]
fn a_mount_that_goes_rotates_nothing() {
    let mount = Mount::new();
    mount.set(json!({ "rotation_period": "24h" }));
    pass(&mount, DAY);
    crate::BACKEND.handle(&mount.host, &rollback_request(true)).unwrap();
    assert_eq!(mount.current(), OPERATORS);
}

#[test]
fn a_token_that_astra_ends_before_its_rotation_is_rotated_before() {
    let mount = Mount::new();
    mount.set(json!({ "rotation_period": "24h", "rotation_grace_period": "1h" }));
    mount.astra.set_expiry_max("2026-01-01T12:00:00Z");
    let warnings = mount.try_rotate().warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("rotated at 2026-01-01T10:00:00Z already"), "{warnings:?}");
    let first = mount.current();
    mount.astra.set_expiry_max("2026-01-03T00:00:00Z");
    mount.host.clock.advance(Duration::from_secs(10 * 3600 - 1));
    mount.rollback().unwrap();
    assert_eq!(mount.current(), first);
    mount.host.clock.advance(SECOND);
    mount.rollback().unwrap();
    assert_ne!(mount.current(), first);
    let read = mount.send(Operation::Read, &format!("config/{ORG_A}"), Value::Null).data();
    assert_eq!(read["next_rotation"], "2026-01-02T10:00:00Z", "that comes in time");
    mount.settle();
    mount.assert_one_admin();
}
