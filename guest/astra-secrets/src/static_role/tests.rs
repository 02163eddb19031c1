//! The life of a static role: its token is there at each moment, and none is
//! left behind in the end.

#![expect(clippy::unwrap_used, reason = "tests")]

mod config_delete;
mod due;
mod faults;
mod renewal;
mod storage_faults;
mod take_over;

use std::time::Duration;

use secrets_framework::Operation;
use secrets_framework::host::{HttpError, HttpMethod};
use secrets_framework::testing::StorageCall;
use serde_json::{Value, json};

use crate::limits::{REPLACED_TOKENS_MAX, STATIC_GRACE_DEFAULT};
use crate::testing::{ADMIN_A, Fault, Mount, ORG_A, On, ROLE_ID, assert_no_secret};
use crate::time_text;

pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// A mount with one static role, and the client ID of its token.
pub(super) fn with_role(mount: Mount) -> (Mount, String) {
    let client_id = mount.daily("app");
    mount.host.http.clear();
    mount.host.storage.clear_calls();
    (mount, client_id)
}

/// On OpenBao, and on Vault.
pub(super) fn mounts() -> [Mount; 2] {
    [Mount::new(), Mount::on_vault()]
}

#[test]
fn creating_one_makes_its_first_token_and_proves_it() {
    for mount in mounts() {
        mount.host.http.clear();
        let client_id = mount.daily("app");
        let asked: Vec<(HttpMethod, String)> =
            mount.host.http.requests().into_iter().map(|request| (request.method, request.path_and_query)).collect();
        assert_eq!(
            asked,
            [(HttpMethod::Post, "/v2/clientIdSecrets".to_owned()), (HttpMethod::Get, "/v2/currentOrg".to_owned())]
        );
        assert_eq!(mount.astra.expiry(&client_id), None, "it carries no expiry");
        mount.assert_static(1, 0);
    }
}

#[test]
fn a_read_shows_the_token_and_when_it_rotates() {
    let (mount, client_id) = with_role(Mount::new());
    mount.host.clock.advance(HOUR);
    let response = mount.read_creds("app").0.unwrap().unwrap();
    assert!(response.secret.is_none(), "it is not leased");
    assert_eq!(
        mount.read_creds("app").data(),
        json!({
            "clientId": client_id, "secret": format!("canary-secret-{client_id}"),
            "token": format!("AstraCS:{client_id}:canary"), "orgId": ORG_A, "roleName": "app", "logicalName": "",
            "generatedOn": "2026-01-01T00:00:00.147847107Z", "custom_metadata": null,
            "lastRotated": "2026-01-01T00:00:00Z", "last_vault_rotation": "2026-01-01T00:00:00Z",
            "rotation_schedule": "@every 86400s", "ttl": 23 * 3600,
        })
    );
    mount.record_no_reads();
    mount.host.storage.clear_calls();
    mount.read_creds("app").data();
    assert_eq!((mount.host.storage.calls(StorageCall::Get), mount.host.storage.calls(StorageCall::Put)), (3, 0));
    assert_no_secret(&mount.host.log.text());
    mount.host.clock.advance(2 * DAY);
    assert_eq!(mount.read_creds("app").data()["ttl"], 1, "a client that sleeps by 0 would not sleep at all");
}

#[test]
fn each_client_finds_in_static_creds_what_it_goes_by() {
    let (mount, _) = with_role(Mount::new());
    mount.write_static("cron", json!({ "rotation_schedule": "30 3 * * *" })).done();
    for (name, schedule) in [("app", "@every 86400s"), ("cron", "30 3 * * *")] {
        let data = mount.read_creds(name).data();
        // Vault Secrets Operator takes a credential for a static one by these three, and syncs by `ttl` again.
        assert_eq!(data["rotation_schedule"], schedule);
        assert!(time_text::parse(data["last_vault_rotation"].as_str().unwrap()).is_some_and(|time| !time.is_zero()));
        assert!(data["ttl"].as_u64().unwrap() >= 1);
        // consul-template sleeps by `rotation_period` rather than by `ttl`, and takes `metadata` for that of kv-v2.
        assert_eq!((data.get("rotation_period"), data.get("metadata")), (None, None));
    }
}

