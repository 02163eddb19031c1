//! A token that Astra ends by itself, by a setting of the organization, is
//! replaced before, whatever the schedule says.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use secrets_framework::host::{Clock, Locks};
use serde_json::{Value, json};

use super::{DAY, HOUR, MINUTE, with_role};
use crate::limits::REPLACED_TOKENS_MAX;
use crate::static_role::test_mount::path;
use crate::testing::{Fault, Mount, ORG_A, On};

/// A mount whose tokens Astra ends at noon.
fn until_noon() -> Mount {
    let mount = Mount::new();
    mount.astra.set_expiry_max("2026-01-01T12:00:00Z");
    mount
}

#[test]
fn a_token_that_ends_before_its_rotation_is_rotated_before_with_time_for_its_grace() {
    let mount = until_noon();
    let warnings = mount.write_static("app", json!({ "rotation_period": "24h" })).warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("`app`") && warnings[0].contains(ORG_A), "{warnings:?}");
    assert!(warnings[0].contains("rotated at 2026-01-01T10:00:00Z already"), "{warnings:?}");
    let first = mount.static_token("app");
    assert_eq!(mount.read_creds("app").data()["ttl"], 10 * 3600, "an hour of grace, and one to try again");
    mount.host.clock.advance(10 * HOUR - MINUTE);
    mount.rollback().unwrap();
    assert_eq!(mount.static_token("app"), first);
    mount.astra.set_expiry_max("2026-02-01T00:00:00Z");
    mount.host.clock.advance(MINUTE);
    mount.rollback().unwrap();
    assert_ne!(mount.static_token("app"), first);
    assert_eq!(mount.read_creds("app").data()["ttl"], 24 * 3600, "the schedule comes first again");
    mount.assert_static(1, 1);
}

#[test]
fn a_schedule_that_comes_in_time_needs_no_words() {
    let mount = until_noon();
    mount.write_static("app", json!({ "rotation_period": "6h" })).done();
    assert_eq!(mount.read_creds("app").data()["ttl"], 6 * 3600);
}

#[test]
fn whoever_changes_the_schedule_or_rotates_by_hand_is_told() {
    let mount = until_noon();
    mount.write_static("app", json!({ "rotation_period": "6h" })).done();
    let told = |warnings: Vec<String>| warnings.iter().any(|text| text.contains("2026-01-01T10:00:00Z already"));
    assert!(told(mount.write_static("app", json!({ "rotation_period": "48h" })).warnings()));
    assert!(told(mount.write_static("app", json!({ "rotation_schedule": "0 20 * * *" })).warnings()));
    assert_eq!(mount.read_static("app")["next_rotation"], "2026-01-01T10:00:00Z");
    assert!(told(mount.rotate_static("app").warnings()));
    mount.assert_static(1, 1);
}

#[test]
fn half_of_its_life_is_left_to_a_token_that_ends_soon() {
    let mount = until_noon();
    mount.host.clock.advance(11 * HOUR);
    mount.write_static("app", json!({ "rotation_period": "24h" })).warnings();
    assert_eq!(mount.read_creds("app").data()["ttl"], 1800);
}

#[test]
fn a_window_keeps_nobody_from_replacing_a_token_that_ends() {
    let mount = until_noon();
    let fields = json!({ "rotation_schedule": "0 9 * * *", "rotation_window": "5m" });
    mount.write_static("app", fields).done();
    let first = mount.static_token("app");
    // It was due at 9, but nobody called.
    mount.host.clock.advance(9 * HOUR + 6 * MINUTE);
    mount.rollback().unwrap();
    assert_eq!(mount.static_token("app"), first, "too late for its window, too early for its end");
    assert_eq!(mount.read_static("app")["next_rotation"], "2026-01-01T10:00:00Z");
    // And Astra fails, past its end and the next time's window.
    mount.astra.fail_times(On::Make, 100, Fault::Status(503, ""));
    mount.host.clock.advance(54 * MINUTE);
    for failures in 1..=26 {
        mount.rollback().unwrap_err();
        assert_eq!(mount.read_static("app")["failures"], failures);
        mount.host.clock.advance(HOUR);
    }
    mount.astra.heal();
    mount.astra.set_expiry_max("2026-02-01T00:00:00Z");
    mount.rollback().unwrap();
    assert_ne!(mount.static_token("app"), first);
    assert_eq!(mount.read_static("app")["next_rotation"], "2026-01-03T09:00:00Z");
    mount.assert_static(1, 0);
}

