//! Every fault of Astra's at each step of a creation, a rotation and a
//! deletion: the role keeps a token that works, or is not there; no other
//! token is left.

use secrets_framework::host::{HttpError, Loss, NotSent};
use serde_json::{Value, json};

use super::{DAY, HOUR, mounts, with_role};
use crate::testing::{Fault, Mount, ORG_A, On, assert_no_secret};

const LOST: fn() -> HttpError = || HttpError::Lost(Loss::Closed);

/// What Astra may do to a request for a token; the token is not given out by any.
fn make_faults() -> Vec<Fault> {
    vec![
        Fault::Status(400, ""),
        Fault::Status(401, r#"{"errors":[{"ID":340016,"message":"canary"}]}"#),
        Fault::Status(403, r#""canary""#),
        Fault::Status(404, "404 page not found"),
        Fault::RetryAfter(429, "3600"),
        Fault::Status(500, "<html>canary"),
        Fault::Status(307, ""),
        Fault::Fails(HttpError::NotSent(NotSent::Refused)),
        Fault::Fails(LOST()),
        Fault::Fails(HttpError::TimedOut),
        Fault::DoneThenStatus(500, "canary"),
        Fault::DoneThenStatus(401, "canary"),
        Fault::DoneThenFails(LOST()),
        Fault::DoneThenFails(HttpError::TimedOut),
        Fault::DoneThenFails(HttpError::TooLarge),
        Fault::DoneThenBody(|_| "null".to_owned()),
        Fault::DoneThenBody(|_| r#""canary""#.to_owned()),
        Fault::DoneThenBody(|mut body| {
            body["secret"] = Value::Null;
            body.to_string()
        }),
    ]
}

/// What Astra may say of a new token that is no proof.
fn proof_faults() -> Vec<Fault> {
    vec![
        Fault::Status(401, r#"{"errors":[{"ID":340018,"message":"canary"}]}"#),
        Fault::Status(401, "null"),
        Fault::Status(403, r#"{"errors":[{"ID":340017,"message":"canary"}]}"#),
        Fault::Status(404, "404 page not found"),
        Fault::RetryAfter(429, "3600"),
        Fault::Status(500, ""),
        Fault::Status(302, ""),
        Fault::Fails(HttpError::NotSent(NotSent::Refused)),
        Fault::Fails(LOST()),
        Fault::Fails(HttpError::TimedOut),
        Fault::DoneThenBody(|_| "canary".to_owned()),
        Fault::DoneThenBody(|_| json!({ "id": "22222222-bbbb-4bbb-8bbb-222222222222" }).to_string()),
    ]
}

/// A request that is refused as "done, but a status that says it was not" is
/// believed: a 401 means nothing was made. Such a token is for tidy to find.
fn is_a_lie(fault: &Fault) -> bool {
    matches!(fault, Fault::DoneThenStatus(401, _))
}

fn steps() -> Vec<(On, Fault)> {
    let make = make_faults().into_iter().filter(|fault| !is_a_lie(fault)).map(|fault| (On::Make, fault));
    make.chain(proof_faults().into_iter().map(|fault| (On::CurrentOrg, fault))).collect()
}

#[test]
fn a_creation_that_fails_makes_nothing_and_stores_nothing() {
    for (on, fault) in steps() {
        for mount in mounts() {
            mount.astra.fail_times(on, 50, fault.clone());
            let answered = mount.write_static("app", json!({ "rotation_period": "24h" }));
            let (code, text) = answered.failed();
            assert!(matches!(code, Some(502..=504)), "{fault:?}: {code:?}");
            assert!(text.contains(ORG_A), "{text}");
            assert_no_secret(&text);
            mount.astra.heal();
            assert!(mount.keys("static-role/").is_empty(), "{fault:?}");
            mount.rollback_later();
            mount.assert_static(0, 0);
            mount.daily("app");
            mount.assert_static(1, 0);
        }
    }
}

#[test]
fn a_rotation_by_hand_that_fails_changes_nothing() {
    for (on, fault) in steps() {
        for mount in mounts() {
            let (mount, first) = with_role(mount);
            let before = mount.read_static("app");
            mount.astra.fail_times(on, 50, fault.clone());
            let (code, text) = mount.rotate_static("app").failed();
            assert!(matches!(code, Some(502..=504)), "{fault:?}: {code:?}");
            assert_no_secret(&text);
            mount.astra.heal();
            assert_eq!(mount.static_token("app"), first, "{fault:?}");
            assert_eq!(mount.read_static("app"), before, "{fault:?}");
            mount.rollback_later();
            mount.assert_static(1, 0);
            mount.rotate_static("app").data();
            mount.assert_static(1, 1);
        }
    }
}

#[test]
fn a_scheduled_rotation_that_fails_is_made_up_for_once_astra_is_back() {
    for (on, fault) in steps() {
        let (mount, first) = with_role(Mount::new());
        mount.host.clock.advance(DAY);
        mount.astra.fail_times(on, 50, fault.clone());
        mount.rollback().unwrap_err();
        mount.astra.heal();
        assert_eq!(mount.static_token("app"), first, "{fault:?}");
        let read = mount.read_static("app");
        assert_eq!(read["failures"], 1, "{fault:?}");
        assert_no_secret(&read.to_string());
        assert!(read["last_error"].as_str().unwrap().contains(ORG_A));
        mount.rollback_later();
        assert_ne!(mount.static_token("app"), first, "{fault:?}");
        assert!(mount.astra.is_live(&first), "{fault:?}");
        mount.assert_static(1, 1);
        mount.host.clock.advance(HOUR);
        mount.rollback().unwrap();
        mount.assert_static(1, 0);
    }
}

#[test]
fn what_cannot_be_undone_now_is_undone_by_rollback() {
    for on in [On::Make, On::CurrentOrg] {
        for undo in [On::List, On::Delete] {
            let (mount, first) = with_role(Mount::new());
            let fault = if on == On::Make { Fault::DoneThenFails(LOST()) } else { Fault::Status(401, "") };
            mount.astra.fail_times(on, 50, fault);
            mount.astra.fail_times(undo, 50, Fault::Status(500, ""));
            mount.rotate_static("app").0.unwrap_err();
            if on == On::Make || undo == On::Delete {
                assert!(mount.astra.live().len() > 1);
            }
            mount.astra.heal();
            assert_eq!(mount.static_token("app"), first);
            mount.rollback_later();
            mount.assert_static(1, 0);
        }
    }
}

#[test]
fn a_token_that_works_only_after_a_while_is_waited_for() {
    let (mount, _) = with_role(Mount::new());
    mount.astra.set_refusals(2);
    mount.rotate_static("app").data();
    mount.assert_static(1, 1);
    assert_eq!(mount.host.clock.slept().len(), 2);
    // By the schedule, too.
    mount.host.clock.advance(DAY);
    mount.rollback().unwrap();
    assert_eq!(mount.read_static("app")["failures"], 0);
    mount.host.clock.advance(HOUR);
    mount.rollback().unwrap();
    mount.assert_static(1, 0);
}

#[test]
fn a_token_that_is_known_but_may_not_ask_is_proven() {
    let (mount, first) = with_role(Mount::new());
    mount.astra.fail(On::CurrentOrg, Fault::Status(403, r#""canary: permission denied""#));
    mount.rotate_static("app").data();
    assert_ne!(mount.static_token("app"), first);
    mount.assert_static(1, 1);
}

#[test]
fn proof_is_given_up_in_time() {
    use crate::limits::{PROOF_BUDGET, PROOF_RETRIES, SETTLE_BUDGET, UPSTREAM_BUDGET};
    use secrets_framework::host::{Clock, HttpMethod};
    let (mount, _) = with_role(Mount::new());
    // Refused at once each time: the retries have a limit.
    mount.astra.fail_times(On::CurrentOrg, 50, Fault::Status(401, ""));
    mount.host.http.clear();
    mount.rotate_static("app").0.unwrap_err();
    let asked = mount.host.http.requests();
    let asked = asked.iter().filter(|request| request.path_and_query == "/v2/currentOrg").count();
    assert!((2..=PROOF_RETRIES as usize + 1).contains(&asked), "{asked}");
    mount.astra.heal();
    // Never answered: the time has.
    mount.astra.fail_times(On::CurrentOrg, 50, Fault::Fails(HttpError::TimedOut));
    let start = mount.host.clock.now();
    mount.rotate_static("app").0.unwrap_err();
    assert!(mount.host.clock.now() - start <= PROOF_BUDGET);
    mount.astra.heal();
    // A slow making leaves it what is left.
    mount.astra.fail_times(On::Make, 2, Fault::Fails(HttpError::TimedOut));
    mount.astra.fail_times(On::CurrentOrg, 50, Fault::Fails(HttpError::TimedOut));
    let start = mount.host.clock.now();
    mount.rotate_static("app").0.unwrap_err();
    assert!(mount.host.clock.now() - start <= UPSTREAM_BUDGET + SETTLE_BUDGET);
    let deletes = mount.host.http.requests().iter().filter(|request| request.method == HttpMethod::Delete).count();
    assert_eq!(deletes, 3, "each was undone at once");
    mount.astra.heal();
    mount.rollback_later();
    mount.assert_static(1, 0);
}

#[test]
fn a_deletion_that_fails_keeps_the_role_and_is_repeated() {
    let faults = [
        Fault::Status(401, ""),
        Fault::Status(403, ""),
        Fault::Status(500, ""),
        Fault::RetryAfter(429, "1"),
        Fault::Fails(HttpError::NotSent(NotSent::Refused)),
        Fault::Fails(HttpError::TimedOut),
        Fault::DoneThenStatus(500, ""),
        Fault::DoneThenFails(LOST()),
    ];
    for fault in faults {
        for mount in mounts() {
            let (mount, _) = with_role(mount);
            mount.rotate_static("app").data();
            let current = mount.static_token("app");
            let done = matches!(fault, Fault::DoneThenStatus(..) | Fault::DoneThenFails(_));
            mount.astra.fail_times(On::Delete, 50, fault.clone());
            mount.astra.fail_times(On::List, 50, Fault::Status(500, ""));
            let (code, text) = mount.delete_static("app").failed();
            assert!(matches!(code, Some(502..=504)), "{fault:?}: {code:?}");
            assert_no_secret(&text);
            mount.astra.heal();
            assert_eq!(mount.read_creds("app").data()["clientId"], current, "the current one goes last");
            assert!(mount.astra.is_live(&current));
            assert_eq!(mount.astra.live().len(), if done { 1 } else { 2 }, "{fault:?}");
            mount.delete_static("app").done();
            mount.assert_static(0, 0);
        }
    }
}

#[test]
fn a_deletion_ends_a_replaced_token_whose_record_is_not_readable() {
    for mount in mounts() {
        let (mount, replaced) = with_role(mount);
        mount.rotate_static("app").data();
        mount.rotate_static("app").data();
        let record = format!("token/{replaced}");
        mount.host.storage.seed(&record, "canary");
        mount.delete_static("app").done();
        assert!(mount.astra.live().is_empty(), "{:?}", mount.astra.live());
        mount.assert_static(0, 0);
        let text = mount.host.log.text();
        assert!(text.contains("is not readable") && text.contains(&record), "{text}");
    }
}

#[test]
fn a_deletion_takes_no_longer_than_a_request_may() {
    use crate::limits::{REPLACED_TOKENS_MAX, STATIC_DELETE_BUDGET};
    use secrets_framework::host::Clock;
    let (mount, _) = with_role(Mount::new());
    for _ in 0..REPLACED_TOKENS_MAX {
        mount.rotate_static("app").data();
    }
    // Each is deleted, but only the list tells it, late. They are old enough for a list to tell.
    mount.host.clock.advance(HOUR);
    mount.astra.fail_times(On::Delete, 6, Fault::DoneThenFails(HttpError::TimedOut));
    let start = mount.host.clock.now();
    let (code, text) = mount.delete_static("app").failed();
    assert!(code == Some(504) && text.contains("delete it again"), "{text}");
    let spent = mount.host.clock.now() - start;
    assert!(spent > STATIC_DELETE_BUDGET && spent < STATIC_DELETE_BUDGET + super::MINUTE, "{spent:?}");
    mount.assert_static(1, REPLACED_TOKENS_MAX - 6);
    mount.delete_static("app").done();
    mount.assert_static(0, 0);
}