#[test]
fn a_rotation_by_hand_switches_and_the_old_token_lives_for_its_grace() {
    for mount in mounts() {
        let (mount, first) = with_role(mount);
        mount.host.clock.advance(HOUR);
        let rotated = mount.rotate_static("app").data();
        let second = mount.static_token("app");
        assert_eq!(
            rotated,
            json!({
                "client_id": second, "previous_client_id": first, "previous_ends": "2026-01-01T02:00:00Z",
                "last_rotated": "2026-01-01T01:00:00Z",
            })
        );
        assert_ne!(first, second);
        mount.assert_static(1, 1);
        mount.host.clock.advance(STATIC_GRACE_DEFAULT - MINUTE);
        mount.rollback().unwrap();
        assert!(mount.astra.is_live(&first));
        mount.host.clock.advance(MINUTE);
        mount.rollback().unwrap();
        mount.assert_static(1, 0);
        assert_eq!(mount.static_token("app"), second);
        assert_eq!(mount.read_creds("app").data()["ttl"], 23 * 3600, "the schedule counts from the rotation");
    }
}

#[test]
fn a_client_that_keeps_reading_and_using_is_never_refused() {
    let (mount, _) = with_role(Mount::new());
    mount.write_static("app", json!({ "rotation_period": "2h", "grace_period": "30m" })).done();
    let mut used = mount.static_token("app");
    // It reads each half hour less a minute, and uses what it read until then; the server calls each minute.
    for minute in 1..=24 * 60 {
        mount.host.clock.advance(MINUTE);
        mount.rollback().unwrap();
        assert!(mount.astra.is_live(&used), "refused in minute {minute}");
        if minute % 29 == 0 {
            used = mount.static_token("app");
        }
    }
    assert_eq!(mount.read_static("app")["failures"], 0);
    mount.host.clock.advance(HOUR);
    mount.rollback().unwrap();
    assert_eq!(mount.astra.live().len(), mount.recorded().len());
    assert!(mount.recorded().len() <= 2);
}

#[test]
fn rotations_within_the_grace_each_end_in_their_turn_and_have_a_limit() {
    let (mount, first) = with_role(Mount::new());
    for _ in 0..REPLACED_TOKENS_MAX {
        mount.host.clock.advance(MINUTE);
        mount.rotate_static("app").data();
    }
    mount.assert_static(1, REPLACED_TOKENS_MAX);
    let mistake = mount.rotate_static("app").mistake();
    assert!(mistake.contains("16 replaced tokens") && mistake.contains("2026-01-01T01:01:00Z"), "{mistake}");
    mount.assert_static(1, REPLACED_TOKENS_MAX);
    mount.host.clock.advance(HOUR - 15 * MINUTE);
    mount.rollback().unwrap();
    assert!(!mount.astra.is_live(&first));
    mount.assert_static(1, REPLACED_TOKENS_MAX - 1);
    mount.rotate_static("app").data();
    mount.delete_static("app").done();
    mount.assert_static(0, 0);
}

#[test]
fn a_leaked_token_can_be_ended_at_once() {
    let (mount, first) = with_role(Mount::new());
    mount.rotate_static("app").data();
    mount.send(Operation::Delete, &format!("tokens/{ORG_A}/{first}"), Value::Null).done();
    mount.assert_static(1, 0);
    // Its end comes, and finds nothing; so does the next rotation.
    mount.host.clock.advance(2 * HOUR);
    mount.rollback().unwrap();
    mount.rotate_static("app").data();
    mount.assert_static(1, 1);
}

#[test]
fn without_a_grace_period_the_old_token_ends_with_the_rotation() {
    for mount in mounts() {
        let (mount, first) = with_role(mount);
        mount.write_static("app", json!({ "grace_period": 0 })).warnings();
        assert_eq!(mount.rotate_static("app").data()["previous_client_id"], first);
        mount.assert_static(1, 0);
        // By the schedule, too.
        let second = mount.static_token("app");
        mount.host.clock.advance(DAY);
        mount.rollback().unwrap();
        assert_ne!(mount.static_token("app"), second);
        mount.assert_static(1, 0);
    }
}

#[test]
fn what_does_not_end_with_the_rotation_ends_at_the_next_call() {
    for fault in [Fault::Status(500, ""), Fault::DoneThenStatus(500, ""), Fault::Fails(HttpError::TimedOut)] {
        let (mount, _) = with_role(Mount::new());
        mount.write_static("app", json!({ "grace_period": 0 })).warnings();
        mount.astra.fail(On::Delete, fault);
        let asked = mount.host.http.requests().len();
        mount.rotate_static("app").data();
        assert_eq!(mount.host.http.requests().len() - asked, 3, "it is asked for once");
        mount.rollback().unwrap();
        mount.assert_static(1, 0);
    }
}

#[test]
fn deleting_one_revokes_its_tokens() {
    for mount in mounts() {
        let (mount, _) = with_role(mount);
        mount.daily("other");
        mount.rotate_static("app").data();
        mount.rotate_static("app").data();
        mount.assert_static(2, 2);
        mount.delete_static("app").done();
        mount.assert_static(1, 0);
        mount.read_creds("app").missing();
        mount.delete_static("app").done();
        mount.delete_static("other").done();
        mount.assert_static(0, 0);
    }
}

