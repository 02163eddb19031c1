//! A mount of the Go plugin continues to work: its stored entries, with odd names and leases (storage keys and JSON of
//! datastax/vault-plugin-secrets-datastax-astra 2.0.0).

use harness::{Org, Stage};
use serde_json::{Value, json};

scenarios! { fake:
    old_configs_and_roles_are_read,
    an_old_token_is_read_renewed_and_revoked,
    names_of_the_go_plugin_that_are_refused_now_still_work,
    unknown_fields_survive_a_rewrite,
    old_tokens_are_found_by_client_id,
    an_odd_client_id_is_escaped_on_its_way_to_astra,
    an_entry_of_another_node_is_seen_at_once,
    nothing_is_rewritten_that_need_not_be,
}

/// An entry in the Go plugin's form: key and JSON.
pub(crate) type Entry = (String, Value);

/// A mint of the Go plugin: the token in Astra, and the stored entry.
pub(crate) struct OldToken {
    pub(crate) client_id: String,
    pub(crate) token: String,
    /// Record of the token.
    pub(crate) entry: Entry,
    /// Internal data of the lease.
    pub(crate) internal_data: Value,
}

/// `caller_mode` is 1 for standard and 2 for sidecar.
pub(crate) fn go_config(stage: &Stage, org: &Org, logical_name: &str, caller_mode: u8) -> Entry {
    let entry = json!({
        "astra_token": org.token,
        "url": stage.astra.url(),
        "org_id": org.id,
        "logical_name": logical_name,
        "caller_mode": caller_mode,
    });
    (format!("config/{}", org.id), entry)
}

pub(crate) fn go_role(stage: &Stage, org: &Org, name: &str) -> Entry {
    let entry = json!({
        "role_name": name,
        "role_id": stage.astra_role(org, "R/W User"),
        "org_id": org.id,
        "ttl": 600_000_000_000_u64,
        "max_ttl": 3_600_000_000_000_u64,
    });
    (format!("role/{}:{name}", org.id), entry)
}

/// Without a logical name the record's ID is the client ID.
pub(crate) fn go_token(stage: &Stage, org: &Org, role: &str, logical_name: &str) -> OldToken {
    let role_id = stage.astra_role(org, "R/W User");
    let made = stage.astra.add_token(&org.id, &[&role_id], "", None);
    let id = match logical_name {
        "" => made.client_id.clone(),
        name => harness::sha256_hex(format!("{}:{role}:{name}", org.id).as_bytes()),
    };
    let entry = json!({
        "clientId": made.client_id,
        "secret": made.secret,
        "orgId": org.id,
        "roleName": role,
        "roles": [role_id],
        "token": made.token,
        "generatedOn": "2024-04-30T19:38:26.147847107Z",
        "logicalName": logical_name,
        "metadata": null,
    });
    let internal_data = json!({
        "secret_type": "astra_token",
        "orgId": org.id,
        "clientId": made.client_id,
        "roleName": role,
        "tokenId": id,
    });
    let entry = (format!("token/{id}"), entry);
    OldToken { client_id: made.client_id, token: made.token, entry, internal_data }
}

fn seed(stage: &Stage, (key, entry): &Entry) {
    stage.fake().storage.seed(key, entry);
}

fn seed_config(stage: &Stage) {
    seed(stage, &go_config(stage, &stage.alpha, "main", 1));
}

fn seed_role(stage: &Stage, name: &str) {
    seed(stage, &go_role(stage, &stage.alpha, name));
}

fn seed_token(stage: &Stage, role: &str, logical_name: &str) -> OldToken {
    let old = go_token(stage, &stage.alpha, role, logical_name);
    seed(stage, &old.entry);
    old
}

