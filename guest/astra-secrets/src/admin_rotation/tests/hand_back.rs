//! Admin tokens that leave their config because another is written into it.

use secrets_framework::testing::StorageCall;

use super::*;
use crate::testing::{Fault, On};

const ANOTHER: &str = "AstraCS:Another:canary";

#[test]
fn an_operators_token_that_is_overwritten_lives_on() {
    let mount = Mount::new();
    mount.astra.make_admin(ANOTHER);
    mount.set(json!({ "astra_token": ANOTHER }));
    mount.settle();
    assert!(mount.astra.is_live(OPERATORS) && mount.astra.is_live("Another"));
    mount.assert_recorded(&BTreeSet::new());
}

#[test]
fn one_of_ours_that_is_overwritten_ends_after_the_grace_period() {
    for mount in [Mount::new(), Mount::on_vault()] {
        let ours = mount.rotate()["client_id"].as_str().unwrap().to_owned();
        mount.settle();
        mount.astra.make_admin(ANOTHER);
        mount.set(json!({ "astra_token": ANOTHER, "rotation_grace_period": "5m" }));
        // The grace period is the one that the old token was promised.
        mount.host.clock.advance(ROTATION_GRACE_DEFAULT - SECOND);
        mount.rollback().unwrap();
        assert!(mount.astra.is_live(&ours));
        mount.host.clock.advance(SECOND);
        mount.rollback().unwrap();
        assert_eq!(mount.astra.live().into_iter().collect::<Vec<_>>(), ["Another"]);
        mount.assert_recorded(&BTreeSet::new());
    }
}

#[test]
fn a_setting_or_the_same_token_ends_nothing() {
    let mount = Mount::new();
    let ours = mount.rotate()["client_id"].as_str().unwrap().to_owned();
    mount.set(json!({ "description": "x" }));
    mount.set(json!({ "astra_token": format!("AstraCS:{ours}:canary") }));
    mount.settle();
    mount.assert_one_admin();
    assert_eq!(mount.current(), ours);
}

#[test]
fn without_a_grace_period_the_overwritten_token_ends_with_the_write() {
    for fault in [None, Some(Fault::Status(500, ""))] {
        let mount = Mount::new();
        let ours = mount.rotate()["client_id"].as_str().unwrap().to_owned();
        mount.settle();
        mount.astra.make_admin(ANOTHER);
        mount.set(json!({ "rotation_grace_period": 0 }));
        let works = fault.is_none();
        fault.into_iter().for_each(|fault| mount.astra.fail(On::Delete, fault));
        mount.set(json!({ "astra_token": ANOTHER }));
        assert_eq!(mount.astra.is_live(&ours), !works);
        mount.rollback().unwrap();
        assert!(!mount.astra.is_live(&ours));
        assert_eq!(mount.current(), "Another");
        mount.assert_recorded(&BTreeSet::new());
    }
}

#[test]
fn an_old_token_that_is_written_back_is_held_again() {
    let mount = Mount::new();
    let ours = mount.rotate()["client_id"].as_str().unwrap().to_owned();
    mount.set(json!({ "astra_token": crate::testing::ADMIN_A }));
    mount.settle();
    assert!(!mount.astra.is_live(&ours), "ours has ended");
    assert_eq!(mount.current(), OPERATORS);
    mount.assert_one_admin();

    let first = mount.rotate()["client_id"].as_str().unwrap().to_owned();
    mount.rotate();
    mount.set(json!({ "astra_token": format!("AstraCS:{first}:canary") }));
    mount.settle();
    assert_eq!(mount.current(), first);
    mount.assert_one_admin();
}

#[test]
fn an_old_token_that_is_written_back_while_it_is_ended_is_not_stored() {
    let mount = Mount::new();
    mount.rotate();
    let current = mount.current();
    let back = json!({ "astra_token": crate::testing::ADMIN_A, "verify": false });
    let racing = (mount.clone(), back.clone());
    mount.astra.during_next(On::Delete, move || {
        let (mount, back) = racing;
        mount.host.locks.set_wait(Duration::from_millis(20));
        let (code, _) = mount.write(&format!("config/{ORG_A}"), back).failed();
        assert_eq!(code, Some(503), "whoever ends it is waited for");
    });
    mount.settle();
    assert!(!mount.astra.is_live(OPERATORS));
    let (code, text) = mount.write(&format!("config/{ORG_A}"), back).failed();
    assert!(code == Some(409) && text.contains("`AdminOfA`") && text.contains("write another"), "{text}");
    assert_no_secret(&text);
    assert_eq!(mount.current(), current);
    mount.assert_one_admin();
}

