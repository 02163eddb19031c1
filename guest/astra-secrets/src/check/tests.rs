//! Each item in each of its states, and above all: Astra's faults fail no
//! check, and a deep one leaves no token behind, whatever happens.

#![expect(clippy::unwrap_used, reason = "tests")]

mod deep;
mod entries;
mod own;

use std::time::Duration;

use secrets_framework::Operation;
use secrets_framework::host::{Clock, HttpError, Loss, NotSent};
use secrets_framework::testing::READ_ONLY_TEXT;
use serde_json::{Value, json};

use crate::limits::{ADMIN_TOKEN_EXPIRY_NEAR, CHECK_REQUEST_TIMEOUT, CLOCK_SKEW_MAX};
use crate::testing::{ADMIN_A, ADMIN_B, Fault, Leased, Mount, ORG_A, On, assert_no_secret};
use crate::time_text;

fn check_with(mount: &Mount, data: Value) -> Value {
    let answer = mount.send(Operation::Read, &format!("config/{ORG_A}/check"), data).data();
    assert_no_secret(&answer.to_string());
    mount.assert_no_secret_logged();
    assert_eq!(mount.host.locks.held(), Vec::<String>::new());
    answer
}

fn check(mount: &Mount) -> Value {
    check_with(mount, Value::Null)
}

/// An item is this, and its sentence holds that.
#[track_caller]
fn assert_item(answer: &Value, name: &str, ok: &str, holds: &str) {
    let item = &answer[name];
    assert_eq!(item["ok"], ok, "{name}: {item}");
    let message = item["message"].as_str().unwrap();
    assert!(message.contains(holds), "{name}: {message}");
    assert!(message.ends_with('.') && !message.starts_with(char::is_lowercase), "{name}: {message}");
}

#[test]
fn a_flat_check_lists_the_items_of_a_nested_one() {
    let mount = Mount::new();
    let nested = check(&mount);
    let flat = check_with(&mount, json!({ "format": "flat" }));
    let items = flat["items"].as_array().unwrap();
    assert_eq!((&flat["healthy"], items.len()), (&json!(true), nested.as_object().unwrap().len() - 3));
    for item in items {
        let name = item["name"].as_str().unwrap();
        assert_eq!((&item["ok"], &item["message"]), (&nested[name]["ok"], &nested[name]["message"]), "{name}");
    }
    let asked = mount.host.http.requests().len();
    let wrong = mount.send(Operation::Read, &format!("config/{ORG_A}/check"), json!({ "format": "list" })).mistake();
    assert!(wrong.contains("`format` is `list`"), "{wrong}");
    assert_eq!(mount.host.http.requests().len(), asked, "nothing is asked of Astra");
}

#[test]
fn a_healthy_organization_is_reported_as_healthy() {
    let mount = Mount::new();
    let before = mount.host.storage.keys();
    let answer = check(&mount);
    assert_eq!((&answer["healthy"], &answer["deep"]), (&json!(true), &json!(false)));
    for name in [
        "token_valid",
        "organization_matches",
        "may_list_roles",
        "may_list_tokens",
        "token_expiry",
        "roles_exist",
        "pending_wal",
        "entries",
        "rotation",
        "static_roles",
        "tidy",
    ] {
        assert_item(&answer, name, "yes", "");
    }
    assert_item(&answer, "clock_skew", "unknown", "`Date`");
    assert_eq!(mount.host.http.requests().len(), 3);
    let noted = |key: &String| key.starts_with("astra-role/");
    assert_eq!(mount.host.storage.keys().into_iter().filter(|key| !noted(key)).collect::<Vec<_>>(), before);
    // The table and what is answered are the same, but for the list of a flat check and the item of a deep check.
    let fields = crate::path_check::CONFIG_ORG_CHECK.operations[0].response.iter().map(|field| field.name);
    let fields: Vec<&str> = fields.filter(|name| !["items", "may_manage_tokens"].contains(name)).collect();
    let answered: Vec<&str> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(std::collections::BTreeSet::from_iter(fields), std::collections::BTreeSet::from_iter(answered));
}

#[test]
fn an_unknown_organization_is_404_and_a_logical_name_a_mistake() {
    let mount = Mount::new();
    mount.send(Operation::Read, "config/nobody/check", Value::Null).missing();
    mount.configure(ORG_A, ADMIN_A, json!({ "logical_name": "prod" }));
    assert!(mount.send(Operation::Read, "config/prod/check", Value::Null).mistake().contains(ORG_A));
}

