//! Admin tokens of ours whose config is deleted or leaves its origin: each ends
//! last, when it has ended all that needed it, and by itself.

use secrets_framework::host::{HttpError, Loss};
use secrets_framework::testing::LogLine;

use super::*;
use crate::limits::{ENDED_RETRY_PAUSE, RETIRED_SEARCH_RECORDS_MAX};
use crate::testing::{ADMIN_A, Fault, On};

const MOVED: &str = "AstraCS:Moved:canary";
const NEW_ORIGIN: &str = "https://moved.example.org";

fn delete_config(mount: &Mount, force: bool) {
    mount.send(Operation::Delete, &format!("config/{ORG_A}"), json!({ "force": force })).done();
}

fn rotated() -> Mount {
    let mount = Mount::new();
    mount.rotate();
    mount.settle();
    mount
}

#[track_caller]
fn assert_nothing_left(mount: &Mount) {
    assert_eq!(mount.astra.live(), BTreeSet::new(), "tokens in Astra");
    mount.assert_recorded(&BTreeSet::new());
    let leftovers: Vec<_> = mount.host.storage.keys().into_iter().filter(|key| key.starts_with("retired-")).collect();
    assert_eq!(leftovers, Vec::<String>::new());
}

#[test]
fn a_deleted_config_takes_its_token_of_ours_with_it_without_force() {
    for mount in [rotated(), Mount::on_vault()] {
        mount.rotate();
        delete_config(&mount, false);
        assert!(mount.host.storage.keys().iter().any(|key| key.starts_with("retired-config/")));
        mount.settle();
        assert_nothing_left(&mount);
    }
}

#[test]
fn with_no_other_token_it_is_gone_with_the_next_rollback_call() {
    let mount = rotated();
    delete_config(&mount, false);
    mount.rollback().unwrap();
    assert_nothing_left(&mount);
}

/// Else the order of their ends by chance would make it wait ten minutes.
#[test]
fn it_ends_in_the_same_call_as_the_last_token_that_it_is_to_end() {
    let mount = rotated();
    for _ in 0..5 {
        Leased::of(mount.creds());
    }
    mount.rotate();
    delete_config(&mount, true);
    mount.host.clock.advance(Duration::from_secs(5 * 3600));
    mount.rollback().unwrap();
    assert_nothing_left(&mount);
}

#[test]
fn an_operators_token_outlives_its_config() {
    let mount = Mount::new();
    delete_config(&mount, false);
    mount.settle();
    assert!(mount.astra.is_live(OPERATORS));
    assert_nothing_left(&mount);
}

#[test]
fn it_ends_after_the_tokens_that_it_is_to_end() {
    let mount = rotated();
    let ours = mount.current();
    let first = mount.lease(Leased::of(mount.creds()).secret);
    let second = mount.lease(Leased::of(mount.creds()).secret);
    assert!(mount.send(Operation::Delete, &format!("config/{ORG_A}"), json!({})).mistake().contains("force=true"));
    delete_config(&mount, true);
    for lease in [first, second] {
        mount.host.clock.advance(Duration::from_secs(900));
        mount.rollback().unwrap();
        assert!(mount.astra.is_live(&ours), "a token is alive that it is to end");
        let mistake = mount.send(Operation::Delete, &format!("tokens/{ORG_A}/{ours}"), Value::Null).mistake();
        assert!(mistake.contains("still to be ended"), "{mistake}");
        mount.revoke(lease).done();
    }
    mount.host.clock.advance(Duration::from_secs(900));
    mount.rollback().unwrap();
    assert_nothing_left(&mount);
}

#[test]
fn an_answer_that_is_lost_when_it_ends_itself_is_settled() {
    for fault in [
        Fault::DoneThenFails(HttpError::Lost(Loss::Closed)),
        Fault::DoneThenFails(HttpError::TimedOut),
        Fault::DoneThenStatus(502, ""),
    ] {
        let mount = rotated();
        delete_config(&mount, false);
        mount.astra.fail(On::Delete, fault);
        mount.rollback().unwrap();
        assert_nothing_left(&mount);
    }
}

