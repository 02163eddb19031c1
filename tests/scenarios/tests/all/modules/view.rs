//! Who can see the host's paths and storage.

use std::sync::Arc;

use harness::Verb;
use harness::openbao::{Server, ServerKind};
use serde_json::{Value, json};

use super::{Toys, ask, full, good, runs, server};

/// The host's paths below every mount.
const HOST_PATHS: [&str; 4] = ["module", "module/reload", "module/rollback", "module/use"];

#[test]
fn policies_govern_the_hosts_paths() {
    let update = good(31);
    let toys = Toys::pinned(server(), &[&update]);
    let root = toys.server.client();
    let with = |name: &str, rules: &str| {
        let name = format!("{}-{name}", toys.name);
        root.must("PUT", &format!("sys/policies/acl/{name}"), &json!({ "policy": rules }));
        let made = root.must("POST", "auth/token/create", &json!({ "policies": [name] }));
        root.with_token(made["auth"]["client_token"].as_str().unwrap())
    };
    let mount = &toys.name;
    let looker = with("looker", &format!("path \"{mount}/module\" {{ capabilities = [\"read\"] }}"));
    let updater = with("updater", &format!("path \"{mount}/module/reload\" {{ capabilities = [\"update\"] }}"));
    let nobody = with("nobody", &format!("path \"{mount}/version\" {{ capabilities = [\"read\"] }}"));
    let rules = format!(
        "path \"{mount}/*\" {{ capabilities = [\"read\", \"update\"] }}
         path \"{mount}/module/use\" {{ capabilities = [\"deny\"] }}"
    );
    let no_chooser = with("no-chooser", &rules);
    toys.server.wait_for("no update yet", || runs(&toys.status()) == full(30));
    toys.folder.drop_in(&update);

    let status = |client: &harness::openbao::Client, method: &str, path: &str| {
        client.call(method, &format!("{mount}/{path}"), &if method == "POST" { json!({}) } else { Value::Null }).status
    };
    assert_eq!(status(&looker, "GET", "module"), 200);
    assert_eq!(status(&nobody, "GET", "version"), 200);
    for client in [&looker, &nobody] {
        for path in &HOST_PATHS[1..] {
            assert_eq!(status(client, "POST", path), 403, "{path}");
        }
    }
    assert_eq!(status(&nobody, "GET", "module"), 403);
    assert_eq!(status(&updater, "GET", "module"), 403);
    assert_eq!(status(&updater, "POST", "module/use"), 403);
    assert!(status(&updater, "POST", "module/reload") < 300);
    toys.wait_for(31);
    // All paths of a mount except one of the host's.
    assert_eq!(status(&no_chooser, "POST", "module/use"), 403);
    toys.assert_serves(31);
    assert!(status(&no_chooser, "POST", "module/rollback") < 300);
    assert_eq!(status(&no_chooser, "GET", "version"), 200);
    toys.assert_serves(30);
}

/// On the server whose plugins are not restarted, because the document asks all of them.
#[test]
fn help_and_openapi_show_the_hosts_paths() {
    let toys = Toys::pinned(Server::shared(), &[]);
    let whole = ask(&toys.mount, Verb::Help, "", Value::Null).expect(200);
    assert!(whole.text("help").contains("A toy."), "the engine's own help is there, too: {whole:#?}");
    for path in HOST_PATHS {
        assert!(whole.text("help").contains(path), "{path}");
        let help = ask(&toys.mount, Verb::Help, path, Value::Null).expect(200);
        assert!(!help.text("help").is_empty() && !help.text("help").contains("A toy."), "{help:#?}");
    }
    let document = toys.server.openapi_document();
    for path in HOST_PATHS.into_iter().chain(["version"]) {
        let item = &document["paths"][format!("/{}/{path}", toys.name)];
        assert!(
            item["description"].is_string() || item["get"].is_object() || item["post"].is_object(),
            "{path}: {item}"
        );
    }
    let mount = &toys.name;
    assert!(document["paths"][format!("/{mount}/module")]["get"].is_object());
    assert!(document["paths"][format!("/{mount}/module/use")]["post"].is_object());
}

#[test]
fn a_path_of_the_host_has_one_spelling_and_its_own_verbs() {
    let toys = Toys::pinned(server(), &[]);
    for path in ["module", "module/reload", "module/rollback", "module/use"] {
        let deleted = ask(&toys.mount, Verb::Delete, path, Value::Null);
        assert!((400..500).contains(&deleted.status), "{path}: {deleted:#?}");
    }
    // Longer paths with this begin do not reach the guest either.
    for path in ["module/other", "module/use/x", "module/reload/x"] {
        let read = toys.read(path);
        assert!((400..500).contains(&read.status), "{path}: {read:#?}");
    }
    toys.write("module", json!({ "version": full(30) })).expect(405);
    let unknown = toys.write("module/use", json!({}));
    unknown.expect_error(400, &["version"]);
    toys.write("module/use", json!({ "version": "newest" })).expect_error(400, &["newest"]);
    toys.write("module/use", json!({ "version": "10.20.77" })).expect_error(400, &["10.20.77"]);
    toys.assert_serves(30);
}

/// The host's state is in the mount's own storage, and the guest cannot reach it.
#[test]
fn a_guest_does_not_see_what_the_host_stores() {
    let server = Arc::new(Server::start(ServerKind::Raft));
    let update = good(31);
    let toys = Toys::pinned(Arc::clone(&server), &[&update]);
    toys.folder.drop_in(&update);
    toys.wait_for(31);
    toys.write("key/mine", json!({})).expect(204);

    let raw = format!("sys/raw/logical/{}/secrets-engine-host", toys.uuid());
    let stored = server.client().must("LIST", &raw, &Value::Null)["data"]["keys"].as_array().unwrap().clone();
    assert!(!stored.is_empty(), "the host stores what runs");
    for key in stored.iter().map(|key| format!("secrets-engine-host/{}", key.as_str().unwrap())) {
        let path = format!("key/{key}");
        assert!(toys.read(&path).status >= 400, "{path}");
        assert!(toys.write(&path, json!({ "forged": true })).status >= 400, "{path}");
        assert!(ask(&toys.mount, Verb::Delete, &path, Value::Null).status >= 400, "{path}");
    }
    assert!(ask(&toys.mount, Verb::List, "keys/secrets-engine-host/", Value::Null).status >= 400);
    assert_eq!(ask(&toys.mount, Verb::List, "keys/", Value::Null).expect(200).keys(), ["mine"]);
    assert_eq!(server.client().must("LIST", &raw, &Value::Null)["data"]["keys"].as_array(), Some(&stored));
    toys.restart();
    toys.assert_serves(31);
}
