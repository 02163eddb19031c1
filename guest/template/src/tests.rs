//! The engine, natively, with the framework's test doubles for everything outside.

use secrets_framework::host::{HttpError, HttpMethod, HttpResponse, NotSent};
use secrets_framework::testing::{TestHost, check_table, lease_request, request};
use secrets_framework::{Error, Lease, Operation, Response, Sensitive};
use serde_json::{Value, json};

use crate::BACKEND;

fn ask(host: &TestHost, operation: Operation, path: &str, data: Value) -> Option<Response> {
    BACKEND.handle(host, &request(operation, path, data)).unwrap()
}

fn data(response: Option<Response>) -> Value {
    serde_json::from_str(&response.unwrap().data.unwrap()).unwrap()
}

#[test]
fn the_table_is_in_order() {
    assert_eq!(check_table(&BACKEND), Vec::<String>::new());
}

#[test]
fn a_greeting_is_read_as_written() {
    let host = TestHost::new();
    assert!(ask(&host, Operation::Create, "greetings/alice", json!({ "text": "Welcome" })).is_none());
    assert_eq!(data(ask(&host, Operation::Read, "greetings/alice", json!({}))), json!({ "text": "Welcome" }));
    assert_eq!(data(ask(&host, Operation::List, "greetings/", json!({}))), json!({ "keys": ["alice"] }));
    assert!(ask(&host, Operation::Delete, "greetings/alice", json!({})).is_none());
    assert!(ask(&host, Operation::Read, "greetings/alice", json!({})).is_none());
}

#[test]
fn a_greeting_needs_a_text() {
    let host = TestHost::new();
    let told = data(ask(&host, Operation::Create, "greetings/alice", json!({})));
    assert_eq!(told, json!({ "error": "missing `text`: say what the visitor is told" }));
    assert!(host.storage.keys().is_empty());
}

#[test]
fn a_pass_lives_as_long_as_its_lease() {
    let host = TestHost::new();
    ask(&host, Operation::Create, "greetings/alice", json!({ "text": "Welcome" }));
    let secret = ask(&host, Operation::Read, "passes/alice", json!({})).unwrap().secret.unwrap();
    let lease = || Lease { internal_data: secret.internal_data.clone(), ..Lease::default() };
    let about_lease = |operation| BACKEND.handle(&host, &lease_request(operation, "passes/alice", lease())).unwrap();
    assert_eq!(host.storage.keys().len(), 2);

    assert_eq!(about_lease(Operation::Renew).unwrap().secret.unwrap().ttl, secret.ttl);
    assert!(about_lease(Operation::Revoke).is_none());
    assert_eq!(host.storage.keys(), ["greeting/alice"]);
    // The server may revoke twice.
    assert!(about_lease(Operation::Revoke).is_none());
    assert!(about_lease(Operation::Renew).unwrap().is_error());
}

#[test]
fn a_pass_is_for_a_visitor_with_a_greeting() {
    let host = TestHost::new();
    let told = data(ask(&host, Operation::Read, "passes/bob", json!({})));
    assert_eq!(told, json!({ "error": "no greeting for `bob`: write `greetings/bob` first" }));
}

/// A mount that is configured, with an upstream that answers this.
fn configured(status: u16, body: &'static str) -> TestHost {
    let host = TestHost::new();
    let answer = move || HttpResponse {
        status,
        retry_after: None,
        upstream_request_id: None,
        date: None,
        body: Sensitive::new(body.as_bytes().to_vec()),
    };
    host.http.script(move |_| Ok(answer()));
    let config = json!({ "url": "https://visits.example.com/api/", "token": "0123456789abcdef" });
    assert!(ask(&host, Operation::Update, "config", config).is_none());
    host
}

#[test]
fn the_upstream_is_asked_about_a_visitor() {
    let host = configured(200, r#"{ "visits": 3 }"#);
    assert_eq!(data(ask(&host, Operation::Read, "visitors/a b", json!({}))), json!({ "visits": 3 }));
    let sent = host.http.requests().remove(0);
    assert_eq!((sent.method, sent.origin.as_str()), (HttpMethod::Get, "https://visits.example.com"));
    assert_eq!(sent.path_and_query, "/api/visitors/a%20b");
    assert_eq!(
        data(ask(&host, Operation::Read, "config", json!({}))),
        json!({ "url": "https://visits.example.com/api" })
    );
}

#[test]
fn an_upstream_that_fails_is_a_fault_of_the_upstream() {
    let read = |host: &TestHost| BACKEND.handle(host, &request(Operation::Read, "visitors/alice", json!({})));
    assert!(read(&configured(404, "")).unwrap().is_none());
    for host in [configured(500, ""), configured(200, "no JSON")] {
        assert!(matches!(read(&host).unwrap_err(), Error::Coded { code: 502, .. }));
    }
    let host = configured(200, "{}");
    host.http.script(|_| Err(HttpError::NotSent(NotSent::Refused)));
    assert!(read(&host).unwrap_err().to_string().contains("(the connection was refused)"));
    host.http.script(|_| Err(HttpError::Denied("start the plugin with `--allow-egress`".to_owned())));
    assert!(read(&host).unwrap().unwrap().is_error());
}

#[test]
fn a_config_needs_a_url_and_a_token() {
    let host = TestHost::new();
    for config in [json!({ "token": "t" }), json!({ "url": "ftp://x", "token": "t" }), json!({ "url": "https://x" })] {
        assert!(ask(&host, Operation::Update, "config", config).unwrap().is_error());
    }
    assert!(ask(&host, Operation::Read, "visitors/alice", json!({})).unwrap().is_error());
    assert!(host.storage.keys().is_empty());
}
