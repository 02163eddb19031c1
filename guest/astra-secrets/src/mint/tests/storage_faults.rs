//! Storage that fails, or dies, at each write of a mint: whatever happens, no
//! token stays in Astra that is not recorded or about to be rolled back.

use secrets_framework::host::StorageError;
use serde_json::json;

use crate::testing::{Fault, Leased, Mount, On};

fn broken() -> StorageError {
    StorageError::Failed("disk full".to_owned())
}

fn mounts() -> [Mount; 2] {
    [Mount::new(), Mount::on_vault()]
}

/// Writes of one mint: entry, two indexes, record, deletion of the entry, and a commit.
const WRITES: u64 = 6;

#[test]
fn one_failed_write_makes_no_token_or_a_recorded_one() {
    for nth in 1..=WRITES {
        for mount in mounts() {
            mount.host.storage.fail_nth_write(nth, broken());
            let answered = mount.org_token(json!({ "logical_name": "app" })).0;
            mount.host.storage.clear_faults();
            match answered {
                // On Vault there is no sixth write to fail.
                Ok(_) => mount.assert_settled(1),
                Err(error) => {
                    assert_eq!(error.to_string(), "disk full", "write {nth}");
                    assert!(mount.astra.live().is_empty(), "write {nth}");
                    mount.rollback_later();
                    mount.assert_settled(0);
                }
            }
        }
    }
}

#[test]
fn storage_that_dies_at_any_write_is_settled_by_rollback() {
    for nth in 1..=WRITES {
        for mount in mounts() {
            mount.host.storage.die_at_write(nth);
            let answered = mount.creds().0;
            mount.host.storage.clear_faults();
            match answered {
                Ok(_) => mount.assert_settled(1),
                Err(_) => {
                    // A token that nobody was told of waits in Astra for rollback, so that its mark leads to the record.
                    assert!(mount.astra.live().len() <= mount.open_entries(), "write {nth}");
                    mount.rollback_later();
                    forget_leftovers(&mount);
                    mount.assert_settled(0);
                }
            }
        }
    }
}

#[test]
fn a_record_whose_token_has_gone_does_not_hold_its_logical_name() {
    for nth in 2..=WRITES {
        for mount in mounts() {
            mount.host.storage.die_at_write(nth);
            let answered = mount.org_token(json!({ "logical_name": "app" })).0;
            mount.host.storage.clear_faults();
            if answered.is_err() {
                mount.rollback_later();
                assert!(mount.recorded().is_empty(), "write {nth}");
                Leased::of(mount.org_token(json!({ "logical_name": "app" })));
            }
            assert_eq!(mount.astra.live(), mount.recorded());
        }
    }
}

#[test]
fn when_storage_dies_and_astra_cannot_delete_rollback_does_both() {
    for nth in 2..=WRITES {
        for mount in mounts() {
            mount.host.storage.die_at_write(nth);
            mount.astra.fail_times(On::Delete, 10, Fault::Status(500, ""));
            mount.astra.fail_times(On::List, 10, Fault::Status(500, ""));
            let answered = mount.org_token(json!({ "logical_name": "app" })).0;
            mount.host.storage.clear_faults();
            mount.astra.heal();
            if answered.is_ok() {
                mount.assert_settled(1);
                continue;
            }
            assert_eq!(mount.astra.live().len(), 1, "write {nth}");
            assert_eq!(mount.open_entries(), 1, "write {nth}");
            mount.rollback_later();
            forget_leftovers(&mount);
            mount.assert_settled(0);
            // The name is free again.
            Leased::of(mount.org_token(json!({ "logical_name": "app" })));
        }
    }
}

#[test]
fn a_commit_that_happened_and_was_answered_as_failed_leaves_the_token_to_rollback() {
    let mount = Mount::new();
    mount.host.storage.deny_commits(1);
    mount.astra.fail_times(On::Delete, 10, Fault::Status(500, ""));
    mount.astra.fail_times(On::List, 10, Fault::Status(500, ""));
    mount.creds().0.unwrap_err();
    mount.astra.heal();
    assert_eq!((mount.astra.live().len(), mount.open_entries()), (1, 1), "the token has an entry");
    mount.rollback_later();
    mount.assert_settled(0);
}

#[test]
fn an_instance_that_dies_after_such_a_commit_never_leaves_a_token_that_storage_does_not_know() {
    // After the mint's own writes: the entry again, and the deletion of the record, its index entry, its task and the entry.
    for nth in WRITES..=WRITES + 5 {
        let mount = Mount::new();
        mount.host.storage.deny_commits(1);
        mount.host.storage.die_at_write(nth);
        mount.astra.fail_times(On::Delete, 10, Fault::Status(500, ""));
        mount.creds().0.unwrap_err();
        mount.host.storage.clear_faults();
        mount.astra.heal();
        let known = mount.open_entries() + mount.recorded().len();
        assert!(mount.astra.live().len() <= known, "write {nth}: nothing knows the token");
        mount.rollback_later();
        forget_leftovers(&mount);
        mount.assert_settled(0);
    }
}

#[test]
fn conflicts_are_retried_a_few_times() {
    for (conflicts, stored) in [(1, true), (3, true), (100, false)] {
        let mount = Mount::new();
        for _ in 0..conflicts {
            mount.host.storage.fail_nth(
                secrets_framework::testing::StorageCall::Commit,
                1,
                StorageError::Conflict("changed".to_owned()),
            );
        }
        let answered = mount.creds().0;
        mount.host.storage.clear_faults();
        assert_eq!(answered.is_ok(), stored, "{conflicts}");
        mount.assert_settled(usize::from(stored));
    }
}

#[test]
fn a_token_given_out_is_never_rolled_back() {
    for mount in mounts() {
        Leased::of(mount.creds());
        mount.rollback_later();
        mount.assert_settled(1);
    }
}

/// Without transactions a crash may leave entries of the indexes without a
/// record. They do no harm: time removes the ones, the first look the others.
fn forget_leftovers(mount: &Mount) {
    use secrets_framework::Operation;
    mount.host.clock.advance(std::time::Duration::from_secs(5 * 3600));
    mount.rollback().unwrap();
    let org = crate::testing::ORG_A;
    assert!(mount.send(Operation::List, &format!("tokens/{org}/"), serde_json::Value::Null).0.unwrap().is_none());
}
