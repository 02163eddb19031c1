//! The events of each token with their clients: `history` in `tokens/:org/:client_id`, also for tokens that have ended.

use std::time::Duration;

use astra_simulator::OutsideChange;
use harness::{DriverKind, Outcome, Stage, StageOptions, Verb, play};
use serde_json::{Value, json};

use crate::rotation::minutes_pass;

scenarios! { all:
    the_history_records_each_event_of_a_token,
    reads_are_recorded_only_where_wanted,
    an_ended_token_is_read_and_not_listed,
    each_way_to_end_has_its_word,
    static_tokens_have_their_history,
    an_admin_tokens_rotation_is_on_record,
    lists_are_read_in_pages,
    metadata_has_named_limits,
}

scenarios! { fake:
    a_history_has_an_end,
    nothing_secret_is_in_a_history,
    a_node_that_cannot_record_shows_nothing,
}

scenarios! { clock:
    a_history_is_forgotten_after_ninety_days,
}

fn record(stage: &Stage, client_id: &str) -> Outcome {
    stage.read(&format!("tokens/{}/{client_id}", stage.alpha.id), Value::Null)
}

fn history(stage: &Stage, client_id: &str) -> Vec<Value> {
    record(stage, client_id).expect(200).data["history"].as_array().unwrap().clone()
}

fn events(stage: &Stage, client_id: &str) -> Vec<String> {
    history(stage, client_id).iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect()
}

fn named(stage: &Stage) -> Value {
    json!({ "org_id": stage.alpha.id, "role_name": "reader", "logical_name": "app" })
}

fn the_history_records_each_event_of_a_token(stage: &Stage) {
    stage.ready();
    let made = stage.write("org/token", named(stage)).expect(200);
    let client_id = made.text("clientId");
    assert_eq!(events(stage, client_id), ["mint"]);
    stage.read("org/token", named(stage)).expect(200);
    stage.read("org/token", json!({ "org_id": stage.alpha.id, "client_id": client_id })).expect(200);
    stage.renew(&made.lease_id(), Some(Duration::from_secs(3600))).expect(200);
    assert_eq!(events(stage, client_id), ["mint", "read", "read", "renew"]);
    stage.revoke(&made.lease_id()).expect(204);

    let history = history(stage, client_id);
    assert_eq!(events(stage, client_id), ["mint", "read", "read", "renew", "revoke"]);
    let times: Vec<&str> = history.iter().map(|event| event["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    for event in &history {
        let asked = ["mint", "read"].contains(&event["event"].as_str().unwrap());
        for name in ["display_name", "accessor", "request_id", "remote_address"] {
            let told = event[name].as_str().is_some_and(|text| !text.is_empty());
            // The server names no client when it renews and revokes.
            assert_eq!(told, asked, "{name} of {event}");
        }
    }
}

fn reads_are_recorded_only_where_wanted(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "record_reads": false }));
    stage.make_role(&stage.alpha, "reader", json!({}));
    let config = stage.read(&format!("config/{}", stage.alpha.id), Value::Null).expect(200);
    assert_eq!(config.data["record_reads"], false);
    let made = stage.write("org/token", named(stage)).expect(200);
    stage.read("org/token", named(stage)).expect(200);
    assert_eq!(events(stage, made.text("clientId")), ["mint"]);
    let updated = stage.write(&format!("config/{}", stage.alpha.id), json!({ "record_reads": true }));
    assert!(updated.status < 300, "{updated:#?}");
    stage.read("org/token", named(stage)).expect(200);
    assert_eq!(events(stage, made.text("clientId")), ["mint", "read"]);
    // An access without a secret is not an event.
    record(stage, made.text("clientId")).expect(200);
    stage.list(&format!("tokens/{}", stage.alpha.id)).expect(200);
    assert_eq!(events(stage, made.text("clientId")), ["mint", "read"]);
}

