//! Damaged answers: the call has taken effect, and what comes back is not what it should be.

use std::collections::BTreeMap;

use astra_simulator::{Action, Damage, FaultRule, Simulator};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Api, CURRENT_ORG, Reply, TOKENS, connect, exchange, reader, start};

/// A simulator that damages one mint, and the answer to it.
async fn minted(damage: Damage) -> (Simulator, Result<Reply, reqwest::Error>) {
    let astra = start();
    astra.fault(FaultRule::new(Action::Damage { damage }).method("POST").first(1));
    let body = Some(json!({"roles": [reader(&astra, 0)], "description": "d"}));
    let reply = Api::of(&astra, 0).send(Method::POST, TOKENS, body).await;
    assert_eq!(astra.counts(&astra.organization(0).id).live, 2);
    (astra, reply)
}

fn orphans(simulator: &Simulator) -> usize {
    simulator.counts(&simulator.organization(0).id).orphaned
}

#[tokio::test]
async fn a_cut_body_is_not_json() {
    let (astra, reply) = minted(Damage::CutJson).await;
    let text = reply.unwrap().text;
    assert!(text.starts_with('{') && serde_json::from_str::<Value>(&text).is_err());
    assert_eq!(orphans(&astra), 1);
}

#[tokio::test]
async fn a_length_that_is_too_long_breaks_the_body_off() {
    let (astra, reply) = minted(Damage::ContentLengthTooLong).await;
    assert!(reply.is_err());
    assert_eq!(orphans(&astra), 1);
}

#[tokio::test]
async fn a_length_that_is_too_short_leaves_bytes_on_the_connection() {
    let (astra, reply) = minted(Damage::ContentLengthTooShort).await;
    assert!(serde_json::from_str::<Value>(&reply.unwrap().text).is_err());
    assert_eq!(orphans(&astra), 1);

    astra.clear_faults();
    let damage = Action::Damage { damage: Damage::ContentLengthTooShort };
    astra.fault(FaultRule::new(damage).first(1));
    let token = &astra.organization(0).bootstrap.token;
    let request = String::from_utf8(crate::client::current_org_request(token)).unwrap();
    let closing = request.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    let (answers, _) = exchange(&mut connect(&astra), (request + &closing).as_bytes());
    let body = json!({"id": astra.organization(0).id}).to_string();
    assert!(answers.contains(&format!("content-length: {}\r\n", body.len() / 2)), "{answers}");
    assert_eq!(answers.matches(&body).count(), 2);
}

#[tokio::test]
async fn content_type_and_extra_fields_do_no_harm_to_the_body() {
    let (astra, reply) = minted(Damage::ContentType("text/html".into())).await;
    let reply = reply.unwrap();
    assert_eq!(reply.content_type, "text/html");
    assert!(reply.json()["token"].is_string());
    assert_eq!(orphans(&astra), 0);
    let (astra, reply) = minted(Damage::ExtraFields).await;
    let reply = reply.unwrap().json();
    assert!(reply["futureField"].is_object() && reply["token"].is_string());
    assert_eq!(orphans(&astra), 0);
}

#[tokio::test]
async fn another_body_takes_the_place_of_the_right_one() {
    for body in ["[]", "null", "", "{}", "<html></html>"] {
        let (astra, reply) = minted(Damage::Body(body.into())).await;
        let reply = reply.unwrap();
        assert_eq!((reply.status.as_u16(), reply.text.as_str()), (200, body));
        assert_eq!(orphans(&astra), 1);
    }
    let (_, reply) = minted(Damage::NotText).await;
    assert!(reply.unwrap().text.contains('\u{fffd}'));
}

#[tokio::test]
async fn fields_are_missing_empty_or_wrong() {
    for name in ["clientId", "token", "secret", "orgId", "roles", "generatedOn"] {
        let (astra, reply) = minted(Damage::Missing(vec![name.into()])).await;
        let object = reply.unwrap().json();
        assert!(object.get(name).is_none() && object.as_object().unwrap().len() == 7, "{name}");
        assert_eq!(orphans(&astra), 1);
        let (_, reply) = minted(Damage::EmptyStrings(vec![name.into()])).await;
        assert_eq!(reply.unwrap().json()[name], "", "{name}");
    }
    let other = BTreeMap::from([("clientId".to_owned(), json!(["x"]))]);
    let (_, reply) = minted(Damage::Fields(other)).await;
    assert_eq!(reply.unwrap().json()["clientId"], json!(["x"]));
}

#[tokio::test]
async fn fields_of_list_entries_are_damaged_too() {
    let astra = start();
    let damage = Damage::Missing(vec!["clientId".into()]);
    astra.fault(FaultRule::new(Action::Damage { damage }).method("GET").path(TOKENS));
    let list = Api::of(&astra, 0).get(TOKENS).await.json();
    assert_eq!(list["clients"].as_array().unwrap().len(), 1);
    assert!(list["clients"][0].get("clientId").is_none());
}

#[tokio::test]
async fn a_body_is_very_large_up_to_a_bound() {
    let astra = start();
    let large = |bytes| FaultRule::new(Action::Damage { damage: Damage::VeryLarge(bytes) });
    astra.fault(large(3_000_000).calls(&[1]));
    astra.fault(large(usize::MAX).calls(&[2]));
    let api = Api::of(&astra, 0);
    let reply = api.get(CURRENT_ORG).await;
    assert_eq!(reply.text.len(), 3_000_000);
    assert!(reply.json()["clientId"].is_string());
    let bound = astra_simulator::limits::FAULT_BODY_BYTES_MAX;
    assert_eq!(api.get(CURRENT_ORG).await.text.len(), bound);
    // The record keeps the length and the start of it.
    let answer = astra.requests()[0].answer.clone().unwrap();
    assert_eq!(answer.body_bytes, 3_000_000);
    assert_eq!(answer.body.len(), astra_simulator::limits::RECORDED_BODY_BYTES_MAX);
}

#[tokio::test]
async fn an_answer_may_not_be_http() {
    let (astra, reply) = minted(Damage::NotHttp).await;
    assert!(reply.is_err());
    assert_eq!(orphans(&astra), 1);
}
