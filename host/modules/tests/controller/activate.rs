//! Activation: a better module is activated, and a rejected one changes nothing.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use envelope::Operation;
use modules::controller::{Condition, ModuleControllers, state_key};
use modules::{Approval, Rejection};
use serde_json::Value;

use crate::support::{World, ask, digest, no_special_paths, reason, reported, until, version};

#[tokio::test]
async fn without_a_directory_storage_is_never_asked() {
    let world = World::new();
    world.source.has_directory.store(false, Ordering::SeqCst);
    world.source.put("tiny_2");
    let controller = world.load().await;
    controller.trigger();
    controller.invalidate(&state_key());
    assert_eq!(version(&controller).await, "1.0.0");
    assert!(controller.reload().await.unwrap_err().to_string().contains("--modules-dir"));
    assert_eq!(controller.report().condition, Condition::Serves);
    assert_eq!(world.storage.of_the_host.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn options_that_need_a_directory_are_rejected_without_one() {
    for (name, value, expected) in
        [("module", "other", "`other`"), ("module_version", "2.0.0", "2.0.0"), ("module_version", "two", "`two`")]
    {
        let world = World::new().option(name, value);
        world.source.has_directory.store(false, Ordering::SeqCst);
        let refused = world.try_open().await.err().unwrap().to_string();
        assert!(refused.contains(expected) && refused.contains(name), "{refused}");
    }
    let world = World::new().option("module", "tiny").option("module_version", "1.0.0");
    world.source.has_directory.store(false, Ordering::SeqCst);
    assert_eq!(version(&world.load().await).await, "1.0.0");
}

#[tokio::test]
async fn the_embedded_module_serves_an_empty_directory_and_nothing_is_written() {
    let world = World::new();
    let controller = world.open().await;
    controller.trigger();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(controller.report().condition, Condition::Starting);
    assert_eq!(
        world.storage.of_the_host.load(Ordering::SeqCst),
        0,
        "storage may not answer before the mount is set up"
    );
    assert!(no_special_paths(&controller.special_paths().await.unwrap()));
    assert_eq!(version(&controller).await, "1.0.0");
    assert_eq!(controller.report().condition, Condition::Serves);
    assert_eq!(world.state(), Value::Null);
    assert_eq!(world.storage.of_the_host.load(Ordering::SeqCst), 1, "the state is read once");
}

#[tokio::test]
async fn a_higher_version_is_activated_when_its_file_appears() {
    let world = World::new();
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "1.0.0");
    world.source.put("tiny_2");
    controller.trigger();
    until("2.0.0 serves", || async { version(&controller).await == "2.0.0" }).await;
    let report = controller.report();
    assert_eq!(report.condition, Condition::OnTrial);
    assert_eq!(report.serving.unwrap().digest, digest("tiny_2"));
    assert_eq!(report.previous.unwrap().1, digest("tiny_1"));
    let state = world.state();
    assert_eq!(state["running"]["version"], "2.0.0");
    assert_eq!(state["previous"]["version"], "1.0.0");
    assert_eq!(state["floors"]["tiny"], "2.0.0");
    // A further pass does nothing.
    let loads = world.source.loads.load(Ordering::SeqCst);
    controller.reload().await.unwrap();
    assert_eq!(
        world.source.loads.load(Ordering::SeqCst),
        loads + 1,
        "the embedded one is asked for, nothing is loaded"
    );
    assert_eq!(world.state(), state);
}

#[tokio::test]
async fn a_request_ends_on_the_module_that_it_began_with() {
    let world = World::new();
    let controller = world.load().await;
    let closed = world.storage.gate.lock().await;
    let mut requests = tokio::task::JoinSet::new();
    requests.spawn({
        let controller = Arc::clone(&controller);
        async move { ask(&controller, Operation::Read, "gate").await.unwrap() }
    });
    until("the request waits", || async { world.storage.at_the_gate.load(Ordering::SeqCst) > 0 }).await;
    world.source.put("tiny_2");
    controller.reload().await.unwrap();
    assert_eq!(version(&controller).await, "2.0.0", "new requests go to the new one while an old one waits");
    drop(closed);
    assert_eq!(requests.join_next().await.unwrap().unwrap(), "1.0.0");
}

#[tokio::test]
async fn a_rejected_candidate_leaves_the_active_module_serving_and_is_tried_once() {
    let rows = [
        ("tiny_2_fails_its_probe", "its probe failed at Read of `version`"),
        ("tiny_2_drops_a_secret_kind", "leases of `token` could not be renewed or revoked"),
        ("tiny_2_newer_storage", "a revert would be impossible"),
        ("tiny_2_more_capabilities", "accept_capabilities=random"),
        ("tiny_2_other_special_paths", "it goes live with `plugin reload`"),
        ("spin_in_describe", "could not describe itself"),
    ];
    let world = World::new();
    let controller = world.load().await;
    assert_eq!(ask(&controller, Operation::Update, "note").await.unwrap(), "Ok(())");
    for (name, expected) in rows {
        world.source.put(name);
        controller.reload().await.unwrap();
        assert!(reason(&controller, name).contains(expected), "{name}: {}", reason(&controller, name));
        let loads = world.source.loads.load(Ordering::SeqCst);
        controller.trigger();
        controller.trigger();
        until("it was looked at", || async { world.source.loads.load(Ordering::SeqCst) > loads }).await;
        assert_eq!(world.source.loads.load(Ordering::SeqCst), loads + 1, "{name} is not loaded again");
        assert_eq!(version(&controller).await, "1.0.0", "{name}");
        assert_eq!(world.state(), Value::Null, "{name}");
        world.source.remove(name);
    }
    assert_eq!(ask(&controller, Operation::Read, "note").await.unwrap(), "Ok(Some([49, 46, 48, 46, 48]))");
}

#[tokio::test]
async fn a_candidate_that_may_not_run_is_reported_with_its_reason() {
    let world = World::new();
    world.source.put_as("tiny_2", Err(Rejection::Permanent("no trusted key signed it".into())));
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "1.0.0");
    assert_eq!(reason(&controller, "tiny_2"), "no trusted key signed it");
    assert_eq!(controller.report().rejected_files[0].name, "notes.txt");
    world.source.put_as("tiny_2", Ok(Approval::AllowListed));
    controller.reload().await.unwrap();
    assert_eq!(version(&controller).await, "2.0.0");
}

