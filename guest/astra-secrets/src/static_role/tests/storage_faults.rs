//! Storage that fails, or dies, at each write: the token that clients have
//! goes on working, and in the end each role has its one token and no other.

#![expect(clippy::unwrap_used, reason = "tests")]

use secrets_framework::Operation;
use secrets_framework::host::StorageError;
use secrets_framework::testing::StorageCall;
use serde_json::{Value, json};

use super::{DAY, HOUR, MINUTE, mounts, with_role};
use crate::testing::{Mount, ORG_A};

/// Writes of one rotation: the write-ahead entry; the old token's history and
/// its place in the queue; the new record and its index; the old one's end and
/// record; the task, the role, the task before; the deletion of the entry;
/// and a commit.
const WRITES: u64 = 12;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Fails,
    Dies,
}

fn break_at(mount: &Mount, kind: Kind, nth: u64) {
    match kind {
        Kind::Fails => mount.host.storage.fail_nth_write(nth, StorageError::Failed("disk full".to_owned())),
        Kind::Dies => mount.host.storage.die_at_write(nth),
    }
}

/// Each way to break storage, at each write, on each server.
fn breaks() -> Vec<(Kind, u64, Mount)> {
    let kinds = [Kind::Fails, Kind::Dies].into_iter();
    kinds.flat_map(|kind| (1..=WRITES).flat_map(move |nth| mounts().map(|mount| (kind, nth, mount)))).collect()
}

/// Lets everything that is left come to its end. A crash without transactions
/// may leave entries of the index and the schedule queue without a record or a role:
/// they do no harm, and time removes them, or the first look.
#[track_caller]
fn assert_settles(mount: &Mount) {
    mount.rollback_later();
    let roles = mount.keys("static-role/").len();
    if roles == 1 {
        mount.static_token("app");
    }
    mount.host.clock.advance(DAY);
    mount.rollback().unwrap();
    mount.host.clock.advance(2 * HOUR);
    mount.rollback().unwrap();
    mount.send(Operation::List, &format!("tokens/{ORG_A}/"), Value::Null).0.unwrap();
    mount.assert_static(roles, 0);
}

#[test]
fn a_creation_leaves_a_role_with_its_token_or_neither() {
    for (kind, nth, mount) in breaks() {
        break_at(&mount, kind, nth);
        let created = mount.write_static("app", json!({ "rotation_period": "24h" })).0;
        mount.host.storage.clear_faults();
        let roles = mount.keys("static-role/").len();
        assert!(roles == 1 || created.is_err(), "{kind:?} {nth}");
        if roles == 1 {
            mount.static_token("app");
        }
        assert_settles(&mount);
        assert_eq!(mount.keys("static-role/").len(), roles, "{kind:?} {nth}");
    }
}

#[test]
fn a_rotation_never_takes_the_token_that_clients_have() {
    for (kind, nth, mount) in breaks() {
        let (mount, first) = with_role(mount);
        mount.host.clock.advance(HOUR);
        break_at(&mount, kind, nth);
        let rotated = mount.rotate_static("app").0;
        mount.host.storage.clear_faults();
        let now = mount.static_token("app");
        if rotated.is_ok() {
            assert_ne!(now, first, "{kind:?} {nth}");
        }
        mount.host.clock.advance(HOUR - 12 * MINUTE);
        mount.rollback().unwrap();
        assert!(mount.astra.is_live(&first), "within its grace: {kind:?} {nth}");
        assert_eq!(mount.static_token("app"), now, "{kind:?} {nth}");
        assert_settles(&mount);
    }
}

#[test]
fn a_scheduled_rotation_is_made_up_for() {
    for (kind, nth, mount) in breaks() {
        let (mount, first) = with_role(mount);
        mount.host.clock.advance(DAY);
        break_at(&mount, kind, nth);
        // It may fail, or only its note of a failure.
        let _ = mount.rollback();
        mount.host.storage.clear_faults();
        mount.static_token("app");
        mount.host.clock.advance(2 * MINUTE);
        mount.rollback().unwrap();
        assert_ne!(mount.static_token("app"), first, "{kind:?} {nth}");
        assert!(mount.astra.is_live(&first), "{kind:?} {nth}");
        assert_settles(&mount);
    }
}

#[test]
fn an_entry_that_stays_open_does_not_take_a_token_in_its_grace() {
    // On Vault, all is written but the deletion of the write-ahead entry; and another rotation follows.
    let (mount, _) = with_role(Mount::on_vault());
    mount.host.storage.fail_prefix(StorageCall::Delete, "wal/", StorageError::Failed("disk full".to_owned()));
    mount.rotate_static("app").data();
    let second = mount.static_token("app");
    mount.host.storage.clear_faults();
    assert_eq!(mount.open_entries(), 1);
    mount.rotate_static("app").data();
    mount.rollback_later();
    assert!(mount.astra.is_live(&second), "it is in its grace period");
    mount.assert_static(1, 2);
    assert_settles(&mount);
}

#[test]
fn a_change_is_whole_or_is_made_again() {
    for (kind, nth, mount) in breaks() {
        let (mount, first) = with_role(mount);
        break_at(&mount, kind, nth);
        let _ = mount.write_static("app", json!({ "rotation_period": "2h" }));
        mount.host.storage.clear_faults();
        assert_eq!(mount.static_token("app"), first);
        mount.write_static("app", json!({ "rotation_period": "2h" })).done();
        assert_eq!(mount.read_creds("app").data()["ttl"], 7200, "{kind:?} {nth}");
        mount.host.clock.advance(2 * HOUR);
        mount.rollback().unwrap();
        assert_ne!(mount.static_token("app"), first, "{kind:?} {nth}");
        mount.write_static("app", json!({ "rotation_period": "24h" })).done();
        assert_settles(&mount);
    }
}

