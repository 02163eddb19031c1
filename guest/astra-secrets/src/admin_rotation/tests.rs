//! Rotations that go well; what else they are tested for is in the files beside.

#![expect(clippy::unwrap_used, reason = "tests")]

mod crash;
mod faults;
mod hand_back;
mod retired;
mod retired_search;
mod scheduled;
mod shared;
mod walk;

use std::collections::BTreeSet;
use std::time::Duration;

use secrets_framework::Operation;
use secrets_framework::host::Clock;
use secrets_framework::testing::rollback_request;
use serde_json::{Value, json};

use crate::limits::{LEASE_END_MARGIN, ROTATION_GRACE_DEFAULT};
use crate::testing::{ADMIN_ROLE_ID, Leased, Mount, ORG_A, assert_no_secret};

/// The operator's own token.
const OPERATORS: &str = "AdminOfA";

const SECOND: Duration = Duration::from_secs(1);

impl Mount {
    /// Rotates by hand.
    #[track_caller]
    fn rotate(&self) -> Value {
        let data = self.try_rotate().data();
        assert_no_secret(&data.to_string());
        data
    }

    fn try_rotate(&self) -> crate::config::test_mount::Answered {
        self.send(Operation::Update, &format!("config/{ORG_A}/rotate-root"), json!({}))
    }

    /// Changes the config.
    #[track_caller]
    fn set(&self, fields: Value) {
        self.write(&format!("config/{ORG_A}"), fields).done();
    }

    /// Client ID of the admin token in the config.
    fn current(&self) -> String {
        let config = self.host.storage.json(&format!("config/{ORG_A}"));
        config["astra_token"].as_str().unwrap().split(':').nth(1).unwrap().to_owned()
    }

    /// Time passes until nothing is in a grace period and nothing waits any more.
    #[track_caller]
    fn settle(&self) {
        for _ in 0..4 {
            self.host.clock.advance(LEASE_END_MARGIN + SECOND);
            self.rollback().unwrap();
        }
    }

    /// One admin token is alive, the config has it and can use it; all agrees.
    #[track_caller]
    fn assert_one_admin(&self) {
        let current = self.current();
        assert!(self.astra.is_live(&current), "the config's token is dead");
        assert_eq!(self.astra.is_live(OPERATORS), current == OPERATORS, "the operator's token");
        let made = if current == OPERATORS { BTreeSet::new() } else { BTreeSet::from([current]) };
        assert_eq!(self.astra.live(), made, "tokens in Astra");
        self.assert_recorded(&made);
        let lease = self.lease(Leased::of(self.creds()).secret);
        self.revoke(lease).done();
        assert_eq!(self.astra.live(), made);
    }

    #[track_caller]
    fn assert_recorded(&self, client_ids: &BTreeSet<String>) {
        // A crash without transactions may leave an index entry without a record; the first look removes it.
        let _ = self.send(Operation::List, &format!("tokens/{ORG_A}/"), Value::Null);
        assert_eq!(self.recorded(), *client_ids, "records");
        assert_eq!(self.open_entries(), 0, "write-ahead entries are open");
        let count = |prefix: &str| self.host.storage.keys().iter().filter(|key| key.starts_with(prefix)).count();
        assert_eq!(count("client-index/"), client_ids.len(), "the index by client ID is off");
        let ends = client_ids.iter().map(|id| self.host.storage.json(&format!("token/{id}"))["leaseEnd"].clone());
        assert!(ends.into_iter().all(|end| end.is_null()), "what is in use has no end");
        assert_eq!(self.host.locks.held(), Vec::<String>::new());
        self.assert_no_secret_logged();
    }
}

#[test]
fn a_rotation_replaces_the_operators_token_and_ends_it_after_the_grace_period() {
    let mount = Mount::new();
    let rotated = mount.rotate();
    let new = mount.current();
    assert_eq!(
        rotated,
        json!({ "client_id": new, "previous_client_id": OPERATORS, "previous_ends": "2026-01-01T00:10:00Z" })
    );
    assert_eq!(mount.astra.roles(&new), json!([ADMIN_ROLE_ID]));
    assert_eq!(mount.astra.expiry(&new), None, "an admin token has no end of its own");
    let read = mount.send(Operation::Read, &format!("config/{ORG_A}"), Value::Null).data();
    assert_eq!(read["astra_token_client_id"], new);
    assert_eq!(read.get("astra_token"), None, "a secret field that comes back is a difference in Terraform");
    assert_eq!(read["last_rotated"], "2026-01-01T00:00:00Z");

    mount.host.clock.advance(ROTATION_GRACE_DEFAULT - SECOND);
    mount.rollback().unwrap();
    assert!(mount.astra.is_live(OPERATORS), "its grace period goes on");
    mount.host.clock.advance(SECOND);
    mount.rollback().unwrap();
    assert!(!mount.astra.is_live(OPERATORS));
    mount.settle();
    mount.assert_one_admin();
}

