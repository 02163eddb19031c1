//! Nodes of a cluster with different directories: each serves, and reports its module.

use std::fs;
use std::sync::Arc;

use harness::Verb;
use harness::openbao::{Ability, Cluster, MountSettings, OpenBaoDriver, Server, can_play};
use serde_json::{Value, json};

use super::{ask, full, good, runs};

/// A path that leads each process to its own node's folder.
const OWN_FOLDER: &str = "/proc/self/cwd/modules";

#[test]
fn nodes_with_different_directories_say_what_each_runs() {
    let scenario = "modules::cluster::nodes_with_different_directories_say_what_each_runs";
    if !can_play(scenario, Ability::StandbysServe) {
        return;
    }
    let (first, update) = (good(30), good(31));
    let cluster = Cluster::start();
    let drop_in = |node: &Server, module: &harness::modules::ModuleFile| {
        let folder = node.folder().join("modules");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("unfinished"), &module.wasm).unwrap();
        fs::rename(folder.join("unfinished"), folder.join(module.name())).unwrap();
    };
    cluster.nodes().iter().for_each(|node| drop_in(node, &first));
    let leader = cluster.leader();
    let settings = MountSettings {
        plugin: "toys".to_owned(),
        mount_point: "toys/".to_owned(),
        arguments: vec![format!("--modules-dir={OWN_FOLDER}"), first.pin(), update.pin()],
        options: json!({ "module": "toy" }),
        ..MountSettings::default()
    };
    let mount = OpenBaoDriver::mount(Arc::clone(&leader), &settings);
    let at: Vec<OpenBaoDriver> = cluster.nodes().iter().map(|node| mount.through(Arc::clone(node))).collect();
    let says = |node: usize| {
        let status = ask(&at[node], Verb::Read, "module", Value::Null);
        let serves = ask(&at[node], Verb::Read, "version", Value::Null);
        (runs(&status.data).to_owned(), serves.text("version").to_owned())
    };
    let both = |version| (full(version), full(version));
    let wait = |node: usize, version: u8| leader.wait_for("a node's module", || says(node) == both(version));
    (0..at.len()).for_each(|node| wait(node, 30));

    // One standby gets the update first: it activates the module, the others do not, and each reports its own.
    let standby = cluster.nodes().iter().position(|node| !Arc::ptr_eq(node, &leader)).unwrap();
    drop_in(&cluster.nodes()[standby], &update);
    wait(standby, 31);
    (0..at.len()).filter(|node| *node != standby).for_each(|node| assert_eq!(says(node), both(30)));

    // A write goes to the active node, whichever node got the request.
    let written = ask(&at[standby], Verb::Write, "key/note", json!({}));
    assert!(written.status < 300, "{written:#?}");
    leader.wait_for("the note", || ask(&at[0], Verb::Read, "key/note", Value::Null).status == 200);
    cluster.nodes().iter().for_each(|node| drop_in(node, &update));
    (0..at.len()).for_each(|node| wait(node, 31));

    // If one node loses its directory, only that node is affected: it continues to serve, and reports the problem.
    let problem = |node: usize| ask(&at[node], Verb::Read, "module", Value::Null).data["problem"].clone();
    let [there, away] = ["modules", "away"].map(|name| cluster.nodes()[standby].folder().join(name));
    fs::rename(&there, &away).unwrap();
    let looked = ask(&at[standby], Verb::Write, "module/reload", json!({}));
    looked.expect_error(503, &["cannot be read"]);
    assert!(problem(standby).as_str().is_some_and(|problem| problem.contains("cannot be read")));
    (0..at.len()).for_each(|node| assert_eq!(says(node), both(31)));
    (0..at.len()).filter(|node| *node != standby).for_each(|node| assert_eq!(problem(node), Value::Null));
    fs::rename(&away, &there).unwrap();

    // The leader crashes: the active modules stay.
    leader.crash();
    let next = cluster.leader();
    let number = cluster.nodes().iter().position(|node| Arc::ptr_eq(node, &next)).unwrap();
    next.wait_for("the new leader's module", || says(number) == both(31));
}