fn an_ended_token_is_read_and_not_listed(stage: &Stage) {
    stage.ready();
    let body = json!({ "metadata": { "team": "data" } });
    let minted = stage.write(&format!("creds/{}/reader", stage.alpha.id), body).expect(200);
    let live = record(stage, minted.text("clientId")).expect(200);
    assert_eq!(live.data.get("ended"), None, "{live:#?}");
    stage.revoke(&minted.lease_id()).expect(204);
    let ended = record(stage, minted.text("clientId")).expect(200);
    assert!(!ended.text("ended").is_empty(), "{ended:#?}");
    assert_eq!(ended.text("ended_how"), "revoked");
    for name in ["client_id", "role", "role_ids", "metadata", "created_by", "made", "kind"] {
        assert_eq!(ended.data[name], live.data[name], "{name}");
    }
    for path in [format!("tokens/{}", stage.alpha.id), "org/tokens".to_owned()] {
        stage.list(&path).expect(404);
    }
    // The token has ended: it cannot be revoked, is not counted, and does not keep the config in use.
    let again = stage.delete(&format!("tokens/{}/{}", stage.alpha.id, minted.text("clientId")), Value::Null);
    assert!(again.status < 300 || again.status == 404, "{again:#?}");
    assert!(stage.delete(&format!("config/{}", stage.alpha.id), Value::Null).status < 300);
    assert_eq!(record(stage, minted.text("clientId")).expect(200).text("ended_how"), "revoked");
}

fn each_way_to_end_has_its_word(stage: &Stage) {
    stage.ready();
    let how = |client_id: &str| record(stage, client_id).expect(200).text("ended_how").to_owned();
    let deleted = stage.mint(&stage.alpha, "reader").expect(200);
    let path = format!("tokens/{}/{}", stage.alpha.id, deleted.text("clientId"));
    assert!(stage.delete(&path, Value::Null).status < 300);
    assert_eq!(how(deleted.text("clientId")), "deleted");
    // The history names the client that deleted the token.
    let last = history(stage, deleted.text("clientId")).pop().unwrap();
    assert_eq!(last["event"], "revoke");
    assert!(last["accessor"].as_str().is_some_and(|text| !text.is_empty()), "{last}");
    stage.revoke(&deleted.lease_id()).expect(204);
    assert_eq!(how(deleted.text("clientId")), "deleted", "its lease's end later on is not another one");
    let revoked = stage.mint(&stage.alpha, "reader").expect(200);
    let client_id = revoked.text("clientId").to_owned();
    assert!(stage.astra.change(&OutsideChange::RevokeToken { client_id: client_id.clone() }));
    stage.revoke(&revoked.lease_id()).expect(204);
    assert_eq!(how(&client_id), "revoked");
    stage.assert_consistent(&stage.alpha, 0);
}

fn static_tokens_have_their_history(stage: &Stage) {
    stage.configure(&stage.alpha);
    crate::static_role::made(stage, json!({}));
    let first = crate::static_role::creds(stage, "app").expect(200);
    assert_eq!(events(stage, first.text("clientId")), ["mint", "read"]);
    let rotated = crate::static_role::rotate(stage, "app");
    assert!(rotated.status < 300, "{rotated:#?}");
    assert_eq!(events(stage, first.text("clientId")), ["mint", "read", "rotate"]);
    let second = crate::static_role::creds(stage, "app").expect(200);
    assert_eq!(events(stage, second.text("clientId")), ["mint", "read"]);
    assert!(stage.delete(&crate::static_role::path(stage, "app"), Value::Null).status < 300);
    for client_id in [first.text("clientId"), second.text("clientId")] {
        assert_eq!(events(stage, client_id).last().map(String::as_str), Some("revoke"));
        assert!(!record(stage, client_id).expect(200).text("ended").is_empty());
    }
}