#[test]
fn rotations_follow_one_another_and_leave_one_token() {
    for mount in [Mount::new(), Mount::on_vault()] {
        for _ in 0..3 {
            let before = mount.current();
            mount.host.clock.advance(SECOND);
            assert_eq!(mount.rotate()["previous_client_id"], before);
        }
        assert_eq!(mount.astra.live().len(), 3, "all in their grace periods");
        mount.settle();
        mount.assert_one_admin();
    }
}

#[test]
fn the_grace_period_is_the_configs_and_may_be_none() {
    let mount = Mount::new();
    mount.set(json!({ "rotation_grace_period": "2h" }));
    assert_eq!(mount.rotate()["previous_ends"], "2026-01-01T02:00:00Z");
    mount.set(json!({ "rotation_grace_period": 0 }));
    let second = mount.rotate()["previous_client_id"].as_str().unwrap().to_owned();
    assert!(!mount.astra.is_live(&second), "it had none");
    mount.rollback().unwrap();
    assert!(mount.astra.is_live(OPERATORS), "it keeps the one that it was given");
    mount.host.clock.advance(Duration::from_secs(7200));
    mount.rollback().unwrap();
    mount.settle();
    mount.assert_one_admin();
}

#[test]
fn what_is_made_meanwhile_and_settings_stay() {
    let mount = Mount::new();
    mount.set(json!({ "description": "for {{mount}}", "allowed_role_ids": crate::testing::ROLE_ID }));
    let leased = Leased::of(mount.creds());
    mount.rotate();
    // The organization's own limits are for its roles, not for its admin token.
    assert_eq!(mount.astra.roles(&mount.current()), json!([ADMIN_ROLE_ID]));
    assert!(mount.astra.description(&mount.current()).starts_with("for astra/ vault-mark:"));
    mount.host.clock.advance(ROTATION_GRACE_DEFAULT);
    mount.rollback().unwrap();
    let lease = mount.lease(leased.secret);
    mount.revoke(lease).done();
    mount.settle();
    mount.assert_one_admin();
    let read = mount.send(Operation::Read, &format!("config/{ORG_A}"), Value::Null).data();
    assert_eq!(read["description"], "for {{mount}}");
}

#[test]
fn an_admin_token_is_recorded_without_its_secret_and_with_its_history() {
    let mount = Mount::new();
    let first = mount.rotate()["client_id"].as_str().unwrap().to_owned();
    let stored = mount.host.storage.json(&format!("token/{first}"));
    assert_eq!(stored["kind"], "admin");
    assert_no_secret(&stored.to_string());
    mount.rotate();
    let path = format!("tokens/{ORG_A}/{first}");
    let shown = mount.send(Operation::Read, &path, Value::Null).data();
    assert_eq!((&shown["kind"], &shown["expires"]), (&json!("admin"), &json!("2026-01-01T00:10:00Z")));
    assert!(shown["history"].to_string().contains("rotate"), "{shown}");
    mount.settle();
    let shown = mount.send(Operation::Read, &path, Value::Null).data();
    assert!(shown.to_string().contains("rotated"), "{shown}");
    mount.assert_one_admin();
}

#[test]
fn nobody_is_shown_an_admin_token() {
    let mount = Mount::new();
    let client_id = mount.rotate()["client_id"].clone();
    let data = json!({ "org_id": ORG_A, "client_id": client_id, "role_name": "reader" });
    let mistake = mount.send(Operation::Read, "org/token", data).mistake();
    assert!(mistake.contains("admin token") && mistake.contains(ORG_A), "{mistake}");
    assert_no_secret(&mistake);
}

#[test]
fn a_token_that_is_not_known_everywhere_at_once_is_waited_for() {
    let mount = Mount::new();
    mount.astra.set_refusals(3);
    mount.rotate();
    assert_eq!(mount.host.clock.slept().len(), 3);
    mount.settle();
    mount.assert_one_admin();
}

#[test]
fn an_end_that_astra_sets_is_told() {
    let mount = Mount::new();
    mount.astra.set_expiry_max("2026-06-01T00:00:00Z");
    let warnings = mount.try_rotate().warnings();
    assert!(warnings[0].contains("2026-06-01T00:00:00Z") && warnings[0].contains(ORG_A), "{warnings:?}");
}

