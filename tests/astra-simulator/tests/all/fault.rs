//! Faults that answer, delay or lose an answer, with the state they leave.

use std::time::Duration;

use astra_simulator::{Action, Effect, FaultBody, FaultRule, ResetAt, RetryAfter, Simulator};
use serde_json::json;

use crate::client::{Api, CURRENT_ORG, TOKENS, TextCheck, eventually, reader, start};

fn status(status: u16, body: FaultBody, retry_after: Option<RetryAfter>) -> Action {
    Action::Status { status, body, retry_after, effect: Effect::NotDone }
}

/// Every way an answer is lost, with this effect.
fn losses(effect: Effect) -> Vec<Action> {
    vec![
        Action::Reset { at: ResetAt::BeforeAnswer, effect },
        Action::Reset { at: ResetAt::DuringAnswer, effect },
        Action::Hang { effect },
        Action::HalfClose { effect },
        Action::Status { status: 502, body: FaultBody::Html, retry_after: None, effect },
    ]
}

/// A client that gives up soon, so that a hanging answer is lost.
async fn tries(simulator: &Simulator, path: &str, body: Option<serde_json::Value>) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let token = &simulator.organization(0).bootstrap.token;
    let url = format!("{}{path}", simulator.url());
    let request = match body {
        Some(body) => client.post(url).json(&body),
        None => client.delete(url),
    };
    let request = request.bearer_auth(token).timeout(Duration::from_millis(300));
    let answer = request.send().await;
    let success = match answer {
        // A body that breaks off is no success either.
        Ok(response) if response.status().is_success() => response.bytes().await.is_ok(),
        _ => false,
    };
    assert!(!success, "the answer was not lost");
}

#[tokio::test]
async fn a_429_carries_each_form_of_retry_after() {
    let astra = start();
    let api = Api::of(&astra, 0);
    let absurd = "99999999999999999999999".to_owned();
    let rows = [
        (None, None),
        (Some(RetryAfter::Seconds(3)), Some("3".to_owned())),
        (Some(RetryAfter::Seconds(u64::MAX)), Some(u64::MAX.to_string())),
        (Some(RetryAfter::Raw(absurd.clone())), Some(absurd)),
        (Some(RetryAfter::Raw("soon".into())), Some("soon".into())),
    ];
    for (retry_after, expected) in rows {
        astra.clear_faults();
        astra.fault(FaultRule::new(status(429, FaultBody::Errors, retry_after)).first(2));
        for _ in 0..2 {
            let reply = api.get(CURRENT_ORG).await;
            assert_eq!((reply.status.as_u16(), &reply.retry_after), (429, &expected));
        }
        assert_eq!(api.get(CURRENT_ORG).await.status, 200);
    }
    astra.clear_faults();
    astra.fault(FaultRule::new(status(429, FaultBody::Empty, Some(RetryAfter::Date(60)))));
    let date = api.get(CURRENT_ORG).await.retry_after.unwrap();
    assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
}

#[tokio::test]
async fn a_token_bucket_limits_the_rate() {
    let astra = start();
    let api = Api::of(&astra, 0);
    let limit = Action::RateLimit { per_second: 0.01, burst: 3.0, retry_after: Some(RetryAfter::Seconds(100)) };
    astra.fault(FaultRule::new(limit));
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(api.get(CURRENT_ORG).await.status.as_u16());
    }
    assert_eq!(seen, [200, 200, 200, 429, 429]);
    astra.advance(Duration::from_secs(100));
    assert_eq!(api.get(CURRENT_ORG).await.status, 200);
    assert_eq!(api.get(CURRENT_ORG).await.retry_after.unwrap(), "100");
}

