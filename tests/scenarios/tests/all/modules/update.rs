//! An update is activated.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use super::load::{Load, assert_switched};
use super::{Toys, full, good, runs, server, toy};

#[test]
fn an_update_dropped_in_under_load_fails_no_request() {
    let updates = [good(31), good(32), good(33)];
    let toys = Toys::pinned(server(), &updates.each_ref());
    for (update, from) in updates.iter().zip([30_u8, 31, 32]) {
        let load = Load::start(&toys, 4);
        load.go_on(&toys);
        toys.folder.drop_in(update);
        toys.server.wait_for("the update", || runs(&toys.status()) == update.version);
        let told = Instant::now();
        load.go_on(&toys);
        assert_eq!(toys.serving(), update.version);
        assert_switched(&load.end(), &full(from), told, &update.version);
    }
    let status = toys.status();
    assert_eq!(status["digest"], updates[2].sha256());
    assert_eq!(status["origin"], updates[2].name());
    assert_eq!(status["previous"]["version"], updates[1].version);
}

#[test]
fn a_request_that_began_on_the_old_module_ends_on_it() {
    let update = good(31);
    let toys = Toys::pinned(server(), &[&update]);
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| toys.read("wait/4000").expect(200).text("version").to_owned());
        let asked = format!("{}/wait/4000", toys.name);
        toys.server.wait_for("the slow request to begin", || toys.server.audit_log().contains(&asked));
        toys.folder.drop_in(&update);
        toys.reload();
        toys.wait_for(31);
        assert_eq!(slow.join().unwrap(), full(30));
    });
}

#[test]
fn a_reload_by_path_looks_at_once() {
    let updates = [good(31), good(32)];
    let toys = Toys::pinned(server(), &updates.each_ref());
    for update in &updates {
        toys.folder.drop_in(update);
        toys.reload();
        assert_eq!(runs(&toys.status()), update.version);
        assert_eq!(toys.serving(), update.version);
    }
    // A reload without a new file changes nothing.
    let before = toys.status();
    toys.reload();
    assert_eq!(toys.status()["since"], before["since"]);
}

#[test]
fn a_probe_writes_nothing() {
    let update = toy("writes_in_its_probe", 31);
    let toys = Toys::pinned(server(), &[&update]);
    toys.folder.drop_in(&update);
    toys.server.wait_for("the update", || runs(&toys.status()) == update.version);
    toys.read("key/touched").expect(404);
    // The active module does write.
    toys.wait_for(31);
    toys.read("key/touched").expect(200);
}

#[test]
fn storage_is_the_same_before_and_after() {
    let update = good(31);
    let toys = Toys::pinned(server(), &[&update]);
    toys.write("key/note", json!({ "text": "kept" })).expect(204);
    toys.folder.drop_in(&update);
    toys.wait_for(31);
    let note = toys.read("key/note").expect(200);
    let note: Value = serde_json::from_str(note.text("value")).unwrap();
    assert_eq!(note["text"], "kept");
}

/// As `scp` copies into the directory. An incomplete file is not trusted, and its failure is not remembered.
#[test]
fn a_file_that_is_copied_in_pieces_is_activated_when_it_is_complete() {
    let update = good(31);
    let toys = Toys::pinned(server(), &[&update]);
    let mut file = File::create(toys.folder.path().join(update.name())).unwrap();
    let (front, rest) = update.wasm.split_at(update.wasm.len() / 2);
    file.write_all(front).unwrap();
    toys.wait_for_refusal(31, &["not pinned"]);
    toys.assert_serves(30);
    file.write_all(rest).unwrap();
    drop(file);
    toys.wait_for(31);
}

/// As Kubernetes mounts a volume: each name leads through one link, which is replaced for all of them at once.
#[test]
fn an_update_through_links_within_the_directory_is_activated() {
    let updates = [good(31), good(32)];
    let toys = Toys::pinned(server(), &updates.each_ref());
    let path = toys.folder.path();
    for update in &updates {
        let version = path.join(format!("..{}", update.version));
        fs::create_dir(&version).unwrap();
        fs::write(version.join(update.name()), &update.wasm).unwrap();
        symlink(version.file_name().unwrap(), path.join("..next")).unwrap();
        fs::rename(path.join("..next"), path.join("..data")).unwrap();
        symlink(Path::new("..data").join(update.name()), path.join(update.name())).unwrap();
        toys.server.wait_for("the update", || runs(&toys.status()) == update.version);
        assert_eq!(toys.serving(), update.version);
    }
    // The name of the first module has no target now, which changes nothing.
    toys.wait_for_refusal(31, &["No such file"]);
    toys.assert_serves(32);
}
