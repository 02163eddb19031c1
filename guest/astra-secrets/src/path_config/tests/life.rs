//! Deleting a config, and moving it to another origin, with and without live tokens.

use serde_json::json;

use super::*;

const CLIENT: &str = "LiveClientLiveClientLive";
const NEW_URL: &str = "https://api.dev.cloud.datastax.com";

fn retired_key() -> String {
    format!("retired-config/{ORG_A}")
}

#[test]
fn a_config_without_tokens_is_deleted_whole() {
    let mount = Mount::with_org_a();
    mount.write(&path_a(), json!({ "logical_name": "prod" })).done();
    mount.seed_token(ORG_B, CLIENT);
    mount.delete("config", json!({ "logical_name": "prod" })).done();
    assert_eq!(mount.host.storage.keys(), [format!("token/{CLIENT}")], "another's token does not matter");
    mount.read(&path_a(), json!({})).missing();
    mount.delete(&path_a(), json!({})).done();
    mount.delete("config", json!({ "org_id": ORG_A })).done();
    mount.delete("config", json!({ "logical_name": "prod" })).done();
}

#[test]
fn a_config_with_live_tokens_is_kept_unless_forced() {
    // Section 6, point 7.
    let mount = Mount::with_org_a();
    mount.seed_token(ORG_A, CLIENT);
    let before = mount.host.storage.snapshot();
    let mistake = mount.delete(&path_a(), json!({})).mistake();
    assert!(mistake.contains(ORG_A) && mistake.contains("`force=true`"), "{mistake}");
    assert_eq!(mount.host.storage.snapshot(), before);

    mount.delete(&path_a(), json!({ "force": "true" })).done();
    mount.read(&path_a(), json!({})).missing();
    mount.list("configs/").missing();
    let retired = &mount.host.storage.snapshot()[&retired_key()];
    assert!(retired.seal_wrap);
    let retired = mount.host.storage.json(&retired_key());
    assert_eq!(retired["configs"][0]["astra_token"], TOKEN_A);
    assert_eq!(retired["configs"][0]["url"], "https://api.astra.datastax.com");
}

