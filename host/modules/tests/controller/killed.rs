//! A process that ends at any step. Each write of the state happens completely or not at all, so the next start finds
//! the state before the write or after it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use envelope::Operation;
use modules::controller::{CallError, ModuleController, SelectRequest, UnreadableStorage};

use crate::storage::Fault;
use crate::support::{World, ask, digest, reported, select, version};

/// A mount whose active module is 2.0.0 since its last restart, with 1.0.0 as the previous one, and a note of 1.0.0.
async fn world() -> (World, Arc<ModuleController>) {
    let world = World::new();
    let first = world.load().await;
    assert_eq!(ask(&first, Operation::Update, "note").await.unwrap(), "Ok(())");
    world.source.put("tiny_2");
    (world, first)
}

/// A restart: this version serves and reads the stored note, and a further pass changes nothing.
async fn restarted(world: &World, expected: &str) -> Arc<ModuleController> {
    *world.storage.fault.lock().unwrap() = None;
    let restarted = world.load().await;
    assert_eq!(version(&restarted).await, expected);
    assert_eq!(ask(&restarted, Operation::Read, "note").await.unwrap(), "Ok(Some([49, 46, 48, 46, 48]))");
    let state = world.state();
    restarted.reload().await.unwrap();
    assert_eq!(version(&restarted).await, expected);
    assert_eq!(world.state(), state);
    restarted
}

#[tokio::test]
async fn a_crash_during_an_activation_ends_with_the_old_or_the_new_module() {
    for fault in [Fault::Before, Fault::After] {
        let (world, controller) = world().await;
        *world.storage.fault.lock().unwrap() = Some(fault);
        controller.reload().await.unwrap();
        let told = reported(&controller, "tiny_2").reason.unwrap();
        assert!(told.contains("the connection was cut; the plugin tries again automatically"), "{fault:?}: {told}");
        assert_eq!(version(&controller).await, "1.0.0", "{fault:?}: not before the state is known to be stored");
        drop(controller);
        let restarted = restarted(&world, "2.0.0").await;
        assert_eq!(world.state()["previous"]["version"], "1.0.0", "{fault:?}");
        restarted.revert(UnreadableStorage::Refuse).await.unwrap();
        assert_eq!(version(&restarted).await, "1.0.0", "{fault:?}");
    }
}

#[tokio::test]
async fn a_crash_during_a_revert_ends_with_the_old_or_the_new_module() {
    for (fault, expected) in [(Fault::Before, "2.0.0"), (Fault::After, "1.0.0")] {
        let (world, controller) = world().await;
        controller.reload().await.unwrap();
        *world.storage.fault.lock().unwrap() = Some(fault);
        assert!(controller.revert(UnreadableStorage::Refuse).await.is_err(), "{fault:?}");
        assert_eq!(version(&controller).await, "2.0.0");
        // A process that continues learns the outcome in its next pass.
        controller.reload().await.unwrap();
        assert_eq!(version(&controller).await, expected, "{fault:?}");
        drop(controller);
        restarted(&world, expected).await;
    }
}

#[tokio::test]
async fn a_crash_during_an_automatic_revert_ends_with_the_old_or_the_new_module() {
    for (fault, expected) in [(Fault::Before, "2.0.0"), (Fault::After, "1.0.0")] {
        let (world, controller) = world().await;
        world.source.remove("tiny_2");
        world.source.put("tiny_2_traps");
        controller.reload().await.unwrap();
        *world.storage.fault.lock().unwrap() = Some(fault);
        for _ in 0..4 {
            assert!(ask(&controller, Operation::Update, "trap").await.is_err());
        }
        crate::support::until("1.0.0 serves again", || async { version(&controller).await == "1.0.0" }).await;
        crate::support::until("it is told", || async { controller.report().unsaved }).await;
        drop(controller);
        restarted(&world, expected).await;
    }
}

#[tokio::test]
async fn a_crash_while_a_module_is_selected_ends_with_the_old_or_the_new_module() {
    for (fault, expected) in [(Fault::Before, "2.0.0"), (Fault::After, "1.0.0")] {
        let (world, controller) = world().await;
        controller.reload().await.unwrap();
        *world.storage.fault.lock().unwrap() = Some(fault);
        let named = SelectRequest { digest: Some(digest("tiny_1")), ..select("1.0.0") };
        let outcome = controller.use_module(named).await;
        assert!(matches!(outcome, Err(CallError::Rejected(_))), "{fault:?}");
        assert_eq!(version(&controller).await, "2.0.0");
        drop(controller);
        restarted(&world, expected).await;
    }
}
