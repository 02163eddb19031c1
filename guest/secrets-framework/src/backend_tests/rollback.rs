//! What rollback does with write-ahead entries, whatever becomes of each.

use std::time::Duration;

use serde_json::json;

use super::TOY;
use crate::Error;
use crate::host::{Clock as _, Replication, StorageError, StorageView as _, SystemViewError};
use crate::limits::{ROLLBACK_FAILURES_SHOWN_MAX, WAL_ENTRIES_IMMEDIATE_MAX, WAL_ENTRIES_PER_CALL_MAX};
use crate::testing::{READ_ONLY_TEXT, StorageCall, TestHost, rollback_request};

fn seed_wal(host: &TestHost, id: &str, kind: &str, age_s: i64) {
    let created_at = host.clock.now().as_secs().saturating_add_signed(-age_s);
    let entry = json!({ "type": kind, "data": id, "created_at": created_at });
    host.storage.seed(&format!("wal/{id}"), entry.to_string());
}

#[test]
fn rollback_undoes_what_is_old_enough_and_then_does_the_periodic_work() {
    let host = TestHost::new();
    seed_wal(&host, "old", "token", 601);
    seed_wal(&host, "limit", "token", 600);
    seed_wal(&host, "young", "token", 1);
    seed_wal(&host, "by-a-clock-that-was-ahead", "token", -3600);
    assert!(TOY.handle(&host, &rollback_request(false)).unwrap().is_none());
    assert_eq!(host.storage.keys(), ["undone/by-a-clock-that-was-ahead", "undone/old", "wal/limit", "wal/young"]);
    assert_eq!(host.log.lines()[0].message, "periodic, immediate: false");

    TOY.handle(&host, &rollback_request(true)).unwrap();
    assert_eq!(host.storage.list("wal/").unwrap(), Vec::<String>::new());
    assert_eq!(host.storage.list("undone/").unwrap(), ["by-a-clock-that-was-ahead", "limit", "old", "young"]);
}

#[test]
fn rollback_does_nothing_on_a_node_that_cannot_store_its_work() {
    let part = |is_performance_secondary, is_performance_standby, is_dr_secondary| {
        Ok(Replication { is_performance_secondary, is_performance_standby, is_dr_secondary })
    };
    for (replication, local_mount, works) in [
        (part(true, false, false), false, false),
        (part(true, false, false), true, true),
        (part(false, true, false), true, false),
        (part(false, false, true), true, false),
        (Err(SystemViewError::Unsupported("replication-state")), false, true),
        (Err(SystemViewError::Failed("no answer".to_owned())), false, false),
    ] {
        let host = TestHost::new();
        seed_wal(&host, "old", "token", 601);
        host.system_view.set_local_mount(local_mount);
        host.system_view.set_replication(replication.clone());
        let fails = matches!(replication, Err(SystemViewError::Failed(_)));
        assert_eq!(TOY.handle(&host, &rollback_request(false)).is_err(), fails);
        assert_eq!(host.storage.keys(), [if works { "undone/old" } else { "wal/old" }], "{replication:?}");
        assert_eq!(host.log.lines().len(), usize::from(works), "{replication:?}");
    }
}

#[test]
fn entries_are_kept_while_the_upstream_is_read_only() {
    for immediate in [false, true] {
        let host = TestHost::new();
        seed_wal(&host, "old", "token", 601);
        host.system_view.set_upstream_read_only(true);
        TOY.handle(&host, &rollback_request(immediate)).unwrap();
        assert_eq!(host.storage.keys(), ["wal/old"]);
        assert_eq!(host.log.lines().len(), 1, "the periodic work is the engine's to bound");
        host.system_view.set_upstream_read_only(false);
        TOY.handle(&host, &rollback_request(immediate)).unwrap();
        assert_eq!(host.storage.keys(), ["undone/old"]);
    }
}

#[test]
fn the_first_call_after_a_read_only_upstream_does_no_more_than_any_other() {
    let host = TestHost::new();
    for number in 0..WAL_ENTRIES_PER_CALL_MAX + 10 {
        seed_wal(&host, &format!("{number:04}-entry"), "token", 7 * 24 * 3600);
    }
    host.system_view.set_upstream_read_only(true);
    for _ in 0..3 {
        TOY.handle(&host, &rollback_request(false)).unwrap();
    }
    host.system_view.set_upstream_read_only(false);
    TOY.handle(&host, &rollback_request(false)).unwrap();
    assert_eq!(host.storage.list("wal/").unwrap().len(), 10);
    TOY.handle(&host, &rollback_request(false)).unwrap();
    assert_eq!(host.storage.list("wal/").unwrap().len(), 0);
}

#[test]
fn failing_entries_are_reported_kept_and_block_nobody() {
    let host = TestHost::new();
    seed_wal(&host, "a", "stuck", 700);
    seed_wal(&host, "b", "stuck", 700);
    seed_wal(&host, "c", "token", 700);
    let error = TOY.handle(&host, &rollback_request(false)).unwrap_err().to_string();
    assert!(error.starts_with("2 failures: "), "{error}");
    assert!(error.contains("error rolling back \"stuck\" entry: upstream is away"), "{error}");
    assert_eq!(host.storage.keys(), ["undone/c", "wal/a", "wal/b"]);
    assert_eq!(host.log.lines().len(), 1, "the periodic work is done all the same");
}

