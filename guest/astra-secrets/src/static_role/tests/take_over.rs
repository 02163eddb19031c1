//! A static role that is created with a token which somebody made in Astra's portal.

use std::collections::BTreeSet;

use secrets_framework::host::StorageError;

use super::*;
use crate::config::test_mount::Answered;
use crate::testing::{ADMIN_B, Leased};

const OTHER_ID: &str = "88888888-8888-4888-8888-888888888888";
const MOVED: &str = "AstraCS:Moved:canary";
const NEW_ORIGIN: &str = "https://moved.example.org";
const TOKEN: &str = "AstraCS:Portal:canary";

/// A mount whose organization has a token of the portal with the Astra role of static roles.
fn with_portal_token(mount: Mount) -> Mount {
    mount.astra.make_in_portal("Portal", &[ROLE_ID]);
    mount
}

fn take_over(mount: &Mount, fields: Value) -> Answered {
    let mut data = json!({ "rotation_period": "24h", "token": TOKEN });
    data.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    mount.write_static("app", data)
}

#[test]
fn a_token_is_taken_over_served_and_replaced_when_it_is_due() {
    for mount in [Mount::new(), Mount::on_vault()] {
        let mount = with_portal_token(mount);
        take_over(&mount, json!({ "grace_period": "1h" })).done();
        let data = mount.read_creds("app").data();
        assert_eq!((&data["clientId"], &data["token"], &data["secret"]), (&json!("Portal"), &json!(TOKEN), &json!("")));
        assert_eq!(data["ttl"], 86_400);
        assert_eq!(mount.astra.live(), BTreeSet::from(["Portal".to_owned()]), "no other token was made");
        assert_no_secret(&mount.host.storage.snapshot().keys().cloned().collect::<String>());
        mount.assert_no_secret_logged();

        mount.host.clock.advance(DAY);
        mount.rollback().unwrap();
        let next = mount.static_token("app");
        assert_ne!(next, "Portal");
        assert!(mount.astra.is_live("Portal"), "in its grace period");
        mount.host.clock.advance(2 * HOUR);
        mount.rollback().unwrap();
        assert_eq!(mount.astra.live(), BTreeSet::from([next]));
        mount.delete_static("app").done();
        assert!(mount.astra.live().is_empty());
    }
}

#[test]
fn a_role_that_is_deleted_ends_the_token_that_it_took_over() {
    let mount = with_portal_token(Mount::new());
    take_over(&mount, json!({})).done();
    mount.delete_static("app").done();
    assert!(!mount.astra.is_live("Portal"));
}

#[test]
fn a_token_with_other_astra_roles_is_refused_with_those_that_it_has() {
    let mount = with_portal_token(Mount::new());
    mount.astra.set_roles("Portal", &[ROLE_ID, OTHER_ID]);
    let text = take_over(&mount, json!({})).mistake();
    assert!(text.contains(ROLE_ID) && text.contains(OTHER_ID), "{text}");
    take_over(&mount, json!({ "role_ids": [OTHER_ID, ROLE_ID] })).done();
}

#[test]
fn a_token_that_does_not_work_or_is_another_organizations_is_refused() {
    let mount = with_portal_token(Mount::new());
    for (token, holds) in [
        ("AstraCS:Nobody:canary", "does not work"),
        (ADMIN_B, "belongs to another organization"),
        ("no token", "is not an Astra token"),
        ("AstraCS:Portal:redacted", "`:redacted`"),
        ("", "is empty"),
    ] {
        let text = take_over(&mount, json!({ "token": token })).mistake();
        assert!(text.contains("`token`") && text.contains(holds), "{token}: {text}");
        assert!(!text.contains("canary"), "{text}");
    }
    mount.send(Operation::List, &format!("static-roles/{ORG_A}/"), Value::Null).missing();
    assert!(mount.recorded().is_empty(), "nothing was stored");
}

#[test]
fn a_token_that_the_mount_holds_is_refused() {
    let mount = with_portal_token(Mount::new());
    let leased = Leased::of(mount.creds()).client_id();
    mount.astra.set_roles(&leased, &[ROLE_ID]);
    take_over(&mount, json!({})).done();
    for client_id in [leased.as_str(), "Portal", "AdminOfA"] {
        let fields = json!({ "rotation_period": "24h", "token": format!("AstraCS:{client_id}:canary") });
        let (code, text) = mount.write_static("other", fields).failed();
        assert_eq!(code, Some(409), "{text}");
        assert!(text.contains(client_id), "{text}");
    }
}

