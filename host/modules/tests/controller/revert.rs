//! Reverts: by an operator, and automatically when a new module fails.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use envelope::Operation;
use modules::Approval;
use modules::controller::{Condition, Done, ModuleController, SelectRequest, UnreadableStorage, state_key};

use crate::support::{World, ask, digest, reason, reported, select, until, version};

#[tokio::test]
async fn a_module_that_an_operator_reverted_is_not_activated_again_automatically() {
    let world = World::new();
    world.source.put("tiny_2");
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "2.0.0");
    let done = controller.revert(UnreadableStorage::Refuse).await.unwrap();
    assert!(matches!(done, Done::Serves(id) if id.version.to_string() == "1.0.0"));
    assert_eq!(version(&controller).await, "1.0.0");
    controller.reload().await.unwrap();
    assert_eq!(version(&controller).await, "1.0.0");
    assert!(reason(&controller, "tiny_2").contains("an operator reverted it"));
    assert_eq!(controller.report().condition, Condition::Serves);
    // The same after a restart.
    assert_eq!(version(&world.load().await).await, "1.0.0");
    assert!(
        controller.revert(UnreadableStorage::Refuse).await.unwrap_err().to_string().contains("no module served before")
    );
}

#[tokio::test]
async fn a_revert_from_a_pinned_module_activates_no_higher_version() {
    let world = World::new();
    world.source.put("tiny_2");
    let controller = world.load().await;
    controller.use_module(select("2.0.0")).await.unwrap();
    world.source.put("tiny_3_traps");
    controller.reload().await.unwrap();
    let done = controller.revert(UnreadableStorage::Refuse).await.unwrap();
    assert!(matches!(done, Done::Serves(id) if id.version.to_string() == "1.0.0"));
    for controller in [controller, world.load().await] {
        assert_eq!(version(&controller).await, "1.0.0");
        assert!(reported(&controller, "tiny_3_traps").reason.unwrap().contains("`module/use` selects 1.0.0"));
    }
}

#[tokio::test]
async fn a_process_that_has_not_served_the_mount_yet_can_revert_it() {
    let world = World::new();
    world.source.put("tiny_2");
    drop(world.load().await);
    let done = world.open().await.revert(UnreadableStorage::Refuse).await.unwrap();
    assert!(matches!(done, Done::Serves(id) if id.version.to_string() == "1.0.0"));
}

#[tokio::test]
async fn a_module_that_traps_during_its_trial_is_reverted_automatically() {
    let world = World::new();
    let controller = world.load().await;
    assert_eq!(ask(&controller, Operation::Update, "note").await.unwrap(), "Ok(())");
    world.source.put("tiny_2_traps");
    controller.reload().await.unwrap();
    assert_eq!(version(&controller).await, "2.0.0");
    for _ in 0..3 {
        assert!(ask(&controller, Operation::Update, "trap").await.is_err());
    }
    controller.reload().await.unwrap();
    assert_eq!(version(&controller).await, "2.0.0", "three faults may be a coincidence");
    assert_eq!(controller.automatic_reverts(), 0);
    assert!(ask(&controller, Operation::Update, "trap").await.is_err());
    until("1.0.0 serves again", || async { version(&controller).await == "1.0.0" }).await;
    until("it is told", || async { controller.report().condition == Condition::Serves }).await;
    until("it is counted", || async { controller.automatic_reverts() == 1 }).await;
    controller.reload().await.unwrap();
    assert!(reason(&controller, "tiny_2_traps").contains("it trapped"));
    assert_eq!(version(&controller).await, "1.0.0");
    assert_eq!(ask(&controller, Operation::Read, "note").await.unwrap(), "Ok(Some([49, 46, 48, 46, 48]))");
    assert_eq!(world.state()["refused"][0]["digest"], digest("tiny_2_traps").to_string());
    // An operator selects the module.
    let named = SelectRequest { digest: Some(digest("tiny_2_traps")), ..select("latest") };
    controller.use_module(named).await.unwrap();
    assert_eq!(version(&controller).await, "2.0.0");
    assert!(controller.report().pin.is_none());
}

