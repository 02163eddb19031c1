//! The cache of compiled code: a restart uses it, and nothing that is wrong with it harms.

use std::fs;
use std::path::PathBuf;

use harness::modules::ModulesDir;
use harness::openbao::{MountSettings, OpenBaoDriver};
use serde_json::json;

use super::{Toys, good, server};

/// A mount whose plugin keeps compiled code in a folder of its own.
struct Cached {
    toys: Toys,
    folder: PathBuf,
}

impl Cached {
    fn new() -> Self {
        let modules = ModulesDir::new();
        let folder = modules.path().with_file_name("cache");
        fs::create_dir(&folder).unwrap();
        let (first, name) = (good(30), "toys-cached");
        modules.drop_in(&first);
        let settings = MountSettings {
            plugin: name.to_owned(),
            mount_point: format!("{name}/"),
            arguments: vec![
                modules.argument(),
                first.pin(),
                good(31).pin(),
                format!("--module-cache-dir={}", folder.display()),
            ],
            environment: vec![format!("MODULE_CACHE_KEY={}", "0f".repeat(32))],
            options: json!({ "module": "toy" }),
            ..MountSettings::default()
        };
        let mount = OpenBaoDriver::mount(server(), &settings);
        let toys = Toys { server: server(), folder: modules, mount, name: name.to_owned(), settings };
        toys.wait_for(30);
        Self { toys, folder }
    }

    /// The files of the cache by their content.
    fn entries(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path());
        files.map(|path| (path.clone(), fs::read(path).unwrap_or_default())).collect()
    }

    fn wait_for_entries(&self, count: usize) {
        self.toys.server.wait_for("the cache", || self.entries().len() == count);
    }
}

#[test]
fn a_restart_uses_the_cache_and_a_damaged_entry_is_harmless() {
    let cached = Cached::new();
    let toys = &cached.toys;
    cached.wait_for_entries(1);
    let times =
        || cached.entries().iter().map(|(path, _)| fs::metadata(path).unwrap().modified().unwrap()).collect::<Vec<_>>();
    let made = times();
    toys.restart();
    toys.assert_serves(30);
    assert_eq!(times(), made, "it was used, not written anew");

    for (path, mut bytes) in cached.entries() {
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(path, bytes).unwrap();
    }
    toys.restart();
    toys.assert_serves(30);
    toys.server.wait_for("a line about it", || {
        toys.server.log().lines().any(|line| line.contains("cache") && line.contains("warn"))
    });
    // Empty, of another module, a folder: each is compiled instead.
    let foreign = |bytes: &[u8]| {
        cached.entries().into_iter().for_each(|(path, _)| fs::write(path, bytes).unwrap());
        toys.restart();
        toys.assert_serves(30);
    };
    foreign(b"");
    foreign(&good(31).wasm);
    for (path, _) in cached.entries() {
        fs::remove_file(&path).unwrap();
        fs::create_dir(path).unwrap();
    }
    toys.restart();
    toys.assert_serves(30);
    fs::remove_dir_all(&cached.folder).unwrap();
    toys.restart();
    toys.assert_serves(30);
    toys.folder.drop_in(&good(31));
    toys.wait_for(31);
}
