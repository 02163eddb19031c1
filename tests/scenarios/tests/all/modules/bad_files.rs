//! Whatever lies in the directory: the old module goes on serving, and the status says why.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use harness::modules::ModuleFile;

use super::load::{Load, assert_switched};
use super::{Toys, full, good, server, toy};

/// A file by what is wrong with it, its bytes, and words of the reason.
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
        ("a damaged byte", bytes(&damaged(&whole)), &["not a component"]),
        ("another version inside", bytes(&good(90).wasm), &["10.20.90"]),
        ("never ends to describe itself", toy("loops", 31), &["describe"]),
        ("fails its probe", toy("fails_its_probe", 31), &["version"]),
        ("leases nothing", toy("leases_nothing", 31), &["toy"]),
        ("cannot read what is stored", toy("reads_newer_only", 31), &["storage"]),
        ("reaches outside", toy("wants_http", 31), &["outbound-http"]),
        ("needs no token", toy("opens_a_path", 31), &["unauthenticated:version"]),
        ("wraps more", toy("wraps_more", 31), &["reload"]),
    ];
    // Each in a version of its own, so that each is the newest when it comes.
    let named = files.into_iter().zip(31_u8..).map(|((what, file, words), version)| {
        let wasm = if file.wasm == good(90).wasm { file.wasm } else { in_version(file.wasm, version) };
        Bad { what, file: ModuleFile { version: full(version), wasm, ..file }, words }
    });
    named.collect()
}

/// The bytes with the version overwritten, where they still say one.
fn in_version(mut wasm: Vec<u8>, version: u8) -> Vec<u8> {
    let (from, to) = (full(31), full(version));
    if let Some(at) = wasm.windows(from.len()).position(|bytes| bytes == from.as_bytes()) {
        wasm[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    wasm
}

/// One bit of the code differs: it is no valid wasm.
fn damaged(wasm: &[u8]) -> Vec<u8> {
    let mut wasm = wasm.to_vec();
    wasm[20] ^= 0x40;
    wasm
}

#[test]
fn a_bad_file_never_goes_live() {
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
    let log = toys.server.log();
    for Bad { what, file, .. } in &bad {
        assert!(
            log.lines().any(|line| line.contains(&file.version) && line.contains("warn")),
            "{what}: not in the log"
        );
    }
    // All of them still lie there, and a good one goes live.
    toys.folder.drop_in(&newest);
    toys.wait_for(99);
    let told = std::time::Instant::now();
    load.go_on(&toys);
    assert_switched(&load.end(), &full(30), told, &full(99));
}

/// What is no file of a bounded size inside the directory is not read.
#[test]
fn what_is_no_regular_file_is_not_read() {
    let (outside, newest) = (good(31), good(39));
    let toys = Toys::pinned(server(), &[&outside, &newest]);
    let path = toys.folder.path();
    let elsewhere = path.with_file_name(outside.name());
    fs::write(&elsewhere, &outside.wasm).unwrap();
    symlink(&elsewhere, path.join(outside.name())).unwrap();
    toys.wait_for_refusal(31, &[]);
    fs::create_dir(path.join("toy-10.20.32.wasm")).unwrap();
    toys.wait_for_refusal(32, &[]);
    assert!(Command::new("mkfifo").arg(path.join("toy-10.20.33.wasm")).status().unwrap().success());
    toys.wait_for_refusal(33, &[]);
    let huge = fs::File::create(path.join("toy-10.20.34.wasm")).unwrap();
    huge.set_len(1 << 40).unwrap();
    toys.wait_for_refusal(34, &[]);
    symlink("/etc/passwd", path.join("toy-10.20.35.wasm")).unwrap();
    toys.wait_for_refusal(35, &[]);
    symlink("nowhere", path.join("toy-10.20.36.wasm")).unwrap();
    toys.assert_serves(30);
    for name in
        ["toy.wasm", "toy-.wasm", "toy-10.20.wasm", "TOY-10.20.37.wasm", "toy-v10.20.37.wasm", ".toy-10.20.37.wasm"]
    {
        toys.folder.put(name, &good(37).wasm);
    }
    toys.reload();
    toys.assert_serves(30);
    toys.folder.drop_in(&newest);
    toys.wait_for(39);
}

/// The bytes that run were read once: what becomes of their file does not matter to them.
#[test]
fn a_file_that_changes_after_it_went_live_changes_nothing() {
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
