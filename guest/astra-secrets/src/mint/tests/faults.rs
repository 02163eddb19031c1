//! Every fault of Astra's on a mint, and what is left of it: nothing.

use secrets_framework::host::{HttpError, Loss, NotSent};
use serde_json::{Value, json};

use crate::testing::{Fault, Leased, Mount, ORG_A, On, assert_no_secret};

/// Mints with a fault on the next POST; answers the status and the sentence.
#[track_caller]
fn fails(mount: &Mount, fault: Fault) -> (u16, String) {
    mount.astra.fail_times(On::Make, 10, fault);
    let (code, text) = mount.creds().failed();
    mount.astra.heal();
    assert_no_secret(&text);
    assert!(text.contains(ORG_A), "{text}");
    (code.unwrap(), text)
}

#[test]
fn what_astra_refuses_is_not_repeated_and_leaves_nothing() {
    for (status, body, code, shown) in [
        (401, r#"{"errors":[{"ID":340016,"message":"canary"}]}"#, 502, "status 401, Astra's error 340016"),
        (401, "null", 502, "status 401"),
        (403, r#""canary""#, 502, "status 403"),
        (404, "404 page not found", 502, "status 404"),
        (409, "{", 502, "status 409"),
    ] {
        let mount = Mount::new();
        let (got, text) = fails(&mount, Fault::Status(status, body));
        assert_eq!(got, code);
        assert!(text.contains(shown), "{text}");
        assert_eq!(mount.host.http.requests().len(), 1);
        mount.assert_settled(0);
    }
}

#[test]
fn what_passes_is_repeated_with_a_fresh_mark_each_time() {
    for fault in [
        Fault::RetryAfter(429, "2"),
        Fault::Status(503, "<html>"),
        Fault::Fails(HttpError::NotSent(NotSent::Refused)),
        Fault::Fails(HttpError::Lost(Loss::Closed)),
        Fault::Fails(HttpError::TimedOut),
    ] {
        let mount = Mount::new();
        mount.astra.fail_times(On::Make, 2, fault);
        let made = Leased::of(mount.creds());
        let marks: std::collections::BTreeSet<String> = mount
            .host
            .http
            .requests()
            .iter()
            .filter(|request| !request.body.is_empty())
            .map(|request| serde_json::from_str::<Value>(&request.body).unwrap()["description"].to_string())
            .collect();
        assert_eq!(marks.len(), 3);
        assert_eq!(mount.astra.live().into_iter().collect::<Vec<_>>(), [made.client_id()]);
        // Entries of attempts of which nobody knows stay until a list is clean.
        mount.rollback_later();
        mount.assert_settled(1);
    }
}

#[test]
fn repetitions_are_bounded_and_end_in_the_right_status() {
    for (fault, code) in [
        (Fault::Status(500, ""), 502),
        (Fault::Fails(HttpError::Lost(Loss::Closed)), 502),
        (Fault::Fails(HttpError::NotSent(NotSent::Refused)), 502),
        (Fault::Fails(HttpError::TimedOut), 504),
        (Fault::RetryAfter(429, "1"), 503),
    ] {
        let mount = Mount::new();
        assert_eq!(fails(&mount, fault).0, code);
        let posts = mount.host.http.requests().iter().filter(|request| !request.body.is_empty()).count();
        assert_eq!(posts, 3, "one attempt and two repetitions");
        mount.rollback_later();
        mount.assert_settled(0);
    }
}

#[test]
fn a_longer_wait_than_a_request_has_is_not_waited() {
    for text in ["3600", "Thu, 01 Jan 2026 01:00:00 GMT", "99999999999999999999"] {
        let mount = Mount::new();
        assert_eq!(fails(&mount, Fault::RetryAfter(429, text)).0, 503);
        assert_eq!(mount.host.http.requests().len(), 1, "{text}");
        assert!(mount.host.clock.slept().is_empty());
        mount.assert_settled(0);
    }
}

#[test]
fn a_denied_destination_names_the_option_that_would_allow_it() {
    let mount = Mount::new();
    mount.host.http.script_origins(|_| Err("use --allow-egress=https://api.astra.datastax.com".to_owned()));
    let text = mount.creds().mistake();
    assert!(text.contains("--allow-egress="), "{text}");
    mount.assert_settled(0);
}

#[test]
fn done_but_not_told_is_found_by_its_mark_and_deleted() {
    for fault in [
        Fault::DoneThenStatus(500, ""),
        Fault::DoneThenStatus(502, "<html>canary</html>"),
        Fault::DoneThenStatus(307, ""),
        Fault::DoneThenFails(HttpError::Lost(Loss::Closed)),
        Fault::DoneThenFails(HttpError::TimedOut),
        Fault::DoneThenFails(HttpError::TooLarge),
    ] {
        let mount = Mount::new();
        mount.astra.make_outside("Bystander", "made by hand");
        mount.astra.fail(On::Make, fault);
        let (code, text) = mount.creds().failed();
        assert!(matches!(code, Some(502 | 504)), "{code:?}");
        assert_no_secret(&text);
        assert_eq!(mount.astra.live().into_iter().collect::<Vec<_>>(), ["Bystander"]);
        mount.astra.delete_outside("Bystander");
        mount.assert_settled(0);
    }
}

#[test]
fn a_list_that_lags_leaves_the_entry_for_rollback() {
    let mount = Mount::new();
    mount.astra.set_lag(1);
    mount.astra.fail(On::Make, Fault::DoneThenFails(HttpError::Lost(Loss::Closed)));
    // The list does not show it, so another one is made and given out.
    let made = Leased::of(mount.creds());
    assert_eq!(mount.astra.live().len(), 2);
    assert_eq!(mount.open_entries(), 1);
    // Not before its time: Astra may still lag.
    mount.rollback().unwrap();
    assert_eq!(mount.open_entries(), 1);
    mount.rollback_later();
    assert_eq!(mount.astra.live().into_iter().collect::<Vec<_>>(), [made.client_id()]);
    mount.assert_settled(1);
}

#[test]
fn what_cannot_be_settled_now_is_settled_by_rollback() {
    for on in [On::List, On::Delete] {
        let mount = Mount::new();
        mount.astra.fail(On::Make, Fault::DoneThenStatus(504, ""));
        mount.astra.fail_times(on, 10, Fault::Status(500, ""));
        assert_eq!(mount.creds().failed().0, Some(502));
        assert_eq!(mount.astra.live().len(), 1);
        assert_eq!(mount.open_entries(), 1);
        // Rollback fails as long as Astra does, and then does it.
        mount.host.clock.advance(crate::testing::LATER);
        mount.rollback().unwrap_err();
        assert_eq!(mount.open_entries(), 1);
        mount.astra.heal();
        mount.rollback_later();
        mount.assert_settled(0);
    }
}

#[test]
fn a_damaged_answer_is_no_token() {
    let damages: [fn(Value) -> String; 16] = [
        |_| "null".to_owned(),
        |_| "[]".to_owned(),
        |_| String::new(),
        |_| r#""canary""#.to_owned(),
        |body| json!([body["clientId"], body["secret"], body["token"]]).to_string(),
        |body| body.to_string()[..40].to_owned(),
        |body| changed(body, "clientId", None),
        |body| changed(body, "clientId", Some(json!(""))),
        |body| changed(body, "clientId", Some(json!("a/../canary"))),
        |body| changed(body, "clientId", Some(json!("x".repeat(crate::limits::CLIENT_ID_BYTES_MAX + 1)))),
        |body| changed(body, "secret", None),
        |body| changed(body, "secret", Some(json!(""))),
        |body| changed(body, "token", Some(Value::Null)),
        |body| changed(body, "token", Some(json!(["canary"]))),
        |body| changed(body, "orgId", Some(json!("22222222-bbbb-4bbb-8bbb-222222222222"))),
        |body| changed(body, "roles", Some(json!(["canary"]))),
    ];
    for (index, damage) in damages.into_iter().enumerate() {
        let mount = Mount::new();
        mount.astra.fail(On::Make, Fault::DoneThenBody(damage));
        let (code, text) = mount.creds().failed();
        assert_eq!(code, Some(502), "{index}: {text}");
        assert_no_secret(&text);
        mount.assert_settled(0);
    }
}

#[test]
fn what_we_do_not_need_may_be_missing_or_odd() {
    let oddities: [fn(Value) -> String; 5] = [
        |body| changed(body, "generatedOn", None),
        |body| changed(body, "generatedOn", Some(json!(7))),
        |body| changed(body, "orgId", None),
        |body| changed(body, "roles", Some(Value::Null)),
        |body| changed(body, "tokenExpiry", Some(json!({ "odd": true }))),
    ];
    for oddity in oddities {
        let mount = Mount::new();
        mount.astra.fail(On::Make, Fault::DoneThenBody(oddity));
        Leased::of(mount.creds());
        mount.assert_settled(1);
    }
}

#[test]
fn a_refused_expiry_is_left_out_and_said() {
    let mount = Mount::new();
    mount.astra.fail(On::Make, Fault::Status(400, r#""canary: tokenExpiry""#));
    let made = Leased::of(mount.creds());
    assert_eq!(mount.astra.expiry(&made.client_id()), None);
    assert!(made.warnings[0].contains("expiry"), "{:?}", made.warnings);
    assert_no_secret(&made.warnings.join(" "));
    mount.assert_settled(1);

    // Refused without one, too: then it was something else.
    mount.astra.fail_times(On::Make, 2, Fault::Status(400, ""));
    assert_eq!(mount.creds().failed().0, Some(502));
    assert_eq!(mount.host.http.requests().len(), 4);
    mount.assert_settled(1);
}

#[test]
fn all_upstream_work_ends_before_the_host_ends_the_request() {
    let mount = Mount::new();
    mount.configure(ORG_A, crate::testing::ADMIN_A, json!({ "request_timeout": 60, "max_retries": 10 }));
    let start = secrets_framework::host::Clock::now(&*mount.host.clock);
    mount.astra.fail_times(On::Make, 20, Fault::Fails(HttpError::TimedOut));
    mount.astra.fail_times(On::List, 20, Fault::Fails(HttpError::TimedOut));
    assert_eq!(mount.creds().failed().0, Some(504));
    let spent = secrets_framework::host::Clock::now(&*mount.host.clock) - start;
    assert!(spent <= crate::limits::UPSTREAM_BUDGET + crate::limits::SETTLE_BUDGET, "{spent:?}");
    assert!(spent > crate::limits::UPSTREAM_BUDGET, "the limit was reached: {spent:?}");
    mount.astra.heal();
    mount.rollback_later();
    mount.assert_settled(0);
}

fn changed(mut body: Value, name: &str, value: Option<Value>) -> String {
    let object = body.as_object_mut().unwrap();
    match value {
        Some(value) => object.insert(name.to_owned(), value),
        None => object.remove(name),
    };
    body.to_string()
}
