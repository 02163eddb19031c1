//! Starts: the module that serves, for each directory and stored state, with reads and writes that fail.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use component_runtime::Limits;
use envelope::{Operation, Request};
use modules::controller::{Condition, ModuleController, Report, UnreadableStorage, state_key};
use modules::limits::{START_WAITING_BYTES_MAX, START_WAITING_BYTES_MIN};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::support::{World, digest, until, version};

#[tokio::test]
async fn a_start_without_its_directory_serves_the_embedded_module() {
    let world = World::new();
    world.source.put("tiny_2");
    drop(world.load().await);
    world.source.unreadable.store(true, Ordering::SeqCst);
    let restarted = world.load().await;
    assert_eq!(version(&restarted).await, "1.0.0");
    assert!(restarted.report().problem.unwrap().contains("cannot be read"));
    world.source.unreadable.store(false, Ordering::SeqCst);
    restarted.reload().await.unwrap();
    assert_eq!(version(&restarted).await, "2.0.0");
}

#[tokio::test]
async fn requests_are_served_by_the_last_active_module_while_a_candidate_is_tried() {
    let world = World::new();
    world.source.put("tiny_2");
    drop(world.load().await);
    world.source.put("tiny_3_traps");
    world.source.close(Some("tiny_3_traps"));
    let restarted = world.open().await;
    assert_eq!(version(&restarted).await, "2.0.0");
    assert_eq!(restarted.report().condition, Condition::OnTrial);
    world.source.close(None);
    until("3.0.0 serves", || async { restarted.report().serving.unwrap().id.version.major == 3 }).await;
    assert_eq!(world.state()["previous"]["version"], "2.0.0");
}

/// Time passes while a load hangs, as on a busy machine.
async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

/// A busy machine compiles the last active module for long. Meanwhile a module that is there serves.
#[tokio::test]
async fn a_start_whose_module_takes_long_to_load_serves_a_fallback_and_then_that_module() {
    let world = World::new();
    world.source.put("tiny_2");
    drop(world.load().await);
    world.source.close(Some("tiny_2"));
    let restarted = world.open().await;
    let is_loading = async |times| {
        until("a load hangs", || async { world.source.waiting.load(Ordering::SeqCst) >= times }).await;
    };
    let meanwhile = async {
        is_loading(1).await;
        pass(121).await;
        until("a fallback serves", || async { version(&restarted).await == "1.0.0" }).await;
    };
    // The request that begins the first pass is told to come again.
    tokio::join!(version(&restarted), meanwhile);
    until("it is told", || async { restarted.report().problem.is_some() }).await;
    let problem = restarted.report().problem.unwrap();
    assert!(problem.contains("loading it took longer than 120s while nothing serves"), "{problem}");
    // From now on nobody waits for it, so it may take an hour.
    is_loading(2).await;
    pass(3_600).await;
    assert_eq!(version(&restarted).await, "1.0.0");
    assert_eq!(world.source.waiting.load(Ordering::SeqCst), 2, "it is not begun again and again");
    world.source.close(None);
    until("2.0.0 serves", || async { version(&restarted).await == "2.0.0" }).await;
}

/// A mount whose only module is not loaded before `close(None)`.
async fn with_a_first_module_that_hangs() -> (World, Arc<ModuleController>) {
    let world = World::new().option("module", "other");
    world.storage.entries.lock().unwrap().clear();
    world.source.put("other_2");
    world.source.close(Some("other_2"));
    let controller = world.open().await;
    (world, controller)
}

/// With nothing else to serve, it is not given up.
#[tokio::test]
async fn a_start_with_one_module_waits_for_it_however_long_it_takes_to_load() {
    let (world, controller) = with_a_first_module_that_hangs().await;
    let meanwhile = async {
        until("a load hangs", || async { world.source.waiting.load(Ordering::SeqCst) > 0 }).await;
        pass(3_600).await;
    };
    let (told, ()) = tokio::join!(version(&controller), meanwhile);
    for (who, told) in [("a client", told), ("an operator", controller.report().problem.unwrap())] {
        assert!(told.contains("other 2.0.0 (other_2) has been loading for"), "{who}: {told}");
    }
    assert_eq!(world.source.waiting.load(Ordering::SeqCst), 1);
    world.source.close(None);
    until("it serves", || async { version(&controller).await == "2.0.0" }).await;
    assert_eq!(controller.report().problem, None);
}

