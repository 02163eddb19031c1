//! Bad files in the directory: the active module continues to serve, and the report has the reason.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use harness::modules::{ModuleFile, SigningKey};

use super::load::{Load, assert_switched};
use super::{Toys, full, good, server, toy};

/// A file by its mistake, its bytes, and words of the reason.
struct Bad {
    what: &'static str,
    file: ModuleFile,
    words: &'static [&'static str],
}

fn bad_files() -> Vec<Bad> {
    let whole = good(31).wasm;
    let bytes = |wasm: &[u8]| ModuleFile { wasm: wasm.to_vec(), ..good(31) };
    let files: Vec<(&'static str, ModuleFile, &'static [&'static str])> = vec![
        ("truncated", bytes(&whole[..whole.len() / 2]), &["not a component"]),
        ("empty", bytes(b""), &["not a component"]),
        ("no wasm", bytes(b"#!/bin/sh\nexit 0\n"), &["not a component"]),
        ("a core module", bytes(b"\0asm\x01\0\0\0"), &["not a component"]),
        ("a component without exports", bytes(b"\0asm\x0d\0\x01\0"), &["not of the world"]),
        ("of another world", good(31).with("backend/backend@", "backend/bookend@"), &["not of the world"]),
        ("of a later world", good(31).with("backend/backend@0", "backend/backend@9"), &["not of the world"]),
        ("imports what no engine gets", good(31).with("host/storage@", "host/stowage@"), &["not of the world"]),
        ("a damaged byte", bytes(&damaged(&whole)), &["not a component"]),
        #[cfg(feature = "component")]
        ("compiled already", bytes(harness::fake::precompiled_component()), &["not a component"]),
        ("never ends to start", toy("loops_at_start", 31), &["describe", "processor time"]),
        ("never ends to describe itself", toy("loops", 31), &["describe", "processor time"]),
        ("fails its probe", toy("fails_its_probe", 31), &["version"]),
        ("leases nothing", toy("leases_nothing", 31), &["toy"]),
        ("cannot read what is stored", toy("reads_newer_only", 31), &["storage"]),
        ("reaches outside", toy("wants_http", 31), &["outbound-http"]),
        ("needs no token", toy("opens_a_path", 31), &["unauthenticated:version"]),
        ("wraps more", toy("wraps_more", 31), &["reload"]),
    ];
    // Each has a version of its own, so that each is the newest when it appears.
    let named = files.into_iter().zip(31_u8..).map(|((what, file, words), version)| {
        let wasm = in_version(file.wasm, version);
        Bad { what, file: ModuleFile { version: full(version), wasm, ..file }, words }
    });
    named.collect()
}

/// The bytes with another version, if they contain one.
fn in_version(mut wasm: Vec<u8>, version: u8) -> Vec<u8> {
    let (from, to) = (full(31), full(version));
    if let Some(at) = wasm.windows(from.len()).position(|bytes| bytes == from.as_bytes()) {
        wasm[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    wasm
}

/// One bit of the code differs: the bytes are not valid WebAssembly.
fn damaged(wasm: &[u8]) -> Vec<u8> {
    let mut wasm = wasm.to_vec();
    wasm[20] ^= 0x40;
    wasm
}

#[test]
fn a_bad_file_is_never_activated() {
    let bad = bad_files();
    let (newest, files) = (good(99), bad.iter().map(|bad| &bad.file));
    let trusted: Vec<&ModuleFile> = files.chain([&newest]).collect();
    let toys = Toys::pinned(server(), &trusted);
    let load = Load::start(&toys, 2);
    for (Bad { what, file, words }, version) in bad.iter().zip(31_u8..) {
        let _note = harness::Note::new(what);
        toys.folder.drop_in(file);
        toys.wait_for_refusal(version, words);
        toys.assert_serves(30);
    }
    for Bad { what, file, .. } in &bad {
        toys.server.wait_for_line(what, |line| line.contains(&file.version) && line.contains("warn"));
    }
    // All of them are still there, and a good one is activated.
    toys.folder.drop_in(&newest);
    toys.wait_for(99);
    let told = Instant::now();
    load.go_on(&toys);
    assert_switched(&load.end(), &full(30), told, &full(99));
}

/// A file in place of a module, and words of the reason.
type Oddity = (&'static str, fn(&Path, &Path), &'static str);

/// The second path is that of a trusted module outside the directory.
const ODDITIES: [Oddity; 7] = [
    ("a link out of the directory", |place, outside| symlink(outside, place).unwrap(), "outside"),
    (
        "a link up and out",
        |place, _| symlink(Path::new("..").join(place.file_name().unwrap()), place).unwrap(),
        "outside",
    ),
    ("a link to another file", |place, _| symlink("/etc/passwd", place).unwrap(), "outside"),
    ("a link to nowhere", |place, _| symlink("nowhere", place).unwrap(), "No such file"),
    ("a folder", |place, _| fs::create_dir(place).unwrap(), "not a regular file"),
    ("a pipe", pipe, "not a regular file"),
    ("huge", |place, _| fs::File::create(place).unwrap().set_len(1 << 40).unwrap(), "at most"),
];

fn pipe(place: &Path, _: &Path) {
    assert!(Command::new("mkfifo").arg(place).status().unwrap().success());
}

/// The host reads only regular files of a bounded size inside the directory.
#[test]
fn a_module_that_is_not_a_regular_file_is_not_read() {
    let modules: Vec<ModuleFile> = (31_u8..38).map(good).collect();
    let newest = good(39);
    let toys = Toys::pinned(server(), &modules.iter().chain([&newest]).collect::<Vec<_>>());
    let path = toys.folder.path();
    let load = Load::start(&toys, 2);
    for ((what, put, words), (module, version)) in ODDITIES.into_iter().zip(modules.iter().zip(31_u8..)) {
        let _note = harness::Note::new(what);
        let outside = path.with_file_name(module.name());
        fs::write(&outside, &module.wasm).unwrap();
        put(&path.join(module.name()), &outside);
        toys.wait_for_refusal(version, &[words]);
        toys.assert_serves(30);
    }
    for name in
        ["toy.wasm", "toy-.wasm", "toy-10.20.wasm", "TOY-10.20.37.wasm", "toy-v10.20.37.wasm", ".toy-10.20.37.wasm"]
    {
        toys.folder.put(name, &good(37).wasm);
    }
    toys.reload();
    toys.assert_serves(30);
    toys.folder.drop_in(&newest);
    toys.wait_for(39);
    let told = Instant::now();
    load.go_on(&toys);
    assert_switched(&load.end(), &full(30), told, &full(39));
}

/// The same for signature files; the good ones are outside the directory.
#[test]
fn a_signature_file_that_is_not_a_regular_file_is_not_read() {
    let key = SigningKey::generate();
    let toys = Toys::mount(server(), vec![key.trust()], |folder| folder.drop_in_signed(&good(30), &[&key]));
    for ((what, put, words), version) in ODDITIES.into_iter().zip(31_u8..) {
        let _note = harness::Note::new(what);
        let (module, signatures) = (good(version), format!("{}.sig", good(version).name()));
        let outside = toys.folder.path().with_file_name(&signatures);
        fs::write(&outside, toys.folder.signatures(&module, &[&key])).unwrap();
        put(&toys.folder.path().join(&signatures), &outside);
        toys.folder.drop_in(&module);
        toys.wait_for_refusal(version, &[words]);
        toys.assert_serves(30);
    }
    toys.folder.drop_in_signed(&good(39), &[&key]);
    toys.wait_for(39);
}

/// The bytes that run were read once, so a later change of the file has no effect.
#[test]
fn a_change_of_the_active_modules_file_has_no_effect() {
    let update = good(31);
    let toys = Toys::pinned(server(), &[&update]);
    toys.folder.drop_in(&update);
    toys.wait_for(31);
    let digest = toys.status()["digest"].clone();
    toys.folder.put(&update.name(), &good(32).wasm);
    toys.reload();
    toys.assert_serves(31);
    toys.folder.put(&update.name(), b"");
    toys.reload();
    toys.assert_serves(31);
    toys.folder.remove(&update.name());
    toys.reload();
    toys.assert_serves(31);
    assert_eq!(toys.status()["digest"], digest);
}
