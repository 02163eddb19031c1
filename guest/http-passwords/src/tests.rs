#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use secrets_framework::host::{HttpError, HttpMethod, HttpResponse, NotSent};
use secrets_framework::testing::{TestHost, check_table, lease_request, request, rollback_request};
use secrets_framework::{Error, Lease, Operation, Response, Secret, Sensitive};
use serde_json::{Value, json};

use crate::BACKEND;
use crate::limits::{
    DISPLAY_NAME_CHARACTERS_MAX, PATH_SEGMENTS_MAX, REQUEST_TIMEOUT_MAX, ROLE_NAME_BYTES_MAX, TEMPLATE_BYTES_MAX,
};

const URL: &str = "https://users.example.com/api";
/// The part between the colons is what the double of HTTP records of a bearer token.
const TOKEN: &str = "key:first:0123456789abcdef";
const PASSWORD: &str = r#"a"b\c{{role}}"#;

/// A mount with a policy, a config, a role, and a service that makes and deletes whatever it is asked to.
fn mount() -> TestHost {
    let host = TestHost::new();
    host.system_view.set_password("strong", PASSWORD);
    answer(&host, |_| Ok(200));
    done(&host, "config", json!({ "url": URL, "token": TOKEN, "password_policy": "strong", "ttl": "1h" }));
    done(&host, "roles/reader", json!({}));
    host
}

fn answer(host: &TestHost, status: impl Fn(HttpMethod) -> Result<u16, HttpError> + Send + Sync + 'static) {
    host.http.script(move |request| {
        let body = Sensitive::new(Vec::new());
        let head = |status| HttpResponse { status, retry_after: None, upstream_request_id: None, date: None, body };
        status(request.method).map(head)
    });
}

fn ask(host: &TestHost, operation: Operation, path: &str, data: Value) -> Result<Option<Response>, Error> {
    BACKEND.handle(host, &request(operation, path, data))
}

/// A write: an update of what is there, else a create.
fn write(host: &TestHost, path: &str, data: Value) -> Result<Option<Response>, Error> {
    let exists = BACKEND.check_existence(host, &request(Operation::Update, path, data.clone()));
    let operation = if exists == Some(false) { Operation::Create } else { Operation::Update };
    ask(host, operation, path, data)
}

#[track_caller]
fn done(host: &TestHost, path: &str, data: Value) {
    let answer = write(host, path, data).unwrap();
    assert!(answer.is_none_or(|answer| answer.data.is_none()), "{path}");
}

/// The text of a mistake.
#[track_caller]
fn mistake(answer: Result<Option<Response>, Error>) -> String {
    let answer = answer.unwrap().unwrap();
    assert!(answer.is_error(), "{answer:?}");
    data(&answer)["error"].as_str().unwrap().to_owned()
}

#[track_caller]
fn assert_mistake(answer: Result<Option<Response>, Error>, words: &[&str]) {
    let text = mistake(answer);
    assert!(words.iter().all(|word| text.contains(word)), "`{text}` lacks one of {words:?}");
}

fn data(answer: &Response) -> Value {
    serde_json::from_str(answer.data.as_deref().unwrap()).unwrap()
}

fn read(host: &TestHost, path: &str) -> Value {
    data(&ask(host, Operation::Read, path, Value::Null).unwrap().unwrap())
}

/// A user of a role, and its lease.
#[track_caller]
fn make(host: &TestHost, role: &str) -> (String, Secret) {
    let answer = ask(host, Operation::Read, &format!("creds/{role}"), Value::Null).unwrap().unwrap();
    let made = data(&answer);
    assert_eq!(made["password"], PASSWORD, "{answer:?}");
    (made["username"].as_str().unwrap().to_owned(), answer.secret.unwrap())
}

fn about_lease(host: &TestHost, operation: Operation, secret: &Secret) -> Result<Option<Response>, Error> {
    let lease = Lease { internal_data: secret.internal_data.clone(), ..Lease::default() };
    BACKEND.handle(host, &lease_request(operation, "creds/reader", lease))
}

/// A rollback call when all write-ahead entries are old.
fn roll_back(host: &TestHost) -> Result<Option<Response>, Error> {
    host.clock.advance(Duration::from_secs(3600));
    BACKEND.handle(host, &rollback_request(false))
}

fn wal(host: &TestHost) -> usize {
    host.storage.keys().iter().filter(|key| key.starts_with("wal/")).count()
}

