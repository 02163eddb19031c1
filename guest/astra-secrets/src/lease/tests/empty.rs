//! The Go plugin's leases and records that stand for no token: Astra had
//! answered with an error, whose body the Go plugin stored and leased.

use secrets_framework::host::StorageError;
use secrets_framework::testing::StorageCall;

use super::*;
use crate::limits::INDEX_WALK_PAUSE;
use crate::names::{OrgId, RoleName};
use crate::record::RecordId;
use crate::testing::task_key;

/// A mount of the Go plugin with such a record, as a run of the Go plugin 2.0.0 left it, beside a token of ours.
fn mount() -> (Mount, String) {
    let mount = Mount::new();
    Leased::of(mount.creds());
    mount.host.http.clear();
    let key = RecordId::named(&OrgId::stored(ORG_A), &RoleName::stored("reader"), "empty").key();
    let record = json!({
        "clientId": "", "secret": "", "orgId": ORG_A, "roleName": "reader", "roles": null, "token": "",
        "generatedOn": "", "logicalName": "empty", "metadata": {},
    });
    mount.host.storage.seed(&key, record.to_string());
    mount.host.storage.remove("state/index");
    (mount, key)
}

fn lease_of(mount: &Mount, key: &str) -> Lease {
    let internal_data = json!({
        "clientId": "", "orgId": ORG_A, "roleName": "reader", "secret_type": "astra_token",
        "tokenId": key.strip_prefix("token/").unwrap(),
    });
    Lease {
        id: "org/token/x".to_owned(),
        issue_time: mount.host.clock.now(),
        ttl: HOUR,
        max_ttl: 2 * HOUR,
        increment: Duration::ZERO,
        renewable: true,
        internal_data: internal_data.as_object().unwrap().clone(),
    }
}

fn named() -> Value {
    json!({ "org_id": ORG_A, "role_name": "reader", "logical_name": "empty" })
}

fn has(mount: &Mount, key: &str) -> bool {
    mount.host.storage.keys().iter().any(|stored| stored == key)
}

#[test]
fn a_lease_that_stands_for_no_token_ends_without_asking_astra() {
    let (mount, key) = mount();
    let lease = lease_of(&mount, &key);
    let text = mount.renew(with(&lease, |_| {})).mistake();
    assert!(text.contains("stands for no token") && text.contains("revoke the lease"), "{text}");
    mount.revoke(with(&lease, |_| {})).done();
    assert!(!has(&mount, &key));
    // And again, as the server may; and one in sidecar mode, which names no record either.
    mount.revoke(with(&lease, |_| {})).done();
    mount.revoke(with(&lease, |lease| drop(lease.internal_data.insert("tokenId".to_owned(), json!(""))))).done();
    assert!(mount.host.http.requests().is_empty(), "Astra was asked");
    mount.rollback().unwrap();
    mount.assert_settled(1);
}

#[test]
fn a_lease_without_a_client_id_ends_with_a_record_that_stands_for_no_token() {
    let (mount, key) = mount();
    let lease = with(&lease_of(&mount, &key), |lease| drop(lease.internal_data.remove("clientId")));
    assert!(mount.renew(with(&lease, |_| {})).mistake().contains("stands for no token"));
    mount.revoke(lease).done();
    assert!(!has(&mount, &key) && mount.host.http.requests().is_empty());
}

#[test]
fn the_config_need_not_be_there_to_end_a_lease_that_stands_for_no_token() {
    let (mount, key) = mount();
    mount.host.storage.remove(&format!("config/{ORG_A}"));
    mount.revoke(lease_of(&mount, &key)).done();
    assert!(!has(&mount, &key));
}

#[test]
fn the_logical_name_of_a_record_that_stands_for_no_token_is_free() {
    let (mount, key) = mount();
    mount.send(Operation::Read, "org/token", named()).missing();
    let made = Leased::of(mount.write("org/token", named())).client_id();
    assert_eq!(mount.host.storage.json(&key)["clientId"], json!(made));
    assert_eq!(mount.send(Operation::Read, "org/token", named()).data()["clientId"], json!(made));
    // The old lease ends without the new token.
    mount.revoke(lease_of(&mount, &key)).done();
    let old = with(&lease_of(&mount, &key), |lease| drop(lease.internal_data.remove("clientId")));
    mount.revoke(old).mistake();
    assert!(mount.astra.is_live(&made));
    mount.rollback().unwrap();
    mount.assert_settled(2);
}

#[test]
fn a_name_is_given_out_on_a_server_without_transactions_too() {
    let (mount, _) = mount();
    mount.host.storage.set_transactional(false);
    Leased::of(mount.write("org/token", named()));
    mount.rollback().unwrap();
    mount.assert_settled(2);
}

