//! What a call costs: what is due, and not what is stored.

use secrets_framework::host::Clock;
use secrets_framework::testing::StorageCall;
use serde_json::json;

use super::HOUR;
use crate::limits::LEASE_END_MARGIN;
use crate::testing::{Leased, Mount, ORG_A};

/// Gets, lists, puts and deletes of an idle call. It reads the states of index
/// and histories, and lists write-ahead entries (twice, for a start in their
/// midst), ends, agenda, static roles and retired configs.
const IDLE: [u64; 4] = [2, 6, 0, 0];

fn calls(mount: &Mount) -> [u64; 4] {
    [StorageCall::Get, StorageCall::List, StorageCall::Put, StorageCall::Delete]
        .map(|call| mount.host.storage.calls(call))
}

/// A mount with so many tokens whose time has not come, and half as many static roles.
fn with_stored(stored: u64) -> Mount {
    let mount = Mount::new();
    let now = mount.host.clock.now().as_secs();
    for number in 0..stored {
        let later = now + 100_000 + number;
        let client_id = format!("Later{number:06}");
        let record = json!({ "clientId": client_id, "orgId": ORG_A, "leaseEnd": later, "due": later });
        mount.host.storage.seed(&format!("token/{client_id}"), record.to_string());
        mount.host.storage.seed(&format!("client-index/{ORG_A}/{client_id}"), json!({ "id": client_id }).to_string());
        mount.host.storage.seed(&format!("due-index/{later:012}-{client_id}"), "{}");
        if number % 2 == 0 {
            mount.host.storage.seed(&format!("agenda/{later:012}.rotate-static.{ORG_A}.role-{number}"), "{}");
        }
    }
    mount
}

/// What a call costs when so many tokens are to be ended.
fn cost(stored: u64, due: u64) -> [u64; 4] {
    let mount = with_stored(stored);
    for _ in 0..due {
        Leased::of(mount.creds());
    }
    mount.host.clock.advance(HOUR + LEASE_END_MARGIN);
    // Once an hour a call walks through records, and looks into the queue of histories, too.
    mount.has_walked();
    let hour = mount.host.clock.now().as_secs() / 3600;
    mount.host.storage.seed("history-state", json!({ "hour": hour }).to_string());
    mount.host.storage.clear_calls();
    mount.rollback().unwrap();
    assert!(mount.astra.live().is_empty());
    calls(&mount)
}

#[test]
fn an_idle_call_costs_next_to_nothing() {
    let mount = Mount::new();
    Leased::of(mount.creds());
    mount.host.storage.clear_calls();
    mount.host.http.clear();
    mount.rollback().unwrap();
    assert_eq!(calls(&mount), IDLE);
    assert!(mount.host.http.requests().is_empty());
}

#[test]
fn an_idle_call_of_a_mount_with_static_roles_reads_when_their_tokens_are_looked_at() {
    let mount = Mount::new();
    for number in 0..3 {
        mount.daily(&format!("app{number}"));
    }
    mount.has_looked();
    mount.host.storage.clear_calls();
    mount.host.http.clear();
    mount.rollback().unwrap();
    assert_eq!(calls(&mount), [IDLE[0] + 1, IDLE[1], 0, 0]);
    assert!(mount.host.http.requests().is_empty());
}

#[test]
fn a_call_costs_what_is_due_and_not_what_is_stored() {
    assert_eq!(cost(2_000, 0), IDLE);
    // Of each: record, config and history are read; queue and history written; record and two indexes deleted.
    let of = |due: u64| [IDLE[0] + 3 * due, IDLE[1], 2 * due, 3 * due];
    assert_eq!(cost(10, 50), of(50));
    assert_eq!(cost(2_000, 50), of(50));
}
