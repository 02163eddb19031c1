//! Organizations with so many tokens that one call cannot tell whether an admin token is still to end some of them.

use secrets_framework::testing::StorageCall;

use super::*;
use crate::limits::{ENDED_RETRY_PAUSE, RETIRED_SEARCH_RECORDS_MAX};

const MOVED: &str = "AstraCS:Moved:canary";
const NEW_ORIGIN: &str = "https://moved.example.org";

fn searches() -> String {
    format!("state/retired-search/{ORG_A}")
}

/// Records of three searches at the new origin of a config that leaves an admin token of ours at the old one.
fn moved() -> (Mount, String) {
    let mount = Mount::new();
    mount.rotate();
    mount.settle();
    let ours = mount.current();
    move_to_new_origin(&mount);
    let made = Leased::of(mount.creds()).client_id();
    for number in 0..5 * RETIRED_SEARCH_RECORDS_MAX / 2 {
        seed_copy(&mount, &made, &format!("A{number:06}"));
    }
    (mount, ours)
}

fn move_to_new_origin(mount: &Mount) {
    mount.astra.add_org(MOVED, ORG_A, NEW_ORIGIN);
    mount.configure(ORG_A, MOVED, json!({ "url": NEW_ORIGIN, "force": true }));
}

/// One more record like that of `client_id`.
fn seed_copy(mount: &Mount, client_id: &str, copy: &str) {
    let mut record = mount.host.storage.json(&format!("token/{client_id}"));
    record["clientId"] = json!(copy);
    mount.host.storage.seed(&format!("token/{copy}"), record.to_string());
    mount.host.storage.seed(&format!("client-index/{ORG_A}/{copy}"), json!({ "id": copy }).to_string());
}

/// The next call that tries to end the token.
#[track_caller]
fn next_try(mount: &Mount) {
    mount.finish_index_scan();
    mount.host.clock.advance(ENDED_RETRY_PAUSE);
    mount.rollback().unwrap();
}

#[test]
fn a_search_among_many_tokens_takes_some_calls_and_then_the_admin_token_ends() {
    let (mount, ours) = moved();
    mount.host.storage.clear_calls();
    next_try(&mount);
    // Two tries in one call and the search for the retired config, with one read for each record; the count of the tokens of
    // each role reads all records once.
    let reads = mount.host.storage.calls(StorageCall::Get);
    assert!(reads < 6 * RETIRED_SEARCH_RECORDS_MAX as u64, "{reads} reads");
    assert!(mount.astra.is_live(&ours), "not all records were looked at");
    next_try(&mount);
    assert!(!mount.astra.is_live(&ours));
    assert!(!mount.host.storage.keys().contains(&searches()));
}

#[test]
fn a_token_at_the_end_of_the_index_keeps_the_admin_token_that_is_to_end_it() {
    let (mount, ours) = moved();
    let record = mount.host.storage.json("token/A000000");
    seed_copy(&mount, "A000000", "z");
    let mut old = mount.host.storage.json("token/z");
    old["origin"] = json!(crate::testing::ASTRA);
    assert_ne!(old["origin"], record["origin"]);
    mount.host.storage.seed("token/z", old.to_string());
    for _ in 0..5 {
        next_try(&mount);
        assert!(mount.astra.is_live(&ours));
    }
    mount.host.storage.remove("token/z");
    mount.host.storage.remove(&format!("client-index/{ORG_A}/z"));
    next_try(&mount);
    assert!(!mount.astra.is_live(&ours));
}

#[test]
fn a_delete_of_the_admin_token_is_put_off_until_all_tokens_were_looked_at() {
    let (mount, ours) = moved();
    let delete = || mount.send(Operation::Delete, &format!("tokens/{ORG_A}/{ours}"), Value::Null);
    for _ in 0..2 {
        let (code, text) = delete().failed();
        assert_eq!(code, Some(503), "{text}");
        assert!(text.contains(&ours) && text.contains("try again"), "{text}");
    }
    delete().done();
    assert!(!mount.astra.is_live(&ours));
}

#[test]
fn a_config_that_returns_and_leaves_again_begins_the_search_anew() {
    let (mount, ours) = moved();
    next_try(&mount);
    assert!(mount.host.storage.keys().contains(&searches()));
    let bearer = format!("AstraCS:{ours}:canary");
    mount.configure(ORG_A, &bearer, json!({ "url": "", "force": true }));
    let made = Leased::of(mount.creds()).client_id();
    // Before all that the search has seen.
    seed_copy(&mount, &made, "0");
    mount.configure(ORG_A, MOVED, json!({ "url": NEW_ORIGIN, "force": true }));
    mount.host.storage.remove(&format!("token/{made}"));
    assert!(!mount.host.storage.keys().contains(&searches()));
    for _ in 0..5 {
        next_try(&mount);
        assert!(mount.astra.is_live(&ours), "it is to end the token `0`");
    }
}
