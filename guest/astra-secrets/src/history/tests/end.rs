//! Ended tokens: how each ended, and what is still shown of it.

use std::time::Duration;

use secrets_framework::Operation;
use secrets_framework::host::{Clock, HttpError, NotSent};
use serde_json::{Value, json};

use super::{app, events, read_as, shown, with_record};
use crate::ending::{Patience, Target, end_token};
use crate::history::End;
use crate::testing::{Fault, LATER, Leased, Mount, ORG_A, On, ROLE_ID, assert_no_secret};

fn delete(mount: &Mount, client_id: &str) {
    mount.send(Operation::Delete, &format!("tokens/{ORG_A}/{client_id}"), Value::Null).done();
}

#[test]
fn an_ended_token_shows_what_it_was() {
    for mount in [Mount::new(), Mount::on_vault()] {
        let client_id = app(&mount).client_id();
        mount.host.clock.advance(Duration::from_secs(60));
        delete(&mount, &client_id);
        let ended = shown(&mount, &client_id);
        let alice = |time: &str, event: &str| {
            json!({
                "time": time, "event": event, "display_name": "userpass-alice", "entity_id": "entity-alice",
                "accessor": "accessor-alice", "request_id": "00000000-0000-4000-8000-000000000001",
                "remote_address": "127.0.0.1",
            })
        };
        assert_eq!(
            ended,
            json!({
                "client_id": client_id, "org_id": ORG_A, "role": "reader", "role_ids": [ROLE_ID], "logical_name": "app",
                "metadata": { "team": "blue" }, "kind": "standard",
                "created_by":
                    { "display_name": "userpass-alice", "entity_id": "entity-alice", "entity_name": "", "accessor": "accessor-alice" },
                "made": "2026-01-01T00:00:00Z", "expires": "2026-01-01T01:00:00Z", "expires_at": "2026-01-01T04:20:00Z",
                "ended": "2026-01-01T00:01:00Z", "ended_how": "deleted",
                "history": [alice("2026-01-01T00:00:00Z", "mint"), alice("2026-01-01T00:01:00Z", "revoke")],
            })
        );
        // It is no token any more: not listed, not read, and deleted again without a word.
        mount.send(Operation::List, &format!("tokens/{ORG_A}/"), Value::Null).missing();
        mount.send(Operation::List, "org/tokens/", Value::Null).missing();
        read_as(&mount, "bob", &client_id).missing();
        delete(&mount, &client_id);
        assert_eq!(shown(&mount, &client_id), ended);
        mount.assert_settled(0);
    }
}

#[test]
fn a_name_that_is_free_again_has_a_history_for_each_token() {
    let mount = Mount::new();
    let first = app(&mount).client_id();
    delete(&mount, &first);
    let second = app(&mount).client_id();
    assert_eq!(events(&mount, &first), ["mint", "revoke"]);
    assert_eq!(events(&mount, &second), ["mint"]);
}

#[test]
fn a_revoked_lease_and_one_that_nobody_revoked_say_so() {
    let mount = Mount::new();
    let revoked = Leased::of(mount.creds());
    let left = Leased::of(mount.creds()).client_id();
    let client_id = revoked.client_id();
    mount.revoke(mount.lease(revoked.secret)).done();
    assert_eq!(shown(&mount, &client_id)["ended_how"], "revoked");
    assert_eq!(events(&mount, &client_id), ["mint", "revoke"]);
    mount.host.clock.advance(Duration::from_secs(2 * 3600));
    mount.rollback().unwrap();
    assert_eq!(shown(&mount, &left)["ended_how"], "lease-ended");
    assert_eq!(events(&mount, &left), ["mint", "revoke"]);
    mount.assert_settled(0);
}

#[test]
fn what_other_code_ends_says_how() {
    for (how, word) in [(End::Rotated, "rotated"), (End::Tidied, "tidied")] {
        let mount = Mount::new();
        let client_id = Leased::of(mount.creds()).client_id();
        with_record(&mount, &client_id, |context, record| {
            let target = Target::of(&record, how, Patience::Rollback);
            end_token(context, &target).unwrap();
        });
        assert_eq!(shown(&mount, &client_id)["ended_how"], word);
        mount.assert_settled(0);
    }
}

/// The server died between the record and the drop of the write-ahead entry:
/// without transactions, that leaves both.
#[test]
fn a_mint_that_is_undone_says_that_nobody_had_the_token() {
    let mount = Mount::on_vault();
    // Entry, index, index, record; then the entry's drop.
    mount.host.storage.die_at_write(5);
    mount.astra.fail_times(On::Delete, 1, Fault::Fails(HttpError::NotSent(NotSent::Refused)));
    mount.creds().0.unwrap_err();
    mount.host.storage.clear_faults();
    mount.astra.heal();
    let client_id = mount.recorded().pop_first().unwrap();
    mount.host.clock.advance(LATER);
    mount.rollback().unwrap();
    assert_eq!(shown(&mount, &client_id)["ended_how"], "undone");
    mount.assert_settled(0);
}

#[test]
fn an_end_that_fails_in_astra_is_no_end() {
    let mount = Mount::new();
    let client_id = app(&mount).client_id();
    mount.astra.fail_times(On::Delete, 3, Fault::Status(500, ""));
    mount.send(Operation::Delete, &format!("tokens/{ORG_A}/{client_id}"), Value::Null).failed();
    assert!(shown(&mount, &client_id).get("ended").is_none());
    assert_eq!(events(&mount, &client_id), ["mint"]);
    assert_no_secret(&shown(&mount, &client_id).to_string());
}

#[test]
fn the_time_of_an_end_is_when_astra_was_done() {
    let mount = Mount::new();
    let client_id = app(&mount).client_id();
    mount.host.clock.advance(Duration::from_secs(1800));
    let now = mount.host.clock.now();
    delete(&mount, &client_id);
    let key = format!("history/{ORG_A}/{client_id}");
    assert_eq!(mount.host.storage.json(&key)["ended"]["at"], now.as_secs());
}
