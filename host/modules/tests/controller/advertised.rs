//! Advertised special paths: the server asks once for each load, and not when another process takes over its mounts.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::Ordering;

use modules::controller::{Condition, Done, UnreadableStorage};

use crate::support::{World, no_special_paths, reason, select, until, version};

const OTHER: &str = "tiny_2_other_special_paths";

#[tokio::test]
async fn a_process_that_takes_over_a_mount_keeps_the_advertised_special_paths() {
    let world = World::new();
    drop(world.load().await);
    world.source.put(OTHER);
    // The process has ended; the server sets the mount up in a new one and does not ask again.
    let controller = world.open().await;
    assert_eq!(version(&controller).await, "1.0.0");
    assert!(reason(&controller, OTHER).contains("`plugin reload`"));
    // The same if the first request of all selects the module.
    let named = world.open().await.use_module(select("2.0.0")).await.unwrap();
    assert!(matches!(named, Done::NeedsReload(_)));
    assert_eq!(version(&world.open().await).await, "1.0.0");
    let reloaded = world.load().await;
    assert_eq!(version(&reloaded).await, "2.0.0");
    assert_eq!(version(&world.open().await).await, "2.0.0", "the server has asked by now");
}

#[tokio::test]
async fn a_process_that_takes_over_a_mount_keeps_the_advertised_paths_also_after_a_revert() {
    let world = World::new();
    world.source.put(OTHER);
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "2.0.0");
    assert!(matches!(controller.revert(UnreadableStorage::Refuse).await.unwrap(), Done::NeedsReload(_)));
    assert_eq!((version(&controller).await.as_str(), controller.report().condition), ("2.0.0", Condition::OnTrial));
    let taken_over = world.open().await;
    let told = version(&taken_over).await;
    assert!(told.contains("`plugin reload`"), "{told}");
    assert_eq!(version(&world.load().await).await, "1.0.0");
    assert_eq!(version(&world.open().await).await, "1.0.0", "the server has asked by now");
}

#[tokio::test]
async fn a_mount_of_another_engine_serves_once_its_module_is_readable_if_its_special_paths_match() {
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
async fn a_mount_of_another_engine_asks_for_a_reload_if_the_server_does_not_know_its_special_paths() {
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
async fn a_mount_whose_module_is_missing_advertises_the_special_paths_of_the_last_active_module() {
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
async fn a_mount_without_a_module_advertises_the_special_paths_of_the_embedded_one() {
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
async fn a_module_whose_sudo_paths_the_server_does_not_know_is_not_activated() {
    let world = World::new();
    world.source.put("tiny_2_other_special_paths");
    world.storage.unreadable.store(true, Ordering::SeqCst);
    let controller = world.open().await;
    assert!(no_special_paths(&controller.special_paths().await.unwrap()));
    world.storage.unreadable.store(false, Ordering::SeqCst);
    assert_eq!(version(&controller).await, "1.0.0");
    // The paths of another engine do not matter to this mount.
    let other = World::new().option("module", "other");
    *other.source.embedded.lock().unwrap() = "tiny_2_other_special_paths";
    assert!(other.open().await.special_paths().await.is_err());
}
