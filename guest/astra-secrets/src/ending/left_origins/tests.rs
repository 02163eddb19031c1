//! Configs that have left an origin at which nothing lives any more, while tokens live at the next one.

#![expect(clippy::unwrap_used, reason = "tests")]

use secrets_framework::Operation;
use secrets_framework::testing::StorageCall;
use serde_json::{Value, json};

use crate::limits::{RECORDS_READ_AT_ONCE, RETIRED_CONFIGS_MAX, RETIRED_SEARCH_RECORDS_MAX};
use crate::mint::INTENT_KIND;
use crate::testing::{ADMIN_A, ASTRA, LATER, Leased, Mount, ORG_A};

const MOVED: &str = "AstraCS:Moved:canary";
const NEW_ORIGIN: &str = "https://moved.example.org";

fn retired_key() -> String {
    format!("retired-config/{ORG_A}")
}

fn is_kept(mount: &Mount) -> bool {
    mount.host.storage.keys().contains(&retired_key())
}

fn move_to_new_origin(mount: &Mount) {
    mount.astra.add_org(MOVED, ORG_A, NEW_ORIGIN);
    mount.configure(ORG_A, MOVED, json!({ "url": NEW_ORIGIN, "force": true }));
}

/// A config has left an origin without tokens, and its admin token there is dead. The client ID of a token at the new origin.
fn moved() -> (Mount, String) {
    let mount = Mount::new();
    let lease = mount.lease(Leased::of(mount.creds()).secret);
    move_to_new_origin(&mount);
    let made = Leased::of(mount.creds()).client_id();
    mount.revoke(lease).done();
    mount.astra.answer_bearer(ADMIN_A, Ok(401));
    assert!(is_kept(&mount), "whoever holds a token's lock leaves it to rollback");
    (mount, made)
}

/// One more record like that of `client_id`, with these fields.
fn seed_copy(mount: &Mount, client_id: &str, copy: &str, fields: Value) {
    let mut record = mount.host.storage.json(&format!("token/{client_id}"));
    record["clientId"] = json!(copy);
    record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    mount.host.storage.seed(&format!("token/{copy}"), record.to_string());
    mount.host.storage.seed(&format!("client-index/{ORG_A}/{copy}"), json!({ "id": copy }).to_string());
}

fn remove_copy(mount: &Mount, copy: &str) {
    mount.host.storage.remove(&format!("token/{copy}"));
    mount.host.storage.remove(&format!("client-index/{ORG_A}/{copy}"));
}

#[track_caller]
fn tidied(mount: &Mount) -> Value {
    mount.write("tidy", json!({ "dry_run": false, "org_id": ORG_A })).data()
}

#[test]
fn a_left_origin_without_tokens_fails_no_tidy_and_no_check() {
    let (mount, made) = moved();
    mount.rollback().unwrap();
    assert!(!is_kept(&mount));
    let answer = tidied(&mount);
    assert_eq!((&answer["failed"], &answer["complete"]), (&json!({}), &json!(true)));
    let check = mount.send(Operation::Read, &format!("config/{ORG_A}/check"), Value::Null).data();
    assert_eq!(check["tidy"]["ok"], "yes", "{check}");
    assert!(mount.astra.is_live(&made));
    mount.assert_no_secret_logged();
}

#[test]
fn it_goes_after_the_admin_token_of_ours_that_ended_itself_there() {
    let mount = Mount::new();
    mount.write(&format!("config/{ORG_A}/rotate-root"), json!({})).data();
    mount.host.clock.advance(LATER);
    mount.rollback().unwrap();
    let lease = mount.lease(Leased::of(mount.creds()).secret);
    let before = mount.astra.live();
    move_to_new_origin(&mount);
    let made = Leased::of(mount.creds()).client_id();
    mount.host.clock.advance(LATER);
    mount.rollback().unwrap();
    assert!(is_kept(&mount) && before.is_subset(&mount.astra.live()));
    mount.revoke(lease).done();
    mount.host.clock.advance(LATER);
    mount.rollback().unwrap();
    assert!(!is_kept(&mount));
    assert_eq!(mount.astra.live().into_iter().collect::<Vec<_>>(), [made]);
    assert_eq!(tidied(&mount)["failed"], json!({}));
}

