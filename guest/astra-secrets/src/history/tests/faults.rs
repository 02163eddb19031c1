//! Faults of a history's writes: no access goes unrecorded, and no renewal or
//! end waits for its history.

use secrets_framework::Operation;
use secrets_framework::host::StorageError;
use secrets_framework::testing::StorageCall;
use serde_json::Value;

use super::{app, events, read_as, shown, waiting};
use crate::testing::{Leased, Mount, ORG_A};

fn disk_full() -> StorageError {
    StorageError::Failed("disk full".to_owned())
}

#[test]
fn a_read_that_cannot_be_recorded_shows_nothing() {
    for mount in [Mount::new(), Mount::on_vault()] {
        let client_id = app(&mount).client_id();
        mount.host.storage.fail_prefix(StorageCall::Put, "reads/", disk_full());
        let (_, text) = read_as(&mount, "bob", &client_id).failed();
        assert!(text.contains("disk full"), "{text}");
        mount.host.storage.clear_faults();
        assert_eq!(events(&mount, &client_id), ["mint"]);
        read_as(&mount, "bob", &client_id).data();
        assert_eq!(events(&mount, &client_id), ["mint", "read"]);
    }
}

#[test]
fn an_end_does_without_its_history_and_says_so() {
    for mount in [Mount::new(), Mount::on_vault()] {
        let made = Leased::of(mount.creds());
        let client_id = made.client_id();
        mount.host.log.clear();
        mount.host.storage.fail_prefix(StorageCall::Put, "history/", disk_full());
        mount.revoke(mount.lease(made.secret)).done();
        mount.host.storage.clear_faults();
        let log = mount.host.log.text();
        assert!(log.contains("its history could not be stored") && log.contains("disk full"), "{log}");
        mount.send(Operation::Read, &format!("tokens/{ORG_A}/{client_id}"), Value::Null).missing();
        mount.assert_settled(0);
    }
}

#[test]
fn an_end_that_stops_half_way_is_done_again() {
    // History, record, index entry.
    for nth in 1..=3 {
        let mount = Mount::on_vault();
        let made = app(&mount);
        mount.host.storage.die_at_write(nth);
        let lease = || {
            mount.lease(secrets_framework::Secret { internal_data: made.secret.internal_data.clone(), ..made.secret })
        };
        mount.revoke(lease()).failed();
        mount.host.storage.clear_faults();
        let client_id = made.client_id();
        if !mount.recorded().is_empty() {
            assert!(shown(&mount, &client_id).get("ended").is_none(), "write {nth}: its record stands");
        }
        mount.revoke(lease()).done();
        assert_eq!(shown(&mount, &client_id)["ended_how"], "revoked", "write {nth}");
        assert!(mount.recorded().is_empty() && mount.astra.live().is_empty());
    }
}

#[test]
fn a_read_in_the_midst_of_an_end_is_in_the_history_of_the_ended_token() {
    for mount in [Mount::new(), Mount::on_vault()] {
        let made = app(&mount);
        let client_id = made.client_id();
        let racing = mount.clone();
        let lease = mount.lease(made.secret);
        mount.host.storage.before_next(StorageCall::Put, "reads/", move || racing.revoke(lease).done());
        read_as(&mount, "bob", &client_id).data();
        assert_eq!(events(&mount, &client_id), ["mint", "read", "revoke"]);
        mount.rollback().unwrap();
        assert_eq!(waiting(&mount), 0);
        assert_eq!(events(&mount, &client_id), ["mint", "read", "revoke"]);
        mount.assert_settled(0);
    }
}
