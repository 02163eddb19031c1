//! Tokens that the Go plugin made in another organization than it noted: where
//! they are found and ended, and what is told where one could not be asked.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use secrets_framework::host::{Clock, HttpError};
use secrets_framework::{Lease, Operation};
use serde_json::{Value, json};

use crate::config::test_mount::Answered;
use crate::limits::{ELSEWHERE_ASKED_PER_CALL_MAX, ELSEWHERE_GIVE_UP_AFTER, ELSEWHERE_NAMED_MAX};
use crate::testing::{ADMIN_A, ADMIN_B, ASTRA, Fault, LATER, Mount, ORG_A, ORG_B, On};

const LOST: &str = "LostInAlphaLostInAlpha00";
const ORG_C: &str = "33333333-cccc-4ccc-8ccc-333333333333";
const ADMIN_C: &str = "AstraCS:AdminOfC:canaryC";

/// A token that the Go plugin noted of organization B, and that Astra has in organization A.
fn mount() -> Mount {
    let mount = Mount::new();
    mount.configure(ORG_B, ADMIN_B, json!({}));
    seed(&mount, LOST);
    mount.astra.make_outside(LOST, "");
    mount.astra.make_outside("Foreign", "");
    mount.host.storage.remove("state/index");
    mount.host.http.clear();
    mount
}

fn seed(mount: &Mount, client_id: &str) {
    let record = json!({
        "clientId": client_id, "secret": "canary", "orgId": ORG_B, "roleName": "reader", "roles": ["id"],
        "token": format!("AstraCS:{client_id}:canary"), "generatedOn": "2025-01-01T00:00:00Z", "logicalName": "",
        "metadata": {},
    });
    mount.host.storage.seed(&format!("token/{client_id}"), record.to_string());
}

fn lease(client_id: &str) -> Lease {
    let internal_data = json!({
        "clientId": client_id, "orgId": ORG_B, "roleName": "reader", "secret_type": "astra_token", "tokenId": client_id,
    });
    Lease {
        id: "org/token/x".to_owned(),
        // The server tells no time of issue when it revokes.
        issue_time: Duration::ZERO,
        ttl: Duration::from_secs(3600),
        max_ttl: Duration::from_secs(7200),
        increment: Duration::ZERO,
        renewable: true,
        internal_data: internal_data.as_object().unwrap().clone(),
    }
}

fn record(mount: &Mount, client_id: &str) -> Answered {
    mount.send(Operation::Read, &format!("tokens/{ORG_B}/{client_id}"), Value::Null)
}

fn remembered(mount: &Mount) -> Vec<String> {
    mount.host.storage.keys().into_iter().filter(|key| key.starts_with("elsewhere/")).collect()
}

/// Organization C is configured with a token that Astra does not know.
fn with_a_dead_organization(mount: &Mount) {
    mount.configure(ORG_C, ADMIN_C, json!({ "verify": false }));
    mount.host.http.clear();
}

#[track_caller]
fn assert_found(mount: &Mount) {
    assert!(!mount.astra.is_live(LOST) && mount.astra.is_live("Foreign"));
    let told = record(mount, LOST).data();
    assert_eq!(told["found_in"], ORG_A, "{told}");
    assert!(told.get("not_asked").is_none());
    let log = mount.host.log.text();
    assert!(log.contains("found in another organization") && log.contains(ORG_A), "{log}");
    assert_eq!(remembered(mount), Vec::<String>::new());
    mount.assert_no_secret_logged();
}

#[test]
fn a_token_is_ended_in_the_organization_that_lists_it() {
    // Also where the walk of the index has noted an origin: that is the config's, and no proof.
    for is_indexed in [false, true] {
        let mount = mount();
        if is_indexed {
            mount.rollback().unwrap();
            assert_eq!(mount.host.storage.json(&format!("token/{LOST}"))["origin"], ASTRA);
        }
        mount.revoke(lease(LOST)).done();
        assert_found(&mount);
        mount.revoke(lease(LOST)).done();
    }
}

