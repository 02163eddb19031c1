//! The cache of compiled code: a restart uses it, and nothing that is wrong with it, or with its disk, harms.

use std::fs;
use std::path::{Path, PathBuf};

use harness::modules::ModulesDir;
use harness::openbao::MountSettings;

use super::load::{Load, assert_switched};
use super::{Toys, full, good, server};

/// What the log says, whatever is wrong.
const COMPLAINT: &str = "the cache of compiled modules was of no use";

/// A mount whose plugin keeps compiled code in a folder of its own.
struct Cached {
    toys: Toys,
    folder: PathBuf,
}

impl Cached {
    fn new() -> Self {
        Self::with(vec![sealed_by("0f")], |_| String::new())
    }

    /// The lines of shell that the plugin's process begins with may know where its modules lie.
    fn with(environment: Vec<String>, shell: impl FnOnce(&ModulesDir) -> String) -> Self {
        let mut folder = PathBuf::new();
        let toys = Toys::with(server(), |modules| {
            folder = beside(modules, "cache");
            fs::create_dir(&folder).unwrap();
            modules.drop_in(&good(30));
            let cache = format!("--module-cache-dir={}", folder.display());
            MountSettings {
                arguments: vec![good(30).pin(), good(31).pin(), cache],
                environment,
                shell: shell(modules),
                ..MountSettings::default()
            }
        });
        Self { toys, folder }
    }

    /// The files of the cache by their content.
    fn entries(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path());
        files.map(|path| (path.clone(), fs::read(path).unwrap_or_default())).collect()
    }

    /// The one entry of a module.
    fn entry(&self, version: u8) -> (PathBuf, Vec<u8>) {
        let entry = self.find(version);
        entry.unwrap_or_else(|| panic!("no entry of {version}"))
    }

    fn find(&self, version: u8) -> Option<(PathBuf, Vec<u8>)> {
        let digest = good(version).sha256();
        let is_of = |path: &Path| path.file_name().unwrap().to_string_lossy().starts_with(&digest);
        self.entries().into_iter().find(|(path, bytes)| is_of(path) && !bytes.is_empty())
    }

    /// How often the log speaks of this folder.
    fn complaints(&self) -> Vec<String> {
        let log = self.toys.server.log();
        let folder = self.folder.display().to_string();
        log.lines().filter(|line| line.contains(COMPLAINT) && line.contains(&folder)).map(str::to_owned).collect()
    }
}

fn beside(modules: &ModulesDir, name: &str) -> PathBuf {
    modules.path().with_file_name(name)
}

fn sealed_by(byte: &str) -> String {
    format!("MODULE_CACHE_KEY={}", byte.repeat(32))
}

#[test]
fn a_restart_uses_the_cache() {
    let cached = Cached::new();
    let made = || fs::metadata(cached.entry(30).0).unwrap().modified().unwrap();
    let before = made();
    for _ in 0..2 {
        cached.toys.restart();
        cached.toys.assert_serves(30);
    }
    assert_eq!(made(), before, "it was used, not written anew");
    assert!(cached.complaints().is_empty(), "{:?}", cached.complaints());
}

#[test]
fn without_a_key_nothing_is_kept() {
    let cached = Cached::with(Vec::new(), |_| String::new());
    cached.toys.folder.drop_in(&good(31));
    cached.toys.wait_for(31);
    cached.toys.restart();
    cached.toys.assert_serves(31);
    assert!(cached.entries().is_empty());
    assert!(cached.toys.server.log().contains("--module-cache-dir is not used"));
}

/// An entry that is not the plugin's own of this module is compiled instead, and its place taken.
#[test]
fn an_entry_that_does_not_fit_is_harmless() {
    let cached = Cached::new();
    let toys = &cached.toys;
    toys.folder.drop_in(&good(31));
    toys.wait_for(31);
    let ((other, _), (path, good_one)) = (cached.entry(30), cached.entry(31));
    let mut damaged = good_one.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let rows: [(&str, Vec<u8>); 5] = [
        ("a damaged byte", damaged),
        ("cut off", good_one[..good_one.len() / 2].to_vec()),
        ("empty", Vec::new()),
        ("not compiled", good(31).wasm),
        ("of another module", fs::read(other).unwrap()),
    ];
    for (what, bytes) in rows {
        let _note = harness::Note::new(what);
        let before = cached.complaints().len();
        fs::write(&path, &bytes).unwrap();
        toys.restart();
        toys.assert_serves(31);
        assert_eq!(cached.complaints().len(), before + 1);
        assert!(cached.entry(31).1 != bytes, "it was compiled and kept again");
    }
    // Sealed by another key, as by somebody who has none: neither registration takes the other's.
    let of_this_key = cached.entry(31).1;
    let before = cached.complaints().len();
    toys.server.register_with(&toys.name, &toys.settings.arguments, &[sealed_by("1e")]);
    toys.restart();
    toys.assert_serves(31);
    assert_eq!(cached.complaints().len(), before + 1);
    assert!(cached.entry(31).1 != of_this_key);
    // A folder in its place, and no folder of the cache at all.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    toys.restart();
    toys.assert_serves(31);
    fs::remove_dir_all(&cached.folder).unwrap();
    toys.restart();
    toys.assert_serves(31);
}

/// The plugin's process may write files of so many blocks only: an entry is cut off near its end, as on a full disk. The
/// lines ignore the signal that the system would stop the process by.
#[test]
fn a_full_disk_costs_the_cache_and_nothing_else() {
    let limit = |modules: &ModulesDir| beside(modules, "blocks");
    let cached = Cached::with(vec![sealed_by("0f")], |modules| {
        fs::write(limit(modules), "unlimited").unwrap();
        format!("trap '' XFSZ\nulimit -f \"$(cat '{}')\"", limit(modules).display())
    });
    let toys = &cached.toys;
    let (path, entry) = cached.entry(30);
    fs::remove_file(path).unwrap();
    fs::write(limit(&toys.folder), (entry.len() / BLOCK_BYTES - 1).to_string()).unwrap();
    toys.restart();
    toys.assert_serves(30);

    let load = Load::start(toys, 2);
    load.go_on(toys);
    toys.folder.drop_in(&good(31));
    toys.wait_for(31);
    let told = std::time::Instant::now();
    load.go_on(toys);
    assert_switched(&load.end(), &full(30), told, &full(31));
    toys.restart();
    toys.assert_serves(31);
    assert!(cached.entries().is_empty(), "nothing is left of what was begun");
    for module in [good(30), good(31)] {
        let complaints = cached.complaints();
        let told = |line: &String| line.contains(&module.sha256()) && line.contains("File too large");
        assert!(complaints.iter().any(told), "{complaints:?}");
    }
    // There is room again.
    fs::write(limit(&toys.folder), "unlimited").unwrap();
    toys.restart();
    toys.assert_serves(31);
    assert!(cached.find(31).is_some());
}

/// Of a shell's limit of files.
const BLOCK_BYTES: usize = 512;
