//! The client alone: what is sent where, what is taken from answers, what is
//! repeated, and what reaches the log.

#![expect(clippy::unwrap_used, reason = "tests")]

use secrets_framework::Sensitive;
use secrets_framework::host::{Clock as _, HttpError, HttpResponse, Loss, NotSent};
use secrets_framework::testing::{ScriptedBody, TestHost};

use super::error::AnsweredBy;
use super::*;
use crate::config::{AdminToken, ApiUrl};
use crate::limits::{ANSWER_BYTES_MAX, BACK_OFF_FIRST, BACK_OFF_MAX, ERROR_BODY_BYTES_MAX, RETRY_AFTER_MAX};
use crate::names::ClientId;
use crate::testing::{ADMIN_A, ORG_A, assert_no_secret};

fn config() -> OrgConfig {
    OrgConfig::new(OrgId::stored(ORG_A), AdminToken::stored(ADMIN_A.to_owned()))
}

fn response(status: u16, body: &str) -> HttpResponse {
    HttpResponse {
        status,
        retry_after: None,
        upstream_request_id: Some("upstream-7".to_owned()),
        date: None,
        body: Sensitive::new(body.as_bytes().to_vec()),
    }
}

/// A host whose Astra answers everything with this.
fn answering(status: u16, body: &'static str) -> TestHost {
    let host = TestHost::new();
    host.http.script(move |_| Ok(response(status, body)));
    host
}

#[test]
fn a_base_path_stands_before_every_path_and_client_ids_are_escaped() {
    let host = answering(204, "");
    let mut config = config();
    config.url = ApiUrl::parse("https://gateway.example.org/astra/").unwrap();
    AstraClient::new(&host, &config).delete_token(&ClientId::stored("AbC/../x?y")).unwrap();
    let request = &host.http.requests()[0];
    assert_eq!(request.origin, "https://gateway.example.org");
    assert_eq!(request.path_and_query, "/astra/v2/clientIdSecrets/AbC%2F..%2Fx%3Fy");
}

#[test]
fn a_client_that_may_only_read_sends_gets_only() {
    let host = answering(200, "[]");
    host.system_view.set_upstream_read_only(true);
    let config = config();
    let client = AstraClient::new(&host, &config);
    let request = TokenRequest { roles: &["r".to_owned()], description: "d", expiry: None };
    assert!(matches!(client.create_token(&request), Err(ClientError::ReadOnly)));
    assert!(matches!(client.delete_token(&ClientId::stored("a")), Err(ClientError::ReadOnly)));
    assert!(host.http.requests().is_empty() && host.log.lines().is_empty());
    client.list_roles().unwrap();
    assert_eq!(host.http.requests().len(), 1);
}

#[test]
fn roles_are_read_in_any_casing_and_their_policy_is_ignored() {
    let host = answering(
        200,
        r#"[{"id":"1","name":"R/W User","policy":{"x":1}},
            {"ID":"2","Name":"Org Admin","Type":"t","Policy":"{\"a\":1}","OrgID":"o"},
            {"Id":"3","NAME":"x","policy":null}]"#,
    );
    let roles = AstraClient::new(&host, &config()).list_roles().unwrap();
    let pairs: Vec<_> = roles.iter().map(|role| (role.id.as_str(), role.name.as_str())).collect();
    assert_eq!(pairs, [("1", "R/W User"), ("2", "Org Admin"), ("3", "x")]);
}