#[test]
fn the_tokens_are_listed_with_all_others() {
    let (mount, first) = with_role(Mount::new());
    mount.rotate_static("app").data();
    let second = mount.static_token("app");
    let list = mount.send(Operation::List, &format!("tokens/{ORG_A}/"), Value::Null).data();
    assert_eq!(list["keys"], json!([first, second]));
    assert_eq!(list["key_info"][&second]["role"], "app");
    assert_eq!(list["key_info"][&second]["expires"], Value::Null, "it has no end while it is held");
    assert_eq!(list["key_info"][&first]["expires"], "2026-01-01T01:00:00Z");
    let read = mount.send(Operation::Read, &format!("tokens/{ORG_A}/{second}"), Value::Null).data();
    assert_eq!((&read["kind"], &read["role_ids"]), (&json!("static"), &json!([ROLE_ID])));
    assert!(!read.to_string().contains("canary"));
    let info = mount.send(Operation::Read, "info", Value::Null).data();
    assert_eq!(info["organizations"][ORG_A]["static_roles"], 1);
    assert_eq!(info["organizations"][ORG_A]["tokens"], 2);
}

#[test]
fn it_is_read_at_its_own_path_only() {
    let (mount, first) = with_role(Mount::new());
    let mistake = mount.send(Operation::Read, "org/token", json!({ "org_id": ORG_A, "client_id": first })).mistake();
    assert!(mistake.contains(&format!("static-creds/{ORG_A}/app")), "{mistake}");
    let mistake = mount.send(Operation::Delete, &format!("tokens/{ORG_A}/{first}"), Value::Null).mistake();
    assert!(mistake.contains(&format!("rotate-role/{ORG_A}/app")), "{mistake}");
    mount.assert_static(1, 0);
}

#[test]
fn each_token_has_a_history() {
    for mount in mounts() {
        let (mount, first) = with_role(mount);
        mount.host.clock.advance(DAY);
        mount.rollback().unwrap();
        mount.host.clock.advance(HOUR);
        mount.rollback().unwrap();
        let events = |client_id: &str| {
            let read = mount.send(Operation::Read, &format!("tokens/{ORG_A}/{client_id}"), Value::Null).data();
            let events: Vec<Value> =
                read["history"].as_array().unwrap().iter().map(|event| event["event"].clone()).collect();
            (json!(events), read["ended_how"].clone())
        };
        let second = mount.static_token("app");
        assert_eq!(events(&first), (json!(["mint", "read", "rotate", "revoke"]), json!("rotated")));
        assert_eq!(events(&second), (json!(["mint", "read"]), Value::Null));
        mount.delete_static("app").done();
        assert_eq!(events(&second), (json!(["mint", "read", "revoke"]), json!("deleted")));
    }
}

#[test]
fn a_token_deleted_in_astra_is_healed_by_a_rotation() {
    for mount in mounts() {
        let (mount, first) = with_role(mount);
        mount.astra.delete_outside(&first);
        assert_eq!(mount.read_creds("app").data()["clientId"], first, "we do not ask Astra on a read");
        mount.rotate_static("app").data();
        mount.static_token("app");
        mount.host.clock.advance(2 * HOUR);
        mount.rollback().unwrap();
        mount.assert_static(1, 0);
        // The same for a deletion.
        mount.astra.delete_outside(&mount.static_token("app"));
        mount.delete_static("app").done();
        mount.assert_static(0, 0);
    }
}

#[test]
fn a_lost_record_is_healed_by_a_rotation() {
    let (mount, first) = with_role(Mount::new());
    mount.host.storage.remove(&format!("token/{first}"));
    mount.host.storage.remove(&format!("client-index/{ORG_A}/{first}"));
    mount.astra.delete_outside(&first);
    let text = mount.read_creds("app").0.unwrap_err().to_string();
    assert!(text.contains(&format!("rotate-role/{ORG_A}/app")), "{text}");
    // It may be in use, and so ends when its grace period is over, if it has not gone already.
    let rotated = mount.rotate_static("app").data();
    assert_eq!(rotated["previous_client_id"], first);
    mount.host.clock.advance(2 * HOUR);
    mount.rollback().unwrap();
    mount.assert_static(1, 0);
}