#[tokio::test]
async fn an_automatic_revert_that_fails_is_retried_after_a_new_trial() {
    let world = World::new();
    world.source.put("tiny_2_traps");
    drop(world.load().await);
    // After a restart, the previous module must be found first.
    let controller = world.load().await;
    world.source.unreadable.store(true, Ordering::SeqCst);
    for _ in 0..4 {
        assert!(ask(&controller, Operation::Update, "trap").await.is_err());
    }
    until("its trial goes on", || async { controller.report().condition == Condition::OnTrial }).await;
    assert_eq!(version(&controller).await, "2.0.0");
    world.source.unreadable.store(false, Ordering::SeqCst);
    for _ in 0..4 {
        assert!(ask(&controller, Operation::Update, "trap").await.is_err());
    }
    until("1.0.0 serves again", || async { version(&controller).await == "1.0.0" }).await;
}

#[tokio::test]
async fn a_failed_module_is_recorded_though_another_one_replaced_it_meanwhile() {
    let world = World::new();
    world.source.put("tiny_2_traps");
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "2.0.0");
    world.source.put("tiny_2");
    // The selection is almost done before the revert begins.
    *world.storage.gated.lock().unwrap() = Some(state_key());
    let closed = world.storage.gate.lock().await;
    let mut changes = tokio::task::JoinSet::new();
    changes.spawn({
        let controller = Arc::clone(&controller);
        async move { controller.use_module(SelectRequest { digest: Some(digest("tiny_2")), ..select("2.0.0") }).await }
    });
    until("it is being stored", || async { world.storage.at_the_gate.load(Ordering::SeqCst) > 0 }).await;
    for _ in 0..4 {
        assert!(ask(&controller, Operation::Update, "trap").await.is_err());
    }
    drop(closed);
    changes.join_next().await.unwrap().unwrap().unwrap();
    let failed = digest("tiny_2_traps").to_string();
    until("it is on record", || async { world.state()["refused"][0]["digest"] == failed }).await;
    assert_eq!(controller.report().serving.unwrap().digest, digest("tiny_2"));
    let refused = controller.revert(UnreadableStorage::Refuse).await.unwrap_err().to_string();
    assert!(refused.contains("no module served before"), "{refused}");
}

#[tokio::test]
async fn a_revert_succeeds_though_the_reconcile_pass_after_it_fails() {
    let world = World::new();
    world.source.put("tiny_2");
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "2.0.0");
    // The previous module is still loaded, because this process replaced it.
    world.source.remove("tiny_2");
    world.source.put("tiny_2_traps");
    controller.use_module(SelectRequest { digest: Some(digest("tiny_2_traps")), ..select("2.0.0") }).await.unwrap();
    world.source.unreadable.store(true, Ordering::SeqCst);
    let done = controller.revert(UnreadableStorage::Refuse).await.unwrap();
    assert!(matches!(done, Done::Serves(id) if id.version.to_string() == "2.0.0"));
    assert_eq!(controller.report().serving.unwrap().digest, digest("tiny_2"));
    assert!(controller.report().problem.unwrap().contains("cannot be read"));
}

#[tokio::test]
async fn an_automatic_revert_does_not_wait_for_storage() {
    let world = World::new();
    world.source.put("tiny_2_traps");
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "2.0.0");
    world.storage.read_only.store(true, Ordering::SeqCst);
    for _ in 0..4 {
        assert!(ask(&controller, Operation::Update, "trap").await.is_err());
    }
    until("1.0.0 serves again", || async { version(&controller).await == "1.0.0" }).await;
    until("it is told", || async { controller.report().unsaved }).await;
    assert_eq!(world.state()["running"]["version"], "2.0.0");
}

#[tokio::test]
async fn an_automatic_revert_after_a_restart_finds_the_previous_module() {
    let world = World::new();
    world.source.put("tiny_2_traps");
    drop(world.load().await);
    let restarted = world.load().await;
    assert_eq!(version(&restarted).await, "2.0.0");
    assert_eq!(restarted.report().condition, Condition::OnTrial, "its trial is not over");
    for _ in 0..4 {
        assert!(ask(&restarted, Operation::Update, "trap").await.is_err());
    }
    until("1.0.0 serves again", || async { version(&restarted).await == "1.0.0" }).await;
}

#[tokio::test]
async fn a_revert_to_an_incompatible_module_must_be_forced() {
    let world = World::new();
    world.source.put("tiny_2_newer_storage");
    let controller = world.load().await;
    assert!(reason(&controller, "tiny_2_newer_storage").contains("`force`"));
    controller.use_module(SelectRequest { force: true, ..select("2.0.0") }).await.unwrap();
    let refused = controller.revert(UnreadableStorage::Refuse).await.unwrap_err().to_string();
    assert!(refused.contains("storage of version 2") && refused.contains("`force`"), "{refused}");
    assert_eq!(version(&controller).await, "2.0.0");
    controller.revert(UnreadableStorage::Accept).await.unwrap();
    assert_eq!(version(&controller).await, "1.0.0");
}

