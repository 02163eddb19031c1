//! Keys of the schedule queue, and what a rollback call finds by them.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use secrets_framework::Operation;
use secrets_framework::host::Clock;
use secrets_framework::testing::{StorageCall, request};
use serde_json::Value;

use super::*;
use crate::names::ClientId;
use crate::storage::RecordId;
use crate::testing::{Mount, ORG_A, task_key};

const HOUR: u64 = 3_600;

/// Tasks of each kind that these tests list at most.
const MAX: usize = 1_000;

fn now(mount: &Mount) -> u64 {
    mount.host.clock.now().as_secs()
}

fn due(mount: &Mount) -> Vec<QueuedTask> {
    let request = request(Operation::Rollback, "", Value::Null);
    let context = Context { host: &mount.host, request: &request };
    super::due(&context, &Kind::ALL, now(mount), MAX).unwrap()
}

fn seed(mount: &Mount, kind: &str, at: u64, what: &str) {
    mount.host.storage.seed(&task_key(kind, at, what), "{}");
}

fn count(due: &[QueuedTask], is_it: fn(&Task) -> bool) -> usize {
    due.iter().filter(|due| is_it(&due.task)).count()
}

#[test]
fn every_task_comes_back_from_its_key_and_keys_of_a_kind_sort_by_time() {
    let org_id = OrgId::stored("o.1/x");
    let token = |record_id| TokenRef { org_id: org_id.clone(), client_id: ClientId::stored("C.1"), record_id };
    let tasks = [
        Task::RotateAdmin(org_id.clone()),
        Task::RotateStatic(org_id.clone(), "a.b-c".to_owned()),
        Task::Tidy(org_id.clone()),
        Task::Token(token(RecordId::of_client(&ClientId::stored("C.1")))),
        Task::Token(token(RecordId::stored("f00"))),
    ];
    for task in tasks {
        let keys = [9, 10, 3_599, 3_600, 1_800_000_000].map(|at| {
            let due = QueuedTask::new(task.clone(), at);
            assert_eq!(QueuedTask::of_key(&due.key()), Some(due.clone()));
            due.key()
        });
        assert!(keys.is_sorted(), "{keys:?}");
    }
}

#[test]
fn a_key_that_is_none_of_ours_is_passed_over() {
    for name in [
        "",
        "x",
        "00000000/tidy",
        "00000000/tidy/x",
        "00000000/tidy/000000000001",
        "00000000/other/000000000001.o",
        "00000000/tidy/000000000001.o.x",
        "00000000/tidy/1.o",
        "00000001/tidy/000000000001.o",
        "00000000/token/000000000001.o",
        "00000000/token/000000000001.o.c.c",
    ] {
        assert_eq!(QueuedTask::of_key(&format!("{SCHEDULE_QUEUE_PREFIX}{name}")), None, "{name}");
    }
}

#[test]
fn tasks_of_one_kind_however_many_take_no_place_of_another_kind() {
    let mount = Mount::new();
    let start = now(&mount);
    // Of each hour more tokens than one call lists, and one task of each other kind.
    for hour in 0..3 {
        for number in 0..=MAX {
            seed(&mount, "token", start + hour * HOUR, &format!("{ORG_A}.T{hour}x{number}"));
        }
        let at = start + hour * HOUR + 1;
        seed(&mount, "tidy", at, &format!("org{hour}"));
        seed(&mount, "rotate-admin", at, &format!("org{hour}"));
        seed(&mount, "rotate-static", at, &format!("org{hour}.app"));
    }
    mount.host.clock.advance(Duration::from_secs(3 * HOUR));
    let due = due(&mount);
    assert_eq!(count(&due, |task| matches!(task, Task::Token(_))), MAX);
    assert_eq!(count(&due, |task| !matches!(task, Task::Token(_))), 9);
    assert!(due.is_sorted_by_key(|due| due.at));
}

#[test]
fn each_kind_has_a_budget() {
    let mount = Mount::new();
    let at = now(&mount);
    for number in 0..=MAX {
        seed(&mount, "tidy", at, &format!("org{number}"));
        seed(&mount, "rotate-admin", at, &format!("org{number}"));
        seed(&mount, "rotate-static", at, &format!("org{number}.app"));
    }
    assert_eq!(due(&mount).len(), 3 * MAX);
}

#[test]
fn what_is_not_due_yet_is_not_listed_in_other_hours_and_left_in_this_one() {
    let mount = Mount::new();
    due(&mount);
    for hour in 0..20 {
        seed(&mount, "tidy", now(&mount) + 1 + hour * HOUR, "org");
    }
    mount.host.storage.clear_calls();
    assert_eq!(due(&mount), []);
    assert_eq!(mount.host.storage.calls(StorageCall::List), 2, "the hour, and the kind in it");
    mount.host.clock.advance(Duration::from_secs(1));
    assert_eq!(due(&mount).len(), 1);
}

#[test]
fn a_task_that_was_written_late_is_found_when_the_next_hour_begins() {
    let mount = Mount::new();
    mount.host.clock.advance(Duration::from_secs(HOUR));
    assert_eq!(due(&mount), []);
    seed(&mount, "tidy", now(&mount) - 1, "org");
    assert_eq!(due(&mount), []);
    mount.host.clock.advance(Duration::from_secs(HOUR));
    assert_eq!(due(&mount).len(), 1);
    // And until it is done.
    assert_eq!(due(&mount).len(), 1);
}

#[test]
fn hours_beyond_those_of_one_call_are_looked_into_by_the_next() {
    let mount = Mount::new();
    let start = now(&mount);
    let hours = u64::from(QUEUE_HOURS_PER_ROLLBACK_MAX);
    for hour in 0..=hours {
        seed(&mount, "token", start + hour * HOUR, &format!("{ORG_A}.T{hour}"));
    }
    mount.host.clock.advance(Duration::from_secs(hours * HOUR));
    let first = due(&mount);
    assert_eq!(first.len() as u64, hours);
    first.iter().for_each(|due| mount.host.storage.remove(&due.key()));
    assert_eq!(due(&mount).len(), 1);
}

#[test]
fn a_clock_that_ran_ahead_and_came_back_hides_no_hour() {
    let mount = Mount::new();
    let start = mount.host.clock.now();
    mount.host.clock.advance(Duration::from_secs(9 * HOUR));
    due(&mount);
    mount.host.clock.set(start);
    seed(&mount, "tidy", now(&mount), "org");
    assert_eq!(due(&mount).len(), 1);
    mount.host.clock.advance(Duration::from_secs(9 * HOUR));
    assert_eq!(due(&mount).len(), 1);
}
