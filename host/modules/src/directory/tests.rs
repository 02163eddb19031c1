//! The content of a directory: what counts as a module and what does not.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "tests lay out directories")]

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

const MAX: usize = 64;

fn directory() -> (TempDir, Directory) {
    let dir = tempfile::tempdir().unwrap();
    let directory = Directory::new(dir.path().to_owned(), MAX);
    (dir, directory)
}

/// Names of the modules, then name and reason of each rejected file.
fn listed(directory: &mut Directory) -> (Vec<String>, Vec<(String, String)>) {
    let Listing { modules, refused } = directory.list().unwrap();
    let refused = refused.into_iter().map(|file| (file.name, file.reason.to_string()));
    (modules.into_iter().map(|file| file.name).collect(), refused.collect())
}

/// The reason for which the only file is rejected.
fn refused(directory: &mut Directory) -> String {
    let (modules, refused) = listed(directory);
    assert_eq!(modules, Vec::<String>::new());
    let [(name, reason)] = refused.try_into().unwrap();
    assert!(directory.read(&name).is_err(), "what is not listed is not read either");
    reason
}

#[test]
fn modules_are_listed_with_digest_and_signatures_and_other_files_are_not() {
    let (dir, mut directory) = directory();
    for (name, content) in [
        ("astra-1.0.0.wasm", "one"),
        ("astra-1.0.0.wasm.sig", "signed"),
        ("other-2.0.0.wasm", "two"),
        ("README.md", ""),
        ("astra-1.0.0.wasm.tmp", ""),
    ] {
        fs::write(dir.path().join(name), content).unwrap();
    }
    let Listing { modules, refused } = directory.list().unwrap();
    assert_eq!(refused, []);
    let [one, two] = modules.try_into().ok().unwrap();
    assert_eq!((one.id.to_string().as_str(), one.digest), ("astra 1.0.0", Digest::of(b"one")));
    assert_eq!(one.signatures.as_deref(), Some(&b"signed"[..]));
    assert_eq!((two.id.to_string().as_str(), two.signatures), ("other 2.0.0", None));
    assert_eq!(directory.read("astra-1.0.0.wasm").unwrap(), (b"one".to_vec(), Some(b"signed".to_vec())));
}

#[test]
fn a_badly_named_module_is_refused_by_name() {
    let (dir, mut directory) = directory();
    fs::write(dir.path().join("Astra.wasm"), "x").unwrap();
    let (modules, refused) = listed(&mut directory);
    assert_eq!(modules, Vec::<String>::new());
    assert_eq!(refused[0].0, "Astra.wasm");
    assert!(refused[0].1.contains("is not named `<engine>-<version>.wasm`"), "{refused:?}");
}

#[test]
fn links_lead_within_the_directory_only() {
    let (outside, _) = directory();
    let (dir, mut directory) = directory();
    fs::write(outside.path().join("real.wasm"), "x").unwrap();
    let link = dir.path().join("astra-1.0.0.wasm");
    for target in [outside.path().join("real.wasm"), "../real.wasm".into(), "/proc/self/exe".into()] {
        symlink(target, &link).unwrap();
        assert!(refused(&mut directory).starts_with("`astra-1.0.0.wasm` cannot be read: "));
        fs::remove_file(&link).unwrap();
    }
    // A link to a link to a folder, as Kubernetes lays out volumes of secrets and settings.
    fs::create_dir(dir.path().join("..2026")).unwrap();
    fs::write(dir.path().join("..2026/astra-1.0.0.wasm"), "within").unwrap();
    symlink("..2026", dir.path().join("..data")).unwrap();
    symlink("..data/astra-1.0.0.wasm", &link).unwrap();
    assert_eq!(listed(&mut directory).0, ["astra-1.0.0.wasm"]);
    assert_eq!(directory.read("astra-1.0.0.wasm").unwrap().0, b"within");
}

#[test]
fn a_link_out_in_place_of_the_signatures_is_refused_not_overlooked() {
    let (dir, mut directory) = directory();
    fs::write(dir.path().join("astra-1.0.0.wasm"), "x").unwrap();
    symlink("/etc/hostname", dir.path().join("astra-1.0.0.wasm.sig")).unwrap();
    assert!(refused(&mut directory).starts_with("`astra-1.0.0.wasm.sig` cannot be read: "));
}

#[test]
fn only_regular_files_are_read() {
    let (dir, mut directory) = directory();
    let path = dir.path().join("astra-1.0.0.wasm");
    fs::create_dir(&path).unwrap();
    assert!(refused(&mut directory).contains("it is not a regular file"));
    fs::remove_dir(&path).unwrap();
    // Opening a pipe without a writer must not block.
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
    assert!(refused(&mut directory).contains("it is not a regular file"));
}