#[test]
fn a_deletion_is_whole_or_is_made_again() {
    for (kind, nth, mount) in breaks() {
        let (mount, _) = with_role(mount);
        mount.rotate_static("app").data();
        break_at(&mount, kind, nth);
        let deleted = mount.delete_static("app").0;
        mount.host.storage.clear_faults();
        if deleted.is_err() {
            mount.delete_static("app").done();
        }
        assert!(mount.keys("static-role/").is_empty());
        assert!(mount.astra.live().is_empty(), "{kind:?} {nth}");
        assert_settles(&mount);
    }
}

#[test]
fn reads_that_fail_are_errors_and_nothing_is_left() {
    for nth in 1..=9 {
        for mount in mounts() {
            let (mount, first) = with_role(mount);
            mount.host.storage.fail_nth(StorageCall::Get, nth, StorageError::Failed("disk gone".to_owned()));
            let rotated = mount.rotate_static("app").0;
            mount.host.storage.clear_faults();
            let now = mount.static_token("app");
            assert_eq!(now != first, rotated.is_ok(), "{nth}");
            assert!(mount.astra.is_live(&first));
            assert_settles(&mount);
        }
    }
}

#[test]
fn conflicts_are_retried_a_few_times() {
    for (conflicts, switched) in [(1, true), (3, true), (100, false)] {
        let (mount, first) = with_role(Mount::new());
        for _ in 0..conflicts {
            mount.host.storage.fail_nth(StorageCall::Commit, 1, StorageError::Conflict("changed".to_owned()));
        }
        let rotated = mount.rotate_static("app").0;
        mount.host.storage.clear_faults();
        assert_eq!(rotated.is_ok(), switched, "{conflicts}");
        assert_eq!(mount.static_token("app") != first, switched);
        mount.rollback_later();
        mount.assert_static(1, usize::from(switched));
    }
}

/// A server that does not answer a commit may do it yet.
fn delay_the_switch(mount: &Mount) {
    let storage = std::sync::Arc::clone(&mount.host.storage);
    mount.astra.during_next_make(move || storage.delay_commits(1));
}

#[test]
fn a_commit_that_was_not_answered_undoes_nothing_until_its_outcome_is_known() {
    for happens in [true, false] {
        let (mount, first) = with_role(Mount::new());
        delay_the_switch(&mount);
        assert_eq!(mount.rotate_static("app").failed().1, "no answer");
        if happens {
            assert_eq!(mount.host.storage.land_commits(), 1);
            assert_ne!(mount.static_token("app"), first);
        } else {
            assert_eq!(mount.open_entries(), 1);
        }
        mount.rollback_later();
        mount.assert_static(1, usize::from(happens));
        assert_eq!(mount.static_token("app") == first, !happens);
        assert_settles(&mount);
    }
}

#[test]
fn a_creation_whose_commit_was_not_answered_may_have_made_a_role() {
    for happens in [true, false] {
        let mount = Mount::new();
        delay_the_switch(&mount);
        assert_eq!(mount.write_static("app", json!({ "rotation_period": "24h" })).failed().1, "no answer");
        if happens {
            mount.host.storage.land_commits();
            mount.static_token("app");
        }
        mount.rollback_later();
        mount.assert_static(usize::from(happens), 0);
    }
}

#[test]
fn a_scheduled_rotation_that_happened_though_it_failed_is_not_taken_back_by_its_failure() {
    // All but the last write is made, and the read that would tell so fails: the first look at the token, and two of the role as
    // it was, come before.
    let (mount, first) = with_role(Mount::on_vault());
    mount.host.clock.advance(DAY);
    mount.host.storage.fail_prefix(StorageCall::Delete, "wal/", StorageError::Failed("disk full".to_owned()));
    let failed = StorageError::Failed("disk gone".to_owned());
    mount.host.storage.fail_nth_below(StorageCall::Get, "static-role/", 4, failed);
    assert_eq!(mount.rollback().unwrap_err().to_string(), "disk full");
    mount.host.storage.clear_faults();
    assert_ne!(mount.static_token("app"), first);
    assert_settles(&mount);
}

#[test]
fn a_rotation_after_one_whose_commit_happens_meanwhile_loses_no_token() {
    let (mount, first) = with_role(Mount::new());
    delay_the_switch(&mount);
    mount.rotate_static("app").failed();
    let storage = std::sync::Arc::clone(&mount.host.storage);
    mount.astra.during_next_make(move || assert_eq!(storage.land_commits(), 1));
    let (code, text) = mount.rotate_static("app").failed();
    assert!(code == Some(409) && text.contains("`app`"), "{text}");
    assert_ne!(mount.static_token("app"), first);
    mount.assert_static(1, 1);
    assert_settles(&mount);
}

/// The same on a server without transactions: the write that counts is the role's.
#[test]
fn a_write_that_was_not_answered_undoes_nothing_until_its_outcome_is_known() {
    let (mount, first) = with_role(Mount::on_vault());
    mount.host.storage.fail_prefix(StorageCall::Put, "static-role/", StorageError::Failed("no answer".to_owned()));
    mount.rotate_static("app").failed();
    mount.host.storage.clear_faults();
    let second = mount.astra.live().into_iter().find(|client_id| *client_id != first).unwrap();
    let key = format!("static-role/{ORG_A}/app");
    let mut role = mount.host.storage.json(&key);
    role["client_id"] = json!(second);
    mount.host.storage.seed(&key, role.to_string());
    mount.rollback_later();
    assert_eq!(mount.static_token("app"), second);
    assert_settles(&mount);
}
