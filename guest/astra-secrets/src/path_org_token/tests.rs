//! `org/token` and `org/tokens`: both modes, names, reads and lists.

#![expect(clippy::unwrap_used, reason = "tests")]

use secrets_framework::testing::StorageCall;
use secrets_framework::{Error, Operation};
use serde_json::{Value, json};

use crate::testing::{ADMIN_A, ADMIN_B, Leased, Mount, ORG_A, ORG_B, ROLE_ID, assert_no_secret};

fn read(mount: &Mount, fields: Value) -> crate::config::test_mount::Answered {
    mount.send(Operation::Read, "org/token", fields)
}

fn app(mount: &Mount) -> Leased {
    Leased::of(mount.org_token(json!({ "logical_name": "app" })))
}

#[test]
fn a_token_is_read_again_by_the_three_and_by_its_client_id() {
    let mount = Mount::new();
    let made = app(&mount);
    assert_eq!(made.data["logicalName"], "app");
    let by_name = read(&mount, json!({ "org_id": ORG_A, "role_name": "reader", "logical_name": "app" }));
    assert!(by_name.0.as_ref().unwrap().as_ref().unwrap().secret.is_none(), "a read is not leased");
    assert_eq!(by_name.data(), made.data);
    let by_client = read(&mount, json!({ "org_id": ORG_A, "client_id": made.client_id() }));
    assert_eq!(by_client.data(), made.data);
    // Another one, without a name, is known by its client ID.
    let other = Leased::of(mount.org_token(json!({})));
    assert_eq!(read(&mount, json!({ "org_id": ORG_A, "client_id": other.client_id() })).data(), other.data);
    mount.assert_settled(2);
}

#[test]
fn names_are_folded_as_the_go_plugin_did() {
    let mount = Mount::new();
    mount.configure(ORG_A, ADMIN_A, json!({ "logical_name": "Prod" }));
    let fields = json!({ "org_id": "Prod", "role_name": "READER", "logical_name": "My App" });
    let made = Leased::of(mount.write("org/token", fields.clone()));
    assert_eq!((&made.data["logicalName"], &made.data["orgId"]), (&json!("my app"), &json!(ORG_A)));
    assert_eq!(read(&mount, fields).data(), made.data);
    let id = crate::record::RecordId::named(
        &crate::names::OrgId::stored(ORG_A),
        &crate::names::RoleName::stored("reader"),
        "my app",
    );
    assert_eq!(mount.host.storage.json(&id.key())["clientId"], made.data["clientId"]);
}

#[test]
fn the_same_three_again_are_409_and_make_nothing() {
    for mount in [Mount::new(), Mount::on_vault()] {
        app(&mount);
        mount.host.http.clear();
        let answered = mount.org_token(json!({ "logical_name": "App" }));
        assert!(matches!(&answered.0, Err(Error::Coded { code: 409, .. })), "{answered:?}");
        let text = answered.0.unwrap_err().to_string();
        assert!(text.contains("`app`") && text.contains("`reader`") && text.contains(ORG_A), "{text}");
        assert!(mount.host.http.requests().is_empty());
        mount.assert_settled(1);
        // Other names, other tokens.
        Leased::of(mount.org_token(json!({ "logical_name": "app2" })));
        mount.assert_settled(2);
    }
}

#[test]
fn of_writers_racing_for_a_name_one_makes_a_token() {
    for mount in [Mount::new(), Mount::on_vault()] {
        let made = std::thread::scope(|scope| {
            let racers: Vec<_> =
                (0..8).map(|_| scope.spawn(|| mount.org_token(json!({ "logical_name": "app" })))).collect();
            let answered: Vec<_> = racers.into_iter().map(|racer| racer.join().unwrap()).collect();
            answered
                .into_iter()
                .filter(|answered| match &answered.0 {
                    Ok(_) => true,
                    Err(Error::Coded { code, .. }) => {
                        assert_eq!(*code, 409);
                        false
                    }
                    Err(error) => panic!("{error}"),
                })
                .count()
        });
        assert_eq!(made, 1);
        mount.assert_settled(1);
    }
}

