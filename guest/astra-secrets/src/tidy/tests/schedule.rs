//! By schedule: for real, at its time, with back-off, and never forgotten.

use std::collections::BTreeSet;

use super::*;
use crate::limits::{TIDY_BACK_OFF_FIRST, TIDY_GO_ON_PAUSE, TIDY_LISTED_MAX, TIDY_REMOVED_MAX, TIDY_SAME_CALL};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn scheduled(period: &str) -> Mount {
    let mount = Mount::new();
    mount.configure(ORG_A, ADMIN_A, json!({ "tidy_period": period }));
    mount
}

/// When the next one is due, from now.
fn due_in(mount: &Mount) -> Duration {
    let config = mount.host.storage.json(&format!("config/{ORG_A}"));
    let due = Duration::from_secs(config["tidy_due"].as_u64().unwrap());
    let entries: Vec<String> = mount.queued(Some("tidy"));
    assert!(entries.len() == 1 && entries[0].contains(&format!("{:012}", due.as_secs())), "{entries:?}");
    due - mount.host.clock.now()
}

fn runs(mount: &Mount) -> usize {
    mount.host.log.lines().iter().filter(|line| line.message == "an organization was tidied").count()
}

#[test]
fn it_runs_for_real_when_it_is_due_and_then_a_period_later() {
    let mount = scheduled("24h");
    orphan(&mount, "Orphan");
    mount.rollback().unwrap();
    assert!(mount.astra.is_live("Orphan"));
    mount.host.clock.advance(DAY);
    mount.rollback().unwrap();
    mount.assert_settled(0);
    assert_eq!((due_in(&mount), runs(&mount)), (DAY, 1));
    let read = mount.send(Operation::Read, "tidy", Value::Null).data();
    assert_eq!((&read["removed"], &read["dry_run"]), (&json!(["Orphan"]), &json!(false)));
    assert_eq!(read["organizations"][ORG_A]["scheduled"], true);
    mount.rollback().unwrap();
    assert_eq!(runs(&mount), 1);
}

#[test]
fn a_failure_backs_off_up_to_the_period_and_a_success_ends_that() {
    let mount = scheduled("30m");
    mount.astra.move_org(ADMIN_A, "https://nowhere.example.org");
    mount.host.clock.advance(HOUR / 2);
    for pause in [1, 2, 4, 6, 6] {
        mount.rollback().unwrap();
        assert_eq!(due_in(&mount), pause * TIDY_BACK_OFF_FIRST);
        mount.host.clock.advance(pause * TIDY_BACK_OFF_FIRST);
    }
    mount.astra.move_org(ADMIN_A, crate::testing::ASTRA);
    mount.rollback().unwrap();
    assert_eq!(due_in(&mount), HOUR / 2);
    assert_eq!(mount.host.storage.json(&format!("tidy/org/{ORG_A}"))["failures"], 0);
}

#[test]
fn what_a_limit_left_has_its_turn_with_the_next_call() {
    let mount = scheduled("24h");
    for number in 0..=TIDY_REMOVED_MAX {
        mount.astra.make_outside(&format!("Orphan{number}"), &mark(&mount, u32::try_from(number).unwrap()));
    }
    mount.host.clock.advance(DAY);
    mount.rollback().unwrap();
    assert_eq!((due_in(&mount), mount.astra.live().len()), (TIDY_GO_ON_PAUSE, 1));
    mount.host.clock.advance(TIDY_GO_ON_PAUSE);
    mount.rollback().unwrap();
    assert_eq!(due_in(&mount), DAY);
    mount.assert_settled(0);
}

#[test]
fn one_that_meets_another_or_dies_comes_back() {
    let mount = scheduled("24h");
    orphan(&mount, "Orphan");
    mount.host.clock.advance(DAY);
    mount.host.locks.set_wait(Duration::ZERO);
    let guard = secrets_framework::host::Locks::acquire(&*mount.host.locks, "tidy").unwrap();
    mount.rollback().unwrap_err();
    drop(guard);
    assert_eq!(due_in(&mount), TIDY_BACK_OFF_FIRST);

    mount.host.clock.advance(TIDY_BACK_OFF_FIRST);
    let storage = std::sync::Arc::clone(&mount.host.storage);
    mount.astra.during_next(On::List, move || storage.die_at_write(1));
    mount.rollback().unwrap_err();
    mount.host.storage.clear_faults();
    assert_eq!(due_in(&mount), DAY, "its next time was stored before it began");
    mount.host.clock.advance(DAY);
    mount.rollback().unwrap();
    mount.assert_settled(0);
}

#[test]
fn two_in_one_call_share_its_processor_time() {
    let mount = scheduled("24h");
    mount.configure(ORG_B, ADMIN_B, json!({ "tidy_period": "24h" }));
    mount.astra.set_foreign(TIDY_LISTED_MAX);
    mount.host.clock.advance(DAY);
    let run = || {
        mount.host.http.clear();
        mount.rollback().unwrap();
        let mut clients: Vec<String> = mount.host.http.requests().into_iter().map(|sent| sent.client_id).collect();
        clients.sort();
        clients.dedup();
        clients
    };
    // Organizations take turns, from a random one.
    let mut had_turn: BTreeSet<String> = run().into_iter().collect();
    assert_eq!(had_turn.len(), 1);
    for _ in 0..20 {
        mount.host.clock.advance(TIDY_GO_ON_PAUSE.max(TIDY_SAME_CALL));
        had_turn.extend(run());
    }
    assert_eq!(had_turn.len(), 2);

    // Small ones have their turn together.
    mount.astra.set_foreign(0);
    mount.host.clock.advance(DAY);
    assert_eq!(run(), ["AdminOfA", "AdminOfB"]);
}

#[test]
fn without_a_period_it_never_runs() {
    let mount = scheduled("1h");
    mount.configure(ORG_A, ADMIN_A, json!({ "tidy_period": 0 }));
    mount.host.clock.advance(2 * HOUR);
    mount.rollback().unwrap();
    assert_eq!(runs(&mount), 0);
}
