//! The end of an organization's config: static roles go with it, and their
//! tokens, too.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::time::Duration;

use secrets_framework::host::StorageError;
use secrets_framework::testing::{StorageCall, request};
use secrets_framework::{Context, Operation};
use serde_json::{Value, json};

use super::{DAY, HOUR, mounts, with_role};
use crate::config::test_mount::Answered;
use crate::limits::{RETIRED_CONFIGS_MAX, STATIC_ROLES_ENDED_MAX};
use crate::names::OrgId;
use crate::static_rotation::end_left;
use crate::testing::{ADMIN_A, Mount, ORG_A};

fn delete_config(mount: &Mount) -> Answered {
    mount.send(Operation::Delete, &format!("config/{ORG_A}"), json!({ "force": true }))
}

#[track_caller]
fn assert_all_gone(mount: &Mount) {
    mount.rollback().unwrap();
    mount.assert_static(0, 0);
    mount.rollback_later();
    assert!(mount.keys("retired-config/").is_empty());
}

#[test]
fn a_static_role_counts_though_its_tokens_record_is_lost() {
    let (mount, first) = with_role(Mount::new());
    mount.host.storage.remove(&format!("token/{first}"));
    mount.send(Operation::Delete, &format!("config/{ORG_A}"), json!({})).mistake();
    assert_eq!(mount.keys("static-role/").len(), 1);
}

#[test]
fn a_token_whose_record_is_lost_ends_with_the_config() {
    for mount in mounts() {
        let (mount, first) = with_role(mount);
        mount.host.storage.remove(&format!("token/{first}"));
        delete_config(&mount).done();
        assert_all_gone(&mount);
    }
}

#[test]
fn a_token_whose_record_is_lost_ends_with_its_role() {
    for mount in mounts() {
        let (mount, first) = with_role(mount);
        mount.host.storage.remove(&format!("token/{first}"));
        mount.delete_static("app").done();
        mount.assert_static(0, 0);
    }
}

#[test]
fn a_token_that_is_known_to_have_ended_is_not_ended_again() {
    for mount in mounts() {
        let (mount, _) = with_role(mount);
        mount.host.storage.fail_prefix(
            StorageCall::Delete,
            "static-role/",
            StorageError::Failed("disk full".to_owned()),
        );
        mount.delete_static("app").failed();
        mount.host.storage.clear_faults();
        mount.host.http.clear();
        mount.delete_static("app").done();
        assert!(mount.host.http.requests().is_empty());
        mount.assert_static(0, 0);
    }
}

#[test]
fn it_is_refused_while_there_are_static_roles_unless_by_force() {
    for mount in mounts() {
        let (mount, first) = with_role(mount);
        mount.rotate_static("app").data();
        let mistake = mount.send(Operation::Delete, &format!("config/{ORG_A}"), json!({})).mistake();
        assert!(mistake.contains("alive"), "{mistake}");
        mount.assert_static(1, 1);

        delete_config(&mount).done();
        mount.read_creds("app").missing();
        assert!(mount.queued(Some("rotate-static")).is_empty());
        // The current one ends at once, the one before when its grace does.
        mount.rollback().unwrap();
        assert_eq!(mount.astra.live().into_iter().collect::<Vec<_>>(), [first]);
        mount.host.clock.advance(HOUR);
        assert_all_gone(&mount);
    }
}

#[test]
fn storage_that_dies_at_any_write_of_it_is_made_up_for() {
    for nth in 1..=14 {
        for mount in mounts() {
            let (mount, _) = with_role(mount);
            mount.daily("other");
            mount.host.storage.die_at_write(nth);
            let deleted = delete_config(&mount).0;
            mount.host.storage.clear_faults();
            // Rollback may come before the operator tries again: what is held is left alone.
            mount.rollback().unwrap();
            for key in mount.keys("static-role/") {
                let role = mount.host.storage.json(&key);
                mount.static_token(role["name"].as_str().unwrap());
            }
            if deleted.is_err() {
                delete_config(&mount).done();
            }
            assert!(mount.keys("static-role/").is_empty(), "write {nth}");
            mount.rollback().unwrap();
            assert!(mount.astra.live().is_empty(), "write {nth}");
            // Without transactions an task of the schedule queue may outlive its role until it is due.
            mount.host.clock.advance(DAY);
            assert_all_gone(&mount);
        }
    }
}

#[test]
fn a_role_that_is_created_meanwhile_goes_with_it() {
    for mount in mounts() {
        let racing = mount.clone();
        mount.astra.during_next_make(move || delete_config(&racing).done());
        let (code, text) = mount.write_static("app", json!({ "rotation_period": "24h" })).failed();
        assert_eq!(code, Some(409), "{text}");
        assert_all_gone(&mount);
    }
}

