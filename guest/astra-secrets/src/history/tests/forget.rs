//! Forgetting: after ninety days, in bounded steps, and none is kept for ever.

use std::time::Duration;

use secrets_framework::Operation;
use secrets_framework::host::{Clock, StorageError};
use secrets_framework::testing::StorageCall;
use serde_json::{Value, json};

use super::{app, events, read_as, shown};
use crate::limits::{HISTORIES_PER_ROLLBACK_MAX, HISTORY_HOURS_PER_ROLLBACK_MAX, HISTORY_KEPT};
use crate::testing::{Leased, Mount, ORG_A};

const HOUR: Duration = Duration::from_secs(3600);

fn delete(mount: &Mount, client_id: &str) {
    mount.send(Operation::Delete, &format!("tokens/{ORG_A}/{client_id}"), Value::Null).done();
}

fn histories(mount: &Mount) -> usize {
    mount.host.storage.keys().iter().filter(|key| key.starts_with("history/")).count()
}

fn queued(mount: &Mount) -> usize {
    mount.host.storage.keys().iter().filter(|key| key.starts_with("history-end/")).count()
}

/// Rollback calls until the queue is up to date.
fn catch_up(mount: &Mount) {
    let this_hour = mount.host.clock.now().as_secs() / 3600;
    let mut calls = 0;
    while mount.host.storage.json("history-state")["hour"] != this_hour {
        mount.rollback().unwrap();
        calls += 1;
        assert!(calls <= 2 * HISTORY_KEPT.as_secs() / 3600 / HISTORY_HOURS_PER_ROLLBACK_MAX as u64 + 2);
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
        assert_eq!(queued(&mount), 1);
    }
    delete(&mount, "GoToken");
    assert_eq!(shown(&mount, "GoToken")["ended_how"], "deleted");
    mount.host.clock.advance(2 * HISTORY_KEPT);
    catch_up(&mount);
    catch_up(&mount);
    assert_eq!((histories(&mount), queued(&mount)), (0, 0));
}

#[test]
fn one_whose_end_could_not_be_recorded_is_forgotten_too() {
    let mount = Mount::new();
    let client_id = app(&mount).client_id();
    read_as(&mount, "bob", &client_id).data();
    mount.host.storage.fail_prefix(StorageCall::Put, "history/", StorageError::Failed("disk full".to_owned()));
    delete(&mount, &client_id);
    mount.host.storage.clear_faults();
    assert_eq!(histories(&mount), 1);
    mount.host.clock.advance(HISTORY_KEPT + 2 * HOUR);
    catch_up(&mount);
    assert_eq!((histories(&mount), queued(&mount)), (0, 0));
}

#[test]
fn a_call_has_a_limit_and_the_next_goes_on() {
    let mount = Mount::new();
    let hour = (mount.host.clock.now().as_secs() + HISTORY_KEPT.as_secs()) / 3600;
    let ended =
        json!({ "events": [], "ended": { "at": mount.host.clock.now().as_secs(), "how": "revoked", "facts": {} } });
    let max = HISTORIES_PER_ROLLBACK_MAX as usize;
    for number in 0..max + 1 {
        mount.host.storage.seed(&format!("history/{ORG_A}/T{number}"), ended.to_string());
        mount.host.storage.seed(&format!("history-end/{hour:08}/{ORG_A}.T{number}"), "{}");
    }
    mount.host.clock.advance(HISTORY_KEPT + 2 * HOUR);
    while mount.host.storage.json("history-state")["hour"] != hour {
        mount.rollback().unwrap();
    }
    // The call that came to the hour did as much as one may.
    assert_eq!((histories(&mount), queued(&mount)), (1, 1));
    mount.rollback().unwrap();
    assert_eq!((histories(&mount), queued(&mount)), (0, 0));
}

#[test]
fn a_call_in_between_costs_one_read_and_one_each_hour_a_list_and_a_write() {
    let mount = Mount::new();
    for _ in 0..20 {
        delete(&mount, &Leased::of(mount.creds()).client_id());
    }
    let calls = |call| mount.host.storage.calls(call);
    mount.host.storage.clear_calls();
    mount.rollback().unwrap();
    let idle = (calls(StorageCall::Get), calls(StorageCall::List), calls(StorageCall::Put));
    assert_eq!(idle.2, 0);
    mount.host.clock.advance(HOUR);
    mount.has_walked();
    mount.host.storage.clear_calls();
    mount.rollback().unwrap();
    assert_eq!((calls(StorageCall::Get), calls(StorageCall::List), calls(StorageCall::Put)), (idle.0, idle.1 + 1, 1));
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
fn what_is_in_the_queue_by_mistake_is_dropped() {
    let mount = Mount::new();
    let hour = mount.host.clock.now().as_secs() / 3600;
    for name in ["odd", "o%2.x", "no.history"] {
        mount.host.storage.seed(&format!("history-end/{hour:08}/{name}"), "{}");
    }
    mount.host.clock.advance(HOUR);
    mount.rollback().unwrap();
    assert_eq!(queued(&mount), 0);
}