/// Reading and listing leave every entry as it was.
fn nothing_is_rewritten_that_need_not_be(stage: &Stage) {
    let mut entries = vec![
        go_config(stage, &stage.alpha, "Main", 1),
        go_config(stage, &stage.beta, "", 2),
        go_role(stage, &stage.alpha, "reader"),
        go_role(stage, &stage.alpha, "team/a:b c"),
        go_role(stage, &stage.beta, "reader"),
    ];
    let tokens = [
        go_token(stage, &stage.alpha, "reader", "app"),
        go_token(stage, &stage.alpha, "team/a:b c", "with space"),
        go_token(stage, &stage.beta, "reader", ""),
    ];
    entries.extend(tokens.iter().map(|old| old.entry.clone()));
    entries.iter().for_each(|entry| seed(stage, entry));

    assert_eq!(stage.list("configs").expect(200).keys().len(), 2);
    assert_eq!(stage.list("roles").expect(200).keys().len(), 3);
    assert_eq!(stage.list("org/tokens").expect(200).keys().len(), 3);
    for org in [&stage.alpha, &stage.beta] {
        stage.read("config", json!({ "org_id": org.id })).expect(200);
        stage.read(&format!("config/{}", org.id), Value::Null).expect(200);
        stage.list(&format!("tokens/{}", org.id)).expect(200);
    }
    stage.read("role", json!({ "org_id": "Main", "role_name": "team/a:b c" })).expect(200);
    for old in &tokens[..2] {
        let query = json!({ "org_id": stage.alpha.id, "client_id": old.client_id });
        assert_eq!(stage.read("org/token", query).expect(200).text("token"), old.token);
    }
    stage.read("info", Value::Null).expect(200);
    stage.read(&format!("config/{}/check", stage.alpha.id), Value::Null).expect(200);
    let dump = stage.fake().storage.dump();
    for (key, entry) in &entries {
        assert_eq!(dump.get(key), Some(entry), "`{key}` was rewritten");
    }

    // Rollback stores once where each token was made, because the URL may change; the Go plugin's fields stay.
    stage.write("tidy", json!({ "dry_run": false })).expect(200);
    stage.driver.settle(&|| stage.records(&stage.alpha).len() == 2);
    let dump = stage.fake().storage.dump();
    for (key, entry) in &entries {
        let is_token = key.starts_with("token/");
        assert!(is_token || dump.get(key) == Some(entry), "`{key}` was rewritten");
        for (name, value) in entry.as_object().unwrap() {
            let now = &dump[key][name];
            assert!(now == value || (value.is_null() && *now == json!({})), "`{name}` of `{key}` is {now}");
        }
    }
    assert!(tokens.iter().all(|old| stage.works(&old.token)));
}

fn old_configs_and_roles_are_read(stage: &Stage) {
    seed_config(stage);
    seed_role(stage, "reader");
    let config = stage.read("config", json!({ "logical_name": "main" })).expect(200);
    assert_eq!((config.text("org_id"), config.text("caller_mode")), (stage.alpha.id.as_str(), "standard"));
    let role = stage.read(&format!("roles/{}/reader", stage.alpha.id), Value::Null).expect(200);
    assert_eq!((&role.data["ttl"], &role.data["max_ttl"]), (&json!(600), &json!(3600)));
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    assert_eq!(minted.lease.as_ref().map(|lease| lease.duration), Some(600));
    stage.assert_consistent(&stage.alpha, 1);
}

fn an_old_token_is_read_renewed_and_revoked(stage: &Stage) {
    seed_config(stage);
    seed_role(stage, "reader");
    let old = seed_token(stage, "reader", "app");
    let query = json!({ "org_id": stage.alpha.id, "role_name": "reader", "logical_name": "app" });
    let read = stage.read("org/token", query.clone()).expect(200);
    assert_eq!((read.text("clientId"), read.text("token")), (old.client_id.as_str(), old.token.as_str()));
    assert_eq!(read.text("generatedOn"), "2024-04-30T19:38:26.147847107Z");
    stage.write("org/token", query.clone()).expect(409);
    // The Go plugin's lease, as the server stored it.
    let lease = stage.fake().seed_lease("org/token", old.internal_data);
    let renewed = stage.renew(&lease, None).expect(200);
    assert_eq!(renewed.lease.as_ref().map(|lease| lease.duration), Some(600));
    stage.revoke(&lease).expect(204);
    assert!(!stage.works(&old.token));
    stage.read("org/token", query).expect(404);
    assert!(stage.fake().storage.keys_below("token/").is_empty());
}

