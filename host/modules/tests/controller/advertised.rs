//! What the server was told of special paths: it asks once for each load, and not at all when another process takes
//! over its mounts.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::Ordering;

use modules::controller::{Condition, Done};

use crate::support::{World, no_special_paths, reason, select, until, version};

const OTHER: &str = "tiny_2_other_special_paths";

#[tokio::test]
async fn a_process_that_takes_a_mount_over_keeps_to_what_the_server_knows() {
    let world = World::new();
    drop(world.load().await);
    world.source.put(OTHER);
    // Its process ended; the server sets the mount up in a new one, and goes on.
    let controller = world.open().await;
    assert_eq!(version(&controller).await, "1.0.0");
    assert!(reason(&controller, OTHER).contains("`plugin reload`"));
    // Nor if it is named, with the first request of all.
    let named = world.open().await.use_module(select("2.0.0")).await.unwrap();
    assert!(matches!(named, Done::NeedsReload(_)));
    assert_eq!(version(&world.open().await).await, "1.0.0");
    let reloaded = world.load().await;
    assert_eq!(version(&reloaded).await, "2.0.0");
    assert_eq!(version(&world.open().await).await, "2.0.0", "by now it is told");
}

#[tokio::test]
async fn also_where_what_should_run_was_not_told() {
    let world = World::new();
    world.source.put(OTHER);
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "2.0.0");
    assert!(matches!(controller.revert(false).await.unwrap(), Done::NeedsReload(_)));
    assert_eq!((version(&controller).await.as_str(), controller.report().condition), ("2.0.0", Condition::OnTrial));
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
    world.source.put("other_2");
    world.source.unreadable.store(true, Ordering::SeqCst);
    let controller = world.open().await;
    assert!(controller.special_paths().await.is_err());
    let told = version(&controller).await;
    assert!(told.contains("no module may serve this mount") && told.contains("cannot be read"), "{told}");
    assert!(controller.report().problem.unwrap().contains("cannot be read"));
    world.source.unreadable.store(false, Ordering::SeqCst);
    until("it serves", || async { version(&controller).await == "2.0.0" }).await;
}

#[tokio::test]
async fn a_mount_of_another_engine_that_the_server_knows_nothing_of_says_that_it_takes_a_reload() {
    let world = World::new().option("module", "other");
    world.storage.entries.lock().unwrap().clear();
    world.source.put("other_2_other_special_paths");
    world.source.unreadable.store(true, Ordering::SeqCst);
    let controller = world.load().await;
    assert_eq!(controller.report().condition, Condition::NothingServes);
    world.source.unreadable.store(false, Ordering::SeqCst);
    until("it says so", || async { version(&controller).await.contains("`plugin reload`") }).await;
    let reloaded = world.open().await;
    assert_eq!(reloaded.special_paths().await.unwrap().root, ["admin"]);
    assert_eq!(version(&reloaded).await, "2.0.0");
}

#[tokio::test]
async fn a_mount_whose_module_is_not_there_tells_the_special_paths_of_what_ran_last() {
    let world = World::new().option("module", "other");
    world.storage.entries.lock().unwrap().clear();
    world.source.put("other_2_other_special_paths");
    assert_eq!(version(&world.load().await).await, "2.0.0");
    world.source.unreadable.store(true, Ordering::SeqCst);
    let controller = world.open().await;
    assert_eq!(controller.special_paths().await.unwrap().root, ["admin"]);
    assert_eq!(controller.report().condition, Condition::NothingServes);
    world.source.unreadable.store(false, Ordering::SeqCst);
    until("it serves", || async { version(&controller).await == "2.0.0" }).await;
    assert!(!no_special_paths(&controller.special_paths().await.unwrap()));
}

#[tokio::test]
async fn a_mount_that_has_no_module_yet_tells_the_special_paths_of_the_embedded_one() {
    let world = World::new();
    *world.source.embedded.lock().unwrap() = "tiny_2_other_special_paths";
    world.storage.unreadable.store(true, Ordering::SeqCst);
    let controller = world.open().await;
    assert_eq!(controller.special_paths().await.unwrap().root, ["admin"]);
    assert!(version(&controller).await.contains("the server is sealed"));
    world.storage.unreadable.store(false, Ordering::SeqCst);
    assert_eq!(version(&controller).await, "2.0.0");
}

#[tokio::test]
async fn a_path_that_needs_sudo_does_not_go_live_without_the_servers_knowledge() {
    let world = World::new();
    world.source.put("tiny_2_other_special_paths");
    world.storage.unreadable.store(true, Ordering::SeqCst);
    let controller = world.open().await;
    assert!(no_special_paths(&controller.special_paths().await.unwrap()));
    world.storage.unreadable.store(false, Ordering::SeqCst);
    assert_eq!(version(&controller).await, "1.0.0");
    // The paths of another engine are none of this mount's.
    let other = World::new().option("module", "other");
    *other.source.embedded.lock().unwrap() = "tiny_2_other_special_paths";
    assert!(other.open().await.special_paths().await.is_err());
}
