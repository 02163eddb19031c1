//! Starts, ends and crashes: the active module serves again.

use std::sync::Arc;

use harness::openbao::{Server, ServerKind};
use serde_json::{Value, json};

use super::{Toys, full, good, server};

#[test]
fn the_active_module_survives_reload_kill_seal_and_crash() {
    let server = Arc::new(Server::start(ServerKind::Raft));
    let update = good(31);
    let toys = Toys::pinned(Arc::clone(&server), &[&update]);
    toys.folder.drop_in(&update);
    toys.wait_for(31);
    let each_end = |version| {
        toys.restart();
        toys.assert_serves(version);
        server.plugin_pids().into_iter().for_each(|pid| server.kill_plugin(pid));
        server.wait_for("the plugin to be back", || toys.read("version").status == 200);
        toys.assert_serves(version);
        server.seal();
        server.unseal();
        toys.assert_serves(version);
        server.crash_and_restart();
        server.unseal();
        toys.assert_serves(version);
    };
    each_end(31);
    // The reverted module stays reverted.
    toys.must("module/rollback", Value::Null);
    each_end(30);
    toys.must("module/use", json!({ "version": full(31) }));
    each_end(31);
}

/// Vault's own way of an update: register a new version of the plugin, tune the mount, reload.
#[test]
fn the_servers_own_upgrade_of_a_plugin_still_works() {
    let update = good(31);
    let toys = Toys::pinned(server(), &[&update]);
    toys.folder.drop_in(&update);
    toys.wait_for(31);
    let (client, name) = (toys.server.client(), &toys.name);
    let catalog = format!("sys/plugins/catalog/secret/{name}");
    let entry = |version: &str| {
        let sum = toys.server.plugin_sha256();
        let command = "vault-plugin-secrets-datastax-astra";
        json!({ "sha256": sum, "command": command, "args": toys.settings.arguments, "version": version })
    };
    let version = format!("v{}", harness::modules::ASTRA_VERSION);
    client.must("PUT", &catalog, &entry(&version));
    client.must("POST", &format!("sys/mounts/{name}/tune"), &json!({ "plugin_version": version }));
    client.must("PUT", "sys/plugins/reload/backend", &json!({ "mounts": [name] }));
    toys.assert_serves(31);
    let mount = client.must("GET", &format!("sys/mounts/{name}"), &Value::Null);
    assert_eq!(mount["data"]["running_plugin_version"], json!(version));
    toys.must("module/rollback", Value::Null);
    toys.assert_serves(30);
}
