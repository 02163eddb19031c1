//! Plays the server against a real plugin process, `tests/toy/plugin.rs`:
//! handshake, TLS, broker, mounts, storage, faults and the end.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types, reason = "tests")]

use std::time::Duration;

use plugin_protocol::testing::{
    Announce, Launch, MemoryStorage, MemorySystemView, Mount, MountOptions, PluginProcess, StorageKind, TestError,
    request,
};
use plugin_protocol::{Entity, Error, Lease, Operation, StorageEntry};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

fn toy() -> Launch {
    Launch::new(env!("CARGO_BIN_EXE_toy-plugin"))
}

async fn mounted() -> (PluginProcess, Mount) {
    let plugin = toy().start().await.unwrap();
    let mount = plugin.mount(MountOptions::default()).await.unwrap();
    (plugin, mount)
}

async fn mounted_on(storage: &std::sync::Arc<MemoryStorage>) -> (PluginProcess, Mount) {
    let plugin = toy().start().await.unwrap();
    let options = MountOptions { storage: storage.clone(), ..MountOptions::default() };
    let mount = plugin.mount(options).await.unwrap();
    (plugin, mount)
}

/// The data of an answer.
async fn ask(mount: &Mount, operation: Operation, path: &str, data: &Value) -> Result<Option<Value>, TestError> {
    let response = mount.handle_request(request(operation, path, &data.to_string())).await?;
    Ok(response.and_then(|response| response.data).map(|data| serde_json::from_str(&data).unwrap()))
}

async fn read(mount: &Mount, path: &str) -> Result<Option<Value>, TestError> {
    ask(mount, Operation::Read, path, &Value::Null).await
}

fn call_message(error: TestError) -> String {
    match error {
        TestError::Call { message, .. } => message,
        other => panic!("expected gRPC's error, got {other:?}"),
    }
}

fn backend_error(outcome: Result<impl Sized, TestError>) -> Error {
    match outcome.map(|_| ()).unwrap_err() {
        TestError::Backend(error) => error,
        other => panic!("expected the backend's error, got {other:?}"),
    }
}

fn signal(plugin: &PluginProcess, name: &str) {
    let id = plugin.process_id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args([name, &id]).status().unwrap().success());
}

/// Every line that a plugin wrote to stderr must be one the server can read.
fn assert_hclog(log: &str) {
    for line in log.lines() {
        let object: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        for key in ["@level", "@message", "@timestamp"] {
            assert!(object[key].is_string(), "{line}");
        }
        assert!(line.len() < 64 << 10);
    }
}

mod start {
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
            plugin.wait_for_log("failed to start the plugin").await.unwrap();
            let log = plugin.log_after_end();
            assert!(plugin.shutdown().await.unwrap().success());
            assert_hclog(&log.await);
        }
    }
}

mod peers {
    use super::*;

    #[tokio::test]
    async fn a_peer_with_another_certificate_is_refused() {
        let error = toy().with_other_identity().start().await.map(|_| ()).unwrap_err();
        assert!(matches!(error, TestError::Call { .. } | TestError::Connect(_)), "{error:?}");
    }

    #[tokio::test]
    async fn strangers_do_not_disturb_the_server() {
        let (plugin, mount) = mounted().await;
        let mut idle = Vec::new();
        for _ in 0..40 {
            idle.push(UnixStream::connect(plugin.socket()).await.unwrap());
        }
        for bytes in [&b"\x00\xff\x16garbage"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"] {
            // One of those that the plugin has already accepted.
            let mut stranger = idle.remove(0);
            stranger.write_all(bytes).await.unwrap();
            let mut rest = Vec::new();
            // TLS answers with an alert at most, and closes.
            let _ = stranger.read_to_end(&mut rest).await;
            assert!(rest.len() < 16, "{rest:?}");
        }
        assert_eq!(read(&mount, "echo").await.unwrap().unwrap()["operation"], "Read");
        let log = plugin.log_after_end();
        assert!(plugin.shutdown().await.unwrap().success());
        let log = log.await;
        assert!(log.contains("refused a connection: TLS failed"), "{log}");
        assert_hclog(&log);
    }
}

