//! Forgetting: after ninety days, in bounded steps, and none is kept for ever.

use std::time::Duration;

use secrets_framework::Operation;
use secrets_framework::host::{Clock, StorageError};
use secrets_framework::testing::StorageCall;
use serde_json::{Value, json};

use super::{app, events, read_as, shown};
use crate::limits::{HISTORY_KEPT, LEASE_END_MARGIN, QUEUED_TOKENS_PER_ROLLBACK_MAX, TASK_ALONE};
use crate::testing::{Leased, Mount, ORG_A, task_key};

const HOUR: Duration = Duration::from_secs(3600);

fn delete(mount: &Mount, client_id: &str) {
    mount.send(Operation::Delete, &format!("tokens/{ORG_A}/{client_id}"), Value::Null).done();
}

fn histories(mount: &Mount) -> usize {
    mount.host.storage.keys().iter().filter(|key| key.starts_with("history/")).count()
}

fn queued(mount: &Mount) -> usize {
    mount.queued(Some("token")).len()
}

/// Rollback calls until no task is due.
fn catch_up(mount: &Mount) {
    let now = mount.host.clock.now().as_secs();
    let mut calls = 0;
    while mount.queued(None).iter().any(|key| key[..] < *task_key("token", now, "")) {
        mount.rollback().unwrap();
        calls += 1;
        assert!(calls <= 3);
    }
}

#[test]
fn it_is_kept_for_ninety_days_after_the_end() {
    let mount = Mount::new();
    let client_id = app(&mount).client_id();
    // Events before the end, which is what counts.
    read_as(&mount, "bob", &client_id).data();
    mount.host.clock.advance(30 * 24 * HOUR);
    delete(&mount, &client_id);
    mount.host.clock.advance(HISTORY_KEPT - HOUR);
    catch_up(&mount);
    assert_eq!(events(&mount, &client_id), ["mint", "read", "revoke"]);
    assert_eq!((histories(&mount), queued(&mount)), (1, 1));
    mount.host.clock.advance(3 * HOUR);
    catch_up(&mount);
    assert_eq!((histories(&mount), queued(&mount)), (0, 0));
    mount.send(Operation::Read, &format!("tokens/{ORG_A}/{client_id}"), Value::Null).missing();
}

#[test]
fn a_live_token_keeps_its_history_however_old() {
    let mount = Mount::new();
    mount.astra.make_outside("GoToken", "");
    let record = json!({ "clientId": "GoToken", "token": "AstraCS:canary", "orgId": ORG_A, "roleName": "reader" });
    mount.host.storage.seed("token/GoToken", record.to_string());
    read_as(&mount, "bob", "GoToken").data();
    for _ in 0..3 {
        mount.host.clock.advance(HISTORY_KEPT + 2 * HOUR);
        catch_up(&mount);
        assert_eq!(events(&mount, "GoToken"), ["read"]);
        assert_eq!(queued(&mount), 0, "it has no end");
    }
    delete(&mount, "GoToken");
    assert_eq!((shown(&mount, "GoToken")["ended_how"].as_str(), queued(&mount)), (Some("deleted"), 1));
    mount.host.clock.advance(2 * HISTORY_KEPT);
    catch_up(&mount);
    catch_up(&mount);
    assert_eq!((histories(&mount), queued(&mount)), (0, 0));
}

#[test]
fn of_a_token_whose_end_could_not_be_recorded_nothing_is_left() {
    let mount = Mount::new();
    let client_id = app(&mount).client_id();
    read_as(&mount, "bob", &client_id).data();
    mount.host.storage.fail_prefix(StorageCall::Put, "history/", StorageError::Failed("disk full".to_owned()));
    delete(&mount, &client_id);
    mount.host.storage.clear_faults();
    assert_eq!((histories(&mount), queued(&mount)), (0, 1));
    mount.host.clock.advance(2 * HOUR);
    catch_up(&mount);
    assert_eq!(queued(&mount), 0);
}

