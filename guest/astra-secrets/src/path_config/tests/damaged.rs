//! A config that cannot be read is written anew or deleted by force; nothing is guessed about where its token was to go.

use secrets_framework::host::StorageError;
use secrets_framework::testing::StorageCall;

use super::*;

const CLIENT: &str = "LiveClientLiveClientLive";

/// A mount with a live token of organization A, whose config is damaged in each way that there is.
fn each_damage(check: impl Fn(&Mount)) {
    let without_json = json!("canary").to_string();
    let without_url = json!({ "astra_token": TOKEN_A, "url": ["canary"] }).to_string();
    for entry in [without_json, without_url] {
        let mount = Mount::with_org_a();
        mount.seed_token(ORG_A, CLIENT);
        mount.host.storage.seed(&path_a(), entry);
        check(&mount);
    }
}

#[test]
fn a_damaged_config_is_written_anew() {
    each_damage(|mount| {
        for body in [json!({}), json!({ "astra_token": TOKEN_A }), json!({ "url": "", "force": true })] {
            let (code, text) = mount.write(&path_a(), body).failed();
            assert_eq!(code, None, "{text}");
            assert!(text.contains("is damaged") && text.contains("with `astra_token` and `url`"), "{text}");
            assert!(!text.contains("canary"), "{text}");
        }
        assert!(mount.host.http.requests().is_empty(), "nothing was sent");
        mount.write(&path_a(), json!({ "astra_token": TOKEN_A, "url": "", "max_retries": 1 })).done();
        assert_eq!(mount.read(&path_a(), json!({})).data()["max_retries"], 1);
        assert!(mount.host.log.text().contains("a write took the place of a config that could not be read"));
        assert!(!mount.host.log.text().contains("canary"));
        let mistake = mount.delete(&path_a(), json!({})).mistake();
        assert!(mistake.contains("tokens that are alive"), "its tokens are still known: {mistake}");
    });
}

#[test]
fn a_damaged_config_is_written_anew_by_the_go_plugins_path() {
    each_damage(|mount| {
        mount.write("config", json!({ "org_id": ORG_A, "astra_token": TOKEN_A, "url": "" })).done();
        assert_eq!(mount.read("config", json!({ "org_id": ORG_A })).data()["org_id"], ORG_A);
    });
}

#[test]
fn a_damaged_config_is_deleted_by_force_only() {
    each_damage(|mount| {
        let (_, text) = mount.delete(&path_a(), json!({})).failed();
        assert!(text.contains("or delete it with `force=true`"), "{text}");
        mount.delete(&path_a(), json!({ "force": true })).done();
        mount.read(&path_a(), json!({})).missing();
        assert!(mount.host.log.text().contains("a config that could not be read was deleted by force"));
        mount.write(&path_a(), json!({ "astra_token": TOKEN_A, "url": "" })).done();
        let mistake = mount.delete(&path_a(), json!({})).mistake();
        assert!(mistake.contains("tokens that are alive"), "its tokens are still known: {mistake}");
    });
}

#[test]
fn storage_that_fails_as_a_whole_is_no_damaged_config() {
    let mount = Mount::with_org_a();
    mount.host.storage.fail_all(StorageError::Failed("sealed".to_owned()));
    mount.write(&path_a(), json!({ "astra_token": TOKEN_A, "url": "" })).failed();
    mount.delete(&path_a(), json!({ "force": true })).failed();
    mount.host.storage.clear_faults();
    assert_eq!(mount.read(&path_a(), json!({})).data()["org_id"], ORG_A);

    // An entry that storage cannot read is damaged, too.
    mount.host.storage.fail_prefix(StorageCall::Get, &path_a(), StorageError::Failed("cannot decrypt".to_owned()));
    mount.delete(&path_a(), json!({ "force": true })).done();
    mount.host.storage.clear_faults();
    mount.read(&path_a(), json!({})).missing();
}
