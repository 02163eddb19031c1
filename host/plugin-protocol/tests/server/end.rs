//! Every way in which the process ends.

use super::*;

/// A plugin whose socket is in a directory that stays.
async fn started_in(sockets: &tempfile::TempDir) -> PluginProcess {
    let plugin = toy().env("PLUGIN_UNIX_SOCKET_DIR", sockets.path()).start().await.unwrap();
    assert_eq!(sockets.path().read_dir().unwrap().count(), 1);
    plugin
}

#[tokio::test]
async fn shutdown_ends_a_busy_plugin_in_time_with_zero() {
    let sockets = tempfile::tempdir().unwrap();
    let plugin = started_in(&sockets).await;
    let mount = plugin.mount(MountOptions::default()).await.unwrap();
    let hanging = tokio::spawn(async move { read(&mount, "hang").await });
    plugin.wait_for_log("a request hangs").await.unwrap();
    assert_eq!(plugin.shutdown().await.unwrap().code(), Some(0));
    assert!(hanging.await.unwrap().is_err());
    assert_eq!(sockets.path().read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn a_server_that_lets_go_ends_the_plugin() {
    let sockets = tempfile::tempdir().unwrap();
    let plugin = started_in(&sockets).await;
    plugin.close_broker_stream();
    assert_eq!(plugin.ended().await.unwrap().code(), Some(0));
    assert_eq!(sockets.path().read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn a_server_that_dies_takes_the_plugin_with_it() {
    let (plugin, _mount) = mounted().await;
    plugin.vanish();
    let log = plugin.log_after_end();
    assert_eq!(plugin.ended().await.unwrap().code(), Some(0));
    assert_hclog(&log.await);
}

#[tokio::test]
async fn a_plugin_that_nobody_uses_ends() {
    let output = toy().arg("impatient").output().await.unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("did not open the broker's stream in time"), "{log}");
    assert_eq!(output.status.code(), Some(1), "{log}");
}

#[tokio::test]
async fn a_terminals_interrupt_is_ignored_and_sigterm_ends_in_order() {
    let sockets = tempfile::tempdir().unwrap();
    let plugin = started_in(&sockets).await;
    signal(&plugin, "-INT");
    assert!(plugin.multiplexing_supported().await.unwrap());
    signal(&plugin, "-TERM");
    plugin.wait_for_log("signal SIGTERM").await.unwrap();
    assert_eq!(plugin.ended().await.unwrap().code(), Some(0));
    assert_eq!(sockets.path().read_dir().unwrap().count(), 0);
}
