//! Going live: what is better takes over, what is not leaves everything as it was.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use component_runtime::{Limits, Operation};
use modules::binding::{Bindings, Condition, state_key};
use modules::{Approval, Refusal};
use serde_json::Value;

use crate::support::{World, ask, digest, no_special_paths, reason, reported, until, version};

#[tokio::test]
async fn without_a_directory_storage_is_never_asked() {
    let world = World::new();
    world.shelf.has_directory.store(false, Ordering::SeqCst);
    world.shelf.put("tiny_2");
    let binding = world.load().await;
    binding.trigger();
    binding.invalidate(&state_key());
    assert_eq!(version(&binding).await, "1.0.0");
    assert!(binding.reload().await.unwrap_err().to_string().contains("--modules-dir"));
    assert_eq!(binding.report().condition, Condition::Serves);
    assert_eq!(world.storage.of_the_host.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_mount_that_asks_for_what_only_a_directory_has_is_refused_without_one() {
    for (name, value, expected) in
        [("module", "other", "`other`"), ("module_version", "2.0.0", "2.0.0"), ("module_version", "two", "`two`")]
    {
        let world = World::new().option(name, value);
        world.shelf.has_directory.store(false, Ordering::SeqCst);
        let refused = world.try_open().await.err().unwrap().0;
        assert!(refused.contains(expected) && refused.contains(name), "{refused}");
    }
    let world = World::new().option("module", "tiny").option("module_version", "1.0.0");
    world.shelf.has_directory.store(false, Ordering::SeqCst);
    assert_eq!(version(&world.load().await).await, "1.0.0");
}

#[tokio::test]
async fn the_embedded_module_serves_where_nothing_better_is_there_and_nothing_is_written() {
    let world = World::new();
    let binding = world.open().await;
    binding.trigger();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(binding.report().condition, Condition::Starting);
    assert_eq!(
        world.storage.of_the_host.load(Ordering::SeqCst),
        0,
        "storage may not answer before the mount is set up"
    );
    assert!(no_special_paths(&binding.special_paths().await.unwrap()));
    assert_eq!(version(&binding).await, "1.0.0");
    assert_eq!(binding.report().condition, Condition::Serves);
    assert_eq!(world.state(), Value::Null);
    assert_eq!(world.storage.of_the_host.load(Ordering::SeqCst), 1, "the state is read once");
}

#[tokio::test]
async fn a_better_module_goes_live_when_it_is_there() {
    let world = World::new();
    let binding = world.load().await;
    assert_eq!(version(&binding).await, "1.0.0");
    world.shelf.put("tiny_2");
    binding.trigger();
    until("2.0.0 serves", || async { version(&binding).await == "2.0.0" }).await;
    let report = binding.report();
    assert_eq!(report.condition, Condition::OnTrial);
    assert_eq!(report.serving.unwrap().digest, digest("tiny_2"));
    assert_eq!(report.previous.unwrap().1, digest("tiny_1"));
    let state = world.state();
    assert_eq!(state["running"]["version"], "2.0.0");
    assert_eq!(state["previous"]["version"], "1.0.0");
    assert_eq!(state["floors"]["tiny"], "2.0.0");
    // The same again is no work.
    let loads = world.shelf.loads.load(Ordering::SeqCst);
    binding.reload().await.unwrap();
    assert_eq!(world.shelf.loads.load(Ordering::SeqCst), loads + 1, "the embedded one is asked for, nothing is loaded");
    assert_eq!(world.state(), state);
}

#[tokio::test]
async fn a_request_ends_on_the_module_that_it_began_with() {
    let world = World::new();
    let binding = world.load().await;
    let closed = world.storage.gate.lock().await;
    let mut requests = tokio::task::JoinSet::new();
    requests.spawn({
        let binding = Arc::clone(&binding);
        async move { ask(&binding, Operation::Read, "gate").await.unwrap() }
    });
    until("the request waits", || async { world.storage.at_the_gate.load(Ordering::SeqCst) > 0 }).await;
    world.shelf.put("tiny_2");
    binding.reload().await.unwrap();
    assert_eq!(version(&binding).await, "2.0.0", "new requests go to the new one while an old one waits");
    drop(closed);
    assert_eq!(requests.join_next().await.unwrap().unwrap(), "1.0.0");
}

#[tokio::test]
async fn what_does_not_pass_leaves_the_old_module_serving_and_is_tried_once() {
    let rows = [
        ("tiny_2_fails_its_probe", "its probe failed at Read of `version`"),
        ("tiny_2_drops_a_secret_kind", "leases of `token` could not be renewed or revoked"),
        ("tiny_2_newer_storage", "there would be no way back"),
        ("tiny_2_more_capabilities", "accept_capabilities=random"),
        ("tiny_2_other_special_paths", "it goes live with `plugin reload`"),
        ("spin_in_describe", "could not describe itself"),
    ];
    let world = World::new();
    let binding = world.load().await;
    assert_eq!(ask(&binding, Operation::Update, "note").await.unwrap(), "Ok(())");
    for (name, expected) in rows {
        world.shelf.put(name);
        binding.reload().await.unwrap();
        assert!(reason(&binding, name).contains(expected), "{name}: {}", reason(&binding, name));
        let loads = world.shelf.loads.load(Ordering::SeqCst);
        binding.trigger();
        binding.trigger();
        until("it was looked at", || async { world.shelf.loads.load(Ordering::SeqCst) > loads }).await;
        assert_eq!(world.shelf.loads.load(Ordering::SeqCst), loads + 1, "{name} is not loaded again");
        assert_eq!(version(&binding).await, "1.0.0", "{name}");
        assert_eq!(world.state(), Value::Null, "{name}");
        world.shelf.remove(name);
    }
    assert_eq!(ask(&binding, Operation::Read, "note").await.unwrap(), "Ok(Some([49, 46, 48, 46, 48]))");
}

#[tokio::test]
async fn a_candidate_that_may_not_run_is_reported_with_its_reason() {
    let world = World::new();
    world.shelf.put_as("tiny_2", Err(Refusal("no trusted key signed it".into())));
    let binding = world.load().await;
    assert_eq!(version(&binding).await, "1.0.0");
    assert_eq!(reason(&binding, "tiny_2"), "no trusted key signed it");
    assert_eq!(binding.report().refused_files[0].name, "notes.txt");
    world.shelf.put_as("tiny_2", Ok(Approval::Pinned));
    binding.reload().await.unwrap();
    assert_eq!(version(&binding).await, "2.0.0");
}

#[tokio::test]
async fn a_probe_changes_nothing() {
    let world = World::new();
    let binding = world.load().await;
    assert_eq!(ask(&binding, Operation::Update, "note").await.unwrap(), "Ok(())");
    let before = world.storage.entries.lock().unwrap().clone();
    world.shelf.put("tiny_2_writes_in_its_probe");
    binding.reload().await.unwrap();
    assert_eq!(version(&binding).await, "2.0.0", "that it was refused a write is its own affair");
    let mut after = world.storage.entries.lock().unwrap().clone();
    assert!(after.remove(&state_key()).is_some());
    assert_eq!(after, before);
}

#[tokio::test]
async fn other_special_paths_go_live_when_the_mount_is_loaded_again() {
    let world = World::new();
    let binding = world.load().await;
    world.shelf.put("tiny_2_other_special_paths");
    binding.reload().await.unwrap();
    assert_eq!(version(&binding).await, "1.0.0");
    let reloaded = world.open().await;
    assert_eq!(reloaded.special_paths().await.unwrap().root, ["admin"]);
    assert_eq!(version(&reloaded).await, "2.0.0");
}

#[tokio::test]
async fn a_directory_that_cannot_be_read_takes_nothing_away() {
    let world = World::new();
    world.shelf.put("tiny_2");
    let binding = world.load().await;
    assert_eq!(version(&binding).await, "2.0.0");
    world.shelf.unreadable.store(true, Ordering::SeqCst);
    assert!(binding.reload().await.is_err());
    assert_eq!(version(&binding).await, "2.0.0");
    assert!(binding.report().problem.unwrap().contains("cannot be read"));
    // A file that is gone is no reason to go back, either.
    world.shelf.unreadable.store(false, Ordering::SeqCst);
    world.shelf.remove("tiny_2");
    binding.reload().await.unwrap();
    assert_eq!(version(&binding).await, "2.0.0");
    assert_eq!(binding.report().problem, None);
}

#[tokio::test]
async fn a_start_without_its_directory_has_the_embedded_module() {
    let world = World::new();
    world.shelf.put("tiny_2");
    drop(world.load().await);
    world.shelf.unreadable.store(true, Ordering::SeqCst);
    let restarted = world.load().await;
    assert_eq!(version(&restarted).await, "1.0.0");
    assert!(restarted.report().problem.unwrap().contains("cannot be read"));
    world.shelf.unreadable.store(false, Ordering::SeqCst);
    restarted.reload().await.unwrap();
    assert_eq!(version(&restarted).await, "2.0.0");
}

#[tokio::test]
async fn what_cannot_read_what_is_stored_does_not_serve_it() {
    let world = World::new();
    world.shelf.put("tiny_2_newer_storage");
    let binding = world.load().await;
    let forced = modules::binding::Naming { force: true, ..crate::support::naming("2.0.0") };
    binding.use_module(forced).await.unwrap();
    assert_eq!(version(&binding).await, "2.0.0");
    binding.use_module(modules::binding::Naming { force: true, ..crate::support::naming("latest") }).await.unwrap();
    world.shelf.remove("tiny_2_newer_storage");
    let restarted = world.load().await;
    let told = version(&restarted).await;
    assert!(told.contains("no module may serve this mount") && told.contains("storage of version 2"), "{told}");
    assert_eq!(restarted.report().condition, Condition::NothingServes);
    world.shelf.put("tiny_2_newer_storage");
    restarted.reload().await.unwrap();
    assert_eq!(version(&restarted).await, "2.0.0");
}

#[tokio::test]
async fn a_version_that_the_option_holds_is_the_one_that_serves() {
    let world = World::new().option("module_version", "1.0.0");
    world.shelf.put("tiny_2");
    let binding = world.load().await;
    assert_eq!(version(&binding).await, "1.0.0");
    let candidate = reported(&binding, "tiny_2");
    assert!(candidate.acceptable && candidate.reason.unwrap().contains("`module_version` holds 1.0.0"));
}

#[tokio::test]
async fn a_version_that_is_held_and_not_there_leaves_the_mount_without_a_module() {
    let world = World::new().option("module_version", "2.0.0");
    let binding = world.load().await;
    assert!(version(&binding).await.contains("`module_version` holds 2.0.0"));
    world.shelf.put("tiny_2");
    binding.reload().await.unwrap();
    assert_eq!(version(&binding).await, "2.0.0");
    assert_eq!(binding.report().condition, Condition::OnTrial);
}

#[tokio::test]
async fn a_standby_goes_live_and_keeps_to_itself_what_it_cannot_write() {
    let world = World::new();
    world.storage.read_only.store(true, Ordering::SeqCst);
    world.shelf.put("tiny_2");
    let binding = world.load().await;
    assert_eq!(version(&binding).await, "2.0.0");
    assert_eq!(world.state(), Value::Null);
    assert!(binding.report().unsaved);
    // What is for an operator to decide is written where it can be: the server forwards by this text.
    let refused = binding.roll_back(false).await.unwrap_err();
    assert_eq!(refused.to_string(), "cannot write to readonly storage");
    assert_eq!(version(&binding).await, "2.0.0");
}

#[tokio::test]
async fn what_could_not_be_written_is_written_by_a_later_look() {
    let world = World::new();
    // As while the server sets the mount up.
    world.storage.read_only.store(true, Ordering::SeqCst);
    world.shelf.put("tiny_2");
    let binding = world.load().await;
    assert_eq!((version(&binding).await.as_str(), world.state()), ("2.0.0", Value::Null));
    world.storage.read_only.store(false, Ordering::SeqCst);
    binding.reload().await.unwrap();
    assert_eq!(world.state()["running"]["version"], "2.0.0");
    assert!(!binding.report().unsaved);
}

#[tokio::test]
async fn a_start_that_cannot_read_its_state_is_tried_again() {
    let world = World::new();
    world.shelf.put("tiny_2");
    world.storage.unreadable.store(true, Ordering::SeqCst);
    let binding = world.open().await;
    assert!(version(&binding).await.contains("the server is sealed"));
    world.storage.unreadable.store(false, Ordering::SeqCst);
    assert_eq!(version(&binding).await, "2.0.0");
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

#[tokio::test]
async fn a_damaged_state_is_no_reason_to_forget_what_ran() {
    let world = World::new();
    world.storage.entries.lock().unwrap().insert(state_key(), b"{".into());
    let binding = world.load().await;
    assert!(version(&binding).await.contains("secrets-engine-host/module"));
    assert!(binding.use_module(crate::support::naming("1.0.0")).await.is_err());
    let forced = modules::binding::Naming { force: true, ..crate::support::naming("1.0.0") };
    binding.use_module(forced).await.unwrap();
    assert_eq!(version(&binding).await, "1.0.0");
}

#[tokio::test]
async fn what_cannot_be_read_now_is_not_forgotten_by_force() {
    let forced = || modules::binding::Naming { force: true, ..crate::support::naming("1.0.0") };
    let world = World::new();
    world.shelf.put("tiny_2");
    drop(world.load().await);
    let before = world.state();
    assert_eq!(before["floors"]["tiny"], "2.0.0");
    world.storage.unreadable.store(true, Ordering::SeqCst);
    let refused = world.open().await.use_module(forced()).await.unwrap_err().to_string();
    assert!(refused.contains("the server is sealed"), "{refused}");
    assert_eq!(world.state(), before);
    // Of a later host, which may have given it any form.
    let later = br#"{"format":2,"running":"elsewhere"}"#;
    world.storage.unreadable.store(false, Ordering::SeqCst);
    world.storage.entries.lock().unwrap().insert(state_key(), later.to_vec());
    let refused = world.open().await.use_module(forced()).await.unwrap_err().to_string();
    assert!(refused.contains("it has format 2"), "{refused}");
    assert_eq!(world.state()["running"], "elsewhere");
}

#[tokio::test]
async fn many_requests_start_a_mount_once() {
    let world = World::with(Limits::default());
    world.shelf.put("tiny_2");
    let binding = world.open().await;
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let binding = Arc::clone(&binding);
        requests.spawn(async move { version(&binding).await });
    }
    while let Some(told) = requests.join_next().await {
        assert_eq!(told.unwrap(), "2.0.0");
    }
    assert_eq!(world.storage.of_the_host.load(Ordering::SeqCst), 2, "one read, one write");
}

#[tokio::test]
async fn the_binary_of_a_new_release_is_taken_with_what_it_asks_for() {
    let world = World::new();
    world.shelf.put("tiny_2");
    drop(world.load().await);
    world.shelf.remove("tiny_2");
    *world.shelf.embedded.lock().unwrap() = "tiny_2_more_capabilities";
    let restarted = world.load().await;
    assert_eq!(version(&restarted).await, "2.0.0");
    assert_eq!(restarted.report().serving.unwrap().digest, digest("tiny_2_more_capabilities"));
}

#[tokio::test]
async fn why_nothing_serves_is_told_in_few_words() {
    let world = World::new().option("module_version", "9.0.0");
    for name in ["tiny_2", "tiny_2_traps", "tiny_2_leases_more", "tiny_2_newer_storage", "tiny_2_fails_its_probe"] {
        world.shelf.put(name);
    }
    let told = version(&world.load().await).await;
    assert_eq!(told.matches("holds 9.0.0").count(), modules::limits::REASONS_TOLD_MAX, "{told}");
}

#[tokio::test]
async fn a_change_of_the_directory_reaches_every_mount_that_lives() {
    let (one, other) = (World::new(), World::new());
    let bindings = Arc::new(Bindings::default());
    let living = [one.load().await, other.load().await];
    living.iter().for_each(|binding| bindings.add(binding));
    bindings.add(&one.load().await);
    assert_eq!(bindings.len(), 2, "one is gone already");
    for world in [&one, &other] {
        world.shelf.put("tiny_2");
    }
    let (changes, told) = tokio::sync::watch::channel(0);
    bindings.follow(told);
    changes.send_modify(|count| *count += 1);
    for binding in &living {
        until("2.0.0 serves", || async { version(binding).await == "2.0.0" }).await;
    }
}