#[test]
fn damaged_answers_are_nonsense() {
    for body in
        ["null", "{}", "[null]", r#"[{"id":"1"}]"#, r#"[{"id":1,"name":"x"}]"#, "[{\"id\":\"1\"", "", r#""canary""#]
    {
        let host = answering(200, body);
        let config = config();
        let client = AstraClient::new(&host, &config);
        assert!(matches!(client.list_roles(), Err(ClientError::Nonsense { .. })), "{body}");
        assert!(matches!(client.current_org(), Err(ClientError::Nonsense { .. })), "{body}");
        assert!(matches!(client.find_token(|_| false), Err(ClientError::Nonsense { .. })), "{body}");
        assert_no_secret(&host.log.text());
    }
}

#[test]
fn a_list_takes_missing_and_null_descriptions() {
    let host = answering(
        200,
        r#"{"clients":[{"clientId":"a"},{"clientId":"b","description":null,"tokenExpiry":null},{"clientId":"c","description":"d"}]}"#,
    );
    let mut tokens = Vec::new();
    let collect = &mut |token| {
        tokens.push(token);
        ControlFlow::Continue(())
    };
    AstraClient::new(&host, &config()).scan_tokens(collect).unwrap();
    let pairs: Vec<_> = tokens.iter().map(|token| (token.client_id.as_str(), token.description.as_deref())).collect();
    assert_eq!(pairs, [("a", None), ("b", None), ("c", Some("d"))]);
}

#[test]
fn failures_are_told_apart() {
    let refused = |status, error_id| ClientError::Refused { status, error_id };
    let failing = |status, by| ClientError::Failing { status, retry_after: None, by };
    for (status, body, error) in [
        (401, r#"{"errors":[{"ID":340002,"message":"m"}]}"#, refused(401, Some(340_002))),
        (403, r#"{"errors":[{"id":340017}]}"#, refused(403, Some(340_017))),
        (401, "null", refused(401, None)),
        (401, r#"{"errors":[]}"#, refused(401, None)),
        (404, "404 page not found", ClientError::NotFound),
        (409, r#""unable""#, ClientError::Rejected { status: 409, error_id: None }),
        (500, "<html>", failing(500, AnsweredBy::Gateway)),
        (503, "<html>", failing(503, AnsweredBy::Gateway)),
        (503, r#"{"message":"no upstream"}"#, failing(503, AnsweredBy::Gateway)),
        (503, r#"{"errors":[{"message":"m"}]}"#, failing(503, AnsweredBy::Astra)),
        (429, "", ClientError::RateLimited { retry_after: None, by: AnsweredBy::Gateway }),
        (429, r#"{"errors":[]}"#, ClientError::RateLimited { retry_after: None, by: AnsweredBy::Astra }),
        (301, "", ClientError::Unexpected { status: 301 }),
        (202, "", ClientError::Unexpected { status: 202 }),
    ] {
        let host = answering(status, body);
        assert_eq!(AstraClient::new(&host, &config()).delete_token(&ClientId::stored("c")).unwrap_err(), error);
    }
    for (http, error) in [
        (HttpError::TimedOut, ClientError::TimedOut),
        (HttpError::BodyTimedOut, ClientError::BodyTimedOut),
        (HttpError::Lost(Loss::Closed), ClientError::Lost(Loss::Closed)),
        (HttpError::NotSent(NotSent::Refused), ClientError::NotSent(NotSent::Refused)),
        (HttpError::Denied("x".to_owned()), ClientError::Denied { sentence: "x".to_owned() }),
    ] {
        let host = TestHost::new();
        host.http.script(move |_| Err(http.clone()));
        assert_eq!(AstraClient::new(&host, &config()).current_org().unwrap_err(), error);
    }
}

#[test]
fn what_passes_is_repeated_with_growing_pauses_and_nothing_else_is() {
    let host = answering(503, "");
    let mut config = config();
    config.max_retries_set = Some(6);
    AstraClient::new(&host, &config).current_org().unwrap_err();
    let slept = host.clock.slept();
    assert_eq!(slept.len(), 6);
    for (attempt, pause) in slept.iter().enumerate() {
        let step = (BACK_OFF_FIRST * (1 << attempt)).min(BACK_OFF_MAX);
        assert!(*pause >= step && *pause <= 2 * step, "{attempt}: {pause:?}");
    }
    for status in [400, 401, 403, 404, 409, 302] {
        let host = answering(status, "");
        AstraClient::new(&host, &config).current_org().unwrap_err();
        assert_eq!(host.http.requests().len(), 1, "{status}");
    }
}

#[test]
fn retry_after_is_honoured_up_to_its_bound() {
    for (text, requests) in
        [(RETRY_AFTER_MAX.as_secs().to_string(), 2), ((RETRY_AFTER_MAX.as_secs() + 1).to_string(), 1)]
    {
        let host = TestHost::new();
        host.http.script(move |_| Ok(HttpResponse { retry_after: Some(text.clone()), ..response(429, "") }));
        let mut config = config();
        config.max_retries_set = Some(1);
        let error = AstraClient::new(&host, &config).current_org().unwrap_err();
        assert!(matches!(error, ClientError::RateLimited { .. }));
        assert_eq!(host.http.requests().len(), requests);
        assert!(host.clock.slept().iter().all(|pause| *pause >= RETRY_AFTER_MAX));
    }
}

#[test]
fn a_retry_after_that_is_a_date_is_honoured_as_one_in_seconds() {
    // The test's clock begins at 2026-01-01T00:00:00Z.
    for (date, is_waited_for) in [
        ("Thu, 01 Jan 2026 00:00:03 GMT", true),
        ("Thursday, 01-Jan-26 00:00:03 GMT", true),
        ("Thu Jan  1 00:00:03 2026", true),
        ("Thu, 01 Jan 2026 01:00:00 GMT", false),
    ] {
        let host = TestHost::new();
        host.http.script(move |_| Ok(HttpResponse { retry_after: Some(date.to_owned()), ..response(429, "") }));
        let mut config = config();
        config.max_retries_set = Some(1);
        AstraClient::new(&host, &config).current_org().unwrap_err();
        let slept = host.clock.slept();
        assert_eq!(slept.len(), usize::from(is_waited_for), "{date}");
        assert!(slept.iter().all(|pause| *pause >= Duration::from_secs(3)), "{date}: {slept:?}");
    }
}

#[test]
fn nothing_is_begun_without_time() {
    let host = answering(200, "{}");
    let config = config();
    let client = AstraClient::new(&host, &config);
    host.clock.advance(UPSTREAM_BUDGET - UPSTREAM_TIME_MIN / 2);
    assert_eq!(client.current_org().unwrap_err(), ClientError::OutOfTime);
    assert!(host.http.requests().is_empty());
    client.use_time_to_settle();
    assert!(matches!(client.current_org(), Err(ClientError::Nonsense { .. })));
}

#[test]
fn the_log_has_the_cause_of_a_request_that_was_not_sent_and_its_next_step() {
    let host = TestHost::new();
    host.http.script(|_| Err(HttpError::NotSent(NotSent::ClientCertificateWanted)));
    AstraClient::new(&host, &config()).current_org().unwrap_err();
    let text = host.log.text();
    for part in ["wants a client certificate", "`--egress-client-cert=`", ORG_A] {
        assert!(text.contains(part), "{part} not in {text}");
    }
    assert_eq!(host.http.requests().len(), 1, "a repetition would fail in the same way");
}

#[test]
fn the_log_has_status_and_request_id_and_no_body() {
    let host = answering(401, r#"{"errors":[{"ID":340018,"message":"canary AstraCS:x"}]}"#);
    AstraClient::new(&host, &config()).find_token(|_| false).unwrap_err();
    let text = host.log.text();
    for part in ["GET", "401", "340018", "upstream-7", ORG_A] {
        assert!(text.contains(part), "{part} not in {text}");
    }
    assert_no_secret(&text);
}

/// A host whose Astra answers with the pieces that `pieces` makes for each request.
fn streaming<I>(status: u16, pieces: impl Fn(&TestHost) -> I + Send + Sync + 'static) -> TestHost
where
    I: IntoIterator<Item = Result<Vec<u8>, HttpError>, IntoIter: Send + 'static>,
{
    let host = TestHost::new();
    let same = host.clone();
    host.http.script_streamed(move |_| {
        let pieces = ScriptedBody::new(pieces(&same));
        Ok(response(status, "").map_body(|_| pieces))
    });
    host
}

fn lost() -> Result<Vec<u8>, HttpError> {
    Err(HttpError::Lost(Loss::Closed))
}

#[test]
fn a_look_up_reads_no_further_than_the_token_that_it_finds() {
    let host = streaming(200, |_| [Ok(br#"{"clients":[{"clientId":"a"},{"clientId":"b"},"#.to_vec()), lost()]);
    let config = config();
    let client = AstraClient::new(&host, &config);
    let found = client.find_token(|token| token.client_id == "b").unwrap();
    assert_eq!(found.unwrap().client_id, "b");
    assert_eq!(host.http.requests().len(), 1);
    assert_eq!(client.find_token(|token| token.client_id == "c").unwrap_err(), ClientError::Lost(Loss::Closed));
}

#[test]
fn a_list_that_is_lost_on_the_way_is_read_again_from_its_beginning() {
    let attempts = std::sync::atomic::AtomicU32::new(0);
    let host = streaming(200, move |_| {
        let second = attempts.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 0;
        let rest = if second { Ok(br#"{"clientId":"b"}]}"#.to_vec()) } else { lost() };
        [Ok(br#"{"clients":[{"clientId":"a"},"#.to_vec()), rest]
    });
    let config = config();
    let mut seen = Vec::new();
    let scanned = AstraClient::new(&host, &config).scan_tokens(&mut |token| {
        seen.push(token.client_id.to_string());
        ControlFlow::Continue(())
    });
    assert_eq!((scanned, seen), (Ok(ScanEnd::Complete), ["a", "a", "b"].map(str::to_owned).to_vec()));
    assert!(host.log.text().contains("the connection was lost"));
}

#[test]
fn a_list_that_trickles_in_ends_with_the_time_of_the_request() {
    let host = streaming(200, |host| {
        let clock = std::sync::Arc::clone(&host.clock);
        let begin = std::iter::once(Ok(br#"{"clients":["#.to_vec()));
        begin.chain(std::iter::repeat_with(move || {
            clock.advance(Duration::from_secs(5));
            Ok(br#"{"clientId":"a"},"#.to_vec())
        }))
    });
    let config = config();
    let began = host.clock.now();
    let scanned = AstraClient::new(&host, &config).scan_tokens(&mut |_| ControlFlow::Continue(()));
    assert_eq!(scanned, Err(ClientError::BodyTimedOut));
    let took = host.clock.now() - began;
    assert!(took > config.request_timeout() && took <= UPSTREAM_BUDGET + Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_list_that_pauses_longer_than_the_request_timeout_is_given_up() {
    let host = streaming(200, |host| {
        let clock = std::sync::Arc::clone(&host.clock);
        let begin = std::iter::once(Ok(br#"{"clients":["#.to_vec()));
        begin.chain(std::iter::once_with(move || {
            clock.advance(Duration::from_secs(11));
            Ok(b"]}".to_vec())
        }))
    });
    let mut config = config();
    config.max_retries_set = Some(0);
    let scanned = AstraClient::new(&host, &config).scan_tokens(&mut |_| ControlFlow::Continue(()));
    assert_eq!(scanned, Err(ClientError::BodyTimedOut));
}

#[test]
fn the_body_of_an_error_is_read_up_to_a_limit_and_the_status_counts_in_any_case() {
    let refused = |error_id| ClientError::Refused { status: 401, error_id };
    for (body, error_id) in [
        (vec![Ok(br#"{"errors":[{"ID":340018}]}"#.to_vec())], Some(340_018)),
        (vec![Ok(br#"{"errors":[{"ID":340018}]}"#.to_vec()), Ok(vec![b' '; ERROR_BODY_BYTES_MAX])], None),
        (vec![Ok(b"{".to_vec()), lost()], None),
    ] {
        let host = streaming(401, move |_| body.clone());
        assert_eq!(AstraClient::new(&host, &config()).current_org().unwrap_err(), refused(error_id));
    }
}

#[test]
fn an_answer_that_is_read_whole_is_bounded() {
    let host = streaming(200, |_| [Ok(br#"{"id":"x"}"#.to_vec()), Ok(vec![b' '; ANSWER_BYTES_MAX])]);
    assert!(matches!(AstraClient::new(&host, &config()).current_org(), Err(ClientError::Nonsense { .. })));
}