/// Methods and paths of the requests so far.
fn sent(host: &TestHost) -> Vec<(HttpMethod, String)> {
    host.http.requests().into_iter().map(|request| (request.method, request.path_and_query)).collect()
}

#[test]
fn the_table_is_in_order() {
    assert_eq!(check_table(&BACKEND), Vec::<String>::new());
}

#[test]
fn a_user_lives_as_long_as_its_lease() {
    let host = mount();
    let (username, secret) = make(&host, "reader");
    assert!(username.starts_with("v-reader-"), "{username}");
    assert_eq!((secret.ttl, secret.max_ttl, secret.renewable), (Duration::from_secs(3600), Duration::ZERO, true));
    let post = host.http.requests().remove(0);
    assert_eq!((post.method, post.origin.as_str()), (HttpMethod::Post, "https://users.example.com"));
    assert_eq!((post.path_and_query.as_str(), post.client_id.as_str()), ("/api/users", "first"));
    let body: Value = serde_json::from_str(&post.body).unwrap();
    assert_eq!(body, json!({ "username": username, "password": PASSWORD }));
    assert_eq!(host.storage.keys(), ["config/current", "role/reader"]);

    assert_eq!(about_lease(&host, Operation::Renew, &secret).unwrap().unwrap().secret.unwrap().ttl, secret.ttl);
    assert!(about_lease(&host, Operation::Revoke, &secret).unwrap().is_none());
    assert_eq!(sent(&host)[1..], [(HttpMethod::Delete, format!("/api/users/{username}"))]);
    assert!(!host.log.text().contains(PASSWORD));
}

#[test]
fn a_user_that_the_service_has_lost_counts_as_deleted() {
    let host = mount();
    let (_, secret) = make(&host, "reader");
    for status in [404, 410] {
        answer(&host, move |_| Ok(status));
        assert!(about_lease(&host, Operation::Revoke, &secret).unwrap().is_none());
    }
    answer(&host, |_| Ok(500));
    let error = about_lease(&host, Operation::Revoke, &secret).unwrap_err();
    assert!(error.to_string().contains("with status 500") && !error.to_string().contains("`-force`"), "{error}");
    host.system_view.set_tainted(true);
    let error = about_lease(&host, Operation::Revoke, &secret).unwrap_err();
    assert!(error.to_string().contains("its paths are closed") && error.to_string().contains("`-force`"), "{error}");
}

#[test]
fn rollback_deletes_what_may_have_been_made() {
    type Fault = fn(HttpMethod) -> Result<u16, HttpError>;
    let faults: [(Fault, u16, &str); 5] = [
        (|_| Ok(500), 502, "with status 500"),
        (|_| Ok(408), 502, "with status 408"),
        (|_| Ok(303), 502, "with status 303"),
        (|_| Err(HttpError::TimedOut), 504, "did not answer in time"),
        (|_| Err(HttpError::TooLarge), 502, "was lost"),
    ];
    for (fault, expected, words) in faults {
        let host = mount();
        answer(&host, fault);
        let Err(Error::Coded { code, message }) = ask(&host, Operation::Read, "creds/reader", Value::Null) else {
            panic!("{words}: no error")
        };
        assert!(code == expected && message.contains(words), "{code} {message}");
        assert_eq!(wal(&host), 1, "{words}");
        // The service is still down.
        roll_back(&host).unwrap_err();
        assert_eq!(wal(&host), 1, "{words}");
        host.http.clear();
        answer(&host, |_| Ok(204));
        roll_back(&host).unwrap();
        assert_eq!((wal(&host), sent(&host).len()), (0, 1), "{words}");
        assert_eq!(sent(&host)[0].0, HttpMethod::Delete, "{words}");
    }
}

#[test]
fn what_was_certainly_not_made_leaves_nothing_to_undo() {
    type Fault = fn(HttpMethod) -> Result<u16, HttpError>;
    let faults: [(Fault, &str); 6] = [
        (|_| Ok(400), "check the paths and the body"),
        (|_| Ok(401), "another `token`"),
        (|_| Ok(409), "`username_template`"),
        (|_| Ok(429), "try again later"),
        (|_| Err(HttpError::NotSent(NotSent::Refused)), "could not be reached"),
        (|_| Err(HttpError::NotSent(NotSent::ConnectTimedOut)), "could not be reached"),
    ];
    for (fault, words) in faults {
        let host = mount();
        answer(&host, fault);
        let error = ask(&host, Operation::Read, "creds/reader", Value::Null).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(wal(&host), 0, "{words}");
    }
    let host = mount();
    host.http.script_origins(|_| Err("the host allows it not".to_owned()));
    assert_mistake(ask(&host, Operation::Read, "creds/reader", Value::Null), &["the host allows it not"]);
    assert_eq!(wal(&host), 0);
}