#[tokio::test]
async fn each_5xx_comes_with_each_body() {
    let astra = start();
    let api = Api::of(&astra, 0);
    let bodies: [(FaultBody, TextCheck); 5] = [
        (FaultBody::Errors, |text| text.starts_with(r#"{"errors":"#)),
        (FaultBody::Text, |text| text == r#""simulated fault""#),
        (FaultBody::Html, |text| text.starts_with("<html>")),
        (FaultBody::Empty, str::is_empty),
        (FaultBody::Raw("upstream connect error".into()), |text| text.starts_with("upstream")),
    ];
    for code in [500, 502, 503, 504] {
        for (body, matches) in &bodies {
            astra.clear_faults();
            let retry_after = (code == 503).then_some(RetryAfter::Seconds(1));
            astra.fault(FaultRule::new(status(code, body.clone(), retry_after.clone())));
            let reply = api.post(TOKENS, json!({"roles": [reader(&astra, 0)]})).await;
            assert_eq!(reply.status.as_u16(), code);
            assert_eq!(reply.retry_after.is_some(), retry_after.is_some());
            assert!(matches(&reply.text), "{body:?}: {}", reply.text);
        }
    }
    assert_eq!(astra.counts(&astra.organization(0).id).live, 1);
}

#[tokio::test]
async fn a_post_is_done_but_not_told() {
    for action in losses(Effect::Done) {
        let astra = start();
        let organization = &astra.organization(0).id;
        astra.fault(FaultRule::new(action.clone()).method("POST").path(TOKENS).first(1));
        let body = json!({"roles": [reader(&astra, 0)], "description": "vault-mark:a:1"});
        tries(&astra, TOKENS, Some(body)).await;
        let counts = astra.counts(organization);
        assert_eq!((counts.live, counts.orphaned), (2, 1), "{action:?}");
        let marked = astra.tokens_marked(organization, "vault-mark:a:");
        assert_eq!(marked.iter().map(|token| token.told).collect::<Vec<_>>(), [false]);
        let record = astra.requests().pop().unwrap();
        assert!(record.changed && !record.told, "{action:?}");
        assert_eq!(astra.fault_hits(), [1]);
    }
}

#[tokio::test]
async fn a_post_is_not_done() {
    for action in losses(Effect::NotDone) {
        let astra = start();
        astra.fault(FaultRule::new(action.clone()).method("POST").path(TOKENS).first(1));
        tries(&astra, TOKENS, Some(json!({"roles": [reader(&astra, 0)]}))).await;
        assert_eq!(astra.counts(&astra.organization(0).id).live, 1, "{action:?}");
        assert!(!astra.requests().pop().unwrap().changed, "{action:?}");
    }
}

#[tokio::test]
async fn a_delete_is_done_or_not_and_not_told() {
    for (effect, revoked) in [(Effect::Done, 1), (Effect::NotDone, 0)] {
        for action in losses(effect) {
            // A 204 has no body to break off.
            if action == (Action::Reset { at: ResetAt::DuringAnswer, effect }) {
                continue;
            }
            let astra = start();
            let organization = astra.organization(0).id.clone();
            let made = astra.add_token(&organization, &[&reader(&astra, 0)], "", None);
            astra.fault(FaultRule::new(action.clone()).method("DELETE").first(1));
            tries(&astra, &format!("{TOKENS}/{}", made.client_id), None).await;
            assert_eq!(astra.counts(&organization).revoked, revoked, "{action:?}");
            let again = Api::of(&astra, 0).revoke(&made.client_id).await;
            assert_eq!(again.status == 404, revoked == 1, "{action:?}");
        }
    }
}

#[tokio::test]
async fn a_delay_holds_the_answer_back_after_the_effect() {
    let astra = start();
    let api = Api::of(&astra, 0);
    astra.fault(FaultRule::new(Action::Delay { from_ms: 30, to_ms: 60 }).calls(&[1]));
    let before = std::time::Instant::now();
    assert_eq!(api.get(CURRENT_ORG).await.status, 200);
    assert!(before.elapsed() >= Duration::from_millis(30));

    // Longer than the client waits: the token is made, and nobody knows it.
    astra.clear_faults();
    astra.fault(FaultRule::new(Action::Delay { from_ms: 60_000, to_ms: 60_000 }));
    tries(&astra, TOKENS, Some(json!({"roles": [reader(&astra, 0)]}))).await;
    let organization = astra.organization(0).id.clone();
    eventually(|| astra.counts(&organization).orphaned == 1).await;
}

#[tokio::test]
async fn a_dripping_answer_is_whole_in_the_end() {
    let astra = start();
    let api = Api::of(&astra, 0);
    astra.fault(FaultRule::new(Action::Drip { interval_ms: 1 }));
    let before = std::time::Instant::now();
    let reply = api.get(CURRENT_ORG).await;
    assert_eq!(reply.json(), json!({"id": astra.organization(0).id}));
    // Head and body are some two hundred bytes.
    assert!(before.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn each_redirect_names_its_target() {
    let astra = start();
    let elsewhere = start();
    let api = Api::of(&astra, 0);
    for code in [301, 302, 307, 308] {
        astra.clear_faults();
        let location = format!("{}{CURRENT_ORG}", elsewhere.url());
        astra.fault(FaultRule::new(Action::Redirect { status: code, location: location.clone() }));
        let reply = api.get(CURRENT_ORG).await;
        assert_eq!((reply.status.as_u16(), reply.location), (code, Some(location)));
    }
    // What a client does that follows is in the other simulator's record.
    assert_eq!(elsewhere.request_count(), 0);
}

#[tokio::test]
async fn rules_pick_by_organization_and_by_chance() {
    let astra = start();
    let beta = astra.organization(1).id.clone();
    let fail = status(500, FaultBody::Empty, None);
    astra.fault(FaultRule::new(fail.clone()).organization(&beta));
    assert_eq!(Api::of(&astra, 0).get(CURRENT_ORG).await.status, 200);
    assert_eq!(Api::of(&astra, 1).get(CURRENT_ORG).await.status, 500);
    astra.clear_faults();
    astra.fault(FaultRule::new(fail).chance(0.5));
    let api = Api::of(&astra, 0);
    let mut failed = 0;
    for _ in 0..60 {
        failed += u32::from(api.get(CURRENT_ORG).await.status == 500);
    }
    assert!((10..50).contains(&failed), "{failed}");
}