#[test]
fn one_that_has_ended_already_by_our_clock_is_given_up() {
    let (mount, first) = with_role(Mount::new());
    mount.host.clock.advance(DAY);
    mount.astra.set_expiry_max("2026-01-01T12:00:00Z");
    let (code, text) = mount.rotate_static("app").failed();
    assert!(code == Some(502) && text.contains("compare the clocks"), "{text}");
    assert_eq!(mount.static_token("app"), first);
    mount.assert_static(1, 0);
    let warnings = mount.send(secrets_framework::Operation::Read, &path("app"), Value::Null).warnings();
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn tokens_that_end_before_their_grace_does_take_up_no_room_after() {
    let mount = Mount::new();
    let expire = |hours: u32| mount.astra.set_expiry_max(&format!("2026-01-01T{hours:02}:00:00Z"));
    expire(2);
    mount.write_static("app", json!({ "rotation_period": "48h", "grace_period": "24h" })).warnings();
    // Each is renewed at half of its life, two hours.
    for hours in 1..=u32::try_from(REPLACED_TOKENS_MAX).unwrap() + 4 {
        expire(hours + 2);
        let before = mount.static_token("app");
        mount.host.clock.advance(HOUR);
        mount.rollback().unwrap();
        assert_ne!(mount.static_token("app"), before, "hour {hours}");
        mount.assert_static(1, 1);
    }
}

#[test]
fn one_that_has_ended_by_itself_ends_now_and_not_before() {
    let mount = until_noon();
    mount.write_static("app", json!({ "rotation_period": "48h" })).warnings();
    mount.astra.set_expiry_max("2026-02-01T00:00:00Z");
    mount.host.clock.advance(13 * HOUR);
    assert_eq!(mount.rotate_static("app").data()["previous_ends"], "2026-01-01T13:00:00Z");
    mount.rollback().unwrap();
    mount.assert_static(1, 0);
}

/// A mount whose static role has a token that ends at noon: only Astra's list tells so.
fn listed_until_noon(mount: Mount) -> (Mount, String) {
    mount.write_static("app", json!({ "rotation_period": "24h" })).done();
    let first = mount.static_token("app");
    mount.astra.set_expiry(&first, "2026-01-01T12:00:00Z");
    // Plans the look.
    mount.rollback().unwrap();
    (mount, first)
}

fn next_rotation(mount: &Mount) -> Value {
    mount.read_static("app")["next_rotation"].clone()
}

fn lines(mount: &Mount, words: &str) -> usize {
    mount.host.log.lines().iter().filter(|line| line.message.contains(words)).count()
}

#[test]
fn a_token_whose_end_only_the_list_tells_is_rotated_before() {
    for mount in [Mount::new(), Mount::on_vault()] {
        let (mount, first) = listed_until_noon(mount);
        assert_eq!(next_rotation(&mount), "2026-01-02T00:00:00Z");
        mount.host.clock.advance(HOUR);
        mount.rollback().unwrap();
        assert_eq!(next_rotation(&mount), "2026-01-01T10:00:00Z", "an hour of grace, and one to try again");
        mount.assert_static(1, 0);
        let stored = mount.host.storage.json(&format!("static-role/{ORG_A}/app"));
        for _ in 2..10 {
            mount.host.clock.advance(HOUR);
            mount.rollback().unwrap();
            if mount.host.clock.now() < Duration::from_secs(1_767_261_600) {
                assert_eq!(mount.host.storage.json(&format!("static-role/{ORG_A}/app")), stored);
            }
        }
        assert_eq!(lines(&mount, "was brought forward"), 1);
        mount.host.clock.advance(HOUR);
        mount.rollback().unwrap();
        assert_ne!(mount.static_token("app"), first);
        assert_eq!(next_rotation(&mount), "2026-01-02T10:00:00Z");
        mount.assert_static(1, 1);
    }
}

#[test]
fn a_token_that_has_ended_and_is_listed_still_is_rotated_in_the_same_call() {
    let (mount, first) = listed_until_noon(Mount::new());
    mount.host.clock.advance(13 * HOUR);
    mount.rollback().unwrap();
    assert_ne!(mount.static_token("app"), first);
}

#[test]
fn a_static_role_that_is_locked_is_logged_and_brought_forward_by_the_next_look() {
    let (mount, _) = listed_until_noon(Mount::new());
    mount.host.locks.set_wait(Duration::ZERO);
    let held = mount.host.locks.acquire(&format!("static-role/{ORG_A}/app")).unwrap();
    mount.host.clock.advance(HOUR);
    mount.rollback().unwrap();
    drop(held);
    assert_eq!(next_rotation(&mount), "2026-01-02T00:00:00Z");
    assert_eq!(lines(&mount, "could not be brought forward"), 1);
    mount.host.clock.advance(HOUR);
    mount.rollback().unwrap();
    assert_eq!(next_rotation(&mount), "2026-01-01T10:00:00Z");
}
