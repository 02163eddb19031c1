//! `max_tokens` of roles and configs.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use secrets_framework::host::HttpError;
use secrets_framework::testing::StorageCall;
use serde_json::json;

use crate::limits::{COUNT_BYTES_MAX, COUNT_CALLS_MAX, MAX_TOKENS_MAX};
use crate::testing::{Fault, Leased, Mount, ORG_A, On, ROLE_ID};

/// A mount whose role `reader` may have so many tokens.
fn limited(mount: Mount, max_tokens: u32) -> Mount {
    mount.write_role(ORG_A, "reader", json!({ "max_tokens": max_tokens }));
    mount
}

#[test]
fn a_role_has_no_more_tokens_than_it_may_and_one_that_ends_makes_room() {
    for mount in [Mount::new(), Mount::on_vault()] {
        let mount = limited(mount, 2);
        let first = Leased::of(mount.creds());
        Leased::of(mount.org_token(json!({ "logical_name": "app" })));
        for refused in [mount.creds(), mount.org_token(json!({ "logical_name": "other" })), mount.org_token(json!({}))]
        {
            let text = refused.mistake();
            assert!(text.contains("`reader`") && text.contains("2 of 2 tokens alive"), "{text}");
        }
        assert_eq!(mount.astra.live().len(), 2);
        assert_eq!(mount.open_entries(), 0, "what is refused leaves no write-ahead entry");
        let lease = mount.lease(first.secret);
        mount.revoke(lease).done();
        Leased::of(mount.creds());
        mount.creds().mistake();
        mount.write_role(ORG_A, "reader", json!({ "max_tokens": 0 }));
        Leased::of(mount.creds());
        mount.assert_settled(3);
    }
}

#[test]
fn an_organization_has_no_more_leased_tokens_than_it_may() {
    let mount = Mount::new();
    mount.configure(ORG_A, crate::testing::ADMIN_A, json!({ "max_tokens": 2 }));
    mount.write_role(ORG_A, "other", json!({ "role_id": ROLE_ID }));
    mount.write(&format!("static-roles/{ORG_A}/app"), json!({ "role_ids": ROLE_ID, "rotation_period": "24h" })).done();
    Leased::of(mount.creds());
    Leased::of(mount.write(&format!("creds/{ORG_A}/other"), json!({})));
    let text = mount.creds().mistake();
    assert!(text.contains(ORG_A) && text.contains("2 of 2 tokens alive"), "held tokens do not count: {text}");
    mount.write(&format!("rotate-role/{ORG_A}/app"), json!({})).data();
}

#[test]
fn requests_at_the_same_time_get_no_more_tokens_than_there_is_room() {
    for mount in [Mount::new(), Mount::on_vault()] {
        let mount = limited(mount, 3);
        let made: Vec<bool> = thread::scope(|scope| {
            let threads = [(); 8].map(|()| scope.spawn(|| mount.creds().0.unwrap().unwrap().secret.is_some()));
            threads.map(|thread| thread.join().unwrap()).to_vec()
        });
        assert_eq!(made.iter().filter(|made| **made).count(), 3);
        mount.assert_settled(3);
    }
}

#[test]
fn a_token_that_may_have_been_made_takes_a_place_until_it_is_settled() {
    let mount = limited(Mount::new(), 1);
    mount.astra.fail(On::Make, Fault::DoneThenStatus(504, "{}"));
    mount.astra.fail(On::List, Fault::Status(404, "{}"));
    mount.creds().failed();
    assert_eq!(mount.open_entries(), 1);
    mount.creds().mistake();
    mount.rollback_later();
    Leased::of(mount.creds());
    mount.assert_settled(1);
}

#[test]
fn a_retry_takes_the_place_of_the_attempts_that_failed_before() {
    for fault in [
        Fault::Status(503, "{}"),
        Fault::Fails(HttpError::TimedOut),
        Fault::RetryAfter(429, "1"),
        Fault::Status(400, "{}"),
    ] {
        for mount in [Mount::new(), Mount::on_vault()] {
            let mount = limited(mount, 1);
            mount.configure(ORG_A, crate::testing::ADMIN_A, json!({ "max_tokens": 1 }));
            mount.astra.fail(On::Make, fault.clone());
            let made = Leased::of(mount.creds()).client_id();
            mount.creds().mistake();
            assert_eq!(mount.astra.live(), BTreeSet::from([made]));
            mount.rollback_later();
            mount.assert_settled(1);
        }
    }
}

#[test]
fn without_a_limit_nothing_is_counted() {
    let mount = Mount::new();
    mount.host.storage.clear_calls();
    Leased::of(mount.creds());
    assert_eq!(mount.host.storage.calls(StorageCall::List), 0);
}

#[test]
fn a_limit_is_a_number_from_zero_to_its_own_limit() {
    let mount = Mount::new();
    for (path, field) in [(format!("roles/{ORG_A}/reader"), "max_tokens"), (format!("config/{ORG_A}"), "max_tokens")] {
        for bad in [json!(-1), json!(MAX_TOKENS_MAX + 1), json!("many"), json!(1.5)] {
            let text = mount.write(&path, json!({ field: bad })).mistake();
            assert!(text.contains("max_tokens"), "{text}");
        }
        mount.write(&path, json!({ field: MAX_TOKENS_MAX })).done();
    }
}

#[test]
fn a_damaged_record_takes_a_place_of_its_organization() {
    let mount = Mount::new();
    mount.configure(ORG_A, crate::testing::ADMIN_A, json!({ "max_tokens": 1 }));
    let client_id = Leased::of(mount.creds()).client_id();
    mount.host.storage.seed(&format!("token/{client_id}"), "no JSON");
    let text = mount.creds().mistake();
    assert!(text.contains("1 of 1"), "its token may be alive: {text}");
    assert_eq!(mount.astra.live(), BTreeSet::from([client_id]));
}

