//! The engine, natively, with the framework's test doubles for everything outside.

use secrets_framework::testing::{TestHost, check_table, lease_request, request};
use secrets_framework::{Lease, Operation, Response};
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
