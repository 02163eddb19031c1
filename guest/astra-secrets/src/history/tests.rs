//! Histories: each event with who had it happen, bounds, ends, faults.

#![expect(clippy::unwrap_used, reason = "tests")]

mod damaged;
mod end;
mod faults;
mod forget;
mod reads;

use secrets_framework::Operation;
use secrets_framework::host::Host;
use secrets_framework::testing::request;
use secrets_framework::{Context, Request};
use serde_json::{Value, json};

use super::Event;
use crate::config::test_mount::Answered;
use crate::limits::HISTORY_EVENTS_MAX;
use crate::names::{ClientId, OrgId};
use crate::record;
use crate::storage::write_batch;
use crate::testing::{Leased, Mount, ORG_A, assert_no_secret};

/// A token that `org/token` can read again.
fn app(mount: &Mount) -> Leased {
    Leased::of(mount.org_token(json!({ "logical_name": "app", "metadata": "team=blue" })))
}

/// Bob reads it.
fn read_as(mount: &Mount, who: &str, client_id: &str) -> Answered {
    let mut request = request(Operation::Read, "org/token", json!({ "org_id": ORG_A, "client_id": client_id }));
    name(&mut request, who);
    Answered(crate::BACKEND.handle(&mount.host, &request))
}

fn name(request: &mut Request, who: &str) {
    request.id = format!("request-{who}");
    request.identity.display_name = format!("userpass-{who}");
    request.identity.entity_id = format!("entity-{who}");
    request.identity.token_accessor = format!("accessor-{who}");
    request.identity.remote_address = format!("address-{who}");
}

/// What `tokens/:org/:client_id` shows.
fn shown(mount: &Mount, client_id: &str) -> Value {
    mount.send(Operation::Read, &format!("tokens/{ORG_A}/{client_id}"), Value::Null).data()
}

/// The words of its events.
fn events(mount: &Mount, client_id: &str) -> Vec<String> {
    let shown = shown(mount, client_id);
    let events = shown["history"].as_array().unwrap();
    events.iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect()
}

/// How many reads wait to be folded into histories.
fn waiting(mount: &Mount) -> usize {
    mount.host.storage.keys().iter().filter(|key| key.starts_with("reads/")).count()
}

/// The key of a token's record, and its JSON.
fn stored_record(mount: &Mount, client_id: &str) -> (String, Value) {
    let index = mount.host.storage.json(&format!("client-index/{ORG_A}/{client_id}"));
    let key = format!("token/{}", index["id"].as_str().unwrap());
    let record = mount.host.storage.json(&key);
    (key, record)
}

