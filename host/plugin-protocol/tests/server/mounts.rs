//! Broker, setup, multiplexing ids, the life of a mount.

use super::*;

#[tokio::test]
async fn the_broker_may_speak_before_or_after_the_setup() {
    let plugin = toy().start().await.unwrap();
    for announce in [Announce::Before, Announce::After] {
        let mount = plugin.mount(MountOptions { announce, ..MountOptions::default() }).await.unwrap();
        assert!(read(&mount, "kv/a").await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_broker_that_never_speaks_fails_the_setup() {
    let plugin = toy().start().await.unwrap();
    let options = MountOptions { announce: Announce::Never, ..MountOptions::default() };
    let error = plugin.mount(options).await.map(|_| ()).unwrap_err();
    assert!(matches!(&error, TestError::Setup(text) if text.contains("within 5 s")), "{error:?}");
}

#[tokio::test]
async fn two_mounts_keep_apart() {
    let plugin = toy().start().await.unwrap();
    let options = |uuid: &str| MountOptions {
        backend_uuid: uuid.to_owned(),
        config: [("name".to_owned(), uuid.to_owned())].into(),
        ..MountOptions::default()
    };
    let (first, second) = (plugin.mount(options("one")).await.unwrap(), plugin.mount(options("two")).await.unwrap());
    ask(&first, Operation::Update, "kv/a", &json!({ "value": "1" })).await.unwrap();
    assert_eq!(read(&first, "kv/a").await.unwrap().unwrap()["value"], "1");
    assert!(read(&second, "kv/a").await.unwrap().is_none());
    for (mount, uuid) in [(&first, "one"), (&second, "two")] {
        let answer = read(mount, "uuid").await.unwrap().unwrap();
        assert_eq!((&answer["uuid"], &answer["config"]["name"]), (&json!(uuid), &json!(uuid)));
        assert_eq!(answer["config"]["plugin_type"], "secret");
    }
}

#[tokio::test]
async fn every_call_needs_exactly_one_known_id() {
    let (plugin, mount) = mounted().await;
    let id = mount.multiplex_id();
    assert_eq!(plugin.backend_type(&[id]).await.unwrap(), 1);
    for ids in [&[][..], &[""], &[id, id], &[id, "other"]] {
        let message = call_message(plugin.backend_type(ids).await.unwrap_err());
        assert!(message.contains("multiplex_id"), "{message}");
    }
    let message = call_message(plugin.backend_type(&["unknown"]).await.unwrap_err());
    assert!(message.contains("no backend instance found"), "{message}");
}

#[tokio::test]
async fn cleanup_comes_twice_and_ends_the_mount() {
    let (plugin, mount) = mounted().await;
    let other = plugin.mount(MountOptions::default()).await.unwrap();
    mount.cleanup().await.unwrap();
    mount.cleanup().await.unwrap();
    let message = call_message(read(&mount, "echo").await.unwrap_err());
    assert!(message.contains("no backend instance found"), "{message}");
    assert!(read(&other, "echo").await.unwrap().is_some());
    let log = plugin.log_after_end();
    plugin.shutdown().await.unwrap();
    assert_eq!(log.await.matches("cleaned up").count(), 1);
}

#[tokio::test]
async fn a_mount_says_what_it_is() {
    let (_plugin, mount) = mounted().await;
    mount.initialize().await.unwrap();
    assert_eq!(mount.backend_type().await.unwrap(), 1);
    let paths = mount.special_paths().await.unwrap();
    assert_eq!((paths.seal_wrap_storage, paths.root.len()), (vec!["config/".to_owned()], 0));
    mount.invalidate_key("config/a").await.unwrap();
    mount.invalidate_key("panic").await.unwrap();
    assert_eq!(read(&mount, "counts").await.unwrap().unwrap()["invalidated"], 1);
}

#[tokio::test]
async fn refusals_of_the_backend_reach_the_server() {
    let plugin = toy().start().await.unwrap();
    let with = |name: &str, value: &str| MountOptions {
        config: [(name.to_owned(), value.to_owned())].into(),
        ..MountOptions::default()
    };
    let error = plugin.mount(with("setup", "refuse")).await.map(|_| ()).unwrap_err();
    assert!(matches!(&error, TestError::Setup(text) if text == "this mount is refused"), "{error:?}");
    let error = plugin.mount(with("setup", "panic")).await.map(|_| ()).unwrap_err();
    assert!(matches!(&error, TestError::Setup(text) if text.contains("internal error")), "{error:?}");
    let mount = plugin.mount(with("initialize", "refuse")).await.unwrap();
    assert_eq!(backend_error(mount.initialize().await), Error::Plain("not initialized".into()));
    assert!(read(&mount, "echo").await.unwrap().is_some());
}

#[tokio::test]
async fn metadata_mode_serves_no_requests() {
    let plugin = toy().env("BAO_PLUGIN_METADATA_MODE", "true").start().await.unwrap();
    let mount = plugin.mount(MountOptions::default()).await.unwrap();
    assert_eq!(mount.backend_type().await.unwrap(), 1);
    mount.special_paths().await.unwrap();
    let refusals = [
        mount.initialize().await.unwrap_err(),
        read(&mount, "echo").await.unwrap_err(),
        mount.check_existence(request(Operation::Update, "kv/a", "null")).await.unwrap_err(),
        mount.invalidate_key("a").await.unwrap_err(),
    ];
    for error in refusals {
        assert!(call_message(error).contains("metadata mode"));
    }
}