#[test]
fn no_list_shows_a_record_that_stands_for_no_token() {
    let (mount, _) = mount();
    for filled in [false, true] {
        if filled {
            mount.rollback().unwrap();
        }
        let all = mount.send(Operation::List, "org/tokens/", Value::Null).data();
        let of_org = mount.send(Operation::List, &format!("tokens/{ORG_A}/"), Value::Null).data();
        for list in [all, of_org] {
            assert_eq!(list["keys"].as_array().unwrap().len(), 1, "{list}");
            assert!(!list["keys"].as_array().unwrap().contains(&json!("")), "{list}");
        }
        let info = mount.send(Operation::Read, "info", Value::Null).data();
        assert_eq!(info["organizations"][ORG_A]["tokens"], 1);
    }
}

#[test]
fn rollback_removes_a_record_that_stands_for_no_token_and_fills_the_index() {
    let (mount, key) = mount();
    mount.rollback().unwrap();
    assert!(!has(&mount, &key));
    assert_eq!(mount.host.storage.json("state/index")["complete"], true);
    let message = "a record of the Go plugin that stands for no token was removed";
    assert_eq!(mount.host.log.text().matches(message).count(), 1);
    mount.rollback().unwrap();
    assert_eq!(mount.host.log.text().matches(message).count(), 1);
    assert_eq!(mount.send(Operation::Read, &format!("config/{ORG_A}/check"), Value::Null).data()["healthy"], true);
    // A mount that was the Go plugin's again for a while.
    let (again, key) = self::mount();
    mount.host.storage.seed(&key, again.host.storage.json(&key).to_string());
    mount.host.clock.advance(INDEX_WALK_PAUSE);
    mount.rollback().unwrap();
    assert!(!has(&mount, &key));
}

#[test]
fn tidy_and_a_deletion_of_the_config_work_beside_a_record_that_stands_for_no_token() {
    let (mount, _) = mount();
    let answer = mount.write("tidy", json!({ "dry_run": false })).data();
    assert_eq!((&answer["complete"], &answer["failed"], &answer["gone"]), (&json!(true), &json!({}), &json!([])));
    let (mount, key) = self::mount();
    let path = format!("config/{ORG_A}");
    assert!(mount.send(Operation::Delete, &path, Value::Null).mistake().contains("alive"), "a token of ours is");
    for client_id in mount.astra.live() {
        mount.send(Operation::Delete, &format!("tokens/{ORG_A}/{client_id}"), Value::Null).done();
    }
    mount.send(Operation::Delete, &path, Value::Null).done();
    mount.revoke(lease_of(&mount, &key)).done();
    mount.rollback().unwrap();
    mount.assert_settled(0);
}

#[test]
fn a_record_that_stands_for_no_token_and_has_an_end_is_ended_without_asking_astra() {
    let (mount, key) = mount();
    // Nothing writes both; Astra must not be asked to delete the token with an empty ID all the same.
    let mut record = mount.host.storage.json(&key);
    record["leaseEnd"] = json!(1);
    mount.host.storage.seed(&key, record.to_string());
    let now = secrets_framework::host::Clock::now(&*mount.host.clock).as_secs();
    let due = task_key("token", now, &format!("{ORG_A}..{}", key.strip_prefix("token/").unwrap()));
    mount.host.storage.seed(&due, "{}");
    mount.rollback().unwrap();
    assert!(!has(&mount, &key) && !has(&mount, &due) && mount.host.http.requests().is_empty());
}

/// Storage itself cannot read the entries, as where they are too large for a message.
#[test]
fn a_lease_is_renewed_and_ended_beside_entries_that_storage_cannot_read() {
    let mount = Mount::new();
    let made = Leased::of(mount.creds());
    let key = mount.host.storage.keys().into_iter().find(|key| key.starts_with("token/")).unwrap();
    let lease = mount.lease(made.secret);
    let too_large = || StorageError::Failed("received message larger than max".to_owned());
    for unreadable in [key.as_str(), "role/"] {
        mount.host.storage.fail_prefix(StorageCall::Get, unreadable, too_large());
    }
    assert_eq!(granted(mount.renew(with(&lease, |_| {}))).0, HOUR);
    mount.revoke(lease).done();
    assert!(mount.astra.live().is_empty() && !has(&mount, &key));
}

#[test]
fn a_lease_whose_record_cannot_be_read_is_renewed_and_ended_by_what_it_holds() {
    for fields in [json!({}), json!({ "logical_name": "app" })] {
        let mount = Mount::new();
        let made = Leased::of(mount.org_token(fields));
        let key = mount.host.storage.keys().into_iter().find(|key| key.starts_with("token/")).unwrap();
        mount.host.storage.seed(&key, r#"["canary"]"#);
        let lease = mount.lease(made.secret);
        assert_eq!(granted(mount.renew(with(&lease, |_| {}))).0, HOUR);
        mount.revoke(lease).done();
        assert!(mount.astra.live().is_empty() && !has(&mount, &key));
        mount.rollback_later();
        mount.assert_no_secret_logged();
    }
}