#[test]
fn a_config_that_comes_back_serves_its_origin_itself() {
    let mount = Mount::with_org_a();
    mount.seed_token(ORG_A, CLIENT);
    mount.write(&path_a(), json!({ "astra_token": TOKEN_A, "url": NEW_URL, "force": true })).done();
    mount.delete(&path_a(), json!({ "force": true })).done();
    let urls = |mount: &Mount| {
        let retired = mount.host.storage.json(&retired_key());
        let configs = retired["configs"].as_array().cloned().unwrap_or_default();
        configs.iter().map(|config| config["url"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(urls(&mount), ["https://api.astra.datastax.com", NEW_URL]);
    mount.write(&path_a(), json!({ "astra_token": TOKEN_A, "url": NEW_URL })).done();
    assert_eq!(urls(&mount), ["https://api.astra.datastax.com"]);
    mount.delete(&path_a(), json!({ "force": true })).done();
    mount.host.storage.remove(&format!("token/{CLIENT}"));
    mount.write(&path_a(), json!({ "astra_token": TOKEN_A })).done();
    assert_eq!(urls(&mount), [NEW_URL]);
    mount.write(&path_a(), json!({ "astra_token": TOKEN_A, "url": NEW_URL })).done();
    assert!(!mount.host.storage.keys().contains(&retired_key()), "no admin token is kept that nobody needs");
}

#[test]
fn a_forced_delete_leaves_something_to_revoke_with_at_every_step() {
    for transactional in [true, false] {
        for nth in 1..=4 {
            let mount = Mount::with_org_a();
            mount.write(&path_a(), json!({ "logical_name": "prod" })).done();
            mount.seed_token(ORG_A, CLIENT);
            mount.host.storage.set_transactional(transactional);
            mount.host.storage.die_at_write(nth);
            let died = mount.delete(&path_a(), json!({ "force": true })).0.is_err();
            mount.host.storage.clear_faults();
            let keys = mount.host.storage.keys();
            assert!(keys.contains(&path_a()) || keys.contains(&retired_key()), "{transactional} {nth}: {keys:?}");
            if died {
                mount.delete(&path_a(), json!({ "force": true })).done();
            }
            assert_eq!(mount.host.storage.keys().iter().filter(|key| key.starts_with("config/")).count(), 0);
            assert!(mount.host.storage.keys().contains(&retired_key()));
            mount.read("config", json!({ "org_id": "prod" })).missing();
        }
    }
}

#[test]
fn a_url_leaves_its_origin_only_when_no_token_lives_or_by_force() {
    let mount = Mount::with_org_a();
    mount.seed_token(ORG_A, CLIENT);
    let mistake = mount.write(&path_a(), json!({ "astra_token": TOKEN_A, "url": NEW_URL })).mistake();
    assert!(mistake.contains("`force=true`") && mistake.contains("https://api.astra.datastax.com"), "{mistake}");
    mount.write(&path_a(), json!({ "astra_token": TOKEN_A, "url": "https://api.astra.datastax.com/gateway" })).done();
    mount.write(&path_a(), json!({ "astra_token": TOKEN_A, "url": NEW_URL, "force": true })).done();
    assert_eq!(mount.read(&path_a(), json!({})).data()["url"], NEW_URL);
    let retired = mount.host.storage.json(&retired_key());
    assert_eq!(retired["configs"][0]["url"], "https://api.astra.datastax.com/gateway");

    let mount = Mount::with_org_a();
    mount.write(&path_a(), json!({ "astra_token": TOKEN_A, "url": NEW_URL })).done();
    assert!(!mount.host.storage.keys().contains(&retired_key()), "nothing to revoke, nothing kept");
}

#[test]
fn a_forced_move_leaves_something_to_revoke_with_at_every_step() {
    let old_origin = "https://api.astra.datastax.com";
    for transactional in [true, false] {
        for nth in 1..=3 {
            let mount = Mount::with_org_a();
            mount.seed_token(ORG_A, CLIENT);
            mount.host.storage.set_transactional(transactional);
            mount.host.storage.die_at_write(nth);
            let move_it = || mount.write(&path_a(), json!({ "astra_token": TOKEN_A, "url": NEW_URL, "force": true }));
            let died = move_it().0.is_err();
            mount.host.storage.clear_faults();
            let is_current = mount.host.storage.json(&path_a())["url"] == old_origin;
            let is_retired = mount.host.storage.json(&retired_key())["configs"][0]["url"] == old_origin;
            assert!(is_current || is_retired, "{transactional} {nth}");
            if died {
                move_it().done();
            }
            assert_eq!(mount.host.storage.json(&path_a())["url"], NEW_URL);
            assert_eq!(mount.host.storage.json(&retired_key())["configs"].as_array().unwrap().len(), 1);
        }
    }
}

#[test]
fn an_unsettled_mint_keeps_what_could_settle_it() {
    for delete in [true, false] {
        let mount = Mount::with_org_a();
        let entry = json!({
            "type": crate::mint::INTENT_KIND, "created_at": 1_767_225_600,
            "data": { "orgId": ORG_A, "origin": "https://api.astra.datastax.com", "mark": format!("vault-mark:x:{:032}", 1), "roles": [] },
        });
        mount.host.storage.seed(&crate::testing::Mount::entry_key(ORG_A, "x"), entry.to_string());
        if delete {
            mount.delete(&path_a(), json!({})).done();
        } else {
            mount.write(&path_a(), json!({ "astra_token": TOKEN_A, "url": NEW_URL })).done();
        }
        assert_eq!(mount.host.storage.json(&retired_key())["configs"][0]["astra_token"], TOKEN_A);
    }
}

#[test]
fn writers_take_turns_and_a_busy_lock_is_503() {
    use secrets_framework::host::Locks as _;

    let mount = Mount::with_org_a();
    mount.host.locks.set_wait(std::time::Duration::from_millis(1));
    let _held = mount.host.locks.acquire("config").unwrap();
    assert_eq!(mount.write(&path_a(), json!({ "logical_name": "x" })).failed().0, Some(503));
    assert_eq!(mount.delete(&path_a(), json!({})).failed().0, Some(503));
}
