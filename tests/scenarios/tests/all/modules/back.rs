//! The way back: by hand, by itself, and where storage does not allow it.

use std::time::Instant;

use serde_json::{Value, json};

use super::load::{Load, assert_switched};
use super::{Toys, full, good, server, toy};

#[test]
fn going_back_by_hand_fails_no_request_and_lasts() {
    let update = good(31);
    let toys = Toys::pinned(server(), &[&update, &good(32)]);
    toys.write("module/rollback", Value::Null).expect_error(400, &["served before"]);
    toys.folder.drop_in(&update);
    toys.wait_for(31);
    let load = Load::start(&toys, 4);
    load.go_on(&toys);
    let back = toys.write("module/rollback", Value::Null);
    let told = Instant::now();
    assert!(back.status < 300, "{back:#?}");
    load.go_on(&toys);
    assert_eq!(toys.serving(), full(30));
    assert_switched(&load.end(), &full(31), told, &full(30));

    // What was left does not come back by itself.
    toys.reload();
    toys.assert_serves(30);
    toys.restart();
    toys.assert_serves(30);
    assert!(!super::reason(&toys.status(), &full(31)).is_empty());
    // It does by name, and a newer one by itself.
    let again = toys.write("module/use", json!({ "version": full(31) }));
    assert!(again.status < 300, "{again:#?}");
    toys.assert_serves(31);
    assert!(toys.write("module/rollback", Value::Null).status < 300);
    toys.folder.drop_in(&good(32));
    toys.wait_for(32);
}

#[test]
fn a_module_that_traps_too_often_is_left_by_itself() {
    let traps = toy("traps", 31);
    let toys = Toys::pinned(server(), &[&traps, &good(32)]);
    toys.read("wait/1").expect(200);
    toys.folder.drop_in(&traps);
    toys.wait_for(31);
    let load = Load::start(&toys, 2);
    load.go_on(&toys);
    let mut failed = 0;
    while toys.read("wait/1").status != 200 {
        failed += 1;
        assert!(failed <= 20, "it goes on trapping");
    }
    assert!(failed >= 2, "one trap is no reason to go back");
    toys.wait_for(30);
    let told = Instant::now();
    load.go_on(&toys);
    assert_switched(&load.end(), &full(31), told, &full(30));
    toys.wait_for_refusal(31, &[]);
    assert!(toys.server.log().lines().any(|line| line.contains("warn") && line.contains(&full(31))));

    toys.reload();
    toys.restart();
    toys.assert_serves(30);
    // Whoever names it has it.
    let meant = toys.write("module/use", json!({ "version": full(31) }));
    assert!(meant.status < 300, "{meant:#?}");
    toys.assert_serves(31);
    toys.folder.drop_in(&good(32));
    toys.follow();
    toys.wait_for(32);
}

#[test]
fn storage_that_could_not_be_read_after_going_back_needs_force() {
    let newer = toy("writes_newer", 31);
    let toys = Toys::pinned(server(), &[&newer]);
    toys.folder.drop_in(&newer);
    toys.wait_for_refusal(31, &["no way back", "force"]);
    toys.assert_serves(30);
    toys.write("module/use", json!({ "version": full(31) })).expect_error(400, &["force"]);
    toys.assert_serves(30);
    let forced = toys.write("module/use", json!({ "version": full(31), "force": true }));
    assert!(forced.status < 300, "{forced:#?}");
    toys.assert_serves(31);
    // It wrote what version 30 cannot read.
    toys.write("key/note", json!({})).expect(204);
    toys.write("module/rollback", Value::Null).expect_error(400, &["force"]);
    toys.assert_serves(31);
    toys.restart();
    toys.assert_serves(31);
    let forced = toys.write("module/rollback", json!({ "force": true }));
    assert!(forced.status < 300, "{forced:#?}");
    toys.assert_serves(30);
}

#[test]
fn a_held_version_stays_until_it_is_let_go() {
    let update = good(31);
    let toys = Toys::pinned(server(), &[&update]);
    let tune = |version: Value| {
        let body = json!({ "options": { "module": "toy", "module_version": version } });
        toys.server.client().must("POST", &format!("sys/mounts/{}/tune", toys.name), &body);
        toys.restart();
    };
    tune(json!(full(30)));
    toys.folder.drop_in(&update);
    toys.reload();
    toys.assert_serves(30);
    toys.wait_for_refusal(31, &["module_version"]);
    tune(json!(full(31)));
    toys.assert_serves(31);
}
