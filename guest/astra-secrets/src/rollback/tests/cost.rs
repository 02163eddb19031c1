//! What a call costs: what is due, and not what is stored.

use secrets_framework::host::Clock;
use secrets_framework::testing::StorageCall;
use serde_json::json;

use super::HOUR;
use crate::limits::LEASE_END_MARGIN;
use crate::testing::{Leased, Mount, ORG_A, task_key};

/// Gets, lists, puts and deletes of an idle call. It reads the states of the index, the schedule queue and the ends of
/// admin tokens, and lists write-ahead entries (twice, for a start in their midst), the hour that runs in the schedule
/// queue, static roles, tokens with reads, and retired configs.
const IDLE: [u64; 4] = [3, 6, 0, 0];

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
        let record = json!({ "clientId": client_id, "orgId": ORG_A, "leaseEnd": later });
        mount.host.storage.seed(&format!("token/{client_id}"), record.to_string());
        mount.host.storage.seed(&format!("client-index/{ORG_A}/{client_id}"), json!({ "id": client_id }).to_string());
        mount.host.storage.seed(&task_key("token", later, &format!("{ORG_A}.{client_id}")), "{}");
        if number % 2 == 0 {
            mount.host.storage.seed(&task_key("rotate-static", later, &format!("{ORG_A}.role-{number}")), "{}");
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
    // Once an hour a call walks through records, and looks for earlier hours of the schedule queue, too.
    mount.finish_index_scan();
    mount.has_looked();
    let hour = mount.host.clock.now().as_secs() / 3600;
    mount.host.storage.seed("state/queue", json!({ "hour": hour }).to_string());
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
    // Each token is looked at once, whether it came into use.
    mount.host.clock.advance(LEASE_END_MARGIN);
    mount.rollback().unwrap();
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
    // Of each: the record is read, and again under its lock, and the config; history and task are written;
    // record, index entry and the task before are deleted. The tasks are in a folder of the hour.
    let of = |due: u64| [IDLE[0] + 3 * due, IDLE[1] + 1, 2 * due, 3 * due];
    assert_eq!(cost(10, 50), of(50));
    assert_eq!(cost(2_000, 50), of(50));
}
