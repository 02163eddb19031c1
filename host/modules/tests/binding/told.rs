//! What the server was told of special paths: it asks once for each load, and not at all when another process takes
//! over its mounts.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::Ordering;

use modules::binding::{Condition, Done};

use crate::support::{World, naming, no_special_paths, reason, until, version};

const OTHER: &str = "tiny_2_other_special_paths";

#[tokio::test]
async fn a_process_that_takes_a_mount_over_keeps_to_what_the_server_knows() {
    let world = World::new();
    drop(world.load().await);
    world.shelf.put(OTHER);
    // Its process ended; the server sets the mount up in a new one, and goes on.
    let binding = world.open().await;
    assert_eq!(version(&binding).await, "1.0.0");
    assert!(reason(&binding, OTHER).contains("`plugin reload`"));
    // Nor if it is named, with the first request of all.
    let named = world.open().await.use_module(naming("2.0.0")).await.unwrap();
    assert!(matches!(named, Done::TakesReload(_)));
    assert_eq!(version(&world.open().await).await, "1.0.0");
    let reloaded = world.load().await;
    assert_eq!(version(&reloaded).await, "2.0.0");
    assert_eq!(version(&world.open().await).await, "2.0.0", "by now it is told");
}

#[tokio::test]
async fn also_where_what_should_run_was_not_told() {
    let world = World::new();
    world.shelf.put(OTHER);
    let binding = world.load().await;
    assert_eq!(version(&binding).await, "2.0.0");
    assert!(matches!(binding.roll_back(false).await.unwrap(), Done::TakesReload(_)));
    assert_eq!((version(&binding).await.as_str(), binding.report().condition), ("2.0.0", Condition::OnTrial));
    let taken_over = world.open().await;
    let told = version(&taken_over).await;
    assert!(told.contains("`plugin reload`"), "{told}");
    assert_eq!(version(&world.load().await).await, "1.0.0");
    assert_eq!(version(&world.open().await).await, "1.0.0", "by now it was told");
}

#[tokio::test]
async fn a_mount_of_another_engine_serves_as_soon_as_it_is_there_if_the_server_knows_enough() {
    let world = World::new().option("module", "other");
    world.storage.entries.lock().unwrap().clear();
    world.shelf.put("other_2");
    world.shelf.unreadable.store(true, Ordering::SeqCst);
    let binding = world.open().await;
    assert!(binding.special_paths().await.is_err());
    let told = version(&binding).await;
    assert!(told.contains("no module may serve this mount") && told.contains("cannot be read"), "{told}");
    assert!(binding.report().problem.unwrap().contains("cannot be read"));
    world.shelf.unreadable.store(false, Ordering::SeqCst);
    until("it serves", || async { version(&binding).await == "2.0.0" }).await;
}

#[tokio::test]
async fn a_mount_of_another_engine_that_the_server_knows_nothing_of_says_that_it_takes_a_reload() {
    let world = World::new().option("module", "other");
    world.storage.entries.lock().unwrap().clear();
    world.shelf.put("other_2_other_special_paths");
    world.shelf.unreadable.store(true, Ordering::SeqCst);
    let binding = world.load().await;
    assert_eq!(binding.report().condition, Condition::NothingServes);
    world.shelf.unreadable.store(false, Ordering::SeqCst);
    until("it says so", || async { version(&binding).await.contains("`plugin reload`") }).await;
    let reloaded = world.open().await;
    assert_eq!(reloaded.special_paths().await.unwrap().root, ["admin"]);
    assert_eq!(version(&reloaded).await, "2.0.0");
}

#[tokio::test]
async fn a_mount_whose_module_is_not_there_tells_the_special_paths_of_what_ran_last() {
    let world = World::new().option("module", "other");
    world.storage.entries.lock().unwrap().clear();
    world.shelf.put("other_2_other_special_paths");
    assert_eq!(version(&world.load().await).await, "2.0.0");
    world.shelf.unreadable.store(true, Ordering::SeqCst);
    let binding = world.open().await;
    assert_eq!(binding.special_paths().await.unwrap().root, ["admin"]);
    assert_eq!(binding.report().condition, Condition::NothingServes);
    world.shelf.unreadable.store(false, Ordering::SeqCst);
    until("it serves", || async { version(&binding).await == "2.0.0" }).await;
    assert!(!no_special_paths(&binding.special_paths().await.unwrap()));
}

#[tokio::test]
async fn a_mount_that_has_no_module_yet_tells_the_special_paths_of_the_embedded_one() {
    let world = World::new();
    *world.shelf.embedded.lock().unwrap() = "tiny_2_other_special_paths";
    world.storage.unreadable.store(true, Ordering::SeqCst);
    let binding = world.open().await;
    assert_eq!(binding.special_paths().await.unwrap().root, ["admin"]);
    assert!(version(&binding).await.contains("the server is sealed"));
    world.storage.unreadable.store(false, Ordering::SeqCst);
    assert_eq!(version(&binding).await, "2.0.0");
}

#[tokio::test]
async fn a_path_that_needs_sudo_does_not_go_live_without_the_servers_knowledge() {
    let world = World::new();
    world.shelf.put("tiny_2_other_special_paths");
    world.storage.unreadable.store(true, Ordering::SeqCst);
    let binding = world.open().await;
    assert!(no_special_paths(&binding.special_paths().await.unwrap()));
    world.storage.unreadable.store(false, Ordering::SeqCst);
    assert_eq!(version(&binding).await, "1.0.0");
    // The paths of another engine are none of this mount's.
    let other = World::new().option("module", "other");
    *other.shelf.embedded.lock().unwrap() = "tiny_2_other_special_paths";
    assert!(other.open().await.special_paths().await.is_err());
}