#[test]
fn a_token_is_ended_whoever_ends_it() {
    let deleted = mount();
    deleted.send(Operation::Delete, &format!("tokens/{ORG_B}/{LOST}"), Value::Null).done();
    assert_found(&deleted);

    let tidied = mount();
    let answer = tidied.write("tidy", json!({ "dry_run": true })).data();
    assert_eq!(answer["gone"], json!([LOST]));
    assert!(tidied.astra.is_live(LOST), "a dry run changes nothing");
    let answer = tidied.write("tidy", json!({ "dry_run": false })).data();
    assert_eq!(answer["removed"], json!([LOST]), "{answer}");
    assert_found(&tidied);
}

#[test]
fn a_lease_without_a_record_has_its_token_looked_for() {
    let mount = mount();
    mount.host.storage.remove(&format!("token/{LOST}"));
    mount.revoke(lease(LOST)).done();
    assert_found(&mount);
}

#[test]
fn a_token_of_ours_is_not_looked_for_elsewhere() {
    let mount = mount();
    let made = crate::testing::Leased::of(mount.creds());
    mount.astra.delete_outside(&made.client_id());
    mount.host.http.clear();
    mount.revoke(mount.lease(made.secret)).done();
    let asked = mount.host.http.requests();
    assert!(asked.iter().all(|request| !request.client_id.contains("AdminOfB")), "{asked:?}");
}

#[test]
fn a_token_that_no_organization_lists_is_gone() {
    let mount = mount();
    mount.astra.delete_outside(LOST);
    mount.revoke(lease(LOST)).done();
    let told = record(&mount, LOST).data();
    assert!(told.get("found_in").is_none() && told.get("not_asked").is_none(), "{told}");
}

