//! Requests and answers, panics, cancellation, limits.

use std::sync::Arc;

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
        (
            "text/canary",
            Error::Internal(
                "the engine's answer cannot be sent: response data is not a JSON object; report the fault".into(),
            ),
        ),
    ];
    for (path, expected) in rows {
        assert_eq!(backend_error(read(&mount, path).await), expected, "{path}");
    }
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

/// The server would hide the error's text and answer 500; the request tells its own.
#[tokio::test]
async fn an_existence_check_that_fails_says_that_there_is_none() {
    let (_plugin, mount) = mounted().await;
    for path in ["fail/user", "fail/coded", "fail/plain", "fail/denied", "panic/check"] {
        let check = mount.check_existence(request(Operation::Update, path, "null")).await;
        assert_eq!(check.unwrap(), None, "{path}");
    }
}

#[tokio::test]
async fn leases_go_out_and_come_back() {
    let (_plugin, mount) = mounted().await;
    let response = mount.handle_request(request(Operation::Read, "lease", "null")).await.unwrap().unwrap();
    let secret = response.secret.unwrap();
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!((secret.ttl, secret.max_ttl, secret.renewable), (seconds(60), seconds(120), true));
    assert_eq!((response.data, response.warnings), (None, vec!["leased".to_owned()]));
    let mut renew = request(Operation::Renew, "lease", "null");
    renew.lease = Some(Lease {
        id: Some("lease-1".to_owned()),
        issue_time: std::time::SystemTime::UNIX_EPOCH,
        ttl: secret.ttl.unwrap(),
        max_ttl: secret.max_ttl,
        increment: seconds(90),
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
    let message = call_message(mount.handle_request(request(Operation::Update, "length", &data)).await.unwrap_err());
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
    assert_eq!(check.unwrap(), None);
    assert!(read(&mount, "echo").await.unwrap().is_some());
    let log = plugin.log_after_end();
    plugin.shutdown().await.unwrap();
    let log = log.await;
    assert_eq!(log.matches("the plugin panicked: this is a bug of the plugin").count(), 3, "{log}");
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

/// The server has one connection for all mounts: calls that one mount keeps waiting must leave room for those of others.
#[tokio::test]
async fn two_thousand_calls_that_hang_delay_no_other_call() {
    const HANGING: usize = 2_000;
    let plugin = toy().start().await.unwrap();
    let flooded = Arc::new(plugin.mount(MountOptions::default()).await.unwrap());
    let other = plugin.mount(MountOptions::default()).await.unwrap();
    let mut hanging = tokio::task::JoinSet::new();
    for number in 1..=HANGING {
        let flooded = Arc::clone(&flooded);
        hanging.spawn(async move { read(&flooded, "hang/").await.err() });
        // Not more at once than the plugin's queue of log lines takes.
        if number % 500 == 0 {
            plugin.wait_for_logs("a request hangs", number).await.unwrap();
        }
    }
    assert!(read(&other, "counts/").await.unwrap().is_some());
    assert_eq!(hanging.len(), HANGING);
    assert!(hanging.try_join_next().is_none(), "none of them was answered");
    hanging.shutdown().await;
    assert!(read(&flooded, "counts/").await.unwrap().is_some());
}