#[test]
fn the_description_says_whose_it_is_also_after_a_scheduled_rotation() {
    let mount = Mount::new();
    let fields = json!({ "rotation_period": "24h", "description": "{{role}} of {{display_name}} in {{org}}" });
    mount.write_static("app", fields).done();
    let text = format!("app of userpass-alice in {ORG_A} vault-mark:");
    assert!(mount.astra.description(&mount.static_token("app")).starts_with(&text));
    mount.host.clock.advance(DAY);
    let first = mount.static_token("app");
    mount.rollback().unwrap();
    let second = mount.static_token("app");
    assert_ne!(first, second);
    assert!(mount.astra.description(&second).starts_with(&text), "{}", mount.astra.description(&second));
    let record = mount.host.storage.json(&format!("token/{second}"));
    assert_eq!(record["createdBy"]["displayName"], "userpass-alice");
    // Without a template of its own it takes the config's.
    mount.configure(ORG_A, ADMIN_A, json!({ "description": "by config" }));
    mount.write_static("app", json!({ "description": "" })).done();
    mount.rotate_static("app").data();
    assert!(mount.astra.description(&mount.static_token("app")).starts_with("by config vault-mark:"));
}

#[test]
fn two_rotations_at_once_are_two_rotations() {
    let (mount, _) = with_role(Mount::new());
    std::thread::scope(|scope| {
        let rotations: Vec<_> = (0..2).map(|_| scope.spawn(|| mount.rotate_static("app").data())).collect();
        let rotated: Vec<Value> = rotations.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_ne!(rotated[0]["client_id"], rotated[1]["client_id"]);
    });
    mount.assert_static(1, 2);
    mount.static_token("app");
    mount.rollback_later();
    mount.assert_static(1, 2);
}

#[test]
fn who_waits_too_long_for_another_rotation_is_told() {
    let (mount, _) = with_role(Mount::new());
    mount.host.locks.set_wait(Duration::from_millis(20));
    let racing = mount.clone();
    mount.astra.during_next_make(move || {
        racing.rotate_static("app").0.unwrap_err();
        racing.delete_static("app").0.unwrap_err();
        racing.write_static("app", json!({})).0.unwrap_err();
        racing.static_token("app");
    });
    mount.rotate_static("app").data();
    mount.assert_static(1, 1);
}

#[test]
fn a_node_that_cannot_write_asks_astra_nothing() {
    let (mount, client_id) = with_role(Mount::new());
    mount.host.clock.advance(2 * DAY);
    mount.host.storage.set_read_only(true);
    for answered in [
        mount.rotate_static("app"),
        mount.delete_static("app"),
        mount.write_static("app", json!({ "grace_period": "5m" })),
        mount.write_static("new", json!({ "rotation_period": "24h" })),
    ] {
        assert_eq!(answered.failed().1, secrets_framework::testing::READ_ONLY_TEXT);
    }
    assert!(mount.rollback().is_err());
    assert!(mount.host.http.requests().is_empty());
    // A read that is recorded is for the node that can write; one that is not is served.
    assert_eq!(mount.read_creds("app").failed().1, secrets_framework::testing::READ_ONLY_TEXT);
    mount.record_no_reads();
    assert_eq!(mount.static_token("app"), client_id);
    mount.host.storage.set_read_only(false);
    mount.assert_static(1, 0);
}

#[test]
fn a_role_narrowed_away_is_not_used_again() {
    let (mount, client_id) = with_role(Mount::new());
    let other = "88888888-8888-4888-8888-888888888888";
    mount.configure(ORG_A, ADMIN_A, json!({ "allowed_role_ids": [other] }));
    assert!(mount.rotate_static("app").mistake().contains("`allowed_role_ids`"));
    mount.host.clock.advance(DAY);
    mount.rollback().unwrap_err();
    assert_eq!(mount.static_token("app"), client_id);
    let read = mount.read_static("app");
    assert_eq!(read["failures"], 1);
    assert!(read["last_error"].as_str().unwrap().contains("`allowed_role_ids`"));
    mount.assert_static(1, 0);
    mount.write_static("app", json!({ "role_ids": [other] })).warnings();
    mount.host.clock.advance(MINUTE);
    mount.rollback().unwrap();
    assert_ne!(mount.static_token("app"), client_id);
    assert_eq!(mount.read_static("app")["failures"], 0);
    assert_eq!(mount.astra.roles(&mount.static_token("app")), json!([other]));
    mount.assert_static(1, 1);
}

#[test]
fn tokens_move_with_their_organization() {
    let (mount, first) = with_role(Mount::new());
    mount.astra.add_org("AstraCS:Moved:canary", ORG_A, "https://moved.example.org");
    let fields = json!({ "url": "https://moved.example.org", "force": true });
    mount.configure(ORG_A, "AstraCS:Moved:canary", fields);
    mount.rotate_static("app").data();
    mount.assert_static(1, 1);
    mount.host.clock.advance(2 * HOUR);
    mount.rollback().unwrap();
    assert!(!mount.astra.is_live(&first), "ended where it was made");
    mount.assert_static(1, 0);
}
