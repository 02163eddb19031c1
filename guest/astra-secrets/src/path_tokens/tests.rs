//! `tokens/:org` and `tokens/:org/:client_id`: what is shown, and an end.

#![expect(clippy::unwrap_used, reason = "tests")]

mod list;

use secrets_framework::Operation;
use secrets_framework::host::SystemViewError;
use secrets_framework::testing::{READ_ONLY_TEXT, StorageCall};
use serde_json::{Value, json};

use crate::testing::{ADMIN_A, ADMIN_B, Fault, Leased, Mount, ORG_A, ORG_B, On, ROLE_ID, assert_no_secret};

fn path(client_id: &str) -> String {
    format!("tokens/{ORG_A}/{client_id}")
}

#[test]
fn a_record_is_shown_without_its_secret() {
    let mount = Mount::new();
    let made = Leased::of(mount.org_token(json!({ "logical_name": "app", "metadata": "team=blue" })));
    let shown = mount.send(Operation::Read, &path(&made.client_id()), Value::Null).data();
    assert_eq!(
        shown,
        json!({
            "client_id": made.client_id(), "org_id": ORG_A, "role": "reader", "role_ids": [ROLE_ID],
            "logical_name": "app", "metadata": { "team": "blue" },
            "created_by": {
                "display_name": "userpass-alice", "entity_id": "entity-alice", "entity_name": "",
                "accessor": "accessor-alice"
            },
            "made": "2026-01-01T00:00:00Z", "expires": "2026-01-01T01:00:00Z", "expires_at": "2026-01-01T04:20:00Z",
            "kind": "standard",
            "history": [{
                "time": "2026-01-01T00:00:00Z", "event": "mint", "display_name": "userpass-alice",
                "entity_id": "entity-alice", "accessor": "accessor-alice",
                "request_id": "00000000-0000-4000-8000-000000000001", "remote_address": "127.0.0.1",
            }],
        })
    );
    mount.send(Operation::Read, &path("None"), Value::Null).missing();
    mount.send(Operation::Read, &path(&made.client_id().to_lowercase()), Value::Null).missing();
}

#[test]
fn a_list_shows_one_organization() {
    let mount = Mount::new();
    mount.configure(ORG_B, ADMIN_B, json!({}));
    let list = |org: &str| mount.send(Operation::List, &format!("tokens/{org}/"), Value::Null);
    list(ORG_A).missing();
    let made = Leased::of(mount.creds());
    list(ORG_B).missing();
    let listed = list(ORG_A).data();
    assert_eq!(
        listed,
        json!({
            "keys": [made.client_id()],
            "key_info": { made.client_id(): {
                "role": "reader", "logical_name": "", "owner": "userpass-alice",
                "made": "2026-01-01T00:00:00Z", "expires": "2026-01-01T01:00:00Z",
            } },
        })
    );
    assert_no_secret(&listed.to_string());
}

#[test]
fn a_delete_revokes_in_astra_and_removes_the_record() {
    for mount in [Mount::new(), Mount::on_vault()] {
        let made = Leased::of(mount.creds());
        let other = Leased::of(mount.creds());
        mount.send(Operation::Delete, &path(&made.client_id()), Value::Null).done();
        assert_eq!(mount.astra.live().into_iter().collect::<Vec<_>>(), [other.client_id()]);
        mount.assert_settled(1);
        // Again, and its lease, too.
        mount.send(Operation::Delete, &path(&made.client_id()), Value::Null).done();
        mount.revoke(mount.lease(made.secret)).done();
        mount.assert_settled(1);
    }
}

#[test]
fn a_token_without_a_record_is_not_ours_to_delete() {
    let mount = Mount::new();
    mount.astra.make_outside("Bystander", "made by hand");
    mount.host.http.clear();
    mount.send(Operation::Delete, &path("Bystander"), Value::Null).done();
    assert!(mount.host.http.requests().is_empty());
    assert!(mount.astra.live().contains("Bystander"));
}