#[test]
fn a_refused_token_is_no_and_anything_else_unknown() {
    let mount = Mount::new();
    for on in [On::CurrentOrg, On::Roles, On::List] {
        mount.astra.fail(on, Fault::Status(401, r#"{"errors":[{"ID":340018,"message":"canary"}]}"#));
    }
    let answer = check(&mount);
    assert_eq!(answer["healthy"], false);
    assert_item(&answer, "token_valid", "no", "status 401, Astra's error 340018");
    assert_item(&answer, "organization_matches", "unknown", "`token_valid`");
    assert_item(&answer, "may_list_roles", "no", "401");
    assert_item(&answer, "may_list_tokens", "no", "401");
    assert_item(&answer, "token_expiry", "unknown", "does not show");
    assert_item(&answer, "roles_exist", "unknown", "`may_list_roles`");

    let faults = [
        Fault::Status(500, "canary"),
        Fault::Status(404, "canary"),
        Fault::Status(302, ""),
        Fault::RetryAfter(429, "7"),
        Fault::Status(200, "<html>canary"),
        Fault::Fails(HttpError::Lost(Loss::Closed)),
        Fault::Fails(HttpError::NotSent(NotSent::Refused)),
        Fault::Fails(HttpError::TooLarge),
        Fault::Fails(HttpError::Denied("requests to it are not allowed".to_owned())),
    ];
    for fault in faults {
        for on in [On::CurrentOrg, On::Roles, On::List] {
            mount.astra.fail(on, fault.clone());
        }
        let answer = check(&mount);
        assert_eq!(answer["healthy"], false, "{fault:?}");
        for name in ["token_valid", "organization_matches", "may_list_roles", "may_list_tokens"] {
            assert_item(&answer, name, "unknown", "");
        }
    }
}

#[test]
fn each_question_is_bounded_in_time() {
    let mount = Mount::new();
    mount.configure(ORG_A, ADMIN_A, json!({ "request_timeout": "30s", "max_retries": 9 }));
    for on in [On::CurrentOrg, On::Roles, On::List] {
        mount.astra.fail_times(on, 9, Fault::Fails(HttpError::TimedOut));
    }
    let start = mount.host.clock.now();
    let answer = check(&mount);
    assert_eq!(mount.host.clock.now() - start, 3 * CHECK_REQUEST_TIMEOUT);
    assert_item(&answer, "token_valid", "unknown", "did not answer in time");
}

#[test]
fn a_lost_permission_shows_where_it_matters() {
    let mount = Mount::new();
    mount.astra.fail(On::Roles, Fault::Status(403, "null"));
    let answer = check(&mount);
    assert_item(&answer, "token_valid", "yes", "");
    assert_item(&answer, "may_list_roles", "no", "403");
    assert_eq!(answer["healthy"], false);
}

#[test]
fn another_organizations_token_is_told() {
    let mount = Mount::new();
    mount.configure(ORG_A, ADMIN_B, json!({ "verify": false }));
    let answer = check(&mount);
    assert_item(&answer, "organization_matches", "no", crate::testing::ORG_B);
    assert_eq!(answer["healthy"], false);
}

#[test]
fn the_admin_tokens_end_is_near_past_far_or_not_known() {
    let mount = Mount::new();
    let now = mount.host.clock.now();
    let at = |time: Duration| time_text::format(time).unwrap();
    for (expiry, ok, holds) in [
        (now - Duration::from_secs(1), "no", "has ended at"),
        (now, "no", "has ended at"),
        (now + ADMIN_TOKEN_EXPIRY_NEAR, "no", "rotate-root"),
        (now + ADMIN_TOKEN_EXPIRY_NEAR + Duration::from_secs(1), "yes", "2026-01-15"),
    ] {
        mount.astra.set_expiry("AdminOfA", &at(expiry));
        assert_item(&check(&mount), "token_expiry", ok, holds);
    }
    mount.astra.hide("AdminOfA", 1);
    assert_item(&check(&mount), "token_expiry", "unknown", "does not show");
}

#[test]
fn clocks_are_compared_by_the_date_of_answers() {
    let mount = Mount::new();
    let max = i64::try_from(CLOCK_SKEW_MAX.as_secs()).unwrap();
    for (ahead, ok, holds) in [
        (0, "yes", "0 s ahead"),
        (max, "yes", "ahead of ours"),
        (-max, "yes", "behind ours"),
        (max + 1, "no", "61 s ahead of ours"),
        (-7200, "no", "7200 s behind ours"),
    ] {
        mount.astra.set_clock_ahead(ahead);
        assert_item(&check(&mount), "clock_skew", ok, holds);
    }
}

#[test]
fn a_node_that_cannot_write_checks_but_not_deeply() {
    let mount = Mount::new();
    mount.host.storage.set_read_only(true);
    assert_eq!(check(&mount)["healthy"], true);
    mount.host.http.clear();
    let path = format!("config/{ORG_A}/check");
    let (_, text) = mount.send(Operation::Read, &path, json!({ "deep": true })).failed();
    assert_eq!(text, READ_ONLY_TEXT);
    assert!(mount.host.http.requests().is_empty());
}