#[test]
fn one_that_was_deleted_outside_is_gone() {
    let mount = rotated();
    delete_config(&mount, false);
    mount.astra.delete_outside(&mount.astra.live().into_iter().next().unwrap());
    mount.rollback().unwrap();
    assert_nothing_left(&mount);
}

#[test]
fn what_refuses_it_does_not_make_it_gone() {
    let answers = [
        (403, "null"),
        (401, "null"),
        (401, "<html>sign in</html>"),
        // No bearer token in the request, a rule about addresses, and a token with a wrong end.
        (401, r#"{"errors":[{"ID":340002,"message":"canary"}]}"#),
        (403, r#"{"errors":[{"ID":340003,"message":"canary"}]}"#),
        (403, r#"{"errors":[{"ID":340017,"message":"canary"}]}"#),
        (500, ""),
        (404, "404 page not found"),
        (200, "{}"),
    ];
    for (on_org, body) in answers {
        let mount = rotated();
        delete_config(&mount, false);
        mount.astra.fail_times(On::Delete, 10, Fault::Status(403, "null"));
        mount.astra.fail_times(On::List, 10, Fault::Status(403, "null"));
        mount.astra.fail_times(On::CurrentOrg, 10, Fault::Status(on_org, body));
        mount.rollback().unwrap();
        mount.astra.heal();
        assert_eq!(mount.astra.live(), mount.recorded(), "it is alive, and not forgotten");
        assert_eq!(mount.recorded().len(), 1);
        mount.settle();
        assert_nothing_left(&mount);
    }
}

#[test]
fn an_astra_where_no_token_may_end_itself_keeps_it_on_record() {
    let mount = rotated();
    mount.astra.forbid_ending_oneself();
    delete_config(&mount, false);
    mount.settle();
    assert_eq!((mount.astra.live(), mount.recorded().len()), (mount.recorded(), 1));
    assert!(mount.host.log.text().contains("could not be removed yet"));
    // An operator who configures the organization again has it ended.
    mount.astra.make_admin("AstraCS:Another:canary");
    mount.configure(ORG_A, "AstraCS:Another:canary", json!({}));
    mount.settle();
    assert_eq!(mount.astra.live().into_iter().collect::<Vec<_>>(), ["Another"]);
    mount.assert_recorded(&BTreeSet::new());
}

#[test]
fn a_config_that_comes_back_ends_it() {
    let mount = rotated();
    let lease = mount.lease(Leased::of(mount.creds()).secret);
    delete_config(&mount, true);
    mount.astra.make_admin("AstraCS:Another:canary");
    mount.configure(ORG_A, "AstraCS:Another:canary", json!({}));
    mount.settle();
    mount.revoke(lease).done();
    assert_eq!(mount.astra.live().into_iter().collect::<Vec<_>>(), ["Another"]);
    mount.assert_recorded(&BTreeSet::new());
}

#[test]
fn a_config_that_leaves_its_origin_leaves_no_token_of_ours_there() {
    for with_lease in [false, true] {
        let mount = rotated();
        let ours = mount.current();
        let lease = with_lease.then(|| mount.lease(Leased::of(mount.creds()).secret));
        mount.astra.add_org(MOVED, ORG_A, NEW_ORIGIN);
        mount.configure(ORG_A, MOVED, json!({ "url": NEW_ORIGIN, "force": with_lease }));
        if let Some(lease) = lease {
            mount.host.clock.advance(Duration::from_secs(1200));
            mount.rollback().unwrap();
            assert!(mount.astra.is_live(&ours), "it is to end another");
            mount.revoke(lease).done();
        }
        mount.settle();
        assert_nothing_left(&mount);
        assert_eq!(mount.current(), "Moved");
    }
}

#[test]
fn tokens_of_two_origins_do_not_wait_for_each_other() {
    let mount = rotated();
    mount.astra.add_org(MOVED, ORG_A, NEW_ORIGIN);
    mount.configure(ORG_A, MOVED, json!({ "url": NEW_ORIGIN }));
    mount.rotate();
    delete_config(&mount, false);
    mount.settle();
    assert_nothing_left(&mount);
}

#[test]
fn a_mint_that_is_not_settled_keeps_it() {
    let mount = rotated();
    mount.set(json!({ "max_retries": 0 }));
    mount.astra.set_lag(1);
    mount.astra.fail(On::Make, Fault::DoneThenFails(HttpError::Lost(Loss::Closed)));
    mount.creds().0.unwrap_err();
    delete_config(&mount, false);
    mount.rollback().unwrap();
    assert_eq!(mount.astra.live().len(), 2);
    mount.settle();
    assert_nothing_left(&mount);
}

#[test]
fn a_delete_that_dies_leaves_a_working_config_or_nothing() {
    for transactional in [true, false] {
        for nth in 1..=12 {
            let mount = rotated();
            mount.set(json!({ "rotation_period": "720h", "logical_name": "prod" }));
            mount.host.storage.set_transactional(transactional);
            mount.host.storage.die_at_write(nth);
            let _ = mount.send(Operation::Delete, &format!("config/{ORG_A}"), Value::Null);
            mount.host.storage.clear_faults();
            mount.settle();
            if mount.host.storage.keys().contains(&format!("config/{ORG_A}")) {
                mount.assert_one_admin();
                delete_config(&mount, false);
                mount.settle();
            }
            assert_nothing_left(&mount);
        }
    }
}

#[test]
fn a_damaged_retired_config_keeps_no_replaced_admin_token_alive() {
    let mount = rotated();
    let key = format!("retired-config/{ORG_A}");
    mount.host.storage.seed(&key, "canary");
    Leased::of(mount.creds());
    let replaced = mount.current();
    mount.rotate();
    mount.host.clock.advance(Duration::from_secs(26 * 3600));
    mount.rollback().unwrap();
    assert!(!mount.astra.is_live(&replaced), "the config serves all tokens of its origin");
    mount.assert_no_secret_logged();
}

#[test]
fn a_damaged_retired_config_keeps_an_admin_token_that_it_may_need() {
    let mount = rotated();
    mount.host.storage.seed(&format!("retired-config/{ORG_A}"), "canary");
    let other = Leased::of(mount.creds()).client_id();
    let record = format!("token/{other}");
    let mut stored = mount.host.storage.json(&record);
    stored["origin"] = json!(NEW_ORIGIN);
    stored["leaseEnd"] = json!(4_000_000_000_u64);
    mount.host.storage.seed(&record, stored.to_string());
    let replaced = mount.current();
    mount.rotate();
    mount.host.clock.advance(Duration::from_secs(26 * 3600));
    mount.rollback().unwrap();
    assert!(mount.astra.is_live(&replaced), "it may be the token of a config at the other origin");
    mount.host.storage.remove(&format!("retired-config/{ORG_A}"));
    mount.host.clock.advance(Duration::from_secs(3600));
    mount.rollback().unwrap();
    assert!(!mount.astra.is_live(&replaced));
}

/// A mount whose config has moved from an origin with an entry that fails for good, and was deleted; the admin token of ours
/// that the config had at its last origin.
fn moved_away_from_a_failing_entry() -> (Mount, String) {
    let mount = Mount::new();
    mount.set(json!({ "max_retries": 0 }));
    mount.astra.set_lag(1);
    mount.astra.fail(On::Make, Fault::DoneThenFails(HttpError::Lost(Loss::Closed)));
    mount.creds().0.unwrap_err();
    mount.astra.answer_bearer(ADMIN_A, Ok(401));
    mount.astra.add_org(MOVED, ORG_A, NEW_ORIGIN);
    mount.configure(ORG_A, MOVED, json!({ "url": NEW_ORIGIN, "force": true }));
    mount.rotate();
    mount.host.clock.advance(LEASE_END_MARGIN + SECOND);
    // It fails for the entry, and ends the operator's token.
    mount.rollback().unwrap_err();
    let ours = mount.current();
    delete_config(&mount, false);
    (mount, ours)
}

#[test]
fn a_write_ahead_entry_of_another_origin_keeps_no_admin_token() {
    let (mount, ours) = moved_away_from_a_failing_entry();
    for _ in 0..3 {
        mount.host.clock.advance(LEASE_END_MARGIN + SECOND);
        mount.rollback().unwrap_err();
    }
    assert_eq!(mount.open_entries(), 1, "no admin token can settle it");
    assert!(!mount.astra.is_live(&ours) && !mount.recorded().contains(&ours));
    assert!(!mount.host.log.text().contains("it ends last"));
}

#[test]
fn more_entries_than_are_looked_through_keep_it() {
    let (mount, ours) = moved_away_from_a_failing_entry();
    let entry = mount.host.storage.keys().into_iter().find(|key| key.starts_with("wal/")).unwrap();
    let entry = mount.host.storage.json(&entry);
    for number in 1..=RETIRED_SEARCH_RECORDS_MAX {
        mount.host.storage.seed(&Mount::entry_key(ORG_A, &format!("{number:08}")), entry.to_string());
    }
    let delete = || mount.send(Operation::Delete, &format!("tokens/{ORG_A}/{ours}"), Value::Null);
    assert!(delete().mistake().contains("write-ahead entries"));
    mount.host.storage.remove(&Mount::entry_key(ORG_A, "00000001"));
    delete().done();
    assert!(!mount.astra.is_live(&ours));
}

#[test]
fn an_entry_that_cannot_be_read_keeps_it_and_the_log_says_so_once() {
    let mount = rotated();
    let ours = mount.current();
    delete_config(&mount, false);
    let damaged = Mount::entry_key(ORG_A, "damaged");
    mount.host.storage.seed(&damaged, "canary");
    for _ in 0..4 {
        mount.host.clock.advance(ENDED_RETRY_PAUSE);
        mount.rollback().unwrap();
        assert!(mount.astra.is_live(&ours), "a token may have been made for the entry");
    }
    assert_eq!(kept(&mount), [[ORG_A, &ours, "write-ahead entries are open that it is to settle"]]);
    let mistake = mount.send(Operation::Delete, &format!("tokens/{ORG_A}/{ours}"), Value::Null).mistake();
    assert!(mistake.contains("write-ahead entries of mints that failed"), "{mistake}");
    mount.host.storage.remove(&damaged);
    mount.host.clock.advance(ENDED_RETRY_PAUSE);
    mount.rollback().unwrap();
    assert_nothing_left(&mount);
    assert_eq!(mount.host.storage.keys().iter().filter(|key| key.contains("retired-search")).count(), 0);
}

#[test]
fn the_log_says_once_that_it_waits_for_the_tokens_that_it_is_to_end() {
    let mount = rotated();
    let ours = mount.current();
    Leased::of(mount.creds());
    delete_config(&mount, true);
    for _ in 0..4 {
        mount.host.clock.advance(ENDED_RETRY_PAUSE);
        mount.rollback().unwrap();
    }
    assert!(mount.astra.is_live(&ours));
    assert_eq!(kept(&mount), [[ORG_A, &ours, "tokens are alive that it is to end"]]);
}

/// The fields of each line of the log that says why an admin token is kept.
fn kept(mount: &Mount) -> Vec<Vec<String>> {
    let is_it = |line: &LogLine| line.message.contains("it ends last");
    let lines = mount.host.log.lines().into_iter().filter(is_it);
    lines.map(|line| line.fields.into_iter().map(|(_, text)| text).collect()).collect()
}