#[test]
fn an_admin_token_in_use_cannot_be_deleted_as_a_token_and_an_old_one_can() {
    let mount = Mount::new();
    let first = mount.rotate()["client_id"].as_str().unwrap().to_owned();
    let path = format!("tokens/{ORG_A}/{first}");
    let mistake = mount.send(Operation::Delete, &path, Value::Null).mistake();
    assert!(mistake.contains(&format!("config/{ORG_A}/rotate-root")), "{mistake}");
    assert!(mount.astra.is_live(&first));
    mount.rotate();
    mount.send(Operation::Delete, &path, Value::Null).done();
    assert!(!mount.astra.is_live(&first), "before its grace period is over");
    mount.settle();
    mount.assert_one_admin();
}

#[test]
fn a_token_with_a_lease_that_an_operator_made_the_admin_token_is_replaced_like_any() {
    for named in [json!({ "logical_name": "admin" }), json!({})] {
        let mount = Mount::new();
        mount.write_role(ORG_A, "admin", json!({ "role_id": ADMIN_ROLE_ID, "ttl": "4h" }));
        let mut data = json!({ "org_id": ORG_A, "role_name": "admin" });
        data.as_object_mut().unwrap().extend(named.as_object().unwrap().clone());
        let leased = Leased::of(mount.write("org/token", data));
        let written = mount.write(&format!("config/{ORG_A}"), json!({ "astra_token": leased.data["token"] }));
        let warnings = written.0.unwrap().unwrap().warnings;
        assert!(warnings.len() == 1 && warnings[0].contains("ends by itself: write `config/"), "{warnings:?}");
        assert_eq!(mount.rotate()["previous_client_id"], leased.client_id());
        mount.settle();
        assert!(!mount.astra.is_live(&leased.client_id()));
        let lease = mount.lease(leased.secret);
        mount.revoke(lease).done();
        mount.astra.delete_outside(OPERATORS);
        mount.assert_one_admin();
    }
}

#[test]
fn rotations_at_the_same_time_take_turns() {
    let mount = Mount::new();
    let results = std::thread::scope(|scope| {
        let threads = [(); 4].map(|()| scope.spawn(|| mount.try_rotate().data()));
        threads.map(|thread| thread.join().unwrap())
    });
    let replaced: BTreeSet<_> = results.iter().map(|data| data["previous_client_id"].to_string()).collect();
    assert_eq!(replaced.len(), 4, "each replaced another: {results:?}");
    mount.settle();
    mount.assert_one_admin();
}

#[test]
fn a_config_changed_meanwhile_is_kept_and_the_new_token_is_not() {
    let mount = Mount::new();
    mount.astra.make_admin("AstraCS:Another:canary");
    let racing = mount.clone();
    mount.astra.during_next_make(move || racing.set(json!({ "astra_token": "AstraCS:Another:canary" })));
    let (code, text) = mount.try_rotate().failed();
    assert_eq!(code, Some(409), "{text}");
    assert_eq!(mount.current(), "Another");
    assert_eq!(mount.astra.live().into_iter().collect::<Vec<_>>(), ["Another"]);
    assert!(mount.astra.is_live(OPERATORS), "an operator's token is the operator's");
    mount.settle();
    mount.assert_recorded(&BTreeSet::new());
}

#[test]
fn a_setting_changed_meanwhile_is_kept_and_so_is_the_new_token() {
    let mount = Mount::new();
    let racing = mount.clone();
    mount.astra.during_next_make(move || racing.set(json!({ "description": "racing", "tidy_period": "1h" })));
    mount.rotate();
    let config = mount.host.storage.json(&format!("config/{ORG_A}"));
    assert_eq!(config["description"], "racing");
    assert_eq!(mount.queued(Some("tidy")).len(), 1);
    assert_ne!(mount.current(), OPERATORS);
}

#[test]
fn when_the_mount_goes_replaced_tokens_go_at_once() {
    let mount = Mount::new();
    mount.set(json!({ "rotation_grace_period": "15m" }));
    let first = mount.rotate()["client_id"].as_str().unwrap().to_owned();
    mount.rotate();
    mount.host.clock.advance(SECOND);
    crate::BACKEND.handle(&mount.host, &rollback_request(true)).unwrap();
    assert!(!mount.astra.is_live(OPERATORS) && !mount.astra.is_live(&first));
    assert!(mount.astra.is_live(&mount.current()), "the server sends this, too, when a mount only moves");
}

#[test]
fn time_that_jumps_changes_ends_but_no_outcome() {
    let mount = Mount::new();
    let start = mount.host.clock.now();
    mount.rotate();
    mount.host.clock.set(start + Duration::from_secs(400 * 86400));
    mount.rotate();
    mount.host.clock.set(start + SECOND);
    mount.rollback().unwrap();
    assert!(mount.astra.is_live(&mount.current()));
    mount.rotate();
    mount.host.clock.set(start + Duration::from_secs(401 * 86400));
    mount.rollback().unwrap();
    mount.settle();
    mount.assert_one_admin();
}
