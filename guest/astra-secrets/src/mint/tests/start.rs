//! The time between the read of a config and the write-ahead entry of a mint, in which others delete or move the config.

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrets_framework::host::Host as _;
use secrets_framework::testing::{StorageCall, request};
use secrets_framework::{Context, Operation};
use serde_json::{Value, json};

use crate::config::test_mount::Answered;
use crate::limits::MINT_STARTS_MAX;
use crate::mint::any_made_or_being_made;
use crate::names::OrgId;
use crate::testing::{ADMIN_A, Leased, Mount, ORG_A, ROLE_ID};

/// Longest wait of a test for another thread.
const DEADLINE: Duration = Duration::from_secs(20);
/// Time in which a request that waits for nothing has ended.
const LONG_ENOUGH: Duration = Duration::from_millis(300);

type Request = fn(&Mount) -> bool;

/// Deletes the config of A.
fn delete(mount: &Mount) -> bool {
    mount.send(Operation::Delete, &format!("config/{ORG_A}"), Value::Null).0.is_ok()
}

/// Moves the config of A to another origin.
fn move_away(mount: &Mount) -> bool {
    let data = json!({ "astra_token": ADMIN_A, "url": "https://api.astra.example", "verify": false });
    mount.write(&format!("config/{ORG_A}"), data).0.is_ok()
}

/// Makes a token, and lets another request begin right before the mint stores its entry. The mint goes on when that request
/// has ended, or waits.
fn mint_beside(mount: &Mount, make: fn(&Mount) -> Answered, act: Request) -> Leased {
    let ((begin, begun), (end, ended)) = (sync_channel(1), sync_channel(1));
    mount.host.storage.before_next(StorageCall::Put, "wal/", move || {
        begin.send(()).unwrap();
        // An error means that the request waits.
        ended.recv_timeout(LONG_ENOUGH).unwrap_or_default();
    });
    std::thread::scope(|scope| {
        let other = scope.spawn(move || {
            begun.recv_timeout(DEADLINE).unwrap();
            let is_done = act(mount);
            // The mint may have gone on.
            end.send(()).unwrap_or_default();
            is_done
        });
        let made = Leased::of(make(mount));
        assert!(other.join().unwrap(), "the other request failed");
        made
    })
}

#[test]
fn a_config_that_goes_while_a_mint_starts_is_kept_to_end_its_token() {
    for act in [delete as Request, move_away] {
        for make in [Mount::creds, |mount: &Mount| mount.org_token(json!({ "logical_name": "app" }))] {
            let mount = Mount::new();
            let made = mint_beside(&mount, make, act);
            assert!(mount.astra.is_live(&made.client_id()));
            let keys = mount.host.storage.keys();
            assert!(keys.iter().any(|key| key.starts_with("retired-config/")), "{keys:?}");
            mount.revoke(mount.lease(made.secret)).done();
            mount.assert_settled(0);
            mount.rollback().unwrap();
            let keys = mount.host.storage.keys();
            assert!(!keys.iter().any(|key| key.starts_with("retired-config/")), "{keys:?}");
        }
    }
}

#[test]
fn a_look_for_mints_waits_for_each_that_started() {
    let mount = Mount::new();
    mount.host.locks.set_wait(Duration::ZERO);
    let request = request(Operation::Read, "config", Value::Null);
    let context = Context { host: &mount.host, request: &request };
    let look = || any_made_or_being_made(&context, &OrgId::stored(ORG_A), |_| true);
    for number in 0..MINT_STARTS_MAX {
        let held = mount.host.locks().acquire(&format!("mint-start/{ORG_A}/{number}")).unwrap();
        let error = look().unwrap_err().to_string();
        assert!(error.contains("begins to make a token"), "{number}: {error}");
        drop(held);
    }
    assert_eq!(look(), Ok(false));
}

#[test]
fn a_mint_that_asks_astra_holds_no_lock_of_a_start_and_one_that_counts_neither() {
    let mount = Mount::new();
    let host = mount.host.clone();
    let held = move || host.locks.held().into_iter().filter(|key| key.starts_with("mint-start/")).count();
    let (at_astra, seen) = (held.clone(), Arc::new(Mutex::new(Vec::new())));
    let (during, counting) = (Arc::clone(&seen), Arc::clone(&seen));
    mount.astra.during_next_make(move || during.lock().unwrap().push(at_astra()));
    Leased::of(mount.creds());
    mount.write_role(ORG_A, "reader", json!({ "role_id": ROLE_ID, "max_tokens": 5 }));
    let at_count = held.clone();
    mount.host.storage.before_next(StorageCall::List, "wal/", move || counting.lock().unwrap().push(at_count()));
    Leased::of(mount.creds());
    assert_eq!(*seen.lock().unwrap(), [0, 0]);
    assert_eq!(held(), 0);
}

/// Requests of several clients at once, in orders that chance chooses.
#[test]
fn mints_beside_deletions_of_their_config_leave_no_token_that_nothing_can_end() {
    let mount = Mount::new();
    let made = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for client in 0..4 {
            let (mount, made) = (&mount, &made);
            scope.spawn(move || {
                for number in 0..30 {
                    let name = json!({ "logical_name": format!("{client}-{number}") });
                    let answered = if number % 2 == 0 { mount.creds() } else { mount.org_token(name) };
                    let leased = answered.0.ok().flatten().filter(|response| !response.is_error());
                    made.lock().unwrap().extend(leased.and_then(|response| response.secret));
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..20 {
                mount.send(Operation::Delete, &format!("config/{ORG_A}"), json!({ "force": true })).0.unwrap();
                mount.write(&format!("config/{ORG_A}"), json!({ "astra_token": ADMIN_A })).0.unwrap();
            }
            // What is left is ended with what is kept.
            mount.send(Operation::Delete, &format!("config/{ORG_A}"), json!({ "force": true })).0.unwrap();
        });
    });
    for secret in made.into_inner().unwrap() {
        mount.revoke(mount.lease(secret)).done();
    }
    mount.rollback_later();
    mount.assert_settled(0);
}
