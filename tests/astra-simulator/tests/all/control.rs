//! The control interface.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Api, CURRENT_ORG, reader, start};

#[tokio::test]
async fn the_control_interface_shows_and_changes_the_state() {
    let astra = start();
    let alpha = astra.organization(0).clone();
    let api = Api::of(&astra, 0);
    let control = Api::with(&astra, None);
    let made = api.mint(&reader(&astra, 0), "vault-mark:a:1").await;

    let organizations = control.get("/_sim/organizations").await.json();
    assert_eq!(organizations[0]["id"], json!(alpha.id));
    assert_eq!(organizations[0]["tokens"]["live"], 2);
    assert_eq!(organizations[0]["roles"].as_array().unwrap().len(), 16);
    let path = format!("/_sim/tokens?organization={}&mark=vault-mark%3Aa%3A", alpha.id);
    let marked = control.get(&path).await.json();
    assert_eq!(marked[0]["client_id"], made["clientId"]);
    assert_eq!((marked.as_array().unwrap().len(), &marked[0]["state"]), (1, &json!("live")));
    assert_eq!(control.get("/_sim/tokens?organization=none").await.status, 404);

    let requests = control.get("/_sim/requests").await;
    assert_eq!(requests.json().as_array().unwrap().len(), 1);
    assert!(astra.leaks(requests.text.as_bytes()).is_empty());
    assert_eq!(control.get("/_sim/violations").await.json(), json!([]));
    assert_eq!(control.get("/_sim/connections").await.json()["open"], 2);

    let rule = json!({
        "when": {"method": "GET", "calls": [1]},
        "then": {"kind": "status", "status": 503, "retry_after": {"seconds": 2}},
    });
    assert_eq!(control.post("/_sim/faults", rule).await.json(), Value::Null);
    assert_eq!(api.get(CURRENT_ORG).await.retry_after.as_deref(), Some("2"));
    assert_eq!(control.get("/_sim/faults").await.json(), json!({"hits": [1]}));
    assert_eq!(control.delete("/_sim/faults").await.status, 200);
    assert_eq!(control.get("/_sim/faults").await.json(), json!({"hits": []}));
}

#[tokio::test]
async fn clock_switches_lag_changes_and_leaks_are_within_reach() {
    let astra = start();
    let api = Api::of(&astra, 0);
    let control = Api::with(&astra, None);
    let before = control.get("/_sim/clock").await.json();
    let after = control.post("/_sim/clock", json!({"advance_ms": 86_400_000})).await.json();
    assert!(after["now"].as_str() > before["now"].as_str());

    let put = |path: &'static str, body: Value| {
        let control = control.clone();
        async move { control.send(Method::PUT, path, Some(body)).await.unwrap() }
    };
    assert_eq!(put("/_sim/switches", json!({"delete_status": 200})).await.status, 200);
    assert_eq!(control.get("/_sim/switches").await.json()["delete_status"], 200);
    assert_eq!(put("/_sim/switches", json!({"unknown": 1})).await.status, 400);
    let lag = put("/_sim/lag", json!({"new_token_refused_calls": 1})).await;
    assert_eq!(lag.json()["new_token_refused_calls"], 1);

    let made = api.mint(&reader(&astra, 0), "").await;
    let leaks = control.post("/_sim/leaks", json!([made["token"]])).await.json();
    assert_eq!(leaks, json!([made["clientId"]]));
    let change = json!({"change": "revoke_token", "client_id": made["clientId"]});
    let changed = control.post("/_sim/changes", change).await.json();
    assert_eq!(changed, json!({"changed": true}));
    assert_eq!(astra.counts(&astra.organization(0).id).revoked, 1);

    assert_eq!(control.post("/_sim/reset", json!({})).await.json(), Value::Null);
    assert_eq!(astra.counts(&astra.organization(0).id).revoked, 0);
    assert_eq!(control.get("/_sim/switches").await.json()["delete_status"], 204);
    assert_eq!(control.get("/_sim/nothing").await.status, 404);
    // None of this is a request to Astra.
    assert_eq!(astra.request_count(), 0);
}
