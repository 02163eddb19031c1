//! At a start, the module that should serve is missing: a fallback serves if it safely can, is not recorded as active,
//! and gives way as soon as the right one is there.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::Ordering;

use modules::Approval;
use modules::controller::{Condition, SelectRequest, UnreadableStorage, state_key};

use crate::support::{World, digest, select, until, version};

/// A mount whose active module 2.0.0 an operator had to accept: an automatic update to it would be rejected.
async fn world() -> World {
    let world = World::new();
    world.source.put("tiny_2_more_capabilities");
    let controller = world.load().await;
    let accepted = ["random".to_owned()].into();
    controller.use_module(SelectRequest { accepted, ..select("2.0.0") }).await.unwrap();
    controller.use_module(select("latest")).await.unwrap();
    assert_eq!((version(&controller).await.as_str(), controller.report().pin), ("2.0.0", None));
    world
}

#[tokio::test]
async fn a_start_with_an_unreadable_directory_keeps_the_record_of_the_active_module() {
    let world = world().await;
    let before = world.state();
    world.source.unreadable.store(true, Ordering::SeqCst);
    for start in 1..3 {
        let controller = world.load().await;
        assert_eq!(version(&controller).await, "1.0.0", "{start}");
        assert_eq!(controller.report().condition, Condition::Serves);
        let problem = controller.report().problem.unwrap();
        let expected = format!("the last active module is 2.0.0 with SHA-256 {}", digest("tiny_2_more_capabilities"));
        assert!(problem.starts_with(&expected) && problem.contains("cannot be read"), "{problem}");
        assert!(problem.ends_with("; 1.0.0 serves in its place"), "{problem}");
        assert_eq!(world.state(), before, "{start}");
    }
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "1.0.0");
    world.source.unreadable.store(false, Ordering::SeqCst);
    until("2.0.0 serves again", || async { version(&controller).await == "2.0.0" }).await;
    until("it is told", || async { controller.report().problem.is_none() }).await;
    assert_eq!(world.state(), before);
    assert_eq!(version(&world.load().await).await, "2.0.0");
}

#[tokio::test]
async fn a_newer_embedded_fallback_is_recorded_as_active_once_the_directory_is_readable() {
    let world = World::new();
    world.source.put("tiny_2");
    drop(world.load().await);
    *world.source.embedded.lock().unwrap() = "tiny_3_traps";
    world.source.unreadable.store(true, Ordering::SeqCst);
    let controller = world.load().await;
    assert_eq!(controller.report().serving.unwrap().digest, digest("tiny_3_traps"));
    assert_eq!(world.state()["running"]["version"], "2.0.0");
    world.source.unreadable.store(false, Ordering::SeqCst);
    controller.reload().await.unwrap();
    assert_eq!(world.state()["running"]["version"], "3.0.0");
    assert_eq!(world.state()["previous"]["version"], "2.0.0");
}

#[tokio::test]
async fn a_missing_last_active_module_is_reported_and_activated_when_it_is_back() {
    let world = world().await;
    let before = world.state();
    world.source.remove("tiny_2_more_capabilities");
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "1.0.0");
    assert!(controller.report().problem.unwrap().contains(": it is not there; 1.0.0 serves in its place"));
    // There is no previous module.
    let refused = controller.revert(UnreadableStorage::Accept).await.unwrap_err().to_string();
    assert!(refused.contains("is not there any more"), "{refused}");
    assert_eq!(world.state(), before);
    world.source.put("tiny_2_more_capabilities");
    controller.trigger();
    until("2.0.0 serves again", || async { version(&controller).await == "2.0.0" }).await;
    assert_eq!(world.state(), before);
}

#[tokio::test]
async fn a_missing_pinned_module_is_reported_and_activated_when_it_is_back() {
    let world = World::new();
    world.source.put_as("tiny_2", Ok(Approval::AllowListed));
    world.source.put("tiny_3_traps");
    let controller = world.load().await;
    controller.use_module(select("2.0.0")).await.unwrap();
    let before = world.state();
    world.source.remove("tiny_2");
    controller.reload().await.unwrap();
    assert_eq!(controller.report().serving.unwrap().digest, digest("tiny_2"), "the active module stays");
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "2.0.0");
    let serving = controller.report().serving.unwrap();
    assert_eq!(serving.digest, digest("tiny_3_traps"), "the previous module");
    let problem = controller.report().problem.unwrap();
    assert!(problem.starts_with("`module/use` selects 2.0.0") && problem.contains("it is not there"), "{problem}");
    assert_eq!(world.state(), before);
    world.source.put_as("tiny_2", Ok(Approval::AllowListed));
    controller.trigger();
    until("the held one serves", || async { controller.report().serving.unwrap().digest == digest("tiny_2") }).await;
    assert_eq!(world.state(), before);
}

#[tokio::test]
async fn a_module_that_cannot_read_the_storage_is_no_fallback() {
    let world = World::new();
    world.source.put("tiny_2_newer_storage");
    world.load().await.use_module(SelectRequest { force: true, ..select("2.0.0") }).await.unwrap();
    world.source.remove("tiny_2_newer_storage");
    let controller = world.load().await;
    let told = version(&controller).await;
    assert!(told.contains("`module/use` selects 2.0.0") && told.contains("storage of version 2"), "{told}");
    assert_eq!(controller.report().condition, Condition::NothingServes);
    world.source.put("tiny_2_newer_storage");
    controller.trigger();
    until("the held one serves", || async { version(&controller).await == "2.0.0" }).await;
}

#[tokio::test]
async fn only_the_last_active_module_is_a_fallback_for_a_version_that_the_option_names() {
    let mut world = World::new();
    world.source.put("tiny_2");
    drop(world.load().await);
    world = world.option("module_version", "9.0.0");
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "2.0.0");
    let problem = controller.report().problem.unwrap();
    let expected = "the mount's option `module_version` selects 9.0.0: it is not there; 2.0.0 serves in its place";
    assert_eq!(problem, expected);
    world.source.remove("tiny_2");
    assert!(version(&world.load().await).await.contains("no module may serve this mount"));
}

#[tokio::test]
async fn a_node_without_the_active_module_serves_a_fallback_and_does_not_change_the_state() {
    let active = world().await;
    let before = active.state();
    let standby = active.other_node();
    let controller = standby.load().await;
    assert_eq!(version(&controller).await, "1.0.0");
    assert_eq!(active.state(), before);
    // An operator selects the module that serves here, which makes it the active one.
    controller.use_module(select("1.0.0")).await.unwrap();
    assert_eq!((active.state()["running"]["version"].clone(), controller.report().problem), ("1.0.0".into(), None));
    let other = active.load().await;
    other.invalidate(&state_key());
    until("the others follow", || async { version(&other).await == "1.0.0" }).await;
}

#[tokio::test]
async fn a_module_activated_over_a_fallback_reverts_to_the_fallback() {
    let world = world().await;
    world.source.remove("tiny_2_more_capabilities");
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "1.0.0");
    world.source.put("tiny_3_traps");
    controller.reload().await.unwrap();
    assert_eq!(controller.report().serving.unwrap().digest, digest("tiny_3_traps"));
    assert_eq!(world.state()["previous"]["version"], "1.0.0");
    controller.revert(UnreadableStorage::Refuse).await.unwrap();
    assert_eq!(version(&controller).await, "1.0.0");
}
