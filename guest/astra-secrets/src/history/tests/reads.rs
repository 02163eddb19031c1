//! Reads: each is stored by itself, shown at once, and folded into the history of its token.

use secrets_framework::host::{Clock, HttpError, StorageError};
use secrets_framework::testing::StorageCall;

use super::*;
use crate::limits::{READS_FOLDED_AT_ONCE_MAX, READS_PER_FOLD};
use crate::testing::{Fault, On};

/// Reads that no reader folded.
fn seed(mount: &Mount, client_id: &str, reads: u32) {
    let now = mount.host.clock.now().as_secs();
    for number in 0..reads {
        let key = format!("reads/{ORG_A}.{client_id}/{now:012}.000000000-{number:016x}");
        mount.host.storage.seed(&key, json!({ "displayName": format!("userpass-{number}") }).to_string());
    }
}

#[test]
fn a_read_costs_one_write_and_takes_no_lock() {
    let mount = Mount::new();
    let client_id = app(&mount).client_id();
    let lock = secrets_framework::host::Locks::acquire(&*mount.host.locks, &stored_record(&mount, &client_id).0);
    mount.host.storage.clear_calls();
    read_as(&mount, "bob", &client_id).data();
    assert_eq!((mount.host.storage.calls(StorageCall::Put), waiting(&mount)), (1, 1));
    drop(lock);
    assert_eq!(events(&mount, &client_id), ["mint", "read"], "before it is folded");
    mount.rollback().unwrap();
    assert_eq!((events(&mount, &client_id), waiting(&mount)), (vec!["mint".to_owned(), "read".to_owned()], 0));
}

#[test]
fn reads_and_other_events_stand_in_the_order_of_their_times() {
    let mount = Mount::new();
    let made = app(&mount);
    let client_id = made.client_id();
    let second = std::time::Duration::from_secs(1);
    let lease =
        || mount.lease(secrets_framework::Secret { internal_data: made.secret.internal_data.clone(), ..made.secret });
    for _ in 0..2 {
        mount.host.clock.advance(second);
        read_as(&mount, "bob", &client_id).data();
        mount.host.clock.advance(second);
        mount.renew(lease()).0.unwrap();
    }
    let expected = ["mint", "read", "renew", "read", "renew"];
    assert_eq!(events(&mount, &client_id), expected);
    mount.rollback().unwrap();
    assert_eq!(events(&mount, &client_id), expected);
}

#[test]
fn a_flood_of_reads_leaves_some_hundreds_of_entries_at_most() {
    let mount = Mount::new();
    let client_id = app(&mount).client_id();
    let mut most = 0;
    for number in 0..40 * READS_PER_FOLD {
        mount.host.clock.advance(std::time::Duration::from_nanos(1));
        read_as(&mount, &number.to_string(), &client_id).data();
        most = most.max(waiting(&mount) as u64);
    }
    assert!((READS_PER_FOLD / 2..8 * READS_PER_FOLD).contains(&most), "{most}");
    let shown = shown(&mount, &client_id);
    let last = format!("userpass-{}", 40 * READS_PER_FOLD - 1);
    let is_there = |event: &Value| event["display_name"] == last.as_str();
    assert!(shown["history"].as_array().unwrap().iter().any(is_there), "the latest are kept");
}

#[test]
fn a_reader_that_cannot_fold_shows_the_secret_all_the_same() {
    let mount = Mount::new();
    let client_id = app(&mount).client_id();
    mount.host.storage.fail_prefix(StorageCall::Put, "token/", StorageError::Failed("disk full".to_owned()));
    for number in 0..8 * READS_PER_FOLD {
        read_as(&mount, &number.to_string(), &client_id).data();
    }
    assert_eq!(waiting(&mount) as u64, 8 * READS_PER_FOLD);
}

#[test]
fn reads_beyond_those_that_are_folded_at_once_have_their_turn_with_the_next_call() {
    let mount = Mount::new();
    let client_id = Leased::of(mount.creds()).client_id();
    let client_id = client_id.as_str();
    seed(&mount, client_id, READS_FOLDED_AT_ONCE_MAX + 1);
    mount.rollback().unwrap();
    assert_eq!(waiting(&mount), 1);
    mount.rollback().unwrap();
    assert_eq!(waiting(&mount), 0);
    let shown = shown(&mount, client_id);
    let last = shown["history"].as_array().unwrap().last().unwrap()["display_name"].clone();
    assert_eq!(last, format!("userpass-{READS_FOLDED_AT_ONCE_MAX}"));
}

#[test]
fn a_call_folds_the_reads_of_some_tokens_and_the_next_goes_on() {
    let mount = Mount::new();
    let tokens: Vec<String> = (0..300).map(|_| Leased::of(mount.creds()).client_id()).collect();
    tokens.iter().for_each(|client_id| seed(&mount, client_id, 1));
    mount.rollback().unwrap();
    assert!((1..tokens.len()).contains(&waiting(&mount)), "{}", waiting(&mount));
    mount.rollback().unwrap();
    assert_eq!(waiting(&mount), 0);
    assert!(tokens.iter().all(|client_id| events(&mount, client_id) == ["mint", "read"]));
}

