//! A deep check makes a token and deletes it; whatever happens in between, in
//! the end there is none.

use secrets_framework::host::Loss;

use super::*;
use crate::testing::ROLE_ID;

fn deep(mount: &Mount) -> Value {
    check_with(mount, json!({ "deep": true }))
}

#[test]
fn it_makes_a_token_with_a_roles_astra_roles_and_deletes_it() {
    let mount = Mount::new();
    let seen = mount.clone();
    mount.astra.during_next(On::Make, move || {
        let client_id = seen.astra.live().pop_first().unwrap();
        assert_eq!(seen.astra.roles(&client_id), json!([ROLE_ID]));
        // Should all else fail, Astra ends it.
        assert_eq!(seen.astra.expiry(&client_id).as_deref(), Some("2026-01-01T01:00:00Z"));
        assert_eq!(seen.open_entries(), 1);
    });
    let answer = deep(&mount);
    assert_eq!((&answer["healthy"], &answer["deep"]), (&json!(true), &json!(true)));
    assert_item(&answer, "may_manage_tokens", "yes", "role `reader`");
    mount.assert_settled(0);
}

#[test]
fn clocks_are_compared_by_the_token_where_answers_bear_no_date() {
    let mount = Mount::new();
    assert_item(&deep(&mount), "clock_skew", "yes", "made a token");
    mount.host.clock.advance(Duration::from_secs(3600));
    assert_item(&deep(&mount), "clock_skew", "no", "3600 s behind");
    mount.astra.set_clock_ahead(0);
    assert_item(&deep(&mount), "clock_skew", "yes", "`Date`");
    mount.assert_settled(0);
}

#[test]
fn without_a_role_it_gives_what_the_admin_token_has() {
    let mount = Mount::new();
    mount.send(Operation::Delete, &format!("roles/{ORG_A}/reader"), Value::Null).done();
    assert_item(&deep(&mount), "may_manage_tokens", "yes", "the admin token's own Astra roles");
    mount.astra.hide("AdminOfA", 1);
    mount.host.http.clear();
    assert_item(&deep(&mount), "may_manage_tokens", "unknown", "write a role first");
    assert_eq!(mount.host.http.requests().len(), 3, "nothing was made");
    mount.assert_settled(0);
}

#[test]
fn a_role_that_may_not_be_used_is_not_used() {
    let mount = Mount::new();
    mount.configure(ORG_A, ADMIN_A, json!({ "allowed_role_ids": ["other"] }));
    let answer = deep(&mount);
    assert_item(&answer, "may_manage_tokens", "yes", "own Astra roles");
    mount.assert_settled(0);
}

#[test]
fn a_role_that_is_damaged_or_whose_astra_role_has_gone_is_not_used_and_is_named() {
    let mount = Mount::new();
    mount.host.storage.seed(&format!("role/{ORG_A}:aaa"), "canary");
    mount.write_role(ORG_A, "bbb", json!({ "role_ids": [ROLE_ID, "gone"] }));
    let answer = deep(&mount);
    assert_item(&answer, "may_manage_tokens", "yes", "role `reader`");
    assert_item(&answer, "roles_exist", "no", "roles that cannot be read (`aaa`)");
    assert_item(&answer, "roles_exist", "no", "roles whose Astra role has gone (`bbb`)");
    mount.send(Operation::Delete, &format!("roles/{ORG_A}/reader"), Value::Null).done();
    assert_item(&deep(&mount), "may_manage_tokens", "yes", "own Astra roles");
    mount.astra.hide("AdminOfA", 1);
    assert_item(&deep(&mount), "may_manage_tokens", "unknown", "see `roles_exist`");
    mount.assert_settled(0);
}

#[test]
fn an_astra_role_that_is_missing_is_told_where_astra_does_not_list_them() {
    let mount = Mount::new();
    for (fault, ok, holds) in [
        (Fault::Status(404, "canary"), "no", format!("role `reader` (`{ROLE_ID}`)")),
        (Fault::Status(400, "canary"), "no", format!("write others to `roles/{ORG_A}/reader`")),
        (Fault::Status(500, "canary"), "unknown", "could not be made".to_owned()),
    ] {
        mount.astra.fail(On::Roles, Fault::Status(403, "null"));
        mount.astra.fail_times(On::Make, 2, fault);
        assert_item(&deep(&mount), "may_manage_tokens", ok, &holds);
        mount.astra.heal();
        mount.rollback_later();
    }
    mount.assert_settled(0);
}

#[test]
fn a_lost_permission_is_no() {
    let mount = Mount::new();
    mount.astra.fail(On::Make, Fault::Status(403, "canary"));
    assert_item(&deep(&mount), "may_manage_tokens", "no", "could not be made");
    mount.astra.fail(On::Delete, Fault::Status(403, "canary"));
    let answer = deep(&mount);
    assert_item(&answer, "may_manage_tokens", "no", "not deleted; rollback goes on trying");
    assert_eq!((mount.astra.live().len(), mount.open_entries()), (1, 1));
    mount.rollback_later();
    mount.assert_settled(0);
}

#[test]
fn every_fault_at_every_step_ends_without_a_token() {
    let lost = || HttpError::Lost(Loss::Closed);
    let faults = [
        Fault::Status(500, "canary"),
        Fault::Status(404, "canary"),
        Fault::Status(400, "canary"),
        Fault::Status(401, "canary"),
        Fault::RetryAfter(429, "1"),
        Fault::Fails(HttpError::TimedOut),
        Fault::Fails(lost()),
        Fault::DoneThenStatus(502, "canary"),
        Fault::DoneThenStatus(200, "null"),
        Fault::DoneThenFails(HttpError::TimedOut),
        Fault::DoneThenFails(lost()),
    ];
    for mount in [Mount::new(), Mount::on_vault()] {
        for fault in &faults {
            for (on, lists_fail) in [(On::Make, false), (On::Make, true), (On::Delete, false), (On::Delete, true)] {
                mount.astra.fail(on, fault.clone());
                if lists_fail {
                    let racing = mount.clone();
                    mount.astra.during_next(On::Make, move || {
                        racing.astra.fail_times(On::List, 9, Fault::Status(503, ""));
                    });
                }
                let answer = deep(&mount);
                // Only a refusal tells of the admin token.
                let is_refusal = matches!(fault, Fault::Status(401, _));
                assert_eq!(answer["may_manage_tokens"]["ok"] == "no", is_refusal, "{fault:?} {on:?}: {answer}");
                mount.astra.heal();
                mount.rollback_later();
                mount.assert_settled(0);
            }
        }
    }
}

#[test]
fn storage_that_dies_anywhere_leaves_no_token() {
    let deaths = |nth| {
        let mount = Mount::on_vault();
        mount.host.storage.die_at_write(nth);
        let path = format!("config/{ORG_A}/check");
        let died = mount.send(Operation::Read, &path, json!({ "deep": true })).0.is_err();
        mount.host.storage.clear_faults();
        mount.rollback_later();
        mount.assert_settled(0);
        assert_item(&deep(&mount), "may_manage_tokens", "yes", "");
        died
    };
    assert_eq!((1..9).take_while(|nth| deaths(*nth)).count(), 5);
}

#[test]
fn a_config_deleted_meanwhile_is_an_answer() {
    let mount = Mount::new();
    let racing = mount.clone();
    mount.astra.during_next(On::List, move || {
        racing.send(Operation::Delete, &format!("config/{ORG_A}"), Value::Null).done();
    });
    assert_item(&deep(&mount), "may_manage_tokens", "unknown", "was deleted or moved");
    mount.assert_settled(0);
}