#[test]
fn entries_that_cannot_be_undone_are_kept_logged_once_and_fail_no_call() {
    let host = TestHost::new();
    host.storage.seed("wal/damaged", "{ AstraCS:canary");
    seed_wal(&host, "foreign", "foreign", 700);
    seed_wal(&host, "large", "token", 700);
    host.storage.fail_prefix(StorageCall::Get, "wal/large", StorageError::Failed("message too large".to_owned()));
    seed_wal(&host, "other", "token", 700);
    for immediate in [false, false, true] {
        TOY.handle(&host, &rollback_request(immediate)).unwrap();
        let kept = ["passed-over-state", "undone/other", "wal/damaged", "wal/foreign", "wal/large"];
        assert_eq!(host.storage.keys(), kept);
    }
    let text = host.log.text();
    for (key, reason) in [
        ("wal/damaged", "`wal/damaged` is damaged"),
        ("wal/foreign", "the kind of the entry is unknown"),
        ("wal/large", "message too large"),
    ] {
        assert_eq!(text.matches(reason).count(), 1, "{text}");
        assert!(text.contains(key), "{text}");
    }
    assert!(!text.contains("canary"), "{text}");
}

#[test]
fn storage_that_fails_as_a_whole_is_an_error_and_no_damaged_entry() {
    let host = TestHost::new();
    seed_wal(&host, "a", "token", 700);
    host.storage.fail_prefix(StorageCall::Get, "", StorageError::Failed("storage is away".to_owned()));
    let error = TOY.handle(&host, &rollback_request(false)).unwrap_err().to_string();
    assert!(error.contains("storage is away"), "{error}");
    assert_eq!(host.storage.keys(), ["wal/a"]);
}

#[test]
fn read_only_storage_keeps_the_servers_text() {
    let host = TestHost::new();
    seed_wal(&host, "a", "token", 700);
    host.storage.set_read_only(true);
    let Err(Error::Plain(text)) = TOY.handle(&host, &rollback_request(false)) else {
        unreachable!("a plain error is expected");
    };
    assert!(text.contains(READ_ONLY_TEXT), "{text}");
}

#[test]
fn a_call_looks_at_a_bounded_number_of_entries_and_each_has_its_turn() {
    let host = TestHost::new();
    let count = WAL_ENTRIES_PER_CALL_MAX + 50;
    for index in 0..count {
        // Spread as random names are: none is favoured by its place.
        let id = format!("{:08x}-stuck", index.wrapping_mul(u32::MAX / count));
        seed_wal(&host, &id, "stuck", 700);
    }
    seed_wal(&host, "80000000-good", "token", 700);
    let error = TOY.handle(&host, &rollback_request(false)).unwrap_err().to_string();
    assert_eq!(host.storage.calls(StorageCall::Get), u64::from(WAL_ENTRIES_PER_CALL_MAX));
    assert!(error.len() < 1000 && error.contains("; and "), "{error}");
    assert_eq!(error.matches("upstream is away").count(), ROLLBACK_FAILURES_SHOWN_MAX);
    let mut calls = 1;
    while host.storage.list("undone/").unwrap().is_empty() {
        assert!(TOY.handle(&host, &rollback_request(false)).is_err());
        calls += 1;
        assert!(calls < 20, "an entry among failing ones does not get its turn");
    }
}

#[test]
fn a_mount_that_goes_has_more_entries_undone_at_once() {
    let host = TestHost::new();
    for index in 0..=WAL_ENTRIES_IMMEDIATE_MAX {
        seed_wal(&host, &format!("{index:08}"), "token", 0);
    }
    TOY.handle(&host, &rollback_request(true)).unwrap();
    assert_eq!(host.storage.list("wal/").unwrap().len(), 1);
}

#[test]
fn slow_entries_leave_time_for_the_periodic_work() {
    let host = TestHost::new();
    for id in ["a", "b", "c", "d"] {
        seed_wal(&host, id, "slow", 700);
    }
    TOY.handle(&host, &rollback_request(false)).unwrap();
    assert_eq!(host.storage.list("undone/").unwrap().len(), 1, "15 s each, and none begins after 10 s");
    assert_eq!(host.log.lines().len(), 1);
}

#[test]
fn entries_of_an_upstream_that_hangs_come_after_those_of_others() {
    let host = TestHost::new();
    // Entries of one group end in the same digits.
    for number in 0..2 * WAL_ENTRIES_PER_CALL_MAX {
        seed_wal(&host, &format!("{number:04}-hanging"), "hangs", 700);
    }
    seed_wal(&host, "0777-working", "token", 700);
    seed_wal(&host, "9999-working", "token", 700);
    let began = host.clock.now();
    let error = TOY.handle(&host, &rollback_request(false)).unwrap_err().to_string();
    assert_eq!(host.storage.list("undone/").unwrap(), ["0777-working", "9999-working"], "in the first call");
    assert!(error.starts_with("2 failures: "), "{error}");
    assert_eq!(host.clock.now() - began, Duration::from_secs(10));
}

#[test]
fn beside_upstreams_that_hang_each_other_one_has_its_turn() {
    let host = TestHost::new();
    for number in 0..50 {
        for upstream in ["hanging-1", "hanging-2", "hanging-3"] {
            seed_wal(&host, &format!("{number:04}-{upstream}"), "hangs", 700);
        }
    }
    seed_wal(&host, "0000-working", "token", 700);
    let mut calls = 0;
    while host.storage.list("undone/").unwrap().is_empty() {
        assert!(TOY.handle(&host, &rollback_request(false)).is_err());
        calls += 1;
        assert!(calls < 20, "an entry beside hanging upstreams does not get its turn");
    }
}