/// The lock of one token must not keep other organizations' configs waiting.
#[test]
fn a_token_that_is_waited_for_holds_up_no_other_config() {
    let mount = Mount::new();
    mount.rotate();
    let racing = mount.clone();
    mount.astra.during_next(On::Delete, move || {
        racing.host.locks.set_wait(Duration::from_millis(20));
        let back = json!({ "astra_token": crate::testing::ADMIN_A, "verify": false });
        racing.write(&format!("config/{ORG_A}"), back).failed();
        let held = racing.host.locks.held_at_timeout();
        assert!(!held.is_empty() && !held.contains(&"config".to_owned()), "{held:?}");
    });
    mount.settle();
    mount.assert_one_admin();
}

#[test]
fn an_overwrite_that_dies_ends_no_token_that_is_held() {
    for transactional in [true, false] {
        for nth in 1..=8 {
            let mount = Mount::new();
            let ours = mount.rotate()["client_id"].as_str().unwrap().to_owned();
            mount.settle();
            mount.astra.make_admin(ANOTHER);
            mount.host.storage.set_transactional(transactional);
            mount.host.storage.die_at_write(nth);
            let _ = mount.write(&format!("config/{ORG_A}"), json!({ "astra_token": ANOTHER }));
            mount.host.storage.clear_faults();
            mount.settle();
            let current = mount.current();
            assert!(mount.astra.is_live(&current), "write {nth}");
            assert_eq!(mount.astra.is_live(&ours), current == ours, "write {nth}");
            mount.assert_recorded(&if current == ours { BTreeSet::from([ours]) } else { BTreeSet::new() });
        }
    }
}

#[test]
fn a_token_that_moves_with_its_config_is_ended_where_it_went() {
    let mount = Mount::new();
    let ours = mount.rotate()["client_id"].as_str().unwrap().to_owned();
    mount.settle();
    mount.astra.move_org(crate::testing::ADMIN_A, "https://moved.example.org");
    mount.set(json!({ "url": "https://moved.example.org", "astra_token": format!("AstraCS:{ours}:canary") }));
    assert_eq!(mount.host.storage.json(&format!("token/{ours}"))["origin"], "https://moved.example.org");
    mount.rotate();
    mount.settle();
    assert!(!mount.astra.is_live(&ours));
    mount.assert_one_admin();
    assert!(!mount.host.storage.keys().iter().any(|key| key.starts_with("retired-config/")));
}

#[test]
fn a_token_that_a_left_origin_still_needs_outlives_its_rotation() {
    const MOVED: &str = "https://moved.example.org";
    let mount = Mount::new();
    let lease = mount.lease(Leased::of(mount.creds()).secret);
    // The same Astra by another name: the config takes its token along, and the lease stays at the old one.
    mount.astra.move_org(crate::testing::ADMIN_A, MOVED);
    mount.set(json!({ "url": MOVED, "force": true, "astra_token": crate::testing::ADMIN_A }));
    mount.rotate();
    mount.settle();
    assert!(mount.astra.is_live(OPERATORS), "nothing else can end the lease's token");
    mount.astra.move_org(crate::testing::ADMIN_A, crate::testing::ASTRA);
    mount.revoke(lease).done();
    mount.astra.move_org(crate::testing::ADMIN_A, MOVED);
    mount.settle();
    assert!(!mount.astra.is_live(OPERATORS), "it has no more to end");
    mount.assert_one_admin();
}

#[test]
fn a_write_of_an_operators_config_costs_what_it_did() {
    let mount = Mount::new();
    mount.host.storage.clear_calls();
    mount.set(json!({ "description": "x" }));
    assert_eq!(mount.host.storage.calls(StorageCall::Put), 1);
    assert!(mount.host.storage.calls(StorageCall::Get) <= 9, "{}", mount.host.storage.calls(StorageCall::Get));
}