#[test]
fn what_may_be_of_the_origin_keeps_its_config() {
    let mark = format!("vault-mark:11111111-2222-4333-8444-555555555555:{:032x}", 7);
    let entry = |origin: Value| {
        let data = json!({ "orgId": ORG_A, "origin": origin, "mark": mark, "roles": [] });
        json!({ "type": INTENT_KIND, "data": data, "created_at": 4_000_000_000_u64 }).to_string()
    };
    let keeps = |seed: &dyn Fn(&Mount, &str) -> Vec<String>| {
        let (mount, made) = moved();
        let keys = seed(&mount, &made);
        for _ in 0..3 {
            let _ = mount.rollback();
            assert!(is_kept(&mount), "{keys:?}");
        }
        for key in keys {
            mount.host.storage.remove(&key);
        }
        mount.rollback().unwrap();
        assert!(!is_kept(&mount));
    };
    let record = |fields: Value| {
        move |mount: &Mount, made: &str| {
            seed_copy(mount, made, "z", fields.clone());
            vec!["token/z".to_owned(), format!("client-index/{ORG_A}/z")]
        }
    };
    keeps(&record(json!({ "origin": ASTRA })));
    keeps(&record(json!({ "origin": null })));
    keeps(&|mount, made| {
        let keys = record(json!({}))(mount, made);
        mount.host.storage.seed("token/z", "canary");
        keys
    });
    for damaged_or_there in ["canary".to_owned(), entry(json!(ASTRA)), entry(json!("")), entry(json!(7))] {
        keeps(&|mount, _| {
            let key = Mount::entry_key(ORG_A, "open");
            mount.host.storage.seed(&key, damaged_or_there.clone());
            vec![key]
        });
    }
    // What is of another origin does not.
    let (mount, made) = moved();
    seed_copy(&mount, &made, "z", json!({ "origin": "https://third.example.org" }));
    mount.host.storage.seed(&Mount::entry_key(ORG_A, "open"), entry(json!(NEW_ORIGIN)));
    let _ = mount.rollback();
    assert!(!is_kept(&mount));
}

#[test]
fn a_search_among_many_records_takes_some_calls() {
    let (mount, made) = moved();
    for number in 0..5 * RETIRED_SEARCH_RECORDS_MAX / 2 {
        seed_copy(&mount, &made, &format!("A{number:06}"), json!({}));
    }
    seed_copy(&mount, &made, "z", json!({ "origin": ASTRA }));
    let reads_of_a_call = || {
        mount.finish_index_scan();
        mount.host.storage.clear_calls();
        mount.rollback().unwrap();
        assert!(is_kept(&mount));
        mount.host.storage.calls(StorageCall::Get)
    };
    // The count of the tokens of each role reads all records once.
    reads_of_a_call();
    for _ in 0..2 {
        let reads = reads_of_a_call();
        assert!(reads < (RETIRED_SEARCH_RECORDS_MAX + RECORDS_READ_AT_ONCE) as u64, "{reads} reads");
    }
    // It goes on right before the token that it found, and writes nothing.
    mount.host.storage.clear_calls();
    let reads = reads_of_a_call();
    assert!(reads < 2 * RECORDS_READ_AT_ONCE as u64, "{reads} reads");
    let kept = mount.host.storage.json(&retired_key());
    assert!(kept["configs"][0]["searched_up_to"].as_str().unwrap() > "A001000", "{kept}");
    remove_copy(&mount, "z");
    mount.rollback().unwrap();
    assert!(!is_kept(&mount));
}