/// A body with a number beside texts that only look like numbers.
fn with_number(number: &str) -> String {
    format!(r#"{{"u":"\"0.10{{{{username}}}}","p":"{{{{password}}}}-0.10\\","9.90":[true,null,7,-1,0.5,{number}]}}"#)
}

#[test]
fn a_number_of_a_body_is_sent_as_it_is_written() {
    let host = mount();
    for number in ["0", "-7", "18446744073709551615", "-9223372036854775808", "0.1", "2.5"] {
        done(&host, "config", json!({ "create_body": with_number(number) }));
        make(&host, "reader");
        let made = host.http.requests().pop().unwrap();
        assert!(made.body.contains(&format!(",{number}]")), "{number}: {}", made.body);
    }
    let long = "1".repeat(200);
    for (number, words) in [
        ("0.10", "has the number `0.10`, which would be sent as `0.1`"),
        ("18446744073709551616", "has the number `18446744073709551616`, which"),
        ("1E2", "sent as `100.0`"),
        ("-0", "sent as `-0.0`"),
        (long.as_str(), "has the number `1111111111111111111111111111111111111111`, which"),
    ] {
        let body = json!({ "create_body": with_number(number) });
        assert_mistake(write(&host, "config", body.clone()), &["`create_body`", words]);
        assert_mistake(write(&host, "roles/reader", body), &["`create_body`", words]);
    }
}

#[test]
fn a_template_is_checked_when_it_is_written() {
    let host = mount();
    let before = host.storage.snapshot();
    let rows = [
        ("username_template", "{{role}}", "lacks `{{random}}`"),
        ("username_template", "{{nope}}{{random}}", "unknown name `nope`"),
        ("username_template", "{{random", "closes"),
        ("username_template", "a/{{random}}", "letters, digits"),
        ("create_path", "users", "begin with `/`"),
        ("create_path", "/users/{{password}}", "unknown name `password`"),
        ("create_path", "/users?x=1", "no query"),
        ("create_path", "/a/../users", "no `..`"),
        ("create_path", "/users/", "no empty segment"),
        ("delete_path", "/users", "lacks `{{username}}`"),
        ("create_body", r#"{"u":"{{username}}"}"#, "lacks `{{password}}`"),
        ("create_body", r#"["{{username}}{{password}}"]"#, "JSON object"),
        ("create_body", r#"{"u":{{username}},"p":"{{password}}"}"#, "JSON object"),
        ("create_body", r#"{"{{who}}":"{{username}}{{password}}"}"#, "unknown name `who`"),
        ("create_body", "", "lacks `{{username}}`"),
    ];
    for (field, template, words) in rows {
        assert_mistake(write(&host, "config", json!({ field: template })), &[&format!("`{field}`"), words]);
    }
    assert_mistake(write(&host, "roles/reader", json!({ "create_body": "{}" })), &["`create_body`"]);
    assert_eq!(host.storage.snapshot(), before);
    assert!(sent(&host).is_empty());
}

#[test]
fn a_value_is_escaped_for_its_place() {
    let host = mount();
    let config = json!({
        "username_template": "{{display_name}}@{{random}}",
        "create_path": "/teams/{{role}}/users:make",
        "delete_path": "/teams/{{role}}/users/u-{{username}}",
    });
    done(&host, "config", config);
    let body = r#"{"{{role}}":[{"name":"u-{{username}}"},7,null],"secret":"<{{password}}>"}"#;
    done(&host, "roles/writer", json!({ "create_body": body }));
    let mut asked = request(Operation::Read, "creds/writer", Value::Null);
    asked.identity.display_name = format!("ldap/é\"{{{{role}}}}{}", "x".repeat(DISPLAY_NAME_CHARACTERS_MAX));
    let answer = BACKEND.handle(&host, &asked).unwrap().unwrap();
    let username = data(&answer)["username"].as_str().unwrap().to_owned();
    let (name, _) = username.split_once('@').unwrap();
    assert_eq!(name, format!("ldap-----role--{}", "x".repeat(DISPLAY_NAME_CHARACTERS_MAX - 15)));
    let made = host.http.requests().remove(0);
    assert_eq!(made.path_and_query, "/api/teams/writer/users:make");
    let body: Value = serde_json::from_str(&made.body).unwrap();
    let expected =
        json!({ "writer": [{ "name": format!("u-{username}") }, 7, null], "secret": format!("<{PASSWORD}>") });
    assert_eq!(body, expected);
    about_lease(&host, Operation::Revoke, &answer.secret.unwrap()).unwrap();
    assert_eq!(sent(&host)[1].1, format!("/api/teams/writer/users/u-{}", username.replace('@', "%40")));
}

#[test]
fn the_token_goes_only_where_it_was_given_for() {
    let host = mount();
    let elsewhere = "https://elsewhere.example.com";
    assert_mistake(write(&host, "config", json!({ "url": elsewhere })), &[URL, elsewhere, "send `token`, too"]);
    assert_mistake(write(&host, "config", json!({ "token": TOKEN })), &["`token` without `url`"]);
    assert_eq!(read(&host, "config")["url"], URL);
    // The same place in another spelling.
    done(&host, "config", json!({ "url": "HTTPS://Users.Example.com/api/", "max_ttl": "2h" }));
    let shown = read(&host, "config");
    assert_eq!((&shown["url"], &shown["max_ttl"]), (&json!(URL), &json!(7200)));
    assert!(!shown.to_string().contains(TOKEN));
    assert!(host.http.requests().is_empty());
}

#[test]
fn a_user_is_deleted_only_where_it_was_made() {
    let host = mount();
    let (username, secret) = make(&host, "reader");
    answer(&host, |_| Ok(500));
    ask(&host, Operation::Read, "creds/reader", Value::Null).unwrap_err();
    answer(&host, |_| Ok(200));
    let moved =
        write(&host, "config", json!({ "url": "https://new.example.com", "token": "key:second:0123456789abcdef" }));
    assert!(moved.unwrap().unwrap().warnings[0].contains(URL));
    host.http.clear();
    assert_mistake(about_lease(&host, Operation::Revoke, &secret), &[&username, URL, "https://new.example.com"]);
    roll_back(&host).unwrap();
    assert!(host.log.text().contains("cannot be undone") && wal(&host) == 1);
    assert!(ask(&host, Operation::Delete, "config", Value::Null).unwrap().is_none());
    assert_mistake(about_lease(&host, Operation::Revoke, &secret), &["there is no config"]);
    host.system_view.set_tainted(true);
    assert_mistake(about_lease(&host, Operation::Revoke, &secret), &["being removed", "`-force`"]);
    host.system_view.set_tainted(false);
    roll_back(&host).unwrap();
    assert!(host.http.requests().is_empty());
    done(&host, "config", json!({ "url": URL, "token": TOKEN, "password_policy": "strong" }));
    about_lease(&host, Operation::Revoke, &secret).unwrap();
    roll_back(&host).unwrap();
    assert_eq!((wal(&host), host.http.requests().len()), (0, 2));
    assert!(host.http.requests().iter().all(|request| request.client_id == "first"));
}

#[test]
fn what_is_missing_is_named() {
    let host = TestHost::new();
    host.system_view.set_password("strong", PASSWORD);
    assert_mistake(ask(&host, Operation::Read, "creds/reader", Value::Null), &["write `config` first"]);
    assert_mistake(write(&host, "config", json!({ "password_policy": "strong" })), &["`url` or `token`"]);
    assert_mistake(write(&host, "config", json!({ "url": URL, "token": TOKEN })), &["missing `password_policy`"]);
    let unknown = json!({ "url": URL, "token": TOKEN, "password_policy": "weak" });
    assert_mistake(write(&host, "config", unknown), &["`password_policy` `weak`", "sys/policies/password/weak"]);
    for url in ["users.example.com", "ftp://a", "https://u:p@a", "https://a?q", "https://a/../b"] {
        let text = mistake(write(&host, "config", json!({ "url": url, "token": TOKEN })));
        assert!(text.contains("`url`") && !text.contains("u:p"), "{text}");
    }
    assert!(host.storage.keys().is_empty());
    done(&host, "config", json!({ "url": URL, "token": TOKEN, "password_policy": "strong" }));
    assert_mistake(ask(&host, Operation::Read, "creds/reader", Value::Null), &["write `roles/reader` first"]);
    assert!(ask(&host, Operation::Read, "roles/reader", Value::Null).unwrap().is_none());
    assert!(ask(&host, Operation::List, "roles/", Value::Null).unwrap().is_none());
}

#[test]
fn a_role_says_what_is_other_than_in_the_config() {
    let host = mount();
    done(&host, "roles/writer", json!({ "ttl": "10m", "max_ttl": "20m" }));
    let (_, secret) = make(&host, "writer");
    assert_eq!((secret.ttl, secret.max_ttl), (Duration::from_secs(600), Duration::from_secs(1200)));
    assert_mistake(write(&host, "roles/writer", json!({ "ttl": "30m" })), &["`ttl` is 1800 s", "`max_ttl` is 1200 s"]);
    assert_eq!(read(&host, "roles/writer"), json!({ "create_body": "", "ttl": 600, "max_ttl": 1200 }));
    let listed = ask(&host, Operation::List, "roles/", Value::Null).unwrap().unwrap();
    assert_eq!(data(&listed), json!({ "keys": ["reader", "writer"] }));
    assert!(ask(&host, Operation::Delete, "roles/writer", Value::Null).unwrap().is_none());
    assert_mistake(about_lease(&host, Operation::Renew, &secret), &["no role `writer`"]);
    about_lease(&host, Operation::Revoke, &secret).unwrap();
}

#[test]
fn a_mount_that_may_only_read_makes_no_user() {
    let host = mount();
    host.system_view.set_upstream_read_only(true);
    let error = ask(&host, Operation::Read, "creds/reader", Value::Null).unwrap_err();
    assert!(error.to_string().contains("upstream=read-only"), "{error}");
    assert!(host.http.requests().is_empty() && wal(&host) == 0);
}

#[test]
fn a_policy_that_has_gone_makes_no_user() {
    let host = mount();
    let config = host.storage.snapshot().remove("config/current").unwrap().value;
    host.storage.seed("config/current", String::from_utf8(config).unwrap().replace("strong", "gone"));
    let error = ask(&host, Operation::Read, "creds/reader", Value::Null).unwrap_err();
    assert!(matches!(&error, Error::Coded { code: 503, message } if message.contains("`gone`")), "{error}");
    assert!(host.http.requests().is_empty() && wal(&host) == 0);
}

#[test]
fn every_limit_is_kept() {
    let host = mount();
    let path = |segments: usize| format!("{}/{{{{username}}}}", "/a".repeat(segments - 1));
    done(&host, "config", json!({ "delete_path": path(PATH_SEGMENTS_MAX) }));
    assert_mistake(write(&host, "config", json!({ "delete_path": path(PATH_SEGMENTS_MAX + 1) })), &["more than 8"]);
    let start = "{{random}}";
    let long = |bytes: usize| format!("{start}{}", "x".repeat(bytes - start.len()));
    done(&host, "config", json!({ "username_template": long(TEMPLATE_BYTES_MAX) }));
    let over = json!({ "username_template": long(TEMPLATE_BYTES_MAX + 1) });
    assert_mistake(write(&host, "config", over), &["longer than 4096 bytes"]);
    let longest = REQUEST_TIMEOUT_MAX.as_secs();
    for seconds in [1, longest] {
        done(&host, "config", json!({ "request_timeout": seconds }));
    }
    for seconds in [0, longest + 1] {
        assert_mistake(write(&host, "config", json!({ "request_timeout": seconds })), &["`request_timeout`", "45"]);
    }
    done(&host, &format!("roles/{}", "r".repeat(ROLE_NAME_BYTES_MAX)), json!({}));
    for name in ["r".repeat(ROLE_NAME_BYTES_MAX + 1), "a.b".to_owned()] {
        assert_mistake(write(&host, &format!("roles/{name}"), json!({})), &["no name of a role"]);
    }
}

/// What the host lets the token go to is what the config may name.
#[test]
fn each_number_of_segments_is_a_declared_call() {
    for method in ["POST", "DELETE"] {
        let calls = BACKEND.secret_classes[0].bearer_of.iter().filter(|call| call.method == method);
        let paths: Vec<&str> = calls.map(|call| call.path).collect();
        let expected: Vec<String> = (1..=PATH_SEGMENTS_MAX).map(|segments| "/+".repeat(segments)).collect();
        assert_eq!(paths, expected);
    }
}
