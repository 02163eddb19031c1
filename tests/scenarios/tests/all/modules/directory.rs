//! A missing or unusable directory: the loaded modules continue to serve, and nothing is lost when the directory is
//! back.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use harness::limits::CONDITION_DEADLINE;
use serde_json::Value;

use super::load::{Load, assert_switched};
use super::{Toys, full, good, server};

/// An object in the directory's place, and the words of the problem. File permissions would not do, because they do not
/// bind a test that root runs.
type Fault = (&'static str, fn(&Path), &'static str);

const FAULTS: [Fault; 5] = [
    ("nothing", |_| {}, "No such file"),
    ("a file", |path| fs::write(path, "").unwrap(), "Not a directory"),
    ("a link to itself", |path| symlink(path, path).unwrap(), "os error 40"),
    ("a link to nowhere", |path| symlink("nowhere", path).unwrap(), "No such file"),
    ("more than anybody put there on purpose", overfull, "has more than"),
];

fn overfull(path: &Path) {
    fs::create_dir(path).unwrap();
    (0..=1_000).for_each(|number| fs::write(path.join(number.to_string()), "").unwrap());
}

fn clear(path: &Path) {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

#[test]
fn an_unreadable_directory_affects_no_loaded_module() {
    let (update, later) = (good(31), good(32));
    let toys = Toys::pinned(server(), &[&update, &later]);
    toys.folder.drop_in(&update);
    toys.wait_for(31);
    let load = Load::start(&toys, 2);
    let problem = || toys.status()["problem"].as_str().unwrap_or_default().to_owned();
    let reload = || toys.write("module/reload", Value::Null);
    for (what, fault, words) in FAULTS {
        let _note = harness::Note::new(what);
        toys.folder.vanish(true);
        fault(&toys.folder.path());
        reload().expect_error(503, &[words, "the directory of modules"]);
        assert!(problem().contains(words), "{}", problem());
        toys.assert_serves(31);
        let path = toys.folder.path().display().to_string();
        let told = |line: &str| line.contains("warn") && line.contains(words) && line.contains(&path);
        toys.server.wait_for_line(words, told);
        clear(&toys.folder.path());
        toys.folder.vanish(false);
        toys.reload();
        assert_eq!(problem(), "");
        toys.assert_serves(31);
    }
    toys.folder.drop_in(&later);
    toys.wait_for(32);
    let told = std::time::Instant::now();
    load.go_on(&toys);
    assert_switched(&load.end(), &full(31), told, &full(32));
}

/// A mount whose engine is only in the directory cannot start without it. The mount reports that, and has lost nothing
/// when the directory is back.
#[test]
fn a_start_without_its_directory_is_reported_and_loses_nothing() {
    let update = good(31);
    let toys = Toys::pinned(server(), &[&update]);
    toys.folder.drop_in(&update);
    toys.wait_for(31);
    let digest = |status: &Value| status["previous"]["digest"].clone();
    let before = digest(&toys.status());
    toys.folder.vanish(true);
    toys.restart();
    let refused = toys.read("version");
    assert!(refused.status >= 500 && refused.messages().contains("cannot be read"), "{refused:#?}");
    toys.folder.vanish(false);
    toys.server.wait_at_most(CONDITION_DEADLINE, "the module to be back", || toys.read("version").status == 200);
    toys.assert_serves(31);
    assert_eq!(digest(&toys.status()), before);
    toys.must("module/rollback", Value::Null);
    toys.assert_serves(30);
}
