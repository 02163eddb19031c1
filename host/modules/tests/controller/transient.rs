//! Transient failures are reported, and the host tries again automatically.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::Ordering;

use modules::limits::RETRY_WAIT;
use modules::{Approval, Rejection};
use tokio::time::Instant;

use crate::support::{World, reason, reported, select, until, version};

fn slow() -> Rejection {
    Rejection::Transient("the directory was slow".into())
}

#[tokio::test]
async fn a_transient_load_failure_is_reported_and_retried_automatically() {
    let world = World::new();
    world.source.put("tiny_2");
    world.source.fail("tiny_2", Some(slow()));
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "1.0.0", "a mount does not wait for the module, also at a start");
    let told = reported(&controller, "tiny_2");
    assert_eq!(told.reason.unwrap(), "not just now: the directory was slow; the plugin tries again automatically");
    assert!(told.acceptable);
    // A pass for another reason does not try the module before the retry is due.
    let loads = world.source.loads.load(Ordering::SeqCst);
    controller.trigger();
    until("it was looked at", || async { world.source.loads.load(Ordering::SeqCst) > loads }).await;
    assert_eq!(world.source.loads.load(Ordering::SeqCst), loads + 1, "only the embedded module was asked for");
    world.source.fail("tiny_2", None);
    until("2.0.0 serves", || async { version(&controller).await == "2.0.0" }).await;
}

#[tokio::test]
async fn activating_a_lower_version_does_not_end_the_retries_of_a_higher_one() {
    let world = World::new();
    world.source.put("tiny_3_traps");
    world.source.fail("tiny_3_traps", Some(slow()));
    world.source.put("tiny_2");
    let controller = world.load().await;
    assert_eq!(controller.report().serving.unwrap().id.version.major, 2);
    world.source.fail("tiny_3_traps", None);
    until("3.0.0 serves", || async { controller.report().serving.unwrap().id.version.major == 3 }).await;
}

#[tokio::test]
async fn a_last_active_module_that_cannot_be_loaded_is_loaded_once_per_pass() {
    let world = World::new();
    world.source.put("tiny_2");
    drop(world.load().await);
    world.source.fail("tiny_2", Some(slow()));
    let restarted = world.load().await;
    assert_eq!(world.source.failed.load(Ordering::SeqCst), 1);
    assert_eq!(version(&restarted).await, "1.0.0");
}

#[tokio::test]
async fn reload_and_use_forget_the_failures_of_all_mounts() {
    let world = World::new();
    let controller = world.load().await;
    for word in ["reload", "use"] {
        match word {
            "reload" => controller.reload().await.unwrap(),
            _ => drop(controller.use_module(select("latest")).await.unwrap()),
        }
        assert_eq!(world.source.forgotten.swap(0, Ordering::SeqCst), 1, "{word}");
    }
}

#[tokio::test]
async fn a_permanently_rejected_module_is_tried_again_when_its_approval_changes() {
    let world = World::new();
    world.source.put("tiny_2");
    world.source.fail("tiny_2", Some(Rejection::Permanent("it is no component".into())));
    let controller = world.load().await;
    assert_eq!(
        (version(&controller).await.as_str(), reason(&controller, "tiny_2").as_str()),
        ("1.0.0", "it is no component")
    );
    world.source.fail("tiny_2", None);
    let loads = world.source.loads.load(Ordering::SeqCst);
    controller.trigger();
    until("it was looked at", || async { world.source.loads.load(Ordering::SeqCst) > loads }).await;
    assert_eq!(
        (version(&controller).await.as_str(), reason(&controller, "tiny_2").as_str()),
        ("1.0.0", "it is no component")
    );
    world.source.put_as("tiny_2", Ok(Approval::AllowListed));
    controller.trigger();
    until("2.0.0 serves", || async { version(&controller).await == "2.0.0" }).await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_timed_out_is_retried_automatically() {
    let world = World::new();
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "1.0.0");
    *world.storage.gated.lock().unwrap() = Some("note".into());
    let closed = world.storage.gate.lock().await;
    world.source.put("tiny_2");
    controller.reload().await.unwrap();
    let told = reported(&controller, "tiny_2").reason.unwrap();
    assert!(
        told.contains("its probe failed at Read of `note`") && told.contains("tries again automatically"),
        "{told}"
    );
    assert_eq!(version(&controller).await, "1.0.0");
    drop(closed);
    until("2.0.0 serves", || async { version(&controller).await == "2.0.0" }).await;
}

#[tokio::test]
async fn an_unreadable_directory_is_retried_automatically() {
    let world = World::new();
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "1.0.0");
    world.source.put("tiny_2");
    world.source.unreadable.store(true, Ordering::SeqCst);
    assert!(controller.reload().await.is_err());
    assert!(controller.report().problem.unwrap().contains("cannot be read"));
    world.source.unreadable.store(false, Ordering::SeqCst);
    until("2.0.0 serves", || async { version(&controller).await == "2.0.0" }).await;
    until("it is told", || async { controller.report().problem.is_none() }).await;
}

#[tokio::test(start_paused = true)]
async fn an_unsaved_state_is_written_when_the_mount_is_set_up() {
    let world = World::new();
    world.storage.read_only.store(true, Ordering::SeqCst);
    world.source.put("tiny_2");
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "2.0.0");
    assert!(controller.report().unsaved);
    world.storage.read_only.store(false, Ordering::SeqCst);
    let then = Instant::now();
    controller.set_up();
    until("it is stored", || async { world.state()["running"]["version"] == "2.0.0" }).await;
    assert!(then.elapsed() < RETRY_WAIT, "there was no wait");
    until("it is told", || async { !controller.report().unsaved }).await;
}