#[tokio::test]
async fn requests_that_wait_for_the_first_module_hold_a_limited_number_of_bytes() {
    let (world, controller) = with_a_first_module_that_hangs().await;
    let ask = |bytes: usize| {
        // Half of them in the data, and half in a header.
        let (controller, half) = (Arc::clone(&controller), " ".repeat(bytes / 2));
        let headers = [("x-long".to_owned(), vec![half.clone()])].into();
        let request = Request { headers, ..Request::new(Operation::Read, "version", half) };
        async move { controller.handle_request(request).await }
    };
    let mut waits = JoinSet::new();
    waits.spawn(ask(START_WAITING_BYTES_MAX - START_WAITING_BYTES_MIN));
    until("a load hangs", || async { world.source.waiting.load(Ordering::SeqCst) > 0 }).await;
    // However few bytes a request has, it counts some.
    let refused = ask(0).await.unwrap_err().to_error(None).to_string();
    assert!(refused.contains("too many requests wait for the mount's first module"), "{refused}");
    world.source.close(None);
    waits.join_all().await;
    assert_eq!(version(&controller).await, "2.0.0");
}

#[tokio::test]
async fn a_change_during_the_first_pass_causes_another_pass() {
    let world = World::new();
    world.source.put("tiny_2");
    world.source.close(Some("tiny_2"));
    let controller = world.open().await;
    let meanwhile = async {
        until("it is being loaded", || async { world.source.waiting.load(Ordering::SeqCst) > 0 }).await;
        world.source.put("tiny_3_traps");
        controller.trigger();
        world.source.close(None);
    };
    let (answer, ()) = tokio::join!(version(&controller), meanwhile);
    assert_eq!(answer, "2.0.0");
    until("3.0.0 serves", || async { controller.report().serving.unwrap().id.version.major == 3 }).await;
}

#[tokio::test]
async fn a_copy_of_a_module_under_another_name_replaces_no_module() {
    let world = World::new();
    world.source.put("tiny_2");
    drop(world.load().await);
    // A copy of the same bytes, unsigned.
    world.source.put_as("tiny_3", Err(modules::Rejection::Permanent("it is not signed".into())));
    let restarted = world.load().await;
    assert_eq!(version(&restarted).await, "2.0.0");
    assert_eq!(restarted.report().problem, None);
    // The copy is trusted, but its name is not that of its description.
    let failure = modules::Rejection::Permanent("it describes itself as tiny 2.0.0".into());
    world.source.fail("tiny_3", Some(failure));
    world.source.put("tiny_3");
    let restarted = world.load().await;
    assert_eq!(restarted.report().serving.unwrap().id.version.major, 2);
    let copy =
        |report: Report| report.candidates.into_iter().find(|candidate| candidate.id.version.major == 3).unwrap();
    assert!(!copy(restarted.report()).acceptable);
}

#[tokio::test]
async fn a_controller_of_an_unloaded_mount_writes_nothing() {
    let world = World::new();
    let old = world.load().await;
    old.close();
    world.source.put("tiny_2");
    let _ = old.reload().await;
    assert_eq!(world.state(), Value::Null);
    assert_eq!(version(&old).await, "1.0.0");
}

#[tokio::test]
async fn a_module_that_cannot_read_the_stored_version_does_not_serve() {
    let world = World::new();
    world.source.put("tiny_2_newer_storage");
    let controller = world.load().await;
    let forced = modules::controller::SelectRequest { force: true, ..crate::support::select("2.0.0") };
    controller.use_module(forced).await.unwrap();
    assert_eq!(version(&controller).await, "2.0.0");
    controller
        .use_module(modules::controller::SelectRequest { force: true, ..crate::support::select("latest") })
        .await
        .unwrap();
    world.source.remove("tiny_2_newer_storage");
    let restarted = world.load().await;
    let told = version(&restarted).await;
    assert!(told.contains("no module may serve this mount") && told.contains("storage of version 2"), "{told}");
    assert_eq!(restarted.report().condition, Condition::NothingServes);
    world.source.put("tiny_2_newer_storage");
    restarted.reload().await.unwrap();
    assert_eq!(version(&restarted).await, "2.0.0");
}

#[tokio::test]
async fn a_mount_whose_option_names_a_missing_version_is_not_served() {
    let world = World::new().option("module_version", "2.0.0");
    let controller = world.load().await;
    assert!(version(&controller).await.contains("`module_version` selects 2.0.0"));
    world.source.put("tiny_2");
    controller.reload().await.unwrap();
    assert_eq!(version(&controller).await, "2.0.0");
    assert_eq!(controller.report().condition, Condition::OnTrial);
}

#[tokio::test]
async fn a_standby_activates_a_module_and_keeps_the_state_unsaved() {
    let world = World::new();
    world.storage.read_only.store(true, Ordering::SeqCst);
    world.source.put("tiny_2");
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "2.0.0");
    assert_eq!(world.state(), Value::Null);
    assert!(controller.report().unsaved);
    // The node that can write records an operator's decision: the server forwards the request because of this text.
    let refused = controller.revert(UnreadableStorage::Refuse).await.unwrap_err();
    assert_eq!(refused.to_string(), "cannot write to readonly storage");
    assert_eq!(version(&controller).await, "2.0.0");
}