fn an_admin_tokens_rotation_is_on_record(stage: &Stage) {
    stage.configure(&stage.alpha);
    for _ in 0..2 {
        let rotated = crate::rotation::rotate(stage);
        assert!(rotated.status < 300, "{rotated:#?}");
    }
    let current = stage.admin_client_id(&stage.alpha);
    let read = record(stage, &current).expect(200);
    assert_eq!(read.text("kind"), "admin");
    assert_eq!(events(stage, &current), ["mint"]);
    let maker = stage.astra_token(&current).made_by.unwrap();
    assert_eq!(events(stage, &maker), ["mint", "rotate"], "the one before");
}

fn lists_are_read_in_pages(stage: &Stage) {
    const TOKENS: usize = 5;
    stage.ready();
    for _ in 0..TOKENS {
        stage.mint(&stage.alpha, "reader").expect(200);
    }
    let path = format!("tokens/{}", stage.alpha.id);
    let page = |query: Value| stage.ask(Verb::List, &path, query);
    let all = page(Value::Null).expect(200).keys();
    assert_eq!(all.len(), TOKENS);
    let first = page(json!({ "limit": 2 })).expect(200);
    assert_eq!(first.keys(), all[..2]);
    assert_eq!(first.data["key_info"].as_object().map(serde_json::Map::len), Some(2));
    assert_eq!(page(json!({ "limit": 2, "after": all[1] })).expect(200).keys(), all[2..4]);
    assert_eq!(page(json!({ "limit": 2, "after": all[3] })).expect(200).keys(), all[4..]);
    page(json!({ "limit": 2, "after": all[4] })).expect(404);
    assert_eq!(page(json!({ "after": all[2] })).expect(200).keys(), all[3..]);
    assert_eq!(page(json!({ "limit": 0 })).expect(200).keys(), all, "0 = all");
    page(json!({ "limit": "many" })).expect_error(400, &["limit"]);
}

fn metadata_has_named_limits(stage: &Stage) {
    stage.ready();
    let pairs = |count: usize| Value::Object((0..count).map(|key| (format!("k{key}"), json!("v"))).collect());
    let rows =
        [(pairs(65), "64"), (json!({ "k".repeat(129): "v" }), "128"), (json!({ "key": "v".repeat(513) }), "512")];
    for (metadata, limit) in rows {
        for path in ["org/token".to_owned(), format!("creds/{}/reader", stage.alpha.id)] {
            let body = json!({ "org_id": stage.alpha.id, "role_name": "reader", "metadata": metadata });
            stage.write(&path, body).expect_error(400, &["metadata", limit]);
        }
    }
    assert!(stage.live(&stage.alpha).is_empty());
    let body = json!({ "metadata": pairs(64) });
    stage.write(&format!("creds/{}/reader", stage.alpha.id), body).expect(200);
}

fn a_history_has_an_end(stage: &Stage) {
    const EVENTS_MAX: usize = 100;
    stage.ready();
    let made = stage.write("org/token", named(stage)).expect(200);
    for _ in 0..EVENTS_MAX + 5 {
        stage.read("org/token", named(stage)).expect(200);
    }
    let events = events(stage, made.text("clientId"));
    assert_eq!(events.len(), EVENTS_MAX);
    assert_eq!((events[0].as_str(), events[EVENTS_MAX - 1].as_str()), ("mint", "read"), "the making stays");
}

fn nothing_secret_is_in_a_history(stage: &Stage) {
    stage.ready();
    let made = stage.write("org/token", named(stage)).expect(200);
    stage.read("org/token", named(stage)).expect(200);
    stage.revoke(&made.lease_id()).expect(204);
    let hash = made.text("token").rsplit(':').next().unwrap();
    for (key, value) in stage.fake().storage.dump() {
        let text = value.to_string();
        assert!(!text.contains(hash) && !text.contains(made.text("secret")), "`{key}` holds what has ended");
    }
    assert!(!stage.fake().storage.keys_below("history/").is_empty());
}