#[test]
fn a_writer_in_another_process_is_found_in_the_transaction() {
    let mount = Mount::new();
    let other = mount.clone();
    // Not under our lock: another node that was active until just now.
    mount.astra.during_next_make(move || {
        let id = crate::record::RecordId::named(
            &crate::names::OrgId::stored(ORG_A),
            &crate::names::RoleName::stored("reader"),
            "app",
        );
        other.astra.make_outside("Winner", "");
        let record = json!({ "clientId": "Winner", "orgId": ORG_A, "roleName": "reader", "logicalName": "app" });
        other.host.storage.seed(&id.key(), record.to_string());
    });
    let answered = mount.org_token(json!({ "logical_name": "app" }));
    assert!(matches!(answered.0, Err(Error::Coded { code: 409, .. })));
    assert_eq!(mount.astra.live().into_iter().collect::<Vec<_>>(), ["Winner"]);
    assert_eq!(mount.open_entries(), 0);
}

#[test]
fn sidecar_mode_makes_one_each_time_and_keeps_no_secret() {
    let mount = Mount::new();
    mount.configure(ORG_A, ADMIN_A, json!({ "caller_mode": "sidecar" }));
    let fields = json!({ "org_id": ORG_A, "role_name": "reader", "logical_name": "app", "client_id": "ignored" });
    let made = [
        Leased::of(mount.write("org/token", fields.clone())),
        Leased::of(mount.write("org/token", fields.clone())),
        Leased::of(read(&mount, fields.clone())),
        Leased::of(read(&mount, fields)),
    ];
    for leased in &made {
        assert_eq!(leased.data["logicalName"], "");
        let record = mount.host.storage.json(&format!("token/{}", leased.client_id()));
        assert_eq!(record["kind"], "sidecar");
        assert!(record.get("secret").is_none() && record.get("token").is_none());
    }
    mount.assert_settled(4);
}

#[test]
fn reads_are_logged_with_who_and_what_and_without_secrets() {
    let mount = Mount::new();
    let made = app(&mount);
    mount.host.log.clear();
    read(&mount, json!({ "org_id": ORG_A, "client_id": made.client_id() })).data();
    let text = mount.host.log.text();
    for part in ["a token was read", &made.client_id(), "userpass-alice", "entity-alice"] {
        assert!(text.contains(part), "{part} not in {text}");
    }
    assert_no_secret(&text);
}

#[test]
fn mistakes_are_400_and_what_is_not_there_is_404() {
    let mount = Mount::new();
    for (fields, part) in [
        (json!({}), "org_id"),
        (json!({ "org_id": ORG_B, "role_name": "reader", "logical_name": "app" }), ORG_B),
        (json!({ "org_id": ORG_A, "logical_name": "app" }), "role_name"),
        (json!({ "org_id": ORG_A, "role_name": "reader" }), "logical_name"),
    ] {
        let text = read(&mount, fields.clone()).mistake();
        assert!(text.contains(part), "{fields}: {text}");
    }
    read(&mount, json!({ "org_id": ORG_A, "role_name": "reader", "logical_name": "none" })).missing();
    read(&mount, json!({ "org_id": ORG_A, "client_id": "None" })).missing();
    for (fields, part) in [
        (json!({ "org_id": ORG_B, "role_name": "reader" }), ORG_B),
        (json!({ "org_id": ORG_A }), "role_name"),
        (json!({ "org_id": ORG_A, "role_name": "nobody" }), "`nobody`"),
        (json!({ "org_id": ORG_A, "role_name": "reader", "logical_name": "a\u{7}" }), "logical_name"),
        (json!({ "org_id": ORG_A, "role_name": "reader", "logical_name": "a".repeat(257) }), "256"),
    ] {
        let text = mount.write("org/token", fields.clone()).mistake();
        assert!(text.contains(part), "{fields}: {text}");
    }
    mount.assert_settled(0);
}