#[tokio::test]
async fn a_probe_changes_nothing() {
    let world = World::new();
    let controller = world.load().await;
    assert_eq!(ask(&controller, Operation::Update, "note").await.unwrap(), "Ok(())");
    let before = world.storage.entries.lock().unwrap().clone();
    world.source.put("tiny_2_writes_in_its_probe");
    controller.reload().await.unwrap();
    assert_eq!(version(&controller).await, "2.0.0", "that it was refused a write is its own affair");
    let mut after = world.storage.entries.lock().unwrap().clone();
    assert!(after.remove(&state_key()).is_some());
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_module_with_other_special_paths_is_activated_when_the_mount_is_loaded_again() {
    let world = World::new();
    let controller = world.load().await;
    world.source.put("tiny_2_other_special_paths");
    controller.reload().await.unwrap();
    assert_eq!(version(&controller).await, "1.0.0");
    let reloaded = world.open().await;
    assert_eq!(reloaded.special_paths().await.unwrap().root, ["admin"]);
    assert_eq!(version(&reloaded).await, "2.0.0");
}

#[tokio::test]
async fn an_unreadable_directory_leaves_the_active_module_serving() {
    let world = World::new();
    world.source.put("tiny_2");
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "2.0.0");
    world.source.unreadable.store(true, Ordering::SeqCst);
    assert!(controller.reload().await.is_err());
    assert_eq!(version(&controller).await, "2.0.0");
    assert!(controller.report().problem.unwrap().contains("cannot be read"));
    // A missing file is no reason for a revert.
    world.source.unreadable.store(false, Ordering::SeqCst);
    world.source.remove("tiny_2");
    controller.reload().await.unwrap();
    assert_eq!(version(&controller).await, "2.0.0");
    assert_eq!(controller.report().problem, None);
}

#[tokio::test]
async fn the_version_that_the_option_names_serves() {
    let world = World::new().option("module_version", "1.0.0");
    world.source.put("tiny_2");
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "1.0.0");
    let candidate = reported(&controller, "tiny_2");
    assert!(candidate.acceptable && candidate.reason.unwrap().contains("`module_version` selects 1.0.0"));
}

#[tokio::test]
async fn a_change_of_the_directory_reaches_every_loaded_mount() {
    let (one, other) = (World::new(), World::new());
    let controllers = Arc::new(ModuleControllers::default());
    let living = [one.load().await, other.load().await];
    living.iter().for_each(|controller| controllers.add(controller));
    controllers.add(&one.load().await);
    assert_eq!(controllers.len(), 2, "one is gone already");
    for world in [&one, &other] {
        world.source.put("tiny_2");
    }
    let (changes, told) = tokio::sync::watch::channel(0);
    controllers.follow(told);
    changes.send_modify(|count| *count += 1);
    for controller in &living {
        until("2.0.0 serves", || async { version(controller).await == "2.0.0" }).await;
    }
}
