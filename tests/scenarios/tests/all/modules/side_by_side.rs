//! Several engines, and several versions of one engine, in one process.

use std::sync::Arc;

use harness::Verb;
use harness::modules::ASTRA_VERSION;
use harness::openbao::{MountSettings, OpenBaoDriver, Server, ServerKind};
use serde_json::{Value, json};

use super::{Toys, ask, full, good, server};

#[test]
fn two_engines_and_two_versions_of_one_run_side_by_side() {
    let server = Arc::new(Server::start(ServerKind::Dev));
    let (update, later) = (good(31), good(32));
    let toys = Toys::pinned(Arc::clone(&server), &[&update, &later]);
    let other = |path: &str, options: Value| {
        let settings = MountSettings { mount_point: format!("{path}/"), options, ..toys.settings.clone() };
        OpenBaoDriver::mount_registered(Arc::clone(&server), &settings)
    };
    let held = other("held", json!({ "module": "toy", "module_version": full(30) }));
    let astra = other("astra", json!({}));
    assert_eq!(server.plugin_pids().len(), 1, "one process for all");
    let version =
        |mount: &OpenBaoDriver, path: &str| ask(mount, Verb::Read, path, Value::Null).text("version").to_owned();

    toys.folder.drop_in(&update);
    toys.wait_for(31);
    assert_eq!(version(&held, "version"), full(30));
    assert_eq!(version(&held, "module"), full(30));
    assert_eq!(version(&astra, "info"), ASTRA_VERSION);
    assert_eq!(version(&astra, "module"), ASTRA_VERSION);
    assert_eq!(ask(&astra, Verb::Read, "module", Value::Null).text("engine"), "astra");

    // Mounts do not share storage, whatever their modules.
    toys.write("key/note", json!({})).expect(204);
    ask(&held, Verb::Read, "key/note", Value::Null).expect(404);
    // The end of a mount does not affect the others.
    toys.folder.drop_in(&later);
    toys.wait_for(32);
    drop(astra);
    assert_eq!(version(&held, "version"), full(30));
    toys.assert_serves(32);
    assert_eq!(server.plugin_pids().len(), 1);
}

#[test]
fn a_mount_of_an_engine_that_is_not_there_says_so() {
    let toys = Toys::pinned(server(), &[]);
    let body = json!({ "type": toys.name, "options": { "module": "nothing" } });
    let path = format!("sys/mounts/{}-none", toys.name);
    let client = toys.server.client();
    let enabled = client.call("POST", &path, &body);
    let outcome = if enabled.status < 300 {
        client.call("GET", &format!("{}-none/version", toys.name), &Value::Null).outcome()
    } else {
        enabled.outcome()
    };
    client.call("DELETE", &path, &Value::Null);
    assert!(outcome.status >= 400 && outcome.messages().contains("nothing"), "{outcome:#?}");
    toys.assert_serves(30);
}