#[test]
fn tokens_that_are_read_all_the_time_do_not_keep_the_others_waiting() {
    let mount = Mount::new();
    let tokens: Vec<String> = (0..600).map(|_| Leased::of(mount.creds()).client_id()).collect();
    let (last, others) = tokens.split_last().unwrap();
    seed(&mount, last, 1);
    let is_waiting = || mount.host.storage.keys().iter().any(|key| key.starts_with(&format!("reads/{ORG_A}.{last}/")));
    let mut calls = 0;
    while is_waiting() {
        others.iter().for_each(|client_id| seed(&mount, client_id, 1));
        mount.rollback().unwrap();
        calls += 1;
        assert!(calls < 20);
    }
}

#[test]
fn reads_of_a_token_that_is_locked_or_damaged_wait_and_the_others_are_folded() {
    let mount = Mount::new();
    mount.host.locks.set_wait(std::time::Duration::from_millis(20));
    let [locked, damaged, other] = [(); 3].map(|()| Leased::of(mount.creds()).client_id());
    [&locked, &damaged, &other].iter().for_each(|client_id| seed(&mount, client_id, 1));
    let (key, record) = stored_record(&mount, &damaged);
    mount.host.storage.seed(&key, "canary");
    let lock = secrets_framework::host::Locks::acquire(&*mount.host.locks, &format!("token/{locked}"));
    mount.rollback().unwrap_err();
    assert_eq!((waiting(&mount), events(&mount, &other)), (2, vec!["mint".to_owned(), "read".to_owned()]));
    drop(lock);
    mount.host.storage.seed(&key, record.to_string());
    mount.rollback().unwrap();
    assert_eq!((waiting(&mount), events(&mount, &damaged).len(), events(&mount, &locked).len()), (0, 2, 2));
}

#[test]
fn a_read_whose_entry_cannot_be_read_is_a_read_by_an_unknown_client() {
    let mount = Mount::new();
    let client_id = Leased::of(mount.creds()).client_id();
    seed(&mount, &client_id, 2);
    let keys = mount.host.storage.keys();
    let mut reads = keys.iter().filter(|key| key.starts_with("reads/"));
    mount.host.storage.seed(reads.next().unwrap(), "canary");
    let too_large = StorageError::Failed("received message larger than max".to_owned());
    mount.host.storage.fail_prefix(StorageCall::Get, reads.next().unwrap(), too_large);
    mount.rollback().unwrap();
    mount.host.storage.clear_faults();
    assert_eq!((waiting(&mount), events(&mount, &client_id).len()), (0, 3));
}

#[test]
fn reads_wait_where_an_astra_that_hangs_takes_the_time_of_the_call() {
    let mount = Mount::new();
    for _ in 0..20 {
        Leased::of(mount.creds());
    }
    let client_id = app(&mount).client_id();
    seed(&mount, &client_id, 1);
    mount.host.clock.advance(std::time::Duration::from_secs(3000));
    mount.write_static("role", json!({ "rotation_period": "24h" })).done();
    mount.host.clock.advance(std::time::Duration::from_secs(24 * 3600));
    for on in [On::Delete, On::List, On::Make, On::CurrentOrg] {
        mount.astra.fail_times(on, 100, Fault::Fails(HttpError::TimedOut));
    }
    let _ = mount.rollback();
    assert_eq!(waiting(&mount), 1);
    mount.astra.heal();
    mount.rollback_later();
    assert_eq!(waiting(&mount), 0);
}

#[test]
fn reads_of_a_token_that_the_index_does_not_have_yet_wait() {
    let mount = Mount::new();
    let record = json!({ "clientId": "GoToken", "orgId": ORG_A, "roleName": "reader", "logicalName": "x" });
    mount.host.storage.seed(&format!("token/{:064}", 1), record.to_string());
    for number in 0..crate::limits::INDEXED_PER_ROLLBACK_MAX {
        mount.host.storage.seed(&format!("token/{number:032}"), json!({ "clientId": "", "orgId": ORG_A }).to_string());
    }
    mount.host.storage.remove("state/index");
    seed(&mount, "GoToken", 1);
    mount.rollback().unwrap();
    assert_eq!(waiting(&mount), 1);
    mount.rollback().unwrap();
    mount.rollback().unwrap();
    assert_eq!((waiting(&mount), events(&mount, "GoToken")), (0, vec!["read".to_owned()]));
}

#[test]
fn reads_of_a_token_of_which_nothing_is_left_and_odd_names_stop_nothing() {
    let mount = Mount::new();
    seed(&mount, "Nobody", 1);
    for key in ["reads/odd", "reads/o.c.c/x", "reads/%2/x"] {
        mount.host.storage.seed(key, "canary");
    }
    let client_id = app(&mount).client_id();
    read_as(&mount, "bob", &client_id).data();
    let odd = format!("reads/{ORG_A}.{client_id}/odd");
    mount.host.storage.seed(&odd, "canary");
    mount.rollback().unwrap();
    assert_eq!(events(&mount, &client_id), ["mint", "read"]);
    assert_eq!(waiting(&mount), 4, "what is not ours stays, and `check` names it");
    let check = mount.send(Operation::Read, &format!("config/{ORG_A}/check"), Value::Null).data();
    assert!(check["entries"]["message"].as_str().unwrap().contains("`reads/odd`"), "{check}");
}
