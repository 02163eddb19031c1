//! Reverts: by an operator, automatically, and where storage does not allow them.

use std::time::Instant;

use serde_json::{Value, json};

use super::load::{Load, assert_switched};
use super::{Toys, full, good, server, toy};

#[test]
fn a_revert_by_an_operator_fails_no_request_and_lasts() {
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

    // The reverted module is not activated again automatically.
    toys.reload();
    toys.assert_serves(30);
    toys.restart();
    toys.assert_serves(30);
    assert!(!super::reason(&toys.status(), &full(31)).is_empty());
    // An operator can select it. After a revert from a pinned module, no newer one is activated until the pin is
    // removed.
    toys.must("module/use", json!({ "version": full(31) }));
    toys.assert_serves(31);
    toys.must("module/rollback", Value::Null);
    toys.folder.drop_in(&good(32));
    toys.reload();
    toys.assert_serves(30);
    toys.must("module/use", json!({ "version": "latest" }));
    toys.assert_serves(32);
}

#[test]
fn a_module_that_fails_too_often_is_reverted_automatically() {
    // A trap, and an invalid answer.
    for variant in ["traps", "breaks_its_contract"] {
        let _note = harness::Note::new(variant);
        let fails = toy(variant, 31);
        let toys = Toys::pinned(server(), &[&fails, &good(32)]);
        toys.read("wait/1").expect(200);
        toys.folder.drop_in(&fails);
        toys.wait_for(31);
        let before = toys.server.log().len();
        let load = Load::start(&toys, 2);
        load.go_on(&toys);
        let mut failed = 0;
        while toys.read("wait/1").status != 200 {
            failed += 1;
            assert!(failed <= 20, "it goes on failing");
        }
        assert!(failed >= 2, "one fault is no reason to go back");
        toys.wait_for(30);
        let told = Instant::now();
        load.go_on(&toys);
        assert_switched(&load.end(), &full(31), told, &full(30));
        toys.wait_for_refusal(31, &[WHY]);
        let told = |line: &str| line.contains(WHY) && line.contains("warn") && line.contains(&full(31));
        toys.server.wait_for("the log to say why", || toys.server.log()[before..].lines().any(told));
        it_does_not_come_back_by_itself(&toys);
    }
}

const WHY: &str = "it was rejected on this mount: it trapped, broke its contract or used up its processor time";

/// Neither a pass nor a start activates the module; an operator can select it.
fn it_does_not_come_back_by_itself(toys: &Toys) {
    toys.reload();
    toys.assert_serves(30);
    toys.restart();
    toys.assert_serves(30);
    toys.must("module/use", json!({ "version": full(31) }));
    toys.assert_serves(31);
    toys.folder.drop_in(&good(32));
    toys.follow();
    toys.wait_for(32);
}

#[test]
fn an_update_that_prevents_a_revert_needs_force() {
    let newer = toy("writes_newer", 31);
    let toys = Toys::pinned(server(), &[&newer]);
    toys.folder.drop_in(&newer);
    toys.wait_for_refusal(31, &["a revert would be impossible", "force"]);
    toys.assert_serves(30);
    toys.write("module/use", json!({ "version": full(31) })).expect_error(400, &["force"]);
    toys.assert_serves(30);
    toys.must("module/use", json!({ "version": full(31), "force": true }));
    toys.assert_serves(31);
    // Version 31 wrote data that version 30 cannot read.
    toys.write("key/note", json!({})).expect(204);
    toys.write("module/rollback", Value::Null).expect_error(400, &["force"]);
    toys.assert_serves(31);
    toys.restart();
    toys.assert_serves(31);
    toys.must("module/rollback", json!({ "force": true }));
    toys.assert_serves(30);
}

#[test]
fn a_pinned_version_stays_until_the_pin_is_removed() {
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
