//! Changes are found by notices, and by the periodic look.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "tests lay out directories")]

use std::fs;
use std::path::Path;

use super::*;

/// Longer than any test, so that only a notice can trigger.
const NEVER: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(20);

fn watcher(path: &Path, interval: Duration) -> (Watcher, watch::Receiver<u64>) {
    let changes = watch::Sender::new(0);
    let receiver = changes.subscribe();
    (Watcher::start(Reader::new(path.to_owned(), 1024), changes, interval), receiver)
}

async fn change(changes: &mut watch::Receiver<u64>) {
    timeout(Duration::from_secs(60), changes.changed()).await.expect("a change is told").unwrap();
}

#[tokio::test]
async fn new_changed_and_removed_files_cause_a_notice() {
    let dir = tempfile::tempdir().unwrap();
    let (_watcher, mut changes) = watcher(dir.path(), NEVER);
    change(&mut changes).await;
    let file = dir.path().join("astra-1.0.0.wasm");
    fs::write(&file, "one").unwrap();
    change(&mut changes).await;
    fs::write(dir.path().join("astra-1.0.0.wasm.sig"), "signed").unwrap();
    change(&mut changes).await;
    fs::write(dir.path().join("new"), "longer than it was").unwrap();
    fs::rename(dir.path().join("new"), &file).unwrap();
    change(&mut changes).await;
    fs::remove_file(&file).unwrap();
    change(&mut changes).await;
}

#[tokio::test]
async fn a_directory_that_comes_back_counts_as_changed_and_is_watched() {
    let dir = tempfile::tempdir().unwrap();
    let (path, aside) = (dir.path().join("modules"), dir.path().join("aside"));
    // The directory does not exist when the watch begins.
    let (_watcher, mut changes) = watcher(&path, SOON);
    change(&mut changes).await;
    fs::create_dir(&path).unwrap();
    change(&mut changes).await;
    fs::write(path.join("astra-1.0.0.wasm"), "one").unwrap();
    change(&mut changes).await;
    fs::rename(&path, &aside).unwrap();
    change(&mut changes).await;
    fs::create_dir(&path).unwrap();
    change(&mut changes).await;
    fs::write(path.join("other-1.0.0.wasm"), "two").unwrap();
    change(&mut changes).await;
}

#[tokio::test]
async fn a_link_that_moves_to_another_directory_counts_as_a_change() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::write(dir.path().join(name).join("astra-1.0.0.wasm"), name).unwrap();
    }
    let link = dir.path().join("modules");
    std::os::unix::fs::symlink("a", &link).unwrap();
    let (_watcher, mut changes) = watcher(&link, SOON);
    change(&mut changes).await;
    std::os::unix::fs::symlink("b", dir.path().join("new")).unwrap();
    fs::rename(dir.path().join("new"), &link).unwrap();
    change(&mut changes).await;
}

#[tokio::test]
async fn files_that_are_not_modules_cause_no_change_and_the_watch_ends_with_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    let (watcher, mut changes) = watcher(dir.path(), SOON);
    change(&mut changes).await;
    fs::write(dir.path().join("README.md"), "").unwrap();
    fs::write(dir.path().join("astra-1.0.0.wasm"), "one").unwrap();
    change(&mut changes).await;
    assert!(*changes.borrow() <= 2, "one for the start, one for the module");
    drop(watcher);
    assert!(changes.changed().await.is_err(), "the watch ends with its owner");
}
