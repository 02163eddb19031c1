//! From exec to the first answer: handshake, refusals, the factory.

use super::*;

#[tokio::test]
async fn the_handshake_is_one_line_and_the_plugin_answers() {
    let plugin = toy().start().await.unwrap();
    let fields: Vec<_> = plugin.handshake_line().split('|').collect();
    assert_eq!(fields.len(), 6, "{fields:?}");
    assert_eq!((fields[0], fields[1], fields[2], fields[4]), ("1", "5", "unix", "grpc"));
    assert!(!fields[5].contains('=') && fields[5].len() > 50);
    assert!(plugin.multiplexing_supported().await.unwrap());
    assert!(plugin.healthy("plugin").await.unwrap());
    assert!(plugin.healthy("other").await.is_err());
    assert_eq!(plugin.version().await.unwrap(), "v1.2.3");
    assert!(plugin.shutdown().await.unwrap().success());
}

#[tokio::test]
async fn by_hand_it_explains_itself() {
    let by_hand = toy().without_env("VAULT_BACKEND_PLUGIN").without_env("PLUGIN_PROTOCOL_VERSIONS");
    let output = by_hand.output().await.unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(text.contains("toy-plugin is a plugin of Vault and OpenBao") && text.contains("plugin register"));
}

#[tokio::test]
async fn to_a_probe_for_another_kind_it_is_quiet() {
    let probe = toy().without_env("VAULT_BACKEND_PLUGIN").env("VAULT_DATABASE_PLUGIN", "926a0820");
    let wrong = toy().env("VAULT_BACKEND_PLUGIN", "wrong");
    for launch in [probe, wrong] {
        let output = launch.output().await.unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty() && output.stderr.is_empty());
    }
}

#[tokio::test]
async fn older_protocols_are_refused_with_a_line_that_names_ours() {
    for versions in ["3,4", "4,3", "4", "6"] {
        let output = toy().protocol_versions(versions).output().await.unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "1|5|unix|/nonexistent|grpc|\n");
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(log.contains(&format!("offers `{versions}`")), "{log}");
        assert_hclog(&log);
    }
}

#[tokio::test]
async fn without_a_client_certificate_there_is_no_plaintext() {
    for launch in [toy().without_env("PLUGIN_CLIENT_CERT"), toy().env("PLUGIN_CLIENT_CERT", "nonsense")] {
        let output = launch.output().await.unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        assert!(log.contains("PLUGIN_CLIENT_CERT"), "{log}");
        assert_hclog(&log);
    }
}

#[tokio::test]
async fn the_socket_goes_where_it_is_told_and_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let plugin = toy().env("PLUGIN_UNIX_SOCKET_DIR", directory.path()).start().await.unwrap();
    assert!(plugin.socket().starts_with(directory.path().to_str().unwrap()));
    assert_eq!(directory.path().read_dir().unwrap().count(), 1);
    plugin.shutdown().await.unwrap();
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn a_factory_that_fails_is_told_in_log_and_setup() {
    for (arg, text) in [("factory-fails", "the toy is broken"), ("factory-panics", "panicked at its start")] {
        let plugin = toy().arg(arg).start().await.unwrap();
        let error = plugin.mount(MountOptions::default()).await.map(|_| ()).unwrap_err();
        assert!(matches!(&error, TestError::Setup(refusal) if refusal.contains(text)), "{error:?}");
        assert!(call_message(plugin.version().await.unwrap_err()).contains(text));
        plugin.wait_for_log("the plugin failed to start").await.unwrap();
        let log = plugin.log_after_end();
        assert!(plugin.shutdown().await.unwrap().success());
        assert_hclog(&log.await);
    }
}
