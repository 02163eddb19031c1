//! Storage that fails or dies at each write of a rotation: at each moment the
//! config has a token that works, and in the end there is no other.

use secrets_framework::host::StorageError;
use secrets_framework::testing::StorageCall;

use super::*;
use crate::testing::{Fault, On};

/// More than a rotation makes: the config as a proof, the write-ahead entry,
/// three for each record, the config and its task, the history.
const WRITES: u64 = 20;

/// Mounts whose token is the operator's, and ones whose token a rotation made.
fn mounts() -> Vec<Mount> {
    let mut mounts = vec![Mount::new(), Mount::on_vault()];
    for mount in [Mount::new(), Mount::on_vault()] {
        mount.rotate();
        mount.settle();
        mounts.push(mount);
    }
    for mount in &mounts {
        mount.set(json!({ "rotation_period": "720h" }));
    }
    mounts
}

/// The schedule queue has the rotation as the config says; what nobody confirms is dropped when it is due.
#[track_caller]
fn assert_rotation_is_queued(mount: &Mount) {
    let due = mount.host.storage.json(&format!("config/{ORG_A}"))["rotation_state"]["due"].as_u64().unwrap();
    assert!(
        mount.queued(Some("rotate-admin")).iter().any(|key| key.contains(&due.to_string())),
        "{:?}",
        mount.queued(Some("rotate-admin"))
    );
}

#[test]
fn one_failed_write_leaves_the_old_token_or_the_new() {
    let mut failed = 0;
    for nth in 1..=WRITES {
        for mount in mounts() {
            let before = mount.current();
            mount.host.storage.fail_nth_write(nth, StorageError::Failed("disk full".to_owned()));
            let answered = mount.try_rotate().0;
            mount.host.storage.clear_faults();
            assert!(mount.astra.is_live(&mount.current()), "write {nth}");
            match &answered {
                Ok(_) => assert_ne!(mount.current(), before, "write {nth}"),
                Err(error) => {
                    failed += 1;
                    assert_eq!(error.to_string(), "disk full", "write {nth}");
                    assert_eq!(mount.current(), before, "write {nth}");
                }
            }
            assert_rotation_is_queued(&mount);
            mount.settle();
            mount.assert_one_admin();
            assert_rotation_is_queued(&mount);
        }
    }
    assert!(failed > 20, "{failed}");
}

#[test]
fn storage_that_dies_at_any_write_is_settled_by_rollback() {
    for nth in 1..=WRITES {
        for mount in mounts() {
            mount.host.storage.die_at_write(nth);
            let _ = mount.try_rotate();
            mount.host.storage.clear_faults();
            assert!(mount.astra.is_live(&mount.current()), "write {nth}");
            assert_rotation_is_queued(&mount);
            mount.settle();
            mount.assert_one_admin();
            assert_rotation_is_queued(&mount);
        }
    }
}

#[test]
fn storage_that_dies_and_an_astra_that_cannot_delete_are_settled_by_rollback() {
    for nth in 1..=WRITES {
        for mount in mounts() {
            mount.host.storage.die_at_write(nth);
            mount.astra.fail_times(On::Delete, 30, Fault::Status(500, ""));
            let _ = mount.try_rotate();
            mount.host.storage.clear_faults();
            mount.host.clock.advance(LEASE_END_MARGIN);
            // Whatever this comes to: the tokens stay until they can be deleted.
            let _ = mount.rollback();
            assert!(mount.astra.is_live(&mount.current()), "write {nth}");
            mount.astra.heal();
            mount.settle();
            mount.assert_one_admin();
        }
    }
}

#[test]
fn a_rotation_after_one_that_died_leaves_one_token() {
    for nth in 1..=WRITES {
        for mount in mounts() {
            mount.host.storage.die_at_write(nth);
            let _ = mount.try_rotate();
            mount.host.storage.clear_faults();
            mount.rotate();
            mount.settle();
            mount.assert_one_admin();
        }
    }
}

/// A server that does not answer a commit may have done it, or do it yet.
#[test]
fn a_commit_that_was_not_answered_undoes_nothing_until_its_outcome_is_known() {
    for happens in [true, false] {
        let mount = Mount::new();
        mount.host.storage.fail_nth(StorageCall::Commit, 1, StorageError::Failed("no answer".to_owned()));
        mount.try_rotate().0.unwrap_err();
        mount.host.storage.clear_faults();
        let made = mount.astra.live().into_iter().next().unwrap();
        assert_eq!(mount.open_entries(), 1);
        if happens {
            let mut config = mount.host.storage.json(&format!("config/{ORG_A}"));
            config["astra_token"] = format!("AstraCS:{made}:canary").into();
            mount.host.storage.seed(&format!("config/{ORG_A}"), config.to_string());
        }
        mount.rollback_later();
        assert_eq!(mount.open_entries(), 0);
        assert_eq!(mount.astra.is_live(&made), happens);
        assert!(mount.astra.is_live(&mount.current()));
    }
}

#[test]
fn a_token_replaced_while_its_entry_is_open_has_its_grace_period() {
    let mount = Mount::on_vault();
    mount.set(json!({ "rotation_grace_period": "1h" }));
    mount.host.storage.fail_prefix(StorageCall::Delete, "wal/", StorageError::Failed("disk full".to_owned()));
    let first = mount.rotate()["client_id"].as_str().unwrap().to_owned();
    mount.host.storage.clear_faults();
    assert_eq!(mount.open_entries(), 1);
    mount.rotate();
    mount.rollback_later();
    assert_eq!(mount.open_entries(), 0);
    assert!(mount.astra.is_live(&first), "its grace period goes on");
    mount.settle();
    mount.assert_one_admin();
}

#[test]
fn conflicts_are_retried_a_few_times() {
    for (conflicts, rotated) in [(1, true), (3, true), (100, false)] {
        let mount = Mount::new();
        for _ in 0..conflicts {
            mount.host.storage.fail_nth(StorageCall::Commit, 1, StorageError::Conflict("changed".to_owned()));
        }
        assert_eq!(mount.try_rotate().0.is_ok(), rotated, "{conflicts}");
        mount.host.storage.clear_faults();
        mount.settle();
        mount.assert_one_admin();
    }
}