#[test]
fn a_call_has_a_limit_and_the_next_goes_on() {
    let mount = Mount::new();
    let at = mount.host.clock.now().as_secs() + HISTORY_KEPT.as_secs();
    let ended =
        json!({ "events": [], "ended": { "at": mount.host.clock.now().as_secs(), "how": "revoked", "facts": {} } });
    let max = QUEUED_TOKENS_PER_ROLLBACK_MAX;
    for number in 0..max + 1 {
        mount.host.storage.seed(&format!("history/{ORG_A}/T{number}"), ended.to_string());
        mount.host.storage.seed(&task_key("token", at, &format!("{ORG_A}.T{number}")), "{}");
    }
    mount.host.clock.advance(HISTORY_KEPT + 2 * HOUR);
    mount.rollback().unwrap();
    assert_eq!((histories(&mount), queued(&mount)), (1, 1));
    mount.rollback().unwrap();
    assert_eq!((histories(&mount), queued(&mount)), (0, 0));
}

#[test]
fn a_call_in_between_looks_at_no_history_and_each_hour_one_costs_a_list_and_a_write_more() {
    let mount = Mount::new();
    for _ in 0..20 {
        delete(&mount, &Leased::of(mount.creds()).client_id());
    }
    mount.host.clock.advance(2 * HOUR);
    catch_up(&mount);
    let calls = || {
        mount.finish_index_scan();
        mount.has_looked();
        mount.host.storage.clear_calls();
        mount.rollback().unwrap();
        [StorageCall::Get, StorageCall::List, StorageCall::Put].map(|call| mount.host.storage.calls(call))
    };
    // The call that finds no earlier hour any more notes that.
    calls();
    let idle = calls();
    assert_eq!(idle, [3, 6, 0]);
    mount.host.clock.advance(HOUR);
    assert_eq!(calls(), [idle[0], idle[1], 1], "the folders of hours instead of the hour that runs");
    assert_eq!(calls(), idle);
}

#[test]
fn a_clock_that_ran_ahead_and_came_back_leaves_nothing() {
    let mount = Mount::new();
    let start = mount.host.clock.now();
    mount.host.clock.advance(2 * HISTORY_KEPT);
    catch_up(&mount);
    catch_up(&mount);
    mount.host.clock.set(start);
    delete(&mount, &Leased::of(mount.creds()).client_id());
    mount.rollback().unwrap();
    mount.host.clock.advance(HISTORY_KEPT + 2 * HOUR);
    catch_up(&mount);
    assert_eq!((histories(&mount), queued(&mount)), (0, 0));
}

#[test]
fn a_task_of_a_token_of_which_nothing_is_left_is_dropped() {
    let mount = Mount::new();
    let now = mount.host.clock.now().as_secs();
    for name in ["no.history", "no.history.record"] {
        mount.host.storage.seed(&task_key("token", now, name), "{}");
    }
    mount.rollback().unwrap();
    assert_eq!(queued(&mount), 2, "a record may come yet");
    mount.host.clock.advance(TASK_ALONE);
    mount.rollback().unwrap();
    assert_eq!(queued(&mount), 0);
}

/// Without transactions a request writes the task of a replaced token first, and then the record.
#[test]
fn a_task_whose_record_comes_a_moment_later_is_not_dropped() {
    let mount = Mount::on_vault();
    let client_id = Leased::of(mount.creds()).client_id();
    let key = format!("token/{client_id}");
    let mut record = mount.host.storage.json(&key);
    mount.host.storage.remove(&key);
    let now = mount.host.clock.now().as_secs();
    mount.host.storage.seed(&task_key("token", now, &format!("{ORG_A}.{client_id}")), "{}");
    mount.rollback().unwrap();
    record["leaseEnd"] = json!(now - LEASE_END_MARGIN.as_secs());
    mount.host.storage.seed(&key, record.to_string());
    mount.rollback().unwrap();
    mount.assert_settled(0);
}
