//! Tokens by role and kind, as rollback counts them.

use std::time::Duration;

use serde_json::json;

use crate::limits::{ROLE_COUNT_BYTES_MAX, ROLE_COUNT_PAUSE, ROLE_COUNT_RECORDS_MAX, ROLE_COUNT_SERIES_MAX};
use crate::record::role_counts;
use crate::record::role_counts::RoleCounts;
use crate::testing::{Mount, ORG_A, ORG_B, ROLE_ID};
use secrets_framework::host::StorageError;
use secrets_framework::testing::{StorageCall, request};
use secrets_framework::{Context, Operation};

fn counts(mount: &Mount) -> RoleCounts {
    let request = request(Operation::Read, "metrics", json!(null));
    role_counts(&Context { host: &mount.host, request: &request }).unwrap()
}

/// The count after so many rollback calls, a minute apart, when it is time for one.
fn counted(mount: &Mount, calls: usize) -> RoleCounts {
    mount.host.clock.advance(ROLE_COUNT_PAUSE);
    for _ in 0..calls {
        mount.host.clock.advance(Duration::from_secs(60));
        mount.rollback().unwrap();
    }
    counts(mount)
}

/// No other scan of records is due.
fn rest(mount: &Mount) {
    mount.finish_index_scan();
}

fn seed(mount: &Mount, number: usize, record: &serde_json::Value) {
    mount.host.storage.seed(&format!("token/Seeded{number:06}"), record.to_string());
}

#[test]
fn tokens_are_counted_by_organization_role_and_kind_with_the_limit_of_the_role() {
    let mount = Mount::new();
    mount.write_role(ORG_A, "reader", json!({ "max_tokens": 7 }));
    mount.creds().data();
    mount.creds().data();
    mount.org_token(json!({ "logical_name": "app" })).data();
    mount.write_static("app", json!({ "role_ids": [ROLE_ID], "rotation_period": "24h" })).0.unwrap();
    seed(&mount, 0, &json!({ "clientId": "g", "orgId": ORG_B, "roleName": "old", "kind": null }));
    seed(&mount, 1, &json!({ "clientId": "", "orgId": ORG_B, "roleName": "error" }));
    mount.host.storage.seed("token/damaged", "damaged");
    let counts = counted(&mount, 1);
    assert_eq!(
        json!(counts.tokens),
        json!({
            ORG_A: { "": { "static": 1 }, "reader": { "creds": 2, "standard": 1 } },
            ORG_B: { "old": { "standard": 1 } },
        })
    );
    assert_eq!((json!(counts.max_tokens), counts.left_out), (json!({ ORG_A: { "reader": 7 } }), 0));
    assert_eq!(counts.at, secrets_framework::host::Clock::now(&*mount.host.clock).as_secs());
}

#[test]
fn a_count_of_many_tokens_takes_several_calls_and_shows_the_last_whole_one_meanwhile() {
    let mount = Mount::new();
    for number in 0..=ROLE_COUNT_RECORDS_MAX {
        seed(&mount, number, &json!({ "clientId": format!("c{number}"), "orgId": ORG_A, "roleName": "r" }));
    }
    rest(&mount);
    let of = |counts: &RoleCounts| json!(counts.tokens)[ORG_A]["r"]["standard"].as_u64();
    assert_eq!(of(&counted(&mount, 1)), None);
    mount.rollback().unwrap();
    assert_eq!(of(&counts(&mount)), Some(ROLE_COUNT_RECORDS_MAX as u64 + 1));
    // Nothing is read again before it is time.
    mount.host.storage.clear_calls();
    mount.rollback().unwrap();
    assert!(mount.host.storage.calls(StorageCall::Get) < 10);
}

#[test]
fn large_records_make_the_steps_smaller() {
    let mount = Mount::new();
    let history = "h".repeat(ROLE_COUNT_BYTES_MAX / 100);
    for number in 0..150 {
        let record = json!({ "clientId": format!("c{number}"), "orgId": ORG_A, "roleName": "r", "history": history });
        seed(&mount, number, &record);
    }
    rest(&mount);
    assert_eq!(counted(&mount, 1).at, 0, "the first call stops after 8 MiB");
    mount.rollback().unwrap();
    assert_eq!(json!(counts(&mount).tokens)[ORG_A]["r"]["standard"], 150);
}

#[test]
fn more_roles_than_are_counted_apart_are_counted_together() {
    let mount = Mount::new();
    for number in 0..ROLE_COUNT_SERIES_MAX + 3 {
        let record = json!({ "clientId": format!("c{number}"), "orgId": ORG_A, "roleName": format!("r{number}") });
        seed(&mount, number, &record);
    }
    rest(&mount);
    let counts = counted(&mount, 1);
    assert_eq!((counts.tokens.values().map(|roles| roles.len()).sum(), counts.left_out), (ROLE_COUNT_SERIES_MAX, 3));
}

#[test]
fn a_mount_without_tokens_writes_no_counts() {
    let mount = Mount::new();
    let counts = counted(&mount, 3);
    assert_eq!(counts.at, 0);
    assert!(!mount.host.storage.keys().iter().any(|key| key.starts_with("metrics/role-counts")));
    // The last token goes, and the counts say so.
    let leased = crate::testing::Leased::of(mount.creds());
    assert_eq!(json!(counted(&mount, 1).tokens), json!({ ORG_A: { "reader": { "creds": 1 } } }));
    mount.revoke(mount.lease(leased.secret)).0.unwrap();
    let counts = counted(&mount, 1);
    assert_eq!(json!(counts.tokens), json!({}));
    assert!(counts.at > 0);
}

#[test]
fn a_count_that_meets_a_limit_leaves_the_last_one_and_is_tried_again_later() {
    let mount = Mount::new();
    mount.creds().data();
    let before = counted(&mount, 1);
    let limit = StorageError::Limit("a request lists no more names".to_owned());
    mount.host.storage.fail_prefix(StorageCall::List, "token/", limit);
    let after = counted(&mount, 3);
    assert_eq!((after.at, json!(after.tokens)), (before.at, json!(before.tokens)));
    let told = mount.host.log.lines().into_iter().filter(|line| line.message.contains("were not counted")).count();
    assert_eq!(told, 1, "not with each call");
    mount.host.storage.clear_faults();
    assert!(counted(&mount, 1).at > before.at);
}
