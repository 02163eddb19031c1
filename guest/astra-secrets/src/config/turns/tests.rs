//! Config and schedule queue stay in step, whatever is changed and wherever it dies.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use secrets_framework::Operation;
use secrets_framework::host::Clock;
use secrets_framework::testing::request;
use serde_json::{Value, json};

use super::*;
use crate::testing::{ADMIN_A, Mount, ORG_A};

const DAY: u64 = 86400;

fn queue(mount: &Mount) -> Vec<String> {
    mount.queued(None)
}

fn now(mount: &Mount) -> u64 {
    mount.host.clock.now().as_secs()
}

fn rotation_at(time: u64) -> String {
    QueuedTask::new(Task::RotateAdmin(OrgId::stored(ORG_A)), time).key()
}

fn tidy_at(time: u64) -> String {
    QueuedTask::new(Task::Tidy(OrgId::stored(ORG_A)), time).key()
}

fn with_context<T>(mount: &Mount, act: impl FnOnce(&Context<'_>) -> T) -> T {
    let request = request(Operation::Rollback, "", Value::Null);
    act(&Context { host: &mount.host, request: &request })
}

fn set(mount: &Mount, fields: Value) {
    mount.write(&format!("config/{ORG_A}"), fields).done();
}

fn read(mount: &Mount) -> Value {
    mount.send(Operation::Read, &format!("config/{ORG_A}"), Value::Null).data()
}

#[test]
fn settings_put_turns_into_the_schedule_queue_move_them_and_take_them_out() {
    let mount = Mount::new();
    let start = now(&mount);
    assert!(queue(&mount).is_empty());
    set(&mount, json!({ "rotation_period": "24h", "tidy_period": "1h" }));
    assert_eq!(queue(&mount), [tidy_at(start + 3600), rotation_at(start + DAY)]);
    let shown = read(&mount);
    assert_eq!(
        (&shown["next_rotation"], &shown["next_tidy"]),
        (&json!("2026-01-02T00:00:00Z"), &json!("2026-01-01T01:00:00Z"))
    );

    // What does not change keeps its time.
    mount.host.clock.advance(Duration::from_secs(60));
    set(&mount, json!({ "description": "x", "tidy_period": "1h" }));
    assert_eq!(queue(&mount), [tidy_at(start + 3600), rotation_at(start + DAY)]);
    set(&mount, json!({ "rotation_schedule": "30 3 * * *", "rotation_window": "1h", "tidy_period": 0 }));
    assert_eq!(queue(&mount), [rotation_at(start + 3 * 3600 + 1800)]);
    let shown = read(&mount);
    assert_eq!((&shown["rotation_period"], &shown["rotation_schedule"]), (&json!(0), &json!("30 3 * * *")));
    assert_eq!(shown["rotation_window"], 3600);
    set(&mount, json!({ "rotation_period": "48h" }));
    assert_eq!(queue(&mount), [rotation_at(start + 60 + 2 * DAY)]);
    set(&mount, json!({ "rotation_period": 0 }));
    assert!(queue(&mount).is_empty());
    assert_eq!(read(&mount)["next_rotation"], "");
}

#[test]
fn another_token_begins_the_period_anew_and_the_same_does_not() {
    let mount = Mount::new();
    let start = now(&mount);
    set(&mount, json!({ "rotation_period": "24h" }));
    mount.host.clock.advance(Duration::from_secs(3600));
    set(&mount, json!({ "astra_token": ADMIN_A }));
    assert_eq!(queue(&mount), [rotation_at(start + DAY)]);
    mount.astra.make_admin("AstraCS:Another:canary");
    set(&mount, json!({ "astra_token": "AstraCS:Another:canary" }));
    assert_eq!(queue(&mount), [rotation_at(start + 3600 + DAY)]);
}

#[test]
fn a_time_set_by_a_wrong_clock_is_put_right_by_the_next_write() {
    let mount = Mount::new();
    let start = mount.host.clock.now();
    mount.host.clock.set(start + Duration::from_secs(1000 * DAY));
    set(&mount, json!({ "rotation_period": "24h", "tidy_period": "1h" }));
    mount.host.clock.set(start);
    set(&mount, json!({ "description": "x" }));
    assert_eq!(queue(&mount), [tidy_at(start.as_secs() + 3600), rotation_at(start.as_secs() + DAY)]);
}

#[test]
fn a_turn_that_is_due_is_taken_once_and_has_moved_before_its_work_begins() {
    let mount = Mount::new();
    set(&mount, json!({ "tidy_period": "1h" }));
    mount.host.clock.advance(Duration::from_secs(3600));
    let due = QueuedTask::new(Task::Tidy(OrgId::stored(ORG_A)), now(&mount));
    let next = due.at + 3600;
    let take = || with_context(&mount, |context| take_turn(context, &due, |config| config.tidy_due = next)).unwrap();
    assert_eq!(take().unwrap().tidy_due, next);
    assert_eq!(queue(&mount), [tidy_at(next)]);
    assert!(take().is_none(), "it is not due any more");
    assert_eq!(queue(&mount), [tidy_at(next)]);
}

#[test]
fn an_entry_that_no_config_confirms_is_dropped() {
    let mount = Mount::new();
    for org_id in [ORG_A, "no-such-organization"] {
        for task in [Task::Tidy(OrgId::stored(org_id)), Task::RotateAdmin(OrgId::stored(org_id))] {
            let due = QueuedTask::new(task, 5);
            mount.host.storage.seed(&due.key(), "{}");
            assert!(with_context(&mount, |context| take_turn(context, &due, |_| {})).unwrap().is_none());
        }
    }
    assert!(queue(&mount).is_empty());
}

#[test]
fn a_damaged_config_holds_nothing_up_and_a_write_that_repairs_it_brings_its_turns_back() {
    let mount = Mount::new();
    set(&mount, json!({ "rotation_period": "24h", "tidy_period": "24h" }));
    let (entries, whole) = (queue(&mount), mount.host.storage.json(&format!("config/{ORG_A}")));
    mount.host.storage.seed(&format!("config/{ORG_A}"), "canary");
    mount.host.clock.advance(Duration::from_secs(DAY));
    mount.rollback().unwrap();
    assert!(queue(&mount).is_empty());
    assert!(mount.host.log.text().contains("a config was passed over"));
    mount.host.storage.seed(&format!("config/{ORG_A}"), whole.to_string());
    set(&mount, json!({ "description": "repaired" }));
    assert_eq!(queue(&mount), entries);
}

#[test]
fn a_change_moves_entries_and_none_writes_nothing() {
    let mount = Mount::new();
    set(&mount, json!({ "tidy_period": "1h" }));
    let change = |moved: bool| {
        with_context(&mount, |context| {
            change(context, &OrgId::stored(ORG_A), |config| {
                config.tidy_due = 7;
                moved
            })
        })
    };
    let before = mount.host.storage.snapshot();
    assert!(change(false).unwrap().is_none());
    assert_eq!(mount.host.storage.snapshot(), before);
    assert_eq!(change(true).unwrap().unwrap().tidy_due, 7);
    assert_eq!(queue(&mount), [tidy_at(7)]);
    assert!(mount.host.locks.held().is_empty());
}

#[test]
fn a_deleted_config_takes_its_turns_with_it() {
    let mount = Mount::new();
    set(&mount, json!({ "rotation_period": "24h", "tidy_period": "1h" }));
    mount.send(Operation::Delete, &format!("config/{ORG_A}"), Value::Null).done();
    assert!(queue(&mount).is_empty());
}

#[test]
fn a_turn_has_an_entry_wherever_a_write_dies() {
    for nth in 1..=6 {
        let mount = Mount::on_vault();
        set(&mount, json!({ "rotation_period": "24h", "tidy_period": "1h" }));
        mount.host.storage.die_at_write(nth);
        let _ = mount.write(&format!("config/{ORG_A}"), json!({ "rotation_period": "12h", "tidy_period": "2h" }));
        mount.host.storage.clear_faults();
        let config = with_context(&mount, |context| load(context, &OrgId::stored(ORG_A))).unwrap().unwrap();
        let entries = queue(&mount);
        assert!(entries.contains(&rotation_at(config.rotation_state.turn.due)), "write {nth}: {entries:?}");
        assert!(entries.contains(&tidy_at(config.tidy_due)), "write {nth}: {entries:?}");
    }
}
