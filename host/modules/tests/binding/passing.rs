//! What fails for a while only: it is told, and tried again by itself.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::Ordering;

use modules::limits::RETRY_WAIT;
use modules::{Approval, Failure, Refusal};
use tokio::time::Instant;

use crate::support::{World, naming, reason, reported, until, version};

fn slow() -> Refusal {
    Refusal("the directory was slow".into())
}

#[tokio::test]
async fn what_cannot_be_loaded_just_now_is_told_and_goes_live_later_by_itself() {
    let world = World::new();
    world.shelf.put("tiny_2");
    world.shelf.fail("tiny_2", Some(Failure::Passing(slow())));
    let binding = world.load().await;
    assert_eq!(version(&binding).await, "1.0.0", "a mount does not wait for it, at a start either");
    let told = reported(&binding, "tiny_2");
    assert_eq!(told.reason.unwrap(), "not just now: the directory was slow; it is tried again by itself");
    assert!(told.acceptable);
    // Looks for other reasons do not try it before it is due.
    let loads = world.shelf.loads.load(Ordering::SeqCst);
    binding.trigger();
    until("it was looked at", || async { world.shelf.loads.load(Ordering::SeqCst) > loads }).await;
    assert_eq!(world.shelf.loads.load(Ordering::SeqCst), loads + 1, "the embedded one is asked for");
    world.shelf.fail("tiny_2", None);
    until("2.0.0 serves", || async { version(&binding).await == "2.0.0" }).await;
}

#[tokio::test]
async fn a_lesser_module_that_goes_live_meanwhile_does_not_end_the_retries() {
    let world = World::new();
    world.shelf.put("tiny_3_traps");
    world.shelf.fail("tiny_3_traps", Some(Failure::Passing(slow())));
    world.shelf.put("tiny_2");
    let binding = world.load().await;
    assert_eq!(binding.report().serving.unwrap().id.version.major, 2);
    world.shelf.fail("tiny_3_traps", None);
    until("3.0.0 serves", || async { binding.report().serving.unwrap().id.version.major == 3 }).await;
}

#[tokio::test]
async fn what_ran_last_is_loaded_once_where_it_cannot_serve() {
    let world = World::new();
    world.shelf.put("tiny_2");
    drop(world.load().await);
    world.shelf.fail("tiny_2", Some(Failure::Passing(slow())));
    let restarted = world.load().await;
    assert_eq!(world.shelf.failed.load(Ordering::SeqCst), 1);
    assert_eq!(version(&restarted).await, "1.0.0");
}

#[tokio::test]
async fn an_operators_word_also_tries_again_what_no_mount_could_load() {
    let world = World::new();
    let binding = world.load().await;
    for word in ["reload", "use"] {
        match word {
            "reload" => binding.reload().await.unwrap(),
            _ => drop(binding.use_module(naming("latest")).await.unwrap()),
        }
        assert_eq!(world.shelf.forgotten.swap(0, Ordering::SeqCst), 1, "{word}");
    }
}

#[tokio::test]
async fn what_lasts_is_tried_again_when_its_approval_is_another_or_an_operator_says_so() {
    let world = World::new();
    world.shelf.put("tiny_2");
    world.shelf.fail("tiny_2", Some(Failure::Lasting(Refusal("it is no component".into()))));
    let binding = world.load().await;
    assert_eq!(
        (version(&binding).await.as_str(), reason(&binding, "tiny_2").as_str()),
        ("1.0.0", "it is no component")
    );
    world.shelf.fail("tiny_2", None);
    let loads = world.shelf.loads.load(Ordering::SeqCst);
    binding.trigger();
    until("it was looked at", || async { world.shelf.loads.load(Ordering::SeqCst) > loads }).await;
    assert_eq!(
        (version(&binding).await.as_str(), reason(&binding, "tiny_2").as_str()),
        ("1.0.0", "it is no component")
    );
    world.shelf.put_as("tiny_2", Ok(Approval::Pinned));
    binding.trigger();
    until("2.0.0 serves", || async { version(&binding).await == "2.0.0" }).await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_the_machine_has_no_time_for_is_made_again_by_itself() {
    let world = World::new();
    let binding = world.load().await;
    assert_eq!(version(&binding).await, "1.0.0");
    *world.storage.gated.lock().unwrap() = Some("note".into());
    let closed = world.storage.gate.lock().await;
    world.shelf.put("tiny_2");
    binding.reload().await.unwrap();
    let told = reported(&binding, "tiny_2").reason.unwrap();
    assert!(told.contains("its probe failed at Read of `note`") && told.contains("tried again by itself"), "{told}");
    assert_eq!(version(&binding).await, "1.0.0");
    drop(closed);
    until("2.0.0 serves", || async { version(&binding).await == "2.0.0" }).await;
}

#[tokio::test]
async fn a_directory_that_was_unreadable_for_a_moment_is_read_again_by_itself() {
    let world = World::new();
    let binding = world.load().await;
    assert_eq!(version(&binding).await, "1.0.0");
    world.shelf.put("tiny_2");
    world.shelf.unreadable.store(true, Ordering::SeqCst);
    assert!(binding.reload().await.is_err());
    assert!(binding.report().problem.unwrap().contains("cannot be read"));
    world.shelf.unreadable.store(false, Ordering::SeqCst);
    until("2.0.0 serves", || async { version(&binding).await == "2.0.0" }).await;
    until("it is told", || async { binding.report().problem.is_none() }).await;
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_stored_while_the_mount_was_set_up_is_stored_then() {
    let world = World::new();
    world.storage.read_only.store(true, Ordering::SeqCst);
    world.shelf.put("tiny_2");
    let binding = world.load().await;
    assert_eq!(version(&binding).await, "2.0.0");
    assert!(binding.report().unsaved);
    world.storage.read_only.store(false, Ordering::SeqCst);
    let then = Instant::now();
    binding.set_up();
    until("it is stored", || async { world.state()["running"]["version"] == "2.0.0" }).await;
    assert!(then.elapsed() < RETRY_WAIT, "nothing was waited for");
    until("it is told", || async { !binding.report().unsaved }).await;
}
