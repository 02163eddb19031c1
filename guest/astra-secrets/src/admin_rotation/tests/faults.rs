//! Each fault of Astra's at each step: the old token stays and works, or the
//! new one does; in the end there is one.

use secrets_framework::host::{HttpError, Loss, NotSent};
use secrets_framework::testing::READ_ONLY_TEXT;

use super::*;
use crate::testing::{ADMIN_A, Fault, On};

fn lost() -> HttpError {
    HttpError::Lost(Loss::Closed)
}

/// Faults after which nothing was done.
fn refusals() -> Vec<(Fault, u16)> {
    vec![
        (Fault::Status(401, r#"{"errors":[{"ID":340018,"message":"canary"}]}"#), 502),
        (Fault::Status(403, r#""canary""#), 502),
        (Fault::Status(404, "404 page not found"), 502),
        (Fault::Status(500, ""), 502),
        (Fault::RetryAfter(429, "1"), 503),
        (Fault::Fails(lost()), 502),
        (Fault::Fails(HttpError::NotSent(NotSent::Refused)), 502),
        (Fault::Fails(HttpError::TimedOut), 504),
        (Fault::DoneThenBody(|_| "null".to_owned()), 502),
    ]
}

/// Rotates under a fault that stays, and answers status and sentence.
#[track_caller]
fn fails(mount: &Mount, on: On, fault: Fault) -> (u16, String) {
    mount.astra.fail_times(on, 20, fault);
    let (code, text) = mount.try_rotate().failed();
    mount.astra.heal();
    assert_no_secret(&text);
    assert!(text.contains(ORG_A), "{text}");
    assert_eq!(mount.current(), OPERATORS, "the old token stays");
    (code.unwrap(), text)
}

#[test]
fn a_list_that_cannot_be_had_makes_nothing() {
    for (fault, code) in refusals() {
        let mount = Mount::new();
        assert_eq!(fails(&mount, On::List, fault).0, code);
        assert!(mount.astra.live().is_empty());
        assert_eq!(mount.open_entries(), 0);
        mount.assert_one_admin();
    }
}

#[test]
fn a_list_that_does_not_tell_the_roles_makes_nothing() {
    let hidden: fn(Value) -> String = |_| json!({ "clients": [] }).to_string();
    let bare: fn(Value) -> String = |_| json!({ "clients": [{ "clientId": OPERATORS, "roles": [] }] }).to_string();
    let none: fn(Value) -> String = |_| json!({ "clients": [{ "clientId": OPERATORS }] }).to_string();
    for (body, said) in [(hidden, "does not show"), (bare, "without roles"), (none, "without roles")] {
        let mount = Mount::new();
        mount.astra.fail(On::List, Fault::DoneThenBody(body));
        let (code, text) = mount.try_rotate().failed();
        assert_eq!(code, Some(502));
        assert!(text.contains(said) && text.contains(OPERATORS) && text.contains("try again later"), "{text}");
        mount.assert_one_admin();
    }
}

#[test]
fn a_make_that_fails_leaves_the_old_token() {
    for (fault, code) in refusals() {
        let mount = Mount::new();
        assert_eq!(fails(&mount, On::Make, fault).0, code);
        mount.settle();
        mount.assert_one_admin();
    }
}

#[test]
fn a_make_whose_answer_is_lost_leaves_no_second_token() {
    for fault in [
        Fault::DoneThenStatus(500, ""),
        Fault::DoneThenStatus(502, "<html>canary</html>"),
        Fault::DoneThenFails(lost()),
        Fault::DoneThenFails(HttpError::TimedOut),
    ] {
        for lag in [0, 1] {
            let mount = Mount::new();
            mount.astra.set_lag(lag);
            mount.astra.fail(On::Make, fault.clone());
            let _ = mount.try_rotate();
            assert!(mount.astra.is_live(&mount.current()));
            mount.settle();
            mount.assert_one_admin();
        }
    }
}

#[test]
fn a_new_token_that_is_not_proven_is_given_up() {
    let other: fn(Value) -> String = |_| json!({ "id": crate::testing::ORG_B }).to_string();
    let mut faults: Vec<Fault> = refusals().into_iter().map(|(fault, _)| fault).collect();
    // A token that is known and may only not ask this is proven enough.
    faults.remove(1);
    faults.extend([Fault::DoneThenBody(other), Fault::DoneThenFails(lost())]);
    for fault in faults {
        let mount = Mount::new();
        let (code, text) = fails(&mount, On::CurrentOrg, fault);
        assert_eq!(code, 502);
        assert!(text.contains("did not work") && text.contains("the old one stays"), "{text}");
        assert!(mount.astra.live().is_empty(), "it is deleted at once");
        mount.assert_one_admin();
    }
}

/// Reaches the limits of a proof.
#[test]
fn a_proof_is_repeated_a_few_times_within_its_time() {
    use crate::limits::{PROOF_BUDGET, PROOF_RETRIES};
    for (refusals, proven) in [(PROOF_RETRIES, true), (PROOF_RETRIES + 1, false)] {
        let mount = Mount::new();
        mount.astra.set_refusals(refusals);
        let start = mount.host.clock.now();
        assert_eq!(mount.try_rotate().0.is_ok(), proven, "{refusals}");
        assert!(mount.host.clock.now() - start <= PROOF_BUDGET);
        mount.settle();
        mount.assert_one_admin();
    }
    let mount = Mount::new();
    let start = mount.host.clock.now();
    fails(&mount, On::CurrentOrg, Fault::Fails(HttpError::TimedOut));
    let spent = mount.host.clock.now() - start;
    assert!(spent <= PROOF_BUDGET && spent > PROOF_BUDGET / 2, "{spent:?}");
}

#[test]
fn what_cannot_be_undone_now_is_undone_by_rollback() {
    for on_delete in [Fault::Status(500, ""), Fault::Fails(lost()), Fault::DoneThenFails(lost())] {
        let mount = Mount::new();
        mount.astra.fail_times(On::CurrentOrg, 20, Fault::Status(500, ""));
        mount.astra.fail_times(On::Delete, 20, on_delete);
        mount.try_rotate().failed();
        assert_eq!(mount.current(), OPERATORS);
        assert_eq!(mount.open_entries(), 1);
        mount.astra.heal();
        mount.settle();
        mount.assert_one_admin();
    }
}

#[test]
fn an_old_token_that_cannot_be_ended_yet_is_ended_later_and_no_other_is() {
    for fault in [
        Fault::Status(401, "null"),
        Fault::Status(403, ""),
        Fault::Status(500, ""),
        Fault::Fails(HttpError::TimedOut),
        Fault::DoneThenFails(lost()),
        Fault::DoneThenStatus(504, ""),
    ] {
        let mount = Mount::new();
        mount.astra.make_outside("Bystander", "made by hand");
        mount.rotate();
        mount.astra.fail_times(On::Delete, 20, fault);
        mount.host.clock.advance(ROTATION_GRACE_DEFAULT);
        mount.rollback().unwrap();
        assert!(mount.astra.is_live(&mount.current()));
        mount.astra.heal();
        mount.settle();
        assert!(mount.astra.is_live("Bystander"));
        mount.astra.delete_outside("Bystander");
        mount.assert_one_admin();
    }
}

#[test]
fn an_old_token_that_somebody_deleted_is_ended() {
    for (known, unknown) in [(204, 404), (200, 400), (204, 500), (204, 204)] {
        let mount = Mount::new();
        mount.astra.set_delete_statuses(known, unknown);
        mount.rotate();
        mount.astra.delete_outside(OPERATORS);
        mount.settle();
        mount.assert_one_admin();
    }
}

#[test]
fn a_token_that_lost_its_permission_is_told_and_kept() {
    let mount = Mount::new();
    mount.astra.set_roles(OPERATORS, &[crate::testing::ROLE_ID]);
    let (code, text) = mount.try_rotate().failed();
    assert_eq!(code, Some(502));
    assert!(text.contains("status 403") && text.contains("may manage tokens"), "{text}");
    assert_eq!(mount.current(), OPERATORS);
    mount.astra.set_roles(OPERATORS, &[ADMIN_ROLE_ID]);
    mount.assert_one_admin();
}

#[test]
fn a_token_that_is_dead_is_told() {
    let mount = Mount::new();
    mount.astra.delete_outside(OPERATORS);
    let (code, text) = mount.try_rotate().failed();
    assert_eq!(code, Some(502));
    assert!(
        text.contains("status 401") && text.contains(&format!("write it as `astra_token` to `config/{ORG_A}`")),
        "{text}"
    );
    assert!(mount.astra.live().is_empty());
}

#[test]
fn a_node_that_cannot_write_asks_nobody() {
    let mount = Mount::new();
    mount.host.storage.set_read_only(true);
    let (code, text) = mount.try_rotate().failed();
    assert_eq!((code, text.as_str()), (None, READ_ONLY_TEXT));
    assert!(mount.host.http.requests().is_empty());
    mount.host.storage.set_read_only(false);
    mount.assert_one_admin();
}

#[test]
fn the_work_of_a_rotation_ends_before_the_host_ends_the_request() {
    let mount = Mount::new();
    mount.set(json!({ "request_timeout": 30, "max_retries": 10 }));
    for on in [On::List, On::Make, On::CurrentOrg, On::Delete] {
        let start = mount.host.clock.now();
        mount.astra.fail_times(on, 100, Fault::Fails(HttpError::TimedOut));
        if on == On::Delete {
            mount.astra.fail_times(On::CurrentOrg, 100, Fault::Fails(HttpError::TimedOut));
        }
        mount.try_rotate().failed();
        let spent = mount.host.clock.now() - start;
        assert!(spent <= crate::limits::UPSTREAM_BUDGET + crate::limits::SETTLE_BUDGET, "{on:?}: {spent:?}");
        mount.astra.heal();
    }
    mount.settle();
    mount.assert_one_admin();
}

#[test]
fn a_record_of_the_admin_token_that_cannot_be_read_stops_no_change_of_the_config() {
    let damaged = || {
        let mount = Mount::new();
        mount.rotate();
        mount.host.storage.seed(&format!("token/{}", mount.current()), "canary");
        mount
    };
    let mount = damaged();
    let before = mount.current();
    assert_eq!(mount.rotate()["previous_client_id"], before);
    mount.settle();
    assert!(!mount.astra.is_live(&before), "the rotation knows the token, and ends it");

    let mount = damaged();
    mount.set(json!({ "astra_token": ADMIN_A }));
    let mount = damaged();
    mount.send(Operation::Delete, &format!("config/{ORG_A}"), json!({ "force": true })).done();
    mount.send(Operation::Read, &format!("config/{ORG_A}"), Value::Null).missing();
}

/// As operations.md says: nobody knows any more that the damaged config held it.
#[test]
fn an_admin_token_of_a_damaged_config_is_found_by_a_report_and_can_be_deleted() {
    let mount = Mount::new();
    mount.rotate();
    let made = mount.current();
    mount.host.storage.seed(&format!("config/{ORG_A}"), "canary");
    mount.set(json!({ "astra_token": ADMIN_A, "url": "" }));
    let report = mount.send(Operation::Read, &format!("report/{ORG_A}"), json!({ "kind": "admin" })).data();
    let tokens: Vec<&Value> = report["tokens"].as_array().unwrap().iter().map(|token| &token["client_id"]).collect();
    assert!(tokens.contains(&&json!(made)), "{report}");
    mount.send(Operation::Delete, &format!("tokens/{ORG_A}/{made}"), Value::Null).done();
    assert!(!mount.astra.is_live(&made) && mount.astra.is_live(OPERATORS));
}