/// The Go plugin accepted any name; `/` and `:` crashed its lists.
fn names_of_the_go_plugin_that_are_refused_now_still_work(stage: &Stage) {
    seed_config(stage);
    for name in ["team/reader", "a:b", "with space"] {
        seed_role(stage, name);
        assert!(stage.list("roles").expect(200).keys().iter().any(|key| key.contains(name)), "{name}");
        let query = json!({ "org_id": stage.alpha.id, "role_name": name });
        assert_eq!(stage.read("role", query.clone()).expect(200).text("role_name"), name);
        let mut update = query.clone();
        update["ttl"] = json!("5m");
        assert!(stage.write("role", update).status < 300, "{name}");
        assert_eq!(stage.read("role", query.clone()).text("ttl"), "5m0s");
        let minted = stage.write("org/token", query.clone()).expect(200);
        stage.revoke(&minted.lease_id()).expect(204);
        assert!(stage.delete("role", query.clone()).status < 300, "{name}");
        stage.read("role", query.clone()).expect(404);
        let mut again = query;
        again["role_id"] = json!(stage.astra_role(&stage.alpha, "R/W User"));
        stage.write("role", again).expect_error(400, &["role_name"]);
    }
}

fn unknown_fields_survive_a_rewrite(stage: &Stage) {
    seed_config(stage);
    seed_role(stage, "reader");
    let storage = &stage.fake().storage;
    let keys = [format!("config/{}", stage.alpha.id), format!("role/{}:reader", stage.alpha.id)];
    for key in &keys {
        let mut entry = storage.dump()[key].clone();
        entry["from_the_future"] = json!({ "kept": [1, 2] });
        storage.seed(key, &entry);
    }
    assert!(stage.write(&format!("config/{}", stage.alpha.id), json!({ "caller_mode": "sidecar" })).status < 300);
    assert!(stage.write(&format!("roles/{}/reader", stage.alpha.id), json!({ "ttl": "1m" })).status < 300);
    for key in &keys {
        assert_eq!(storage.dump()[key]["from_the_future"], json!({ "kept": [1, 2] }), "{key}");
    }
}

fn old_tokens_are_found_by_client_id(stage: &Stage) {
    seed_config(stage);
    seed_role(stage, "reader");
    let old = seed_token(stage, "reader", "app");
    assert!(stage.driver.settle(&|| stage.records(&stage.alpha).contains(&old.client_id)));
    let query = json!({ "org_id": stage.alpha.id, "client_id": old.client_id });
    assert_eq!(stage.read("org/token", query).expect(200).text("token"), old.token);
    stage.read(&format!("tokens/{}/{}", stage.alpha.id, old.client_id), Value::Null).expect(200);
    stage.delete(&format!("config/{}", stage.alpha.id), Value::Null).expect_error(400, &["force"]);
}

/// A client ID is text from storage: it must not change the path of a request to Astra.
fn an_odd_client_id_is_escaped_on_its_way_to_astra(stage: &Stage) {
    seed_config(stage);
    let internal = json!({
        "secret_type": "astra_token",
        "orgId": stage.alpha.id,
        "clientId": "odd/name?a=b#c%2F",
        "roleName": "reader",
        "tokenId": "0".repeat(64),
    });
    let lease = stage.fake().seed_lease("org/token", internal);
    stage.revoke(&lease).expect(204);
    for request in stage.astra.requests().iter().filter(|request| request.method == "DELETE") {
        let name = request.path.strip_prefix("/v2/clientIdSecrets/").unwrap();
        assert!(!name.contains(['/', '?', '#']) && request.query.is_none(), "{request:#?}");
    }
    assert!(stage.astra.request_count() > 0, "Astra was asked");
}

/// No config is cached between requests, so that no node uses an old one.
fn an_entry_of_another_node_is_seen_at_once(stage: &Stage) {
    stage.ready();
    stage.mint(&stage.alpha, "reader").expect(200);
    let storage = &stage.fake().storage;
    let key = format!("config/{}", stage.alpha.id);
    let mut entry = storage.dump()[&key].clone();
    let administrator = stage.astra_role(&stage.alpha, "Organization Administrator");
    let next = stage.astra.add_token(&stage.alpha.id, &[&administrator], "written by another node", None);
    entry["astra_token"] = json!(next.token);
    storage.seed(&key, &entry);
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    assert_eq!(stage.astra_token(minted.text("clientId")).made_by, Some(next.client_id));
}