#[test]
fn a_role_that_stayed_without_its_config_goes_when_that_is_deleted_again() {
    let mount = Mount::new();
    let racing = mount.clone();
    mount.astra.during_next_make(move || {
        delete_config(&racing).done();
        // The creation's own removal, after it has stored the role.
        racing.host.storage.fail_nth(StorageCall::Commit, 2, StorageError::Failed("disk full".to_owned()));
    });
    mount.write_static("app", json!({ "rotation_period": "24h" })).failed();
    assert_eq!(mount.keys("static-role/").len(), 1);
    mount.send(Operation::Delete, &format!("config/{ORG_A}"), json!({})).done();
    assert_all_gone(&mount);
}

#[test]
fn the_roles_of_an_organization_that_is_configured_anew_meanwhile_stay() {
    let (mount, first) = with_role(Mount::new());
    let request = request(Operation::Delete, &format!("config/{ORG_A}"), Value::Null);
    let context = Context { host: &mount.host, request: &request };
    assert_eq!(end_left(&context, &OrgId::stored(ORG_A)).unwrap(), Vec::<String>::new());
    mount.assert_static(1, 0);
    assert_eq!(mount.static_token("app"), first);
}

#[test]
fn a_role_that_is_not_readable_is_named_and_its_token_can_still_be_ended() {
    for mount in mounts() {
        let (mount, first) = with_role(mount);
        mount.daily("other");
        mount.host.storage.seed(&format!("static-role/{ORG_A}/app"), "{");
        let warnings = delete_config(&mount).warnings();
        assert!(warnings.len() == 1 && warnings[0].contains("`app`"), "{warnings:?}");
        assert!(warnings[0].contains(&format!("`static-roles/{ORG_A}/app`")), "{warnings:?}");
        mount.rollback_later();
        assert_eq!(mount.astra.live(), BTreeSet::from([first.clone()]));
        assert_eq!(mount.recorded().len(), 1, "nothing of it is lost");
        // As the warning says, and whoever deletes the config again is told again.
        assert_eq!(delete_config(&mount).warnings(), warnings);
        mount.delete_static("app").warnings();
        let list = mount.send(Operation::List, &format!("tokens/{ORG_A}/"), Value::Null).data();
        assert_eq!(list["keys"], json!([first]));
        mount.send(Operation::Delete, &format!("tokens/{ORG_A}/{first}"), Value::Null).done();
        mount.host.clock.advance(DAY);
        assert_all_gone(&mount);
    }
}

#[test]
fn a_role_that_is_being_rotated_is_waited_for() {
    let (mount, _) = with_role(Mount::new());
    mount.host.locks.set_wait(Duration::from_millis(20));
    let racing = mount.clone();
    mount.astra.during_next_make(move || {
        delete_config(&racing).0.unwrap_err();
        let held = racing.host.locks.held_at_timeout();
        assert!(!held.is_empty() && !held.contains(&"config".to_owned()), "others' configs wait, too: {held:?}");
    });
    mount.rotate_static("app").data();
    mount.assert_static(1, 1);
    delete_config(&mount).done();
    mount.host.clock.advance(HOUR);
    assert_all_gone(&mount);
}

#[test]
fn more_static_roles_than_one_request_can_end_are_ended_by_several() {
    let mount = Mount::on_vault();
    let many = STATIC_ROLES_ENDED_MAX + 1;
    for number in 0..many {
        mount.write_static(&format!("app{number}"), json!({ "rotation_period": "24h" })).0.unwrap();
    }
    let (code, text) = delete_config(&mount).failed();
    assert!(code == Some(503) && text.contains("delete the config again"), "{text}");
    assert_eq!(mount.keys("static-role/").len(), 1);
    delete_config(&mount).done();
    for _ in 0..=many / 50 {
        mount.rollback().unwrap();
    }
    mount.assert_static(0, 0);
}

#[test]
fn the_organization_may_come_back() {
    let (mount, _) = with_role(Mount::new());
    delete_config(&mount).done();
    let text = mount.write_static("app", json!({ "rotation_period": "24h" })).mistake();
    assert!(text.contains("no such organization"), "{text}");
    assert!(mount.rotate_static("app").mistake().contains("no such static role"));
    mount.configure(ORG_A, ADMIN_A, json!({}));
    mount.daily("app");
    mount.rollback().unwrap();
    mount.assert_static(1, 0);
    assert_eq!(
        mount.send(Operation::List, &format!("static-roles/{ORG_A}/"), Value::Null).data()["keys"],
        json!(["app"])
    );
}

#[test]
fn a_deletion_that_cannot_keep_what_revocation_needs_ends_no_static_role() {
    let (mount, first) = with_role(Mount::new());
    let left = |number: usize| json!({ "astra_token": ADMIN_A, "url": format!("https://left{number}.example") });
    let configs: Vec<Value> = (0..RETIRED_CONFIGS_MAX).map(left).collect();
    mount.host.storage.seed(&format!("retired-config/{ORG_A}"), json!({ "configs": configs }).to_string());
    let text = delete_config(&mount).mistake();
    assert!(text.contains("revoke those first"), "{text}");
    mount.assert_static(1, 0);
    assert_eq!(mount.static_token("app"), first);
}