#[test]
fn a_config_that_returns_and_leaves_again_begins_the_search_anew() {
    let (mount, made) = moved();
    for number in 0..=RETIRED_SEARCH_RECORDS_MAX {
        seed_copy(&mount, &made, &format!("A{number:06}"), json!({}));
    }
    mount.rollback().unwrap();
    assert!(mount.host.storage.json(&retired_key())["configs"][0]["searched_up_to"].is_string());
    mount.astra.heal();
    mount.configure(ORG_A, ADMIN_A, json!({ "url": "", "force": true }));
    // Before all that the search has seen.
    seed_copy(&mount, &made, "0", json!({ "origin": ASTRA }));
    mount.configure(ORG_A, MOVED, json!({ "url": NEW_ORIGIN, "force": true }));
    for _ in 0..5 {
        mount.rollback().unwrap();
        assert!(is_kept(&mount), "it is to end the token `0`");
    }
    remove_copy(&mount, "0");
    for _ in 0..2 {
        mount.rollback().unwrap();
    }
    assert!(!is_kept(&mount));
}

#[test]
fn a_config_moves_as_often_as_it_likes_where_it_leaves_no_tokens() {
    let (mount, _) = moved();
    for number in 0..2 * RETIRED_CONFIGS_MAX {
        let url = format!("https://o{number}.example.org");
        mount.configure(ORG_A, MOVED, json!({ "url": url, "force": true, "verify": false }));
        mount.rollback().unwrap();
    }
    let kept = mount.host.storage.json(&retired_key());
    let urls: Vec<&Value> = kept["configs"].as_array().unwrap().iter().map(|config| &config["url"]).collect();
    assert_eq!(urls, [NEW_ORIGIN], "a token lives there");
}

#[test]
fn what_is_damaged_of_a_retired_config_stays_without_the_rest() {
    let (mount, _) = moved();
    let mut kept = mount.host.storage.json(&retired_key());
    kept["configs"].as_array_mut().unwrap().push(json!("canary"));
    mount.host.storage.seed(&retired_key(), kept.to_string());
    mount.rollback().unwrap();
    let kept = mount.host.storage.json(&retired_key());
    assert_eq!((&kept["configs"], &kept["damaged"]), (&json!([]), &json!(["canary"])));
}

/// The token may be of either origin, so the index notes none, and the token is found.
#[test]
fn a_go_plugins_token_that_is_indexed_after_a_move_keeps_the_left_origin() {
    const OLD: &str = "MadeByTheGoPluginMadeByT";
    let mount = Mount::new();
    let record = json!({ "clientId": OLD, "orgId": ORG_A, "roleName": "reader", "roles": [], "logicalName": "" });
    mount.host.storage.seed(&format!("token/{OLD}"), record.to_string());
    mount.host.storage.remove("state/index");
    mount.astra.make_outside(OLD, "");
    move_to_new_origin(&mount);
    Leased::of(mount.creds());
    for _ in 0..4 {
        mount.host.clock.advance(LATER);
        mount.rollback().unwrap();
        assert!(is_kept(&mount));
    }
    assert!(mount.host.storage.json(&format!("token/{OLD}")).get("origin").is_none());
    mount.send(Operation::Delete, &format!("tokens/{ORG_A}/{OLD}"), Value::Null).done();
    assert!(!mount.astra.is_live(OLD));
    mount.rollback().unwrap();
    assert!(!is_kept(&mount));
}

#[test]
fn the_error_of_a_retired_config_names_its_origin_and_how_its_tokens_are_ended() {
    let (mount, made) = moved();
    seed_copy(&mount, &made, "z", json!({ "origin": ASTRA }));
    mount.rollback().unwrap();
    let failed = tidied(&mount)["failed"][ORG_A].as_str().unwrap().to_owned();
    let step = format!("write `config/{ORG_A}` with that `url`, another `astra_token` and `force=true`");
    assert!(failed.contains(&format!("organization `{ORG_A}` at `{ASTRA}` (")) && failed.contains(&step), "{failed}");
    assert!(failed.contains("retired config") && !failed.contains("portal"), "{failed}");
}