#[tokio::test]
async fn an_unsaved_state_is_written_by_a_later_pass() {
    let world = World::new();
    // The server accepts no writes while it sets the mount up.
    world.storage.read_only.store(true, Ordering::SeqCst);
    world.source.put("tiny_2");
    let controller = world.load().await;
    assert_eq!((version(&controller).await.as_str(), world.state()), ("2.0.0", Value::Null));
    world.storage.read_only.store(false, Ordering::SeqCst);
    controller.reload().await.unwrap();
    assert_eq!(world.state()["running"]["version"], "2.0.0");
    assert!(!controller.report().unsaved);
}

#[tokio::test]
async fn a_start_that_cannot_read_the_state_is_retried_by_the_next_request() {
    let world = World::new();
    world.source.put("tiny_2");
    world.storage.unreadable.store(true, Ordering::SeqCst);
    let controller = world.open().await;
    assert!(version(&controller).await.contains("the server is sealed"));
    world.storage.unreadable.store(false, Ordering::SeqCst);
    assert_eq!(version(&controller).await, "2.0.0");
}

#[tokio::test]
async fn a_damaged_state_is_kept_unless_an_operator_forces_a_module() {
    let world = World::new();
    world.storage.entries.lock().unwrap().insert(state_key(), b"{".into());
    let controller = world.load().await;
    assert!(version(&controller).await.contains("secrets-engine-host/module"));
    assert!(controller.use_module(crate::support::select("1.0.0")).await.is_err());
    let forced = modules::controller::SelectRequest { force: true, ..crate::support::select("1.0.0") };
    controller.use_module(forced).await.unwrap();
    assert_eq!(version(&controller).await, "1.0.0");
}

#[tokio::test]
async fn force_does_not_replace_a_state_that_is_unreadable_for_now() {
    let forced = || modules::controller::SelectRequest { force: true, ..crate::support::select("1.0.0") };
    let world = World::new();
    world.source.put("tiny_2");
    drop(world.load().await);
    let before = world.state();
    assert_eq!(before["floors"]["tiny"], "2.0.0");
    world.storage.unreadable.store(true, Ordering::SeqCst);
    let refused = world.open().await.use_module(forced()).await.unwrap_err().to_string();
    assert!(refused.contains("the server is sealed"), "{refused}");
    assert_eq!(world.state(), before);
    // A later host may have given the state any form.
    let later = br#"{"format":2,"running":"elsewhere"}"#;
    world.storage.unreadable.store(false, Ordering::SeqCst);
    world.storage.entries.lock().unwrap().insert(state_key(), later.to_vec());
    let refused = world.open().await.use_module(forced()).await.unwrap_err().to_string();
    assert!(refused.contains("it has format 2"), "{refused}");
    assert_eq!(world.state()["running"], "elsewhere");
}

#[tokio::test]
async fn concurrent_first_requests_cause_one_first_pass() {
    let world = World::with(Limits::default());
    world.source.put("tiny_2");
    let controller = world.open().await;
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let controller = Arc::clone(&controller);
        requests.spawn(async move { version(&controller).await });
    }
    while let Some(told) = requests.join_next().await {
        assert_eq!(told.unwrap(), "2.0.0");
    }
    assert_eq!(world.storage.of_the_host.load(Ordering::SeqCst), 2, "one read, one write");
}

#[tokio::test]
async fn the_embedded_module_of_a_new_release_is_activated_with_its_capabilities() {
    let world = World::new();
    world.source.put("tiny_2");
    drop(world.load().await);
    world.source.remove("tiny_2");
    *world.source.embedded.lock().unwrap() = "tiny_2_more_capabilities";
    let restarted = world.load().await;
    assert_eq!(version(&restarted).await, "2.0.0");
    assert_eq!(restarted.report().serving.unwrap().digest, digest("tiny_2_more_capabilities"));
}

#[tokio::test]
async fn the_error_of_an_unserved_mount_names_a_bounded_number_of_reasons() {
    let world = World::new().option("module_version", "9.0.0");
    for name in ["tiny_2", "tiny_2_traps", "tiny_2_leases_more", "tiny_2_newer_storage", "tiny_2_fails_its_probe"] {
        world.source.put(name);
    }
    let told = version(&world.load().await).await;
    assert_eq!(told.matches("selects 9.0.0").count(), modules::limits::REASONS_TOLD_MAX, "{told}");
}

#[tokio::test(start_paused = true)]
async fn the_last_active_module_resumes_without_a_probe() {
    let world = World::new();
    world.source.put("tiny_2");
    drop(world.load().await);
    *world.storage.gated.lock().unwrap() = Some("note".into());
    let _closed = world.storage.gate.lock().await;
    assert_eq!(version(&world.load().await).await, "2.0.0");
    assert_eq!(world.storage.at_the_gate.load(Ordering::SeqCst), 0);
}