#[test]
fn files_have_a_size() {
    let (dir, mut directory) = directory();
    let path = dir.path().join("astra-1.0.0.wasm");
    fs::write(&path, [0; MAX + 1]).unwrap();
    assert_eq!(refused(&mut directory), "`astra-1.0.0.wasm` cannot be read: it has 65 bytes; at most 64");
    fs::write(&path, [0; MAX]).unwrap();
    assert_eq!(listed(&mut directory).0.len(), 1);
    fs::write(dir.path().join("astra-1.0.0.wasm.sig"), vec![b' '; SIGNATURE_FILE_BYTES_MAX + 1]).unwrap();
    assert!(refused(&mut directory).starts_with("`astra-1.0.0.wasm.sig` cannot be read: it has 16385 bytes"));
}

#[test]
fn a_directory_holds_a_bounded_number_of_modules_and_entries() {
    let (dir, mut directory) = directory();
    for number in 0..DIRECTORY_MODULES_MAX {
        fs::write(dir.path().join(format!("astra-1.0.{number}.wasm")), "x").unwrap();
    }
    assert_eq!(listed(&mut directory).0.len(), DIRECTORY_MODULES_MAX);
    let one_more = dir.path().join("astra-2.0.0.wasm");
    fs::write(&one_more, "x").unwrap();
    assert!(directory.list().err().unwrap().to_string().ends_with("has more than 100 modules"));
    fs::remove_file(one_more).unwrap();
    for number in DIRECTORY_MODULES_MAX..=DIRECTORY_ENTRIES_MAX {
        fs::write(dir.path().join(number.to_string()), "").unwrap();
    }
    assert!(directory.list().err().unwrap().to_string().ends_with("has more than 1000 entries"));
    assert!(directory.stamps().is_err());
}

#[test]
fn a_directory_that_vanishes_is_named_and_read_again_when_it_is_back() {
    let (dir, mut directory) = directory();
    let (path, aside) = (dir.path().to_owned(), dir.path().with_extension("aside"));
    fs::write(path.join("astra-1.0.0.wasm"), "x").unwrap();
    assert_eq!(listed(&mut directory).0.len(), 1);
    fs::rename(&path, &aside).unwrap();
    let reason = directory.list().err().unwrap().to_string();
    assert!(reason.starts_with(&format!("the directory of modules `{}` cannot be read: ", path.display())), "{reason}");
    assert!(directory.read("astra-1.0.0.wasm").is_err());
    fs::write(&path, "a file in its place").unwrap();
    assert!(directory.list().is_err());
    fs::remove_file(&path).unwrap();
    fs::rename(&aside, &path).unwrap();
    assert_eq!(listed(&mut directory).0.len(), 1);
}

#[test]
fn a_change_is_seen_by_stamps_and_by_digest() {
    let (dir, mut directory) = directory();
    let path = dir.path().join("astra-1.0.0.wasm");
    let digest = |directory: &mut Directory| directory.list().unwrap().modules[0].digest;
    fs::write(&path, "one").unwrap();
    let before = directory.stamps().unwrap();
    assert_eq!(digest(&mut directory), Digest::of(b"one"));
    // The same length within the resolution of the clock.
    fs::write(&path, "two").unwrap();
    assert_eq!(digest(&mut directory), Digest::of(b"two"));
    fs::write(dir.path().join("astra-1.0.0.wasm.sig"), "signed").unwrap();
    assert_ne!(directory.stamps().unwrap(), before);
}

#[test]
fn an_unchanged_file_is_not_read_again() {
    let (dir, mut directory) = directory();
    let path = dir.path().join("astra-1.0.0.wasm");
    fs::write(&path, "one").unwrap();
    directory.list().unwrap();
    assert!(directory.known.is_empty(), "it may change again in the same moment");
    let stamp = Stamp::of(&directory.open().unwrap().metadata("astra-1.0.0.wasm").unwrap());
    directory.known.insert("astra-1.0.0.wasm".to_owned(), (stamp, Digest::of(b"of before")));
    assert_eq!(directory.list().unwrap().modules[0].digest, Digest::of(b"of before"));
    // Another file of the same length at the same path.
    fs::write(dir.path().join("new"), "two").unwrap();
    fs::rename(dir.path().join("new"), &path).unwrap();
    assert_eq!(directory.list().unwrap().modules[0].digest, Digest::of(b"two"));
    fs::remove_file(&path).unwrap();
    directory.list().unwrap();
    assert!(directory.known.is_empty(), "what is gone is forgotten");
}

#[test]
fn times_long_ago_are_settled() {
    let old = Stamp { len: 0, device: 0, inode: 0, modified: (0, 0), changed: (0, 0) };
    assert!(old.is_settled());
    assert!(!Stamp { changed: (i64::MAX, 0), ..old }.is_settled());
}