/// No access stays unrecorded: such a node forwards the read.
fn a_node_that_cannot_record_shows_nothing(stage: &Stage) {
    stage.ready();
    let made = stage.write("org/token", named(stage)).expect(200);
    stage.fake().storage.set_read_only();
    let refused = stage.read("org/token", named(stage));
    assert_eq!(refused.errors, [harness::fake::READ_ONLY_TEXT]);
    // A node serves a read without a secret itself.
    record(stage, made.text("clientId")).expect(200);
    stage.read(&format!("config/{}", stage.alpha.id), Value::Null).expect(200);
    stage.list(&format!("tokens/{}", stage.alpha.id)).expect(200);
    stage.fake().storage.heal();
    assert_eq!(events(stage, made.text("clientId")), ["mint"]);
}

fn a_history_is_forgotten_after_ninety_days(stage: &Stage) {
    const DAYS: u64 = 24 * 60;
    stage.ready();
    minutes_pass(stage, 1);
    let ended = stage.mint(&stage.alpha, "reader").expect(200);
    stage.revoke(&ended.lease_id()).expect(204);
    let gone = |client_id: &str| record(stage, client_id).status == 404;
    minutes_pass(stage, 89 * DAYS);
    let after = |turns: usize| (0..turns).for_each(|_| minutes_pass(stage, 1));
    after(30);
    assert!(!gone(ended.text("clientId")), "it is kept for ninety days");
    minutes_pass(stage, DAYS + 120);
    after(30);
    assert!(gone(ended.text("clientId")), "and no longer");
    let storage = &stage.fake().storage;
    for prefix in ["history/", "queue/"] {
        assert_eq!(storage.keys_below(prefix), Vec::<String>::new());
    }
}

/// With a client that is an entity of the server, and the server's own request IDs.
#[test]
fn the_history_names_the_client_as_the_server_does() {
    play(DriverKind::OpenBao, StageOptions::default(), |stage| {
        stage.ready();
        let root = harness::openbao::Server::shared().client();
        let mount = crate::lifecycle::mount_of(stage);
        root.must("POST", &format!("sys/auth/{mount}-users"), &json!({ "type": "userpass" }));
        let policy = format!("path \"{mount}/*\" {{ capabilities = [\"create\", \"read\", \"update\"] }}");
        root.must("PUT", &format!("sys/policies/acl/{mount}-all"), &json!({ "policy": policy }));
        let user = json!({ "password": "of a test", "token_policies": [format!("{mount}-all")] });
        root.must("POST", &format!("auth/{mount}-users/users/ada"), &user);
        let login = format!("auth/{mount}-users/login/ada");
        let auth = root.must("POST", &login, &json!({ "password": "of a test" }))["auth"].clone();
        let ada = root.with_token(auth["client_token"].as_str().unwrap());

        let made = ada.must("POST", &format!("{mount}/org/token"), &named(stage));
        let query = format!("{mount}/org/token?org_id={}&role_name=reader&logical_name=app", stage.alpha.id);
        let read = ada.must("GET", &query, &Value::Null);
        let client_id = made["data"]["clientId"].as_str().unwrap();
        let shown = record(stage, client_id).expect(200);
        assert_eq!(shown.data["created_by"]["entity_id"], auth["entity_id"]);
        let entity =
            root.must("GET", &format!("identity/entity/id/{}", auth["entity_id"].as_str().unwrap()), &Value::Null);
        assert_eq!(shown.data["created_by"]["entity_name"], entity["data"]["name"]);
        let history = history(stage, client_id);
        assert_eq!(events(stage, client_id), ["mint", "read"]);
        for (event, answer) in history.iter().zip([&made, &read]) {
            assert_eq!(event["entity_id"], auth["entity_id"]);
            assert_eq!(event["accessor"], auth["accessor"]);
            assert_eq!(event["request_id"], answer["request_id"], "as the audit log names it");
            assert_eq!(event["remote_address"], "127.0.0.1");
            assert!(event["display_name"].as_str().is_some_and(|name| name.contains("ada")), "{event}");
        }
    });
}