/// What a record is stored under.
#[derive(Clone, Copy)]
enum Under {
    ClientId,
    LogicalName,
}

/// Seeds so many records of tokens that are in use without a lease, or of leased ones.
fn seed_tokens(mount: &Mount, tokens: usize, kind: &str, under: Under) {
    for number in 0..tokens {
        let client_id = format!("C{number:06}");
        let id = match under {
            Under::ClientId => client_id.clone(),
            Under::LogicalName => format!("{number:064}"),
        };
        let record = json!({ "clientId": client_id, "orgId": ORG_A, "roleName": "reader", "kind": kind });
        mount.host.storage.seed(&format!("token/{id}"), record.to_string());
        mount.host.storage.seed(&format!("client-index/{ORG_A}/{client_id}"), json!({ "id": id }).to_string());
    }
    mount.host.storage.clear_calls();
}

/// All storage calls, each entry that is read being one.
fn storage_calls(mount: &Mount) -> usize {
    let calls = [StorageCall::Get, StorageCall::Put, StorageCall::Delete, StorageCall::List];
    calls.iter().map(|call| usize::try_from(mount.host.storage.calls(*call)).unwrap()).sum()
}

/// Storage calls that the host allows a request.
const HOST_CALLS_MAX: usize = 10_000;

#[test]
fn as_many_tokens_as_the_largest_limit_can_be_counted_whatever_their_names() {
    for under in [Under::ClientId, Under::LogicalName] {
        let mount = limited(Mount::new(), MAX_TOKENS_MAX);
        seed_tokens(&mount, MAX_TOKENS_MAX as usize, "standard", under);
        let text = mount.creds().mistake();
        assert!(text.contains("4000 of 4000 tokens alive"), "{text}");
        assert!(storage_calls(&mount) < COUNT_CALLS_MAX, "{}", storage_calls(&mount));
    }
}

#[test]
fn a_limit_that_is_far_from_reached_reads_no_record() {
    let mount = limited(Mount::new(), MAX_TOKENS_MAX);
    seed_tokens(&mount, MAX_TOKENS_MAX as usize - 1, "standard", Under::LogicalName);
    Leased::of(mount.creds());
    assert!(storage_calls(&mount) < 50, "{}", storage_calls(&mount));
    mount.creds().mistake();
}

#[test]
fn an_organization_with_too_many_tokens_to_count_is_told_what_to_do() {
    for (tokens, under) in [(COUNT_CALLS_MAX + 1, Under::ClientId), (COUNT_CALLS_MAX * 2 / 3, Under::LogicalName)] {
        let mount = limited(Mount::new(), 1);
        seed_tokens(&mount, tokens, "static", under);
        let (code, text) = mount.creds().failed();
        assert_eq!(code, Some(503), "{text}");
        assert!(text.contains("has more than ") && text.contains("too many to count them for `max_tokens`"), "{text}");
        assert!(storage_calls(&mount) < HOST_CALLS_MAX, "{}", storage_calls(&mount));
        assert!(mount.astra.live().is_empty() && mount.open_entries() == 0);
    }
}

#[test]
fn records_that_are_too_large_together_are_too_many_to_count() {
    let mount = limited(Mount::new(), 1);
    seed_tokens(&mount, 500, "static", Under::ClientId);
    for number in 0..500 {
        let key = format!("token/C{number:06}");
        let mut record = mount.host.storage.json(&key);
        record["metadata"] = json!({ "note": "x".repeat(2 * COUNT_BYTES_MAX / 500) });
        mount.host.storage.seed(&key, record.to_string());
    }
    let (code, text) = mount.creds().failed();
    assert_eq!(code, Some(503), "{text}");
    assert!(text.contains("too many to count them for `max_tokens`"), "{text}");
}

#[test]
fn a_mint_counts_once_however_often_it_asks_astra() {
    let mount = limited(Mount::new(), 1);
    mount.configure(ORG_A, crate::testing::ADMIN_A, json!({ "max_retries": 10 }));
    seed_tokens(&mount, COUNT_CALLS_MAX - 100, "static", Under::ClientId);
    mount.astra.fail_times(On::Make, 3, Fault::RetryAfter(429, "1"));
    let made = Leased::of(mount.creds()).client_id();
    assert!(storage_calls(&mount) < HOST_CALLS_MAX, "{}", storage_calls(&mount));
    assert_eq!((mount.astra.live(), mount.open_entries()), (BTreeSet::from([made]), 0));
}

#[test]
fn nobody_else_gets_the_place_of_a_mint_that_waits_to_ask_again() {
    for fault in [Fault::RetryAfter(429, "1"), Fault::Status(400, "{}"), Fault::Status(503, "{}")] {
        let mount = limited(Mount::new(), 1);
        mount.astra.fail(On::Make, fault);
        let (other, refused) = (mount.clone(), Arc::new(AtomicBool::new(false)));
        let is_refused = Arc::clone(&refused);
        // The other mint comes right before the next write-ahead entry of the first.
        mount.astra.during_next(On::Make, move || {
            let storage = Arc::clone(&other.host.storage);
            storage.before_next(StorageCall::Put, "wal/", move || {
                let text = other.creds().mistake();
                is_refused.store(text.contains("1 of 1 tokens alive"), Ordering::SeqCst);
            });
        });
        let made = Leased::of(mount.creds()).client_id();
        assert!(refused.load(Ordering::SeqCst));
        assert_eq!(mount.astra.live(), BTreeSet::from([made]));
    }
}
