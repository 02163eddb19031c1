//! Code that a command compiled is kept for the next command, for its user alone.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::program::{Run, plugin, rogue, run_cached};

fn inspect(cache: &Path) -> Run {
    let module = rogue("good");
    run_cached(cache, &plugin(), cache, &["module", "inspect", module.to_str().unwrap()], "").expect(0)
}

/// The folder that commands make in the user's cache folder.
fn folder(cache: &Path) -> PathBuf {
    cache.join("vault-plugin-secrets-datastax-astra")
}

/// The one file of compiled code, and which file of the disk it is: one that is compiled again replaces it.
fn kept(cache: &Path) -> (PathBuf, u64) {
    let files = fs::read_dir(folder(cache)).unwrap().map(|entry| entry.unwrap().path());
    let code: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "sealed")).collect();
    let [path] = code.as_slice() else { panic!("{code:?}") };
    (path.clone(), fs::metadata(path).unwrap().ino())
}

#[test]
fn a_command_uses_the_code_that_an_earlier_command_compiled() {
    let cache = tempfile::tempdir().unwrap();
    let first = inspect(cache.path());
    assert_eq!(first.stderr, "");
    let (path, number) = kept(cache.path());
    for file in [&path, &folder(cache.path()).join("key")] {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o7777, 0o600, "{}", file.display());
    }
    assert_eq!(inspect(cache.path()).stdout, first.stdout);
    assert_eq!(kept(cache.path()).1, number, "nothing was compiled");
    let module = rogue("good");
    let help = ["run", "--module", module.to_str().unwrap(), "help"];
    run_cached(cache.path(), &plugin(), cache.path(), &help, "");
    assert_eq!(kept(cache.path()).1, number, "nothing was compiled");
}

#[test]
fn damaged_code_is_compiled_again() {
    let cache = tempfile::tempdir().unwrap();
    let first = inspect(cache.path());
    let (path, number) = kept(cache.path());
    let mut code = fs::read(&path).unwrap();
    *code.last_mut().unwrap() ^= 1;
    fs::write(&path, code).unwrap();
    assert_eq!(inspect(cache.path()).stdout, first.stdout);
    assert_ne!(kept(cache.path()).1, number);
}

#[test]
fn a_cache_that_others_can_use_is_not_used() {
    let cache = tempfile::tempdir().unwrap();
    let first = inspect(cache.path());
    let (path, _) = kept(cache.path());
    fs::remove_file(path).unwrap();
    fs::set_permissions(folder(cache.path()), Permissions::from_mode(0o755)).unwrap();
    let second = inspect(cache.path());
    assert_eq!(second.stdout, first.stdout);
    let second = second.says("compiled code is not kept").says("has the mode 755");
    assert_eq!(second.stderr.lines().count(), 1, "{}", second.stderr);
    let left = fs::read_dir(folder(cache.path())).unwrap().count();
    assert_eq!(left, 1, "the key alone");
}
