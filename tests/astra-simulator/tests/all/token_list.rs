//! The list of tokens: what is in it, in which form and order, and that it may be long.

use std::time::Duration;

use astra_simulator::{AbsentFields, OutsideChange};
use serde_json::{Value, json};

use crate::client::{Api, TOKENS, reader, start};

#[tokio::test]
async fn an_entry_has_its_documented_form() {
    let astra = start();
    let organization = astra.organization(0).id.clone();
    let role = reader(&astra, 0);
    let made = astra.add_token(&organization, &[&role], "", None);
    let api = Api::of(&astra, 0);
    let entry = |list: Value| {
        let clients = list["clients"].as_array().unwrap().clone();
        clients.into_iter().find(|client| client["clientId"] == json!(made.client_id)).unwrap()
    };
    let shown = entry(api.get(TOKENS).await.json());
    assert_eq!(shown["roles"], json!([role]));
    assert_eq!(shown["description"], json!(""));
    assert_eq!(shown["tokenExpiry"], Value::Null);
    assert_eq!(shown["generatedOn"].as_str().unwrap().len(), "2025-06-17T02:26:29.846Z".len());
    assert_eq!(shown.as_object().unwrap().len(), 5);
    astra.switch(|switches| switches.absent_fields = AbsentFields::LeftOut);
    let left_out = entry(api.get(TOKENS).await.json());
    assert_eq!(left_out.as_object().unwrap().len(), 3);
}

#[tokio::test]
async fn an_expired_token_is_listed_or_not() {
    let astra = start();
    let organization = astra.organization(0).id.clone();
    let role = reader(&astra, 0);
    astra.add_token(&organization, &[&role], "", Some(Duration::from_secs(10)));
    let api = Api::of(&astra, 0);
    astra.advance(Duration::from_secs(11));
    assert_eq!(api.listed().await.len(), 2);
    astra.switch(|switches| switches.expired_listed = false);
    assert_eq!(api.listed().await.len(), 1);
}

#[tokio::test]
async fn a_token_without_a_role_left_is_listed_or_not() {
    let astra = start();
    let organization = astra.organization(0).id.clone();
    let role = astra.add_role(&organization, "short-lived", &["org-db-view"]).unwrap();
    astra.add_token(&organization, &[&role], "", None);
    assert!(astra.change(&OutsideChange::DeleteRole { organization, role }));
    let api = Api::of(&astra, 0);
    assert_eq!(api.listed().await.len(), 2);
    astra.switch(|switches| switches.roleless_listed = false);
    assert_eq!(api.listed().await.len(), 1);
}

#[tokio::test]
async fn thousands_come_in_one_answer_and_in_no_order() {
    let astra = start();
    let organization = astra.organization(0).id.clone();
    let role = reader(&astra, 0);
    for number in 0..5_000 {
        let description = format!("vault-mark:a:{number}");
        astra.add_token(&organization, &[&role], &description, None);
    }
    let api = Api::of(&astra, 0);
    let mut first = api.listed().await;
    let second = api.listed().await;
    assert_eq!(first.len(), 5_001);
    assert_ne!(first, second);
    astra.switch(|switches| switches.list_shuffled = false);
    let (ordered, again) = (api.listed().await, api.listed().await);
    assert_eq!(ordered, again);
    first.sort();
    let mut sorted = ordered;
    sorted.sort();
    assert_eq!(first, sorted);
    assert_eq!(astra.tokens_marked(&organization, "vault-mark:a:").len(), 5_000);
    assert_eq!(astra.tokens_marked(&organization, "vault-mark:b:").len(), 0);
}

#[tokio::test]
async fn a_crowd_stands_around_the_other_tokens_in_the_list() {
    let astra = start();
    let organization = astra.organization(0).id.clone();
    astra.set_crowd(&organization, 2_001, r#"of "others""#);
    let api = Api::of(&astra, 0);
    let listed = api.listed().await;
    assert_eq!(listed.len(), 2_002);
    assert_eq!(listed.iter().collect::<std::collections::BTreeSet<_>>().len(), 2_002, "each has an ID of its own");
    assert_eq!(listed.iter().position(|id| *id == astra.organization(0).bootstrap.client_id), Some(1_000));
    assert_eq!(astra.counts(&organization).live, 1);
    astra.set_crowd(&organization, 1, "");
    assert_eq!(api.listed().await.len(), 2);
}