#[test]
fn a_secret_that_is_kept_nowhere_cannot_be_read() {
    let mount = Mount::new();
    let made = Leased::of(mount.creds());
    let text = read(&mount, json!({ "org_id": ORG_A, "client_id": made.client_id() })).mistake();
    assert!(text.contains("kept nowhere"), "{text}");
}

#[test]
fn a_look_up_by_client_id_stays_within_the_organization_and_reads_no_others() {
    let mount = Mount::new();
    mount.configure(ORG_B, ADMIN_B, json!({}));
    let made = app(&mount);
    for _ in 0..50 {
        Leased::of(mount.creds());
    }
    read(&mount, json!({ "org_id": ORG_B, "client_id": made.client_id() })).missing();
    mount.host.storage.clear_calls();
    read(&mount, json!({ "org_id": ORG_A, "client_id": made.client_id() })).data();
    assert_eq!(mount.host.storage.calls(StorageCall::Get), 3, "config, index, record");
    mount.record_no_reads();
    mount.host.storage.clear_calls();
    read(&mount, json!({ "org_id": ORG_A, "client_id": made.client_id() })).data();
    assert_eq!(mount.host.storage.calls(StorageCall::Get), 3, "config, index, record");
    assert_eq!(mount.host.storage.calls(StorageCall::List), 0);
}

#[test]
fn an_index_that_is_wrong_or_missing_is_put_right_on_use() {
    let mount = Mount::new();
    mount.record_no_reads();
    let made = Leased::of(mount.org_token(json!({})));
    let key = format!("client-index/{ORG_A}/{}", made.client_id());
    let by_client = json!({ "org_id": ORG_A, "client_id": made.client_id() });
    for spoilt in ["{}", "garbage", r#"{"id":"elsewhere"}"#] {
        mount.host.storage.seed(&key, spoilt);
        assert_eq!(read(&mount, by_client.clone()).data(), made.data);
        assert_eq!(mount.host.storage.json(&key), json!({ "id": made.client_id() }));
    }
    mount.host.storage.remove(&key);
    // On a node that cannot write the answer is right all the same.
    mount.host.storage.set_read_only(true);
    assert_eq!(read(&mount, by_client.clone()).data(), made.data);
    mount.host.storage.set_read_only(false);
    read(&mount, by_client).data();
    mount.assert_settled(1);
}

#[test]
fn a_list_shows_all_organizations_and_nothing_secret() {
    let mount = Mount::new();
    let list = || mount.send(Operation::List, "org/tokens/", Value::Null);
    list().missing();
    mount.configure(ORG_B, ADMIN_B, json!({}));
    mount.write_role(ORG_B, "writer", json!({ "role_id": ROLE_ID }));
    let a = app(&mount);
    let b = Leased::of(mount.write("org/token", json!({ "org_id": ORG_B, "role_name": "writer", "metadata": "k=v" })));
    let listed = list().data();
    assert_eq!(listed["keys"], json!([a.client_id(), b.client_id()]));
    assert_eq!(
        listed["key_info"][&b.client_id()],
        json!({
            "clientId": b.client_id(), "orgId": ORG_B, "roleName": "writer", "logicalName": "",
            "generatedOn": "2026-01-01T00:00:00.147847107Z", "metadata": { "k": "v" },
        })
    );
    assert_no_secret(&listed.to_string());
}

#[test]
fn a_damaged_record_hides_no_other() {
    let mount = Mount::new();
    let made = app(&mount);
    mount.host.storage.seed("token/damaged", "AstraCS:canary");
    mount.host.storage.remove("state/index");
    for _ in 0..2 {
        let listed = mount.send(Operation::List, "org/tokens/", Value::Null).data();
        assert_eq!(listed["keys"], json!([made.client_id()]));
        mount.rollback().unwrap();
    }
    mount.assert_no_secret_logged();
}