#[tokio::test]
async fn a_revert_on_one_node_is_followed_by_the_others() {
    let world = World::new();
    // The revert loses a secret kind: the node that reverts checks that.
    world.source.put("tiny_2_leases_more");
    let (active, standby) = (world.load().await, world.load().await);
    assert_eq!((version(&active).await.as_str(), version(&standby).await.as_str()), ("2.0.0", "2.0.0"));
    active.revert(UnreadableStorage::Refuse).await.unwrap();
    standby.invalidate("some/other/key");
    assert_eq!(version(&standby).await, "2.0.0");
    standby.invalidate(&state_key());
    until("the other node goes back", || async { version(&standby).await == "1.0.0" }).await;
    // It does not return to the reverted module, although that one is still loaded there.
    let refused = standby.revert(UnreadableStorage::Accept).await.unwrap_err().to_string();
    assert!(refused.contains("no module served before"), "{refused}");
    assert_eq!(version(&standby).await, "1.0.0");
}

#[tokio::test]
async fn a_revert_to_other_special_paths_needs_a_reload() {
    let world = World::new();
    world.source.put("tiny_2_other_special_paths");
    drop(world.load().await);
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "2.0.0");
    let done = controller.revert(UnreadableStorage::Refuse).await.unwrap();
    assert!(matches!(done, Done::NeedsReload(id) if id.version.to_string() == "1.0.0"));
    assert_eq!(version(&controller).await, "2.0.0");
    assert_eq!(version(&world.load().await).await, "1.0.0");
}

/// A mount whose pass hangs while it loads `tiny_3`.
async fn hanging() -> (World, Arc<ModuleController>) {
    let world = World::new();
    world.source.put("tiny_2_traps");
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "2.0.0");
    world.source.put("tiny_3");
    world.source.close(Some("tiny_3"));
    controller.trigger();
    until("the look hangs", || async { world.source.waiting.load(Ordering::SeqCst) > 0 }).await;
    (world, controller)
}

#[tokio::test]
async fn an_automatic_revert_does_not_wait_for_a_hanging_reconcile_pass() {
    let (world, controller) = hanging().await;
    for _ in 0..4 {
        assert!(ask(&controller, Operation::Update, "trap").await.is_err());
    }
    until("1.0.0 serves again", || async { version(&controller).await == "1.0.0" }).await;
    world.source.close(None);
    until("3.0.0 serves after all", || async { controller.report().serving.unwrap().digest == digest("tiny_3") }).await;
}

#[tokio::test]
async fn a_revert_by_an_operator_does_not_wait_for_a_hanging_reconcile_pass() {
    let (world, controller) = hanging().await;
    // Other callers already wait for the pass.
    let mut others = tokio::task::JoinSet::new();
    others.spawn({
        let controller = Arc::clone(&controller);
        async move { controller.reload().await }
    });
    tokio::task::yield_now().await;
    world.source.remove("tiny_3");
    controller.revert(UnreadableStorage::Refuse).await.unwrap();
    assert_eq!(version(&controller).await, "1.0.0");
    let other = others.join_next().await.unwrap().unwrap();
    assert!(other.unwrap_err().to_string().contains("a revert is in progress on this mount"));
}

#[tokio::test]
async fn a_revert_lasts_over_a_restart_though_an_allow_listed_version_lies_between() {
    let world = World::new();
    world.source.put("tiny_3_traps");
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "2.0.0", "as it calls itself; its file is named 3.0.0");
    controller.revert(UnreadableStorage::Refuse).await.unwrap();
    world.source.put_as("tiny_2", Ok(Approval::AllowListed));
    controller.reload().await.unwrap();
    assert_eq!(version(&controller).await, "1.0.0");
    let restarted = world.load().await;
    assert_eq!(version(&restarted).await, "1.0.0");
    assert!(reported(&restarted, "tiny_2").reason.unwrap().contains("`module/use` activates it"));
    restarted.use_module(select("2.0.0")).await.unwrap();
    assert_eq!(version(&restarted).await, "2.0.0");
}
