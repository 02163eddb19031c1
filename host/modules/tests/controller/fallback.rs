//! What should serve is not there at a start: another one stands in if it safely can, is not stored as what runs, and
//! gives way as soon as the right one is there.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::Ordering;

use modules::Approval;
use modules::controller::{Condition, SelectRequest, state_key};

use crate::support::{World, digest, select, until, version};

/// A mount that runs 2.0.0, to which somebody had to say yes: as an update it would be refused the next time.
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
async fn an_unreadable_directory_makes_no_start_forget_what_ran() {
    let world = world().await;
    let before = world.state();
    world.source.unreadable.store(true, Ordering::SeqCst);
    for start in 1..3 {
        let controller = world.load().await;
        assert_eq!(version(&controller).await, "1.0.0", "{start}");
        assert_eq!(controller.report().condition, Condition::Serves);
        let problem = controller.report().problem.unwrap();
        let expected = format!("what ran last is 2.0.0 with SHA-256 {}", digest("tiny_2_more_capabilities"));
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
async fn a_newer_binary_that_stood_in_is_what_runs_once_the_directory_is_read() {
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
async fn what_ran_last_and_is_gone_is_missed_and_taken_when_it_is_back() {
    let world = world().await;
    let before = world.state();
    world.source.remove("tiny_2_more_capabilities");
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "1.0.0");
    assert!(controller.report().problem.unwrap().contains(": it is not there; 1.0.0 serves in its place"));
    // There is nothing to go back to, and nobody goes anywhere.
    let refused = controller.revert(true).await.unwrap_err().to_string();
    assert!(refused.contains("is not there any more"), "{refused}");
    assert_eq!(world.state(), before);
    world.source.put("tiny_2_more_capabilities");
    controller.trigger();
    until("2.0.0 serves again", || async { version(&controller).await == "2.0.0" }).await;
    assert_eq!(world.state(), before);
}

#[tokio::test]
async fn what_is_held_and_gone_is_missed_and_taken_when_it_is_back() {
    let world = World::new();
    world.source.put_as("tiny_2", Ok(Approval::AllowListed));
    world.source.put("tiny_3_traps");
    let controller = world.load().await;
    controller.use_module(select("2.0.0")).await.unwrap();
    let before = world.state();
    world.source.remove("tiny_2");
    controller.reload().await.unwrap();
    assert_eq!(controller.report().serving.unwrap().digest, digest("tiny_2"), "what serves stays");
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "2.0.0");
    let serving = controller.report().serving.unwrap();
    assert_eq!(serving.digest, digest("tiny_3_traps"), "what ran before it");
    let problem = controller.report().problem.unwrap();
    assert!(problem.starts_with("`module/use` holds 2.0.0") && problem.contains("it is not there"), "{problem}");
    assert_eq!(world.state(), before);
    world.source.put_as("tiny_2", Ok(Approval::AllowListed));
    controller.trigger();
    until("the held one serves", || async { controller.report().serving.unwrap().digest == digest("tiny_2") }).await;
    assert_eq!(world.state(), before);
}

#[tokio::test]
async fn nothing_stands_in_for_a_module_whose_storage_it_does_not_know() {
    let world = World::new();
    world.source.put("tiny_2_newer_storage");
    world.load().await.use_module(SelectRequest { force: true, ..select("2.0.0") }).await.unwrap();
    world.source.remove("tiny_2_newer_storage");
    let controller = world.load().await;
    let told = version(&controller).await;
    assert!(told.contains("`module/use` holds 2.0.0") && told.contains("storage of version 2"), "{told}");
    assert_eq!(controller.report().condition, Condition::NothingServes);
    world.source.put("tiny_2_newer_storage");
    controller.trigger();
    until("the held one serves", || async { version(&controller).await == "2.0.0" }).await;
}

#[tokio::test]
async fn what_ran_last_stands_in_for_a_version_that_the_option_holds_and_nothing_else_does() {
    let mut world = World::new();
    world.source.put("tiny_2");
    drop(world.load().await);
    world = world.option("module_version", "9.0.0");
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "2.0.0");
    let problem = controller.report().problem.unwrap();
    let expected = "the mount's option `module_version` holds 9.0.0: it is not there; 2.0.0 serves in its place";
    assert_eq!(problem, expected);
    world.source.remove("tiny_2");
    assert!(version(&world.load().await).await.contains("no module may serve this mount"));
}

#[tokio::test]
async fn a_node_without_what_the_others_run_stands_in_and_leaves_the_record_alone() {
    let active = world().await;
    let before = active.state();
    let standby = active.other_node();
    let controller = standby.load().await;
    assert_eq!(version(&controller).await, "1.0.0");
    assert_eq!(active.state(), before);
    // It names what serves here: then that is what runs.
    controller.use_module(select("1.0.0")).await.unwrap();
    assert_eq!((active.state()["running"]["version"].clone(), controller.report().problem), ("1.0.0".into(), None));
    let other = active.load().await;
    other.invalidate(&state_key());
    until("the others follow", || async { version(&other).await == "1.0.0" }).await;
}

#[tokio::test]
async fn what_is_named_while_another_one_stands_in_goes_back_to_what_served() {
    let world = world().await;
    world.source.remove("tiny_2_more_capabilities");
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "1.0.0");
    world.source.put("tiny_3_traps");
    controller.reload().await.unwrap();
    assert_eq!(controller.report().serving.unwrap().digest, digest("tiny_3_traps"));
    assert_eq!(world.state()["previous"]["version"], "1.0.0");
    controller.revert(false).await.unwrap();
    assert_eq!(version(&controller).await, "1.0.0");
}