mod mounts {
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
        let (first, second) =
            (plugin.mount(options("one")).await.unwrap(), plugin.mount(options("two")).await.unwrap());
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
}

mod requests {
    use super::*;

    #[tokio::test]
    async fn what_the_server_says_arrives() {
        let (_plugin, mount) = mounted().await;
        let mut asked = request(Operation::Patch, "echo/x", r#"{"n":12345678901234567890}"#);
        asked.headers = [("x-trace".to_owned(), vec!["1".to_owned()])].into();
        asked.identity.display_name = "alice".to_owned();
        asked.timeout = Some(Duration::from_secs(90));
        let response = mount.handle_request(asked).await.unwrap().unwrap();
        let data: Value = serde_json::from_str(&response.data.unwrap()).unwrap();
        assert_eq!((&data["id"], &data["operation"]), (&json!("request-echo/x"), &json!("Patch")));
        assert_eq!(
            (&data["data"]["n"], &data["headers"]["x-trace"][0]),
            (&json!(12_345_678_901_234_567_890_u64), &json!("1"))
        );
        assert!(data["timeout_s"].as_u64().unwrap() >= 89 && data["identity"].as_str().unwrap().contains("alice"));
    }

    #[tokio::test]
    async fn unknown_operations_never_reach_the_backend() {
        let (_plugin, mount) = mounted().await;
        for operation in ["resolve-path", "alias-lookahead", "header", "scan", "recover", "new"] {
            let asked = request(Operation::Update, "kv/a", r#"{"value":"1"}"#);
            let error = backend_error(mount.handle_operation(operation, asked).await);
            assert_eq!(error, Error::UnsupportedOperation, "{operation}");
        }
        assert!(read(&mount, "kv/a").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn errors_keep_their_kind() {
        let (_plugin, mount) = mounted().await;
        let rows = [
            ("fail/user", Error::User("a user's mistake".into())),
            ("fail/coded", Error::Coded { code: 502, message: "upstream".into() }),
            ("fail/denied", Error::PermissionDenied),
            ("fail/plain", Error::Plain("plain".into())),
            ("nowhere", Error::UnsupportedPath),
            ("text/canary", Error::Internal("response data is not a JSON object".into())),
        ];
        for (path, expected) in rows {
            assert_eq!(backend_error(read(&mount, path).await), expected, "{path}");
        }
        let check = mount.check_existence(request(Operation::Update, "fail/user", "null")).await;
        assert_eq!(backend_error(check), Error::User("a user's mistake".into()));
    }

    #[tokio::test]
    async fn existence_is_checked_with_three_answers() {
        let (_plugin, mount) = mounted().await;
        let check = |path: &str| mount.check_existence(request(Operation::Update, path, "null"));
        assert_eq!(check("kv/a").await.unwrap(), Some(false));
        ask(&mount, Operation::Create, "kv/a", &json!({ "value": "1" })).await.unwrap();
        assert_eq!(check("kv/a").await.unwrap(), Some(true));
        assert_eq!(check("echo").await.unwrap(), None);
    }

    #[tokio::test]
    async fn leases_go_out_and_come_back() {
        let (_plugin, mount) = mounted().await;
        let response = mount.handle_request(request(Operation::Read, "lease", "null")).await.unwrap().unwrap();
        let secret = response.secret.unwrap();
        assert_eq!((secret.ttl.as_secs(), secret.max_ttl.as_secs(), secret.renewable), (60, 120, true));
        assert_eq!((response.data, response.warnings), (None, vec!["leased".to_owned()]));
        let mut renew = request(Operation::Renew, "lease", "null");
        renew.lease = Some(Lease {
            id: "lease-1".to_owned(),
            issue_time: std::time::SystemTime::UNIX_EPOCH,
            ttl: secret.ttl,
            max_ttl: secret.max_ttl,
            increment: Duration::from_secs(90),
            renewable: true,
            internal_data: secret.internal_data,
        });
        let data = mount.handle_request(renew).await.unwrap().unwrap().data.unwrap();
        let data: Value = serde_json::from_str(&data).unwrap();
        let expected = json!({ "id": "lease-1", "increment_s": 90, "internal_data": { "secret_type": "toy" } });
        assert_eq!(data, expected);
    }

    #[tokio::test]
    async fn large_messages_pass_in_all_directions() {
        const BYTES: usize = 5 << 20;
        let (_plugin, mount) = mounted().await;
        let answer = ask(&mount, Operation::Read, "large", &json!({ "bytes": BYTES })).await.unwrap().unwrap();
        assert_eq!(answer["blob"].as_str().unwrap().len(), BYTES);
        let value = json!({ "value": "y".repeat(BYTES) });
        ask(&mount, Operation::Update, "kv/big", &value).await.unwrap();
        assert_eq!(read(&mount, "kv/big").await.unwrap().unwrap()["value"], value["value"]);
    }

    #[tokio::test]
    async fn messages_beyond_the_limit_fail_alone() {
        let (_plugin, mount) = mounted().await;
        let data = format!("\"{}\"", "z".repeat(64 << 20));
        let message =
            call_message(mount.handle_request(request(Operation::Update, "length", &data)).await.unwrap_err());
        assert!(message.contains("67108864"), "{message}");
        assert!(read(&mount, "echo").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_panic_fails_one_request_and_tells_no_data() {
        let (plugin, mount) = mounted().await;
        for path in ["panic/literal", "panic/formatted"] {
            let error = backend_error(ask(&mount, Operation::Update, path, &json!({ "token": "canary" })).await);
            let text = error.to_string();
            assert!(matches!(error, Error::Internal(_)) && text.contains(&format!("request-{path}")), "{text}");
        }
        let check = mount.check_existence(request(Operation::Update, "panic/check", "null")).await;
        assert!(matches!(backend_error(check), Error::Internal(_)));
        assert!(read(&mount, "echo").await.unwrap().is_some());
        let log = plugin.log_after_end();
        plugin.shutdown().await.unwrap();
        let log = log.await;
        assert_eq!(log.matches("the plugin panicked; this is a bug in it").count(), 3, "{log}");
        assert!(log.contains("a literal reason") && log.contains("toy/plugin.rs") && !log.contains("canary"), "{log}");
        assert_hclog(&log);
    }

    #[tokio::test]
    async fn odd_log_lines_are_still_hclog() {
        let (plugin, mount) = mounted().await;
        ask(&mount, Operation::Update, "log", &json!({ "text": "\u{0}\n\u{7f}".repeat(30_000) })).await.unwrap();
        plugin.wait_for_log("truncated").await.unwrap();
        let log = plugin.log_after_end();
        plugin.shutdown().await.unwrap();
        assert_hclog(&log.await);
    }

    #[tokio::test]
    async fn a_request_that_the_server_gives_up_is_dropped() {
        let (plugin, mount) = mounted().await;
        let hanging = tokio::spawn(async move {
            let outcome = read(&mount, "hang").await;
            (mount, outcome)
        });
        plugin.wait_for_log("a request hangs").await.unwrap();
        hanging.abort();
        plugin.wait_for_log("a hanging request was dropped").await.unwrap();
        let mount = plugin.mount(MountOptions::default()).await.unwrap();
        assert!(read(&mount, "echo").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn calls_beyond_the_limit_wait_for_their_turn() {
        // Two of the 1024 are the broker's and the stdio stream.
        const CALLS: usize = 1022;
        let (plugin, mount) = mounted().await;
        let mount = std::sync::Arc::new(mount);
        let start = |path: &'static str| {
            let mount = mount.clone();
            tokio::spawn(async move { read(&mount, path).await })
        };
        let mut hanging: Vec<_> = (0..CALLS).map(|_| start("hang")).collect();
        plugin.wait_for_logs("a request hangs", CALLS).await.unwrap();
        let mut waiting = start("echo");
        // There is no event for a call that does not begin.
        assert!(tokio::time::timeout(Duration::from_millis(100), &mut waiting).await.is_err());
        hanging.pop().unwrap().abort();
        assert!(waiting.await.unwrap().unwrap().is_some());
    }

    #[tokio::test]
    async fn many_requests_given_up_at_once_do_not_end_the_connection() {
        let (plugin, mount) = mounted().await;
        let mount = std::sync::Arc::new(mount);
        // The plugin sleeps, so that it finds beginning and end of all of them at once.
        signal(&plugin, "-STOP");
        let asked: Vec<_> = (0..300)
            .map(|_| {
                let mount = mount.clone();
                tokio::spawn(async move { read(&mount, "hang").await })
            })
            .collect();
        // Time for the requests, and then for their ends, to be written to the socket, which nothing tells.
        tokio::time::sleep(Duration::from_millis(500)).await;
        asked.iter().for_each(tokio::task::JoinHandle::abort);
        tokio::time::sleep(Duration::from_millis(500)).await;
        signal(&plugin, "-CONT");
        assert!(read(&mount, "echo").await.unwrap().is_some());
        assert!(plugin.shutdown().await.unwrap().success());
    }
}

mod storage {
    use super::*;

    #[tokio::test]
    async fn entries_round_trip() {
        let storage = MemoryStorage::new(StorageKind::OpenBao);
        let (_plugin, mount) = mounted_on(&storage).await;
        for key in ["a", "dir/b", "dir/c"] {
            ask(&mount, Operation::Update, &format!("kv/{key}"), &json!({ "value": key })).await.unwrap();
        }
        let stored = storage.entries();
        assert_eq!(stored["dir/b"].value, b"dir/b");
        assert!(stored["dir/b"].seal_wrap);
        let expected = json!({ "value": "dir/b", "seal_wrap": true });
        assert_eq!(read(&mount, "kv/dir/b").await.unwrap(), Some(expected));
        let list = |path: &'static str| ask(&mount, Operation::List, path, &Value::Null);
        assert_eq!(list("kv/").await.unwrap().unwrap()["keys"], json!(["a", "dir/"]));
        assert_eq!(list("kv/dir/").await.unwrap().unwrap()["keys"], json!(["b", "c"]));
        ask(&mount, Operation::Delete, "kv/a", &Value::Null).await.unwrap();
        ask(&mount, Operation::Delete, "kv/a", &Value::Null).await.unwrap();
        assert!(read(&mount, "kv/a").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn pages_are_the_same_where_the_server_has_none() {
        for (kind, pages) in [(StorageKind::OpenBao, 4), (StorageKind::Vault, 1)] {
            let storage = MemoryStorage::new(kind);
            for key in ["p/a", "p/b", "p/c", "p/d/e"] {
                storage.write(StorageEntry { key: key.to_owned(), value: Vec::new(), seal_wrap: false });
            }
            let (_plugin, mount) = mounted_on(&storage).await;
            let rows = [
                ("", 2, json!(["a", "b"])),
                ("b", 9, json!(["c", "d/"])),
                ("bb", 1, json!(["c"])),
                ("d/", 1, json!([])),
            ];
            for (after, limit, expected) in rows {
                let page = json!({ "after": after, "limit": limit });
                let answer = ask(&mount, Operation::Read, "page/p/", &page).await.unwrap().unwrap();
                assert_eq!(answer["keys"], expected, "{kind:?} after {after}");
            }
            let none = ask(&mount, Operation::Read, "page/p/", &json!({ "after": "", "limit": 0 })).await.unwrap();
            assert_eq!(none.unwrap()["keys"], json!([]));
            // Vault is asked once; then it is known.
            assert_eq!(storage.calls("ListPage"), pages, "{kind:?}");
        }
    }

    #[tokio::test]
    async fn transactions_commit_and_roll_back() {
        let storage = MemoryStorage::new(StorageKind::OpenBao);
        let (_plugin, mount) = mounted_on(&storage).await;
        let answer = read(&mount, "transaction/rollback").await.unwrap().unwrap();
        assert_eq!(answer, json!({ "transactions": true, "inside": ["a", "b"], "outside": false }));
        assert!(storage.entries().is_empty());
        read(&mount, "transaction/abandon").await.unwrap();
        storage.until(|storage| storage.open_transactions() == 0).await;
        assert!(storage.entries().is_empty());
        read(&mount, "transaction/commit").await.unwrap();
        assert_eq!(storage.entries().keys().collect::<Vec<_>>(), ["a", "b"]);
        let error = backend_error(read(&mount, "transaction/conflict").await);
        assert_eq!(error, Error::Internal("conflict: transaction commit failed".into()));
        assert_eq!(storage.entries()["a"].value, b"of another");
        assert_eq!((storage.open_transactions(), storage.stale_calls(), storage.transactions_begun()), (0, 0, 4));
        assert_eq!(storage.calls("IsTransactional"), 1);
    }

    #[tokio::test]
    async fn servers_without_transactions_are_asked_once() {
        for (kind, asked) in [(StorageKind::Vault, 1), (StorageKind::OpenBaoWithoutTransactions, 1)] {
            let storage = MemoryStorage::new(kind);
            let (_plugin, mount) = mounted_on(&storage).await;
            assert_eq!(storage.calls("IsTransactional"), 0, "not before somebody needs it");
            for _ in 0..2 {
                let answer = read(&mount, "transaction/commit").await.unwrap().unwrap();
                assert_eq!(answer, json!({ "transactions": false }), "{kind:?}");
            }
            assert_eq!((storage.calls("IsTransactional"), storage.calls("BeginTx")), (asked, 0), "{kind:?}");
        }
    }

    #[tokio::test]
    async fn a_request_given_up_leaves_no_transaction_open() {
        let storage = MemoryStorage::new(StorageKind::OpenBao);
        let (plugin, mount) = mounted_on(&storage).await;
        // While it does nothing.
        let mount = std::sync::Arc::new(mount);
        let start = |path: &'static str| {
            let mount = mount.clone();
            tokio::spawn(async move { read(&mount, path).await })
        };
        let hanging = start("transaction/hang");
        plugin.wait_for_log("a transaction hangs").await.unwrap();
        hanging.abort();
        storage.until(|storage| storage.open_transactions() == 0).await;
        // While its beginning, and while a call within it, is under way.
        for held_call in ["BeginTx", "Put"] {
            let (begun, held) = (storage.transactions_begun(), storage.calls(held_call));
            storage.hold(&[held_call]);
            let hanging = start("transaction/commit");
            storage.until(|storage| storage.calls(held_call) > held).await;
            hanging.abort();
            // The plugin has noticed that when it answers what came after. Its end must not overtake the call.
            for _ in 0..5 {
                assert!(read(&mount, "echo").await.unwrap().is_some());
            }
            storage.hold(&[]);
            storage.until(|storage| storage.transactions_begun() > begun && storage.open_transactions() == 0).await;
            storage.until(|storage| storage.calls_under_way() == 0).await;
        }
        assert_eq!((storage.stale_calls(), storage.cancelled_calls()), (0, 0));
    }

    #[tokio::test]
    async fn a_read_that_is_given_up_is_cancelled_at_the_server() {
        let storage = MemoryStorage::new(StorageKind::OpenBao);
        let (_plugin, mount) = mounted_on(&storage).await;
        storage.hold(&["Get"]);
        let reading = tokio::spawn(async move { read(&mount, "kv/a").await });
        storage.until(|storage| storage.calls("Get") == 1).await;
        reading.abort();
        storage.until(|storage| storage.cancelled_calls() == 1).await;
    }

    #[tokio::test]
    async fn the_servers_errors_pass_unchanged() {
        let storage = MemoryStorage::new(StorageKind::OpenBao);
        let (_plugin, mount) = mounted_on(&storage).await;
        storage.set_read_only(true);
        let written = ask(&mount, Operation::Update, "kv/a", &json!({ "value": "1" })).await;
        assert_eq!(backend_error(written), Error::Plain("cannot write to readonly storage".into()));
        storage.fail_with(Some("no space left"));
        assert_eq!(backend_error(read(&mount, "kv/a").await), Error::Internal("failed: no space left".into()));
        storage.fail_with(None);
        assert!(read(&mount, "kv/a").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn nonsense_of_the_server_is_an_error() {
        let storage = MemoryStorage::new(StorageKind::OpenBao);
        let (_plugin, mount) = mounted_on(&storage).await;
        ask(&mount, Operation::Update, "kv/a", &json!({ "value": "1" })).await.unwrap();
        storage.set_lying(true);
        let error = backend_error(read(&mount, "kv/a").await);
        assert_eq!(error, Error::Internal("failed: the server answered with another entry than `a`".into()));
        let error = backend_error(read(&mount, "transaction/commit").await);
        assert_eq!(error, Error::Internal("failed: the server began a transaction without an id".into()));
    }

    #[tokio::test]
    async fn a_mount_that_goes_does_not_keep_its_connection() {
        let storage = MemoryStorage::new(StorageKind::OpenBao);
        let (plugin, mount) = mounted_on(&storage).await;
        let mount = std::sync::Arc::new(mount);
        storage.hold(&["Get"]);
        let reading = tokio::spawn({
            let mount = mount.clone();
            async move { read(&mount, "kv/a").await }
        });
        storage.until(|storage| storage.calls("Get") == 1).await;
        mount.cleanup().await.unwrap();
        // The call never ends by itself: the connection is closed under it.
        storage.until(|storage| storage.cancelled_calls() == 1).await;
        let error = backend_error(reading.await.unwrap());
        assert!(matches!(&error, Error::Internal(text) if text.contains("storage call failed")), "{error:?}");
        assert!(plugin.multiplexing_supported().await.unwrap());
    }

    #[tokio::test]
    async fn the_system_view_answers_or_is_unsupported() {
        let plugin = toy().start().await.unwrap();
        let entity = Entity { id: "e1".into(), name: "alice".into(), metadata: [].into() };
        let system_view = MemorySystemView {
            max_lease_ttl: Duration::from_secs(3600),
            replication_state: 1 << 14,
            entities: [("e1".to_owned(), entity)].into(),
            passwords: [("strong".to_owned(), "secret".to_owned())].into(),
            ..MemorySystemView::default()
        };
        let mount = plugin.mount(MountOptions { system_view, ..MountOptions::default() }).await.unwrap();
        let expected = json!({
            "default_lease_ttl": 2_764_800, "max_lease_ttl": 3600, "tainted": false, "local_mount": false,
            "performance_standby": true, "version": "2.7.2", "entity": "alice", "no_entity": null,
            "password": "secret", "no_password": "system view call failed: no such password policy",
        });
        assert_eq!(read(&mount, "system-view").await.unwrap(), Some(expected));
        let system_view = MemorySystemView { implemented: false, ..MemorySystemView::default() };
        let mount = plugin.mount(MountOptions { system_view, ..MountOptions::default() }).await.unwrap();
        let error = backend_error(read(&mount, "system-view").await);
        assert_eq!(error, Error::Plain("the server does not offer this".into()));
    }
}

mod end {
    use super::*;

    #[tokio::test]
    async fn shutdown_ends_a_busy_plugin_in_time_with_zero() {
        let (plugin, mount) = mounted().await;
        let hanging = tokio::spawn(async move { read(&mount, "hang").await });
        plugin.wait_for_log("a request hangs").await.unwrap();
        let socket = plugin.socket().to_owned();
        assert_eq!(plugin.shutdown().await.unwrap().code(), Some(0));
        assert!(hanging.await.unwrap().is_err());
        assert!(!std::path::Path::new(&socket).exists());
    }

    #[tokio::test]
    async fn a_server_that_lets_go_ends_the_plugin() {
        let (plugin, _mount) = mounted().await;
        let socket = plugin.socket().to_owned();
        plugin.close_broker_stream();
        assert_eq!(plugin.ended().await.unwrap().code(), Some(0));
        assert!(!std::path::Path::new(&socket).exists());
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
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8(output.stderr).unwrap().contains("did not open the broker's stream in time"));
    }

    #[tokio::test]
    async fn a_plugin_in_use_outlives_its_watchdog() {
        let plugin = toy().arg("impatient").start().await.unwrap();
        // Twice the watchdog's time; there is no event for something that does not happen.
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(plugin.multiplexing_supported().await.unwrap());
    }

    #[tokio::test]
    async fn a_terminals_interrupt_is_ignored_and_sigterm_ends_in_order() {
        let plugin = toy().start().await.unwrap();
        let socket = plugin.socket().to_owned();
        signal(&plugin, "-INT");
        assert!(plugin.multiplexing_supported().await.unwrap());
        signal(&plugin, "-TERM");
        plugin.wait_for_log("signal SIGTERM").await.unwrap();
        assert_eq!(plugin.ended().await.unwrap().code(), Some(0));
        assert!(!std::path::Path::new(&socket).exists());
    }
}