#[test]
fn a_role_that_has_a_token_takes_no_other() {
    let mount = with_portal_token(Mount::new());
    take_over(&mount, json!({})).done();
    // As Terraform writes all fields each time.
    take_over(&mount, json!({ "rotation_period": "48h" })).done();
    mount.rotate_static("app").data();
    let text = take_over(&mount, json!({})).mistake();
    assert!(text.contains("has a token already"), "{text}");
}

#[test]
fn a_take_over_that_storage_cuts_short_can_be_repeated() {
    for nth in 1..=4 {
        let mount = with_portal_token(Mount::on_vault());
        mount.host.storage.fail_nth(StorageCall::Put, nth, StorageError::Failed("disk full".to_owned()));
        let first = take_over(&mount, json!({}));
        if first.0.is_err() {
            take_over(&mount, json!({})).done();
        }
        assert_eq!(mount.static_token("app"), "Portal", "write {nth}");
        assert_eq!(mount.astra.live(), BTreeSet::from(["Portal".to_owned()]));
    }
}

#[test]
fn rollback_never_ends_a_token_whose_take_over_storage_cut_short() {
    // The index, the task, the record, the role's task, the role, and a commit.
    for nth in 1..=6 {
        for dies in [false, true] {
            for mount in [Mount::new(), Mount::on_vault()] {
                let mount = with_portal_token(mount);
                match dies {
                    true => mount.host.storage.die_at_write(nth),
                    false => mount.host.storage.fail_nth_write(nth, StorageError::Failed("disk full".to_owned())),
                }
                let is_taken_over = take_over(&mount, json!({})).0.is_ok();
                mount.host.storage.clear_faults();
                for _ in 0..3 {
                    mount.host.clock.advance(HOUR);
                    mount.rollback().unwrap();
                }
                assert!(mount.astra.is_live("Portal"), "write {nth}, dies: {dies}");
                assert_eq!(mount.recorded().len(), usize::from(is_taken_over), "write {nth}, dies: {dies}");
                take_over(&mount, json!({ "rotation_period": "48h" })).done();
                assert_eq!(mount.static_token("app"), "Portal", "write {nth}, dies: {dies}");
            }
        }
    }
}

#[test]
fn on_a_mount_that_only_reads_nothing_is_taken_over() {
    let mount = with_portal_token(Mount::new());
    mount.host.system_view.set_upstream_read_only(true);
    let (code, text) = take_over(&mount, json!({})).failed();
    assert_eq!(code, Some(503), "{text}");
    assert!(mount.recorded().is_empty());
}

#[test]
fn a_config_that_is_deleted_meanwhile_takes_no_token_that_was_to_be_taken_over() {
    for mount in [Mount::new(), Mount::on_vault()] {
        let mount = with_portal_token(mount);
        let racing = mount.clone();
        mount.astra.during_next(On::List, move || {
            racing.send(Operation::Delete, &format!("config/{ORG_A}"), json!({ "force": true })).done();
        });
        let (code, text) = take_over(&mount, json!({})).failed();
        assert_eq!(code, Some(409), "{text}");
        mount.configure(ORG_A, ADMIN_A, json!({}));
        mount.rollback_later();
        assert!(mount.astra.is_live("Portal"), "its clients use it on");
        assert!(mount.recorded().is_empty() && mount.keys("static-role/").is_empty());
        take_over(&mount, json!({})).done();
        assert_eq!(mount.static_token("app"), "Portal");
    }
}

#[test]
fn a_config_that_moves_meanwhile_takes_no_token_that_was_to_be_taken_over() {
    for mount in [Mount::new(), Mount::on_vault()] {
        let mount = with_portal_token(mount);
        mount.astra.add_org(MOVED, ORG_A, NEW_ORIGIN);
        let racing = mount.clone();
        mount.astra.during_next(On::List, move || racing.configure(ORG_A, MOVED, json!({ "url": NEW_ORIGIN })));
        let (code, text) = take_over(&mount, json!({})).failed();
        assert_eq!(code, Some(409), "{text}");
        assert!(text.contains("was moved while static role `app`"), "{text}");
        mount.rollback_later();
        assert!(mount.astra.is_live("Portal"), "its clients use it on");
        assert!(mount.recorded().is_empty() && mount.keys("static-role/").is_empty());
    }
}