/// Does something to a token as its own code would, with its record.
fn with_record(mount: &Mount, client_id: &str, act: impl FnOnce(&Context<'_>, record::Record)) {
    let request = request(Operation::Update, "x", Value::Null);
    let context = Context { host: &mount.host as &dyn Host, request: &request };
    let record = record::find(&context, &OrgId::stored(ORG_A), &ClientId::stored(client_id)).unwrap().unwrap();
    act(&context, record);
}

#[test]
fn each_event_says_when_what_and_who() {
    let mount = Mount::new();
    let made = app(&mount);
    let client_id = made.client_id();
    let second = std::time::Duration::from_secs(1);
    mount.host.clock.advance(second);
    read_as(&mount, "bob", &client_id).data();
    mount.host.clock.advance(second);
    mount.renew(mount.lease(made.secret)).0.unwrap();
    mount.host.clock.advance(second);
    with_record(&mount, &client_id, |context, mut record| {
        record.history.note(context, Event::Rotate);
        write_batch(context, &[record::write_of(&record).unwrap()]).unwrap();
    });
    let shown = shown(&mount, &client_id);
    assert_eq!(
        shown["history"],
        json!([
            {
                "time": "2026-01-01T00:00:00Z", "event": "mint", "display_name": "userpass-alice",
                "entity_id": "entity-alice", "accessor": "accessor-alice",
                "request_id": "00000000-0000-4000-8000-000000000001", "remote_address": "127.0.0.1",
            },
            {
                "time": "2026-01-01T00:00:01Z", "event": "read", "display_name": "userpass-bob",
                "entity_id": "entity-bob", "accessor": "accessor-bob", "request_id": "request-bob",
                "remote_address": "address-bob",
            },
            // The server names nobody.
            { "time": "2026-01-01T00:00:02Z", "event": "renew" },
            {
                "time": "2026-01-01T00:00:03Z", "event": "rotate", "display_name": "userpass-alice",
                "entity_id": "entity-alice", "accessor": "accessor-alice",
                "request_id": "00000000-0000-4000-8000-000000000001", "remote_address": "127.0.0.1",
            },
        ])
    );
    assert_no_secret(&shown.to_string());
    mount.rollback().unwrap();
    assert_no_secret(&stored_record(&mount, &client_id).1["history"].to_string());
}

#[test]
fn a_mint_writes_nothing_for_its_history() {
    let mount = Mount::new();
    let client_id = Leased::of(mount.creds()).client_id();
    assert_eq!(stored_record(&mount, &client_id).1["history"], Value::Null);
    assert!(!mount.host.storage.keys().iter().any(|key| key.starts_with("history/")));
    assert_eq!(events(&mount, &client_id), ["mint"]);
}

#[test]
fn a_full_history_drops_the_oldest_and_keeps_the_mint() {
    let mount = Mount::new();
    let client_id = app(&mount).client_id();
    for number in 0..HISTORY_EVENTS_MAX {
        mount.host.clock.advance(std::time::Duration::from_nanos(1));
        read_as(&mount, &number.to_string(), &client_id).data();
    }
    let shown = shown(&mount, &client_id);
    let history = shown["history"].as_array().unwrap();
    assert_eq!(history.len(), HISTORY_EVENTS_MAX);
    assert_eq!((&history[0]["event"], &history[1]["display_name"]), (&json!("mint"), &json!("userpass-1")));
    let last = format!("userpass-{}", HISTORY_EVENTS_MAX - 1);
    assert_eq!(history.last().unwrap()["display_name"], last.as_str());
}

#[test]
fn without_records_of_reads_nothing_is_written_and_reads_are_logged_all_the_same() {
    let mount = Mount::new();
    mount.record_no_reads();
    let client_id = app(&mount).client_id();
    mount.host.log.clear();
    mount.host.storage.set_read_only(true);
    read_as(&mount, "bob", &client_id).data();
    assert_eq!(events(&mount, &client_id), ["mint"]);
    assert!(mount.host.log.text().contains("userpass-bob"));
}

#[test]
fn a_node_that_cannot_write_passes_a_recorded_read_on() {
    let mount = Mount::new();
    let client_id = app(&mount).client_id();
    mount.host.log.clear();
    mount.host.storage.set_read_only(true);
    let (code, text) = read_as(&mount, "bob", &client_id).failed();
    assert_eq!((code, text.as_str()), (None, secrets_framework::testing::READ_ONLY_TEXT));
    assert!(!mount.host.log.text().contains("a token was read"), "it was not");
    // What is not there is told here and now, and records are read where they are asked for.
    read_as(&mount, "bob", "None").missing();
    assert_eq!(events(&mount, &client_id), ["mint"]);
    mount.host.storage.set_read_only(false);
    read_as(&mount, "bob", &client_id).data();
    assert_eq!(events(&mount, &client_id), ["mint", "read"]);
}

#[test]
fn readers_at_once_are_all_recorded() {
    for mount in [Mount::new(), Mount::on_vault()] {
        let made = app(&mount);
        let client_id = made.client_id();
        std::thread::scope(|scope| {
            for number in 0..20 {
                let (mount, client_id) = (&mount, &client_id);
                scope.spawn(move || read_as(mount, &number.to_string(), client_id).data());
            }
            scope.spawn(|| mount.renew(mount.lease(made.secret)).0.unwrap());
        });
        assert_eq!(events(&mount, &client_id).len(), 22);
        mount.assert_settled(1);
    }
}

#[test]
fn a_token_of_the_go_plugin_has_a_history_from_now_on() {
    let mount = Mount::new();
    mount.astra.make_outside("GoToken", "");
    let record = json!({
        "clientId": "GoToken", "secret": "canary", "token": "AstraCS:canary", "orgId": ORG_A, "roleName": "reader",
        "logicalName": "", "generatedOn": "2025-12-31T23:00:00.1Z",
    });
    mount.host.storage.seed("token/GoToken", record.to_string());
    assert_eq!(events(&mount, "GoToken"), Vec::<String>::new());
    read_as(&mount, "bob", "GoToken").data();
    assert_eq!(events(&mount, "GoToken"), ["read"]);
    mount.send(Operation::Delete, &format!("tokens/{ORG_A}/GoToken"), Value::Null).done();
    let shown = shown(&mount, "GoToken");
    assert_eq!((&shown["made"], &shown["role"]), (&json!("2025-12-31T23:00:00.1Z"), &json!("reader")));
    assert_eq!(events(&mount, "GoToken"), ["read", "revoke"]);
}
