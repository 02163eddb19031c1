//! A mount's storage belongs to one engine, also before a record says so.

#![expect(clippy::unwrap_used, reason = "tests")]

use modules::controller::{Condition, Done, SelectRequest, UnreadableStorage};

use crate::support::{World, reason, select, version};

#[tokio::test]
async fn stored_data_is_given_to_another_engine_only_by_an_operator() {
    // Written without a record, by an older host or by the Go plugin.
    let world = World::new().option("module", "other");
    world.source.put("other_2");
    let controller = world.load().await;
    assert!(version(&controller).await.contains("the storage belongs to the engine `tiny`"));
    assert!(reason(&controller, "other_2").contains("`module/use` with `force` gives the storage to `other`"));
    assert_eq!(controller.report().condition, Condition::NothingServes);
    assert!(controller.use_module(select("2.0.0")).await.unwrap_err().to_string().contains("`force`"));
    assert!(world.state().is_null());
    let done = controller.use_module(SelectRequest { force: true, ..select("2.0.0") }).await.unwrap();
    assert!(matches!(done, Done::Serves(id) if id.engine == "other"));
    assert_eq!(world.state()["running"]["engine"], "other");
    assert!(
        controller.revert(UnreadableStorage::Accept).await.unwrap_err().to_string().contains("no module served before")
    );
    assert_eq!(version(&world.load().await).await, "2.0.0");
}

#[tokio::test]
async fn an_empty_mount_is_of_the_engine_that_its_option_names() {
    let world = World::new().option("module", "other");
    world.storage.entries.lock().unwrap().clear();
    world.source.put("other_2");
    assert_eq!(version(&world.load().await).await, "2.0.0");
    assert_eq!(world.state()["running"]["engine"], "other");
}