#[test]
fn a_list_that_is_not_complete_or_another_organizations_proves_nothing() {
    let spoil: [fn(&Mount); 2] = [
        |mount| mount.astra.fail_times(On::List, 10, Fault::DoneThenBody(|_| r#"{"clients":[]}"#.to_owned())),
        |mount| mount.configure(ORG_A, ADMIN_B, json!({ "verify": false })),
    ];
    for spoil in spoil {
        let mount = mount();
        // After the list of its own organization.
        let racing = mount.clone();
        mount.astra.during_next(On::CurrentOrg, move || spoil(&racing));
        let (code, text) = mount.revoke(lease(LOST)).failed();
        assert_eq!(code, Some(502), "{text}");
        assert!(text.contains(ORG_A) && text.contains("astra_token"), "{text}");
        assert!(mount.recorded().contains(LOST) && mount.astra.is_live(LOST));
        mount.astra.heal();
        mount.configure(ORG_A, ADMIN_A, json!({}));
        mount.revoke(lease(LOST)).done();
        assert_found(&mount);
    }
}

#[test]
fn the_organization_of_a_retired_config_is_asked_too() {
    let mount = mount();
    // Kept to end other tokens.
    crate::testing::Leased::of(mount.creds());
    mount.send(Operation::Delete, &format!("config/{ORG_A}"), json!({ "force": true })).done();
    mount.revoke(lease(LOST)).done();
    assert!(!mount.astra.is_live(LOST));
    assert_eq!(record(&mount, LOST).data()["found_in"], ORG_A);
}

#[test]
fn the_readable_part_of_a_damaged_retired_config_is_asked_and_the_rest_is_told() {
    for is_listed in [true, false] {
        let mount = mount();
        crate::testing::Leased::of(mount.creds());
        mount.send(Operation::Delete, &format!("config/{ORG_A}"), json!({ "force": true })).done();
        let key = format!("retired-config/{ORG_A}");
        let mut retired = mount.host.storage.json(&key);
        retired["configs"].as_array_mut().unwrap().push(json!({ "astra_token": "AstraCS:x:canary", "url": 5 }));
        mount.host.storage.seed(&key, retired.to_string());
        if is_listed {
            mount.revoke(lease(LOST)).done();
            assert!(!mount.astra.is_live(LOST));
            continue;
        }
        mount.astra.delete_outside(LOST);
        let (_, text) = mount.revoke(lease(LOST)).failed();
        assert!(text.contains(&format!("`{key}`")) && !text.contains("canary"), "{text}");
    }
}

#[test]
fn an_organization_that_does_not_answer_fails_the_revocation_and_the_others_are_asked() {
    let mount = mount();
    with_a_dead_organization(&mount);
    mount.astra.delete_outside(LOST);
    let (code, text) = mount.revoke(lease(LOST)).failed();
    assert_eq!(code, Some(502));
    assert!(text.contains(LOST) && text.contains(ORG_B) && text.contains(ORG_C), "{text}");
    assert_eq!(remembered(&mount).len(), 1);
    // Those that have answered are not asked again.
    mount.host.http.clear();
    mount.revoke(lease(LOST)).failed();
    assert!(mount.host.http.requests().iter().all(|request| !request.client_id.contains("AdminOfA")));
    // Found in another one, it is ended, whoever does not answer.
    let mount = self::mount();
    with_a_dead_organization(&mount);
    mount.revoke(lease(LOST)).done();
    assert_found(&mount);
}

#[test]
fn an_organization_that_answers_again_is_asked_by_rollback() {
    let mount = mount();
    mount.astra.delete_outside(LOST);
    mount.astra.add_org(ADMIN_C, ORG_C, ASTRA);
    mount.configure(ORG_C, ADMIN_C, json!({}));
    // Its own organization's list, that of A, and then that of C.
    let key = format!("config/{ORG_C}");
    let config = mount.host.storage.json(&key);
    mount.host.storage.seed(&key, "canary");
    let (_, text) = mount.revoke(lease(LOST)).failed();
    assert!(text.contains("damaged") && !text.contains("canary"), "{text}");
    mount.host.storage.seed(&key, config.to_string());
    mount.rollback_later();
    assert_eq!(record(&mount, LOST).data()["ended_how"], "lease-ended");
    assert_eq!(remembered(&mount), Vec::<String>::new());
}

#[test]
fn a_day_after_its_lease_a_token_is_given_up_and_who_was_not_asked_is_told() {
    for by_rollback in [true, false] {
        let mount = mount();
        with_a_dead_organization(&mount);
        mount.astra.delete_outside(LOST);
        mount.revoke(lease(LOST)).failed();
        mount.host.clock.advance(ELSEWHERE_GIVE_UP_AFTER - LATER);
        if by_rollback {
            mount.rollback().unwrap();
        } else {
            mount.revoke(lease(LOST)).failed();
        }
        assert!(mount.recorded().contains(LOST), "the day is not over");
        mount.host.clock.advance(LATER);
        if by_rollback {
            mount.rollback().unwrap();
        }
        mount.revoke(lease(LOST)).done();
        assert_eq!(record(&mount, LOST).data()["not_asked"], json!([ORG_C]));
        let log = mount.host.log.text();
        assert!(log.contains("could not be asked") && log.contains(ORG_C), "{log}");
        assert_eq!(remembered(&mount), Vec::<String>::new());
        mount.assert_no_secret_logged();
    }
}

#[test]
fn the_day_begins_with_the_end_of_the_lease_where_that_is_known() {
    for (ended, is_over) in [(ELSEWHERE_GIVE_UP_AFTER, true), (ELSEWHERE_GIVE_UP_AFTER - LATER, false)] {
        let mount = mount();
        with_a_dead_organization(&mount);
        mount.astra.delete_outside(LOST);
        let key = format!("token/{LOST}");
        let mut record = mount.host.storage.json(&key);
        record["leaseEnd"] = json!((mount.host.clock.now() - ended).as_secs());
        mount.host.storage.seed(&key, record.to_string());
        assert_eq!(mount.revoke(lease(LOST)).0.is_ok(), is_over);
        assert_eq!(mount.recorded().contains(LOST), !is_over);
    }
}

#[test]
fn a_tidy_gives_up_a_token_after_a_day_too() {
    let mount = mount();
    with_a_dead_organization(&mount);
    mount.astra.delete_outside(LOST);
    let tidy = || {
        mount.write("tidy", json!({ "dry_run": false })).0.unwrap();
        mount.host.storage.snapshot().contains_key(&format!("token/{LOST}"))
    };
    assert!(tidy(), "an organization did not answer");
    mount.host.clock.advance(ELSEWHERE_GIVE_UP_AFTER - LATER);
    assert!(tidy(), "the day is not over");
    mount.host.clock.advance(LATER);
    assert!(!tidy());
    assert_eq!(record(&mount, LOST).data()["not_asked"], json!([ORG_C]));
}

#[test]
fn a_token_that_is_found_and_cannot_be_ended_is_never_given_up() {
    let mount = mount();
    mount.host.clock.advance(2 * ELSEWHERE_GIVE_UP_AFTER);
    for _ in 0..2 {
        mount.astra.fail(On::Delete, Fault::Status(404, ""));
        mount.astra.fail_times(On::Delete, 3, Fault::Status(503, ""));
        mount.revoke(lease(LOST)).failed();
        mount.astra.heal();
        mount.host.clock.advance(2 * ELSEWHERE_GIVE_UP_AFTER);
        assert!(mount.recorded().contains(LOST) && mount.astra.is_live(LOST));
    }
    mount.revoke(lease(LOST)).done();
    assert_found(&mount);
}

#[test]
fn an_attempt_asks_so_many_and_the_next_goes_on() {
    let mount = mount();
    mount.astra.delete_outside(LOST);
    let dead = |number: usize| format!("dead{number:04}");
    for number in 0..ELSEWHERE_ASKED_PER_CALL_MAX + 50 {
        let org_id = dead(number);
        let config = json!({ "astra_token": format!("AstraCS:Admin{number:04}:canary"), "org_id": org_id });
        mount.host.storage.seed(&format!("config/{org_id}"), config.to_string());
    }
    let lists = |mount: &Mount| {
        let asked = mount.host.http.requests();
        asked.iter().filter(|request| request.client_id.contains("Admin0")).count()
    };
    mount.host.http.clear();
    mount.revoke(lease(LOST)).failed();
    assert!((1..=ELSEWHERE_ASKED_PER_CALL_MAX).contains(&lists(&mount)));
    mount.host.clock.advance(ELSEWHERE_GIVE_UP_AFTER);
    mount.revoke(lease(LOST)).done();
    let told = record(&mount, LOST).data()["not_asked"].as_array().unwrap().clone();
    assert_eq!(told.len(), ELSEWHERE_NAMED_MAX + 1);
    assert!(told.last().unwrap().as_str().unwrap().starts_with("and "), "{told:?}");
}

#[test]
fn an_organization_that_is_slow_ends_an_attempt_in_time() {
    let mount = mount();
    mount.astra.delete_outside(LOST);
    for number in 0..20 {
        let config = json!({ "astra_token": format!("AstraCS:Admin{number}:canary") });
        mount.host.storage.seed(&format!("config/slow{number:02}"), config.to_string());
    }
    mount.astra.fail(On::Delete, Fault::Status(404, ""));
    let began = mount.host.clock.now();
    // Its own list answers; all others hang.
    let hang = mount.astra.clone();
    mount.astra.during_next(On::CurrentOrg, move || {
        hang.fail_times(On::List, 100, Fault::Fails(HttpError::TimedOut));
    });
    let (code, text) = mount.revoke(lease(LOST)).failed();
    assert_eq!(code, Some(504), "{text}");
    assert!(mount.host.clock.now() - began <= Duration::from_secs(30));
}

#[test]
fn an_admin_token_that_another_organization_uses_is_not_ended() {
    let mount = mount();
    seed(&mount, "AdminOfA");
    let (code, text) = mount.revoke(lease("AdminOfA")).failed();
    assert_eq!(code, Some(409));
    assert!(text.contains("admin token of organization") && text.contains(ORG_A), "{text}");
    assert!(mount.astra.is_live("AdminOfA"));
}

#[test]
fn rollback_asks_no_further_organization_when_its_time_is_over() {
    let mount = mount();
    mount.astra.delete_outside(LOST);
    for number in 0..5 {
        let config = json!({ "astra_token": format!("AstraCS:Admin{number}:canary") });
        mount.host.storage.seed(&format!("config/slow{number}"), config.to_string());
    }
    mount.revoke(lease(LOST)).failed();
    mount.host.clock.advance(LATER);
    mount.host.http.clear();
    mount.astra.during_next(On::CurrentOrg, {
        let hang = mount.astra.clone();
        move || hang.fail_times(On::List, 100, Fault::Fails(HttpError::TimedOut))
    });
    let began = mount.host.clock.now();
    mount.rollback().unwrap();
    assert!(mount.host.clock.now() - began <= Duration::from_secs(10), "one that hangs, and no further one");
    assert!(mount.recorded().contains(LOST));
}