#[test]
fn a_token_whose_record_cannot_be_read_is_told_apart_from_one_that_is_not_there() {
    let mount = Mount::new();
    let client_id = Leased::of(mount.creds()).client_id();
    mount.host.storage.seed(&format!("token/{client_id}"), "canary");
    for (operation, what) in [(Operation::Read, "so it cannot be shown"), (Operation::Delete, "so it was not revoked")]
    {
        let (code, text) = mount.send(operation, &path(&client_id), Value::Null).failed();
        assert_eq!(code, None, "{text}");
        assert!([what, "revoke its lease", client_id.as_str()].iter().all(|part| text.contains(part)), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
    assert!(mount.astra.is_live(&client_id));
}

#[test]
fn a_delete_that_astra_does_not_do_keeps_the_record() {
    let mount = Mount::new();
    let made = Leased::of(mount.creds());
    mount.astra.fail_times(On::Delete, 3, Fault::Status(500, ""));
    let (code, text) = mount.send(Operation::Delete, &path(&made.client_id()), Value::Null).failed();
    assert_eq!(code, Some(502), "{text}");
    mount.assert_settled(1);
}

/// The server then hands the request on, and the active node does all of it.
#[test]
fn a_delete_on_a_standby_does_nothing() {
    let mount = Mount::new();
    let made = Leased::of(mount.creds());
    mount.host.storage.set_read_only(true);
    mount.host.http.clear();
    let (_, text) = mount.send(Operation::Delete, &path(&made.client_id()), Value::Null).failed();
    assert!(text.contains(READ_ONLY_TEXT), "{text}");
    assert!(mount.host.http.requests().is_empty());
    mount.host.storage.set_read_only(false);
    mount.assert_settled(1);
}

#[test]
fn an_organization_has_one_spelling_and_is_listed_when_its_config_has_gone() {
    let mount = Mount::new();
    mount.configure(ORG_A, ADMIN_A, json!({ "logical_name": "Prod" }));
    let made = Leased::of(mount.creds());
    let text = mount.send(Operation::List, "tokens/Prod/", Value::Null).mistake();
    assert!(text.contains(ORG_A), "{text}");
    mount.send(Operation::Delete, &format!("config/{ORG_A}"), json!({ "force": true })).0.unwrap();
    let listed = mount.send(Operation::List, &format!("tokens/{ORG_A}/"), Value::Null).data();
    assert_eq!(listed["keys"], json!([made.client_id()]));
    mount.send(Operation::Delete, &path(&made.client_id()), Value::Null).done();
    mount.assert_settled(0);
}

#[test]
fn odd_organizations_of_an_old_mount_are_kept_apart() {
    let mount = Mount::new();
    for org in ["a/b", "a%2Fb", "a:b"] {
        let record =
            json!({ "clientId": "Odd", "secret": "canary", "token": "AstraCS:canary", "orgId": org, "roleName": "r" });
        mount.host.storage.seed(&format!("token/{org}"), record.to_string());
    }
    mount.host.storage.remove("token/a/b");
    mount.host.storage.remove("state/index");
    mount.rollback().unwrap();
    let read = |org: &str| mount.send(Operation::Read, &format!("tokens/{org}/Odd"), Value::Null).data();
    assert_eq!(read("a%2Fb")["org_id"], "a%2Fb");
    assert_eq!(read("a:b")["org_id"], "a:b");
    mount.send(Operation::Read, &format!("tokens/{ORG_A}/Odd"), Value::Null).missing();
}

#[test]
fn a_token_that_ends_during_a_read_is_shown_as_ended() {
    let mount = Mount::new();
    let client_id = Leased::of(mount.creds()).client_id();
    let (racing, ending) = (mount.clone(), path(&client_id));
    mount.host.storage.before_next(StorageCall::Get, "client-index/", move || {
        racing.send(Operation::Delete, &ending, Value::Null).done();
    });
    let shown = mount.send(Operation::Read, &path(&client_id), Value::Null).data();
    assert_eq!(shown["ended_how"], "deleted", "{shown}");
}

#[test]
fn a_token_shows_the_name_of_the_entity_that_had_it_made() {
    let mount = Mount::new();
    mount.host.system_view.set_entity_name("entity-alice", "alice");
    let named = Leased::of(mount.creds()).client_id();
    mount.host.system_view.fail_entities(SystemViewError::Failed("sealed".to_owned()));
    let unnamed = Leased::of(mount.creds()).client_id();
    for (client_id, name) in [(named, "alice"), (unnamed, "")] {
        let shown = mount.send(Operation::Read, &format!("tokens/{ORG_A}/{client_id}"), Value::Null).data();
        assert_eq!(shown["created_by"]["entity_name"], name);
        assert_eq!(shown["created_by"]["entity_id"], "entity-alice");
    }
    assert!(mount.host.log.text().contains("sealed"), "why the name is missing");
}

/// Who asked for the token's end must not see it live on because a client renews its lease.
#[test]
fn the_lease_of_a_token_whose_deletion_failed_cannot_be_renewed() {
    for mount in [Mount::new(), Mount::on_vault()] {
        let made = Leased::of(mount.creds());
        let (client_id, lease) = (made.client_id(), mount.lease(made.secret));
        mount.astra.fail_times(On::Delete, 10, Fault::Status(503, ""));
        mount.send(Operation::Delete, &path(&client_id), Value::Null).failed();
        let text = mount.renew(lease).mistake();
        assert!(text.contains("is being ended"), "{text}");
        mount.astra.heal();
        mount.rollback_later();
        mount.assert_settled(0);
    }
}
