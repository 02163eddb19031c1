//! The cache of compiled code: a restart uses it, and a fault of the cache or of its disk does no harm.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use harness::Verb;
use harness::modules::{ASTRA_VERSION, ModuleFile, ModulesDir};
use harness::openbao::{MountSettings, OpenBaoDriver, Server};
use serde_json::{Value, json};

use super::leases::next_version;
use super::load::{Load, assert_switched};
use super::{Toys, ask, good, server};

/// The text of the log for every fault of the cache.
const COMPLAINT: &str = "cannot use the cache of compiled modules";

/// A mount whose plugin has a cache in a folder of its own.
struct Cached {
    toys: Toys,
    folder: PathBuf,
}

impl Cached {
    fn new() -> Self {
        Self::with(vec![sealed_by("0f")], Vec::new(), |_| String::new())
    }

    /// `shell` returns the lines with which the plugin's process begins; they may use the path of the modules.
    fn with(environment: Vec<String>, trust: Vec<String>, shell: impl FnOnce(&ModulesDir) -> String) -> Self {
        let mut folder = PathBuf::new();
        let toys = Toys::with(server(), |modules| {
            folder = beside(modules, "cache");
            fs::create_dir(&folder).unwrap();
            modules.drop_in(&good(30));
            let cache = format!("--module-cache-dir={}", folder.display());
            MountSettings {
                arguments: [vec![good(30).pin(), good(31).pin(), cache], trust].concat(),
                environment,
                shell: shell(modules),
                ..MountSettings::default()
            }
        });
        Self { toys, folder }
    }

    /// The files of the cache, with their content.
    fn entries(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path());
        files.map(|path| (path.clone(), fs::read(path).unwrap_or_default())).collect()
    }

    /// The entry of a toy. There must be only one.
    fn entry(&self, version: u8) -> (PathBuf, Vec<u8>) {
        let digest = good(version).sha256();
        let is_of = |path: &Path| path.file_name().unwrap().to_string_lossy().starts_with(&digest);
        let entry = self.entries().into_iter().find(|(path, bytes)| is_of(path) && !bytes.is_empty());
        entry.unwrap_or_else(|| panic!("no entry of {version}"))
    }

    /// The lines of the log about this folder.
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

/// The process of the only plugin whose arguments contain this text.
pub(super) fn plugin_with(server: &Server, argument: &str) -> u32 {
    let has_it =
        |pid: &u32| fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains(argument));
    let found: Vec<u32> = server.plugin_pids().into_iter().filter(has_it).collect();
    assert_eq!(found.len(), 1, "{argument}: {found:?}");
    found[0]
}

#[test]
fn the_key_of_the_cache_does_not_stay_in_the_environment_of_the_process() {
    let cached = Cached::new();
    let pid = plugin_with(&cached.toys.server, &cached.folder.display().to_string());
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    assert!(environment.contains("MODULE_CACHE_KEY=\0"), "its value is overwritten where it stood");
    assert!(!environment.contains(&"0f".repeat(4)));
    // The key was read: it seals the code of both modules.
    cached.entry(30);
}

#[test]
fn a_plugin_that_serves_leaves_no_core_dump_and_gets_no_new_privileges() {
    let cached = Cached::new();
    let pid = plugin_with(&cached.toys.server, &cached.folder.display().to_string());
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let has = |text: &str, words: &[&str]| {
        text.lines().any(|line| line.split_whitespace().collect::<Vec<_>>().starts_with(words))
    };
    let (status, limits) = (read("status"), read("limits"));
    assert!(has(&status, &["NoNewPrivs:", "1"]) && has(&status, &["Umask:", "0077"]), "{status}");
    assert!(has(&limits, &["Max", "core", "file", "size", "0", "0"]), "{limits}");
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
    let cached = Cached::with(Vec::new(), Vec::new(), |_| String::new());
    cached.toys.folder.drop_in(&good(31));
    cached.toys.wait_for(31);
    cached.toys.restart();
    cached.toys.assert_serves(31);
    assert!(cached.entries().is_empty());
    let says_so = |line: &str| line.contains("--module-cache-dir is not used");
    cached.toys.server.wait_for_line("nothing is kept", says_so);
}

/// An entry that does not belong to this module is not used: the module is compiled, and its entry replaced.
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
    // Sealed with another key: neither registration uses the entries of the other.
    let of_this_key = cached.entry(31).1;
    let before = cached.complaints().len();
    toys.server.register_with(&toys.name, &toys.settings.arguments, &[sealed_by("1e")]);
    toys.restart();
    toys.assert_serves(31);
    assert_eq!(cached.complaints().len(), before + 1);
    assert!(cached.entry(31).1 != of_this_key);
    // A folder in place of the entry, and no cache folder at all.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    toys.restart();
    toys.assert_serves(31);
    fs::remove_dir_all(&cached.folder).unwrap();
    toys.restart();
    toys.assert_serves(31);
}

/// The plugin's process may write files of this number of blocks only: the entry of the Astra engine, which needs
/// several times as many, is cut off as on a full disk. The shell lines ignore the signal with which the system would
/// stop the process.
#[test]
fn a_full_disk_costs_the_cache_and_nothing_else() {
    let limit = |modules: &ModulesDir| beside(modules, "blocks");
    let next = ModuleFile::astra(&next_version());
    let cached = Cached::with(vec![sealed_by("0f")], vec![next.pin()], |modules| {
        fs::write(limit(modules), BLOCKS).unwrap();
        format!("trap '' XFSZ\nulimit -f \"$(cat '{}')\"", limit(modules).display())
    });
    let toys = &cached.toys;
    let mount_point = format!("{}-astra/", toys.name);
    let settings = MountSettings { mount_point, options: json!({}), ..toys.settings.clone() };
    let astra = OpenBaoDriver::mount_registered(server(), &settings);
    let version = |path: &str| ask(&astra, Verb::Read, path, Value::Null).text("version").to_owned();

    let load = Load::at(&toys.server, &format!("{}info", astra.mount_point()), 2);
    load.go_on(toys);
    toys.folder.drop_in(&next);
    toys.server.wait_for("the update", || version("module") == next.version);
    let told = Instant::now();
    load.go_on(toys);
    assert_switched(&load.end(), ASTRA_VERSION, told, &next.version);
    let complaints = cached.complaints();
    let is_told = |line: &String| line.contains(&next.sha256()) && line.contains("File too large");
    assert!(complaints.iter().any(is_told), "{complaints:?}");
    let toy = cached.entry(30).0;
    assert_eq!(cached.entries().into_iter().map(|(path, _)| path).collect::<Vec<_>>(), [toy], "nothing half written");

    // Nothing is kept, so the engine is compiled again, at the lowest priority: that takes long on a busy machine.
    let serves = || toys.server.wait_for("the version", || version("info") == next.version);
    toys.restart();
    serves();
    // There is room again.
    fs::write(limit(&toys.folder), "unlimited").unwrap();
    toys.restart();
    serves();
    assert_eq!(cached.entries().len(), 2);
}

/// One MiB: more than any guest's memory image, which is a file, too.
const BLOCKS: &str = "2048";
