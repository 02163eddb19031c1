//! What is recorded, what is held against a client, and that no secret is kept.

use reqwest::Method;
use serde_json::json;

use crate::client::{Api, CURRENT_ORG, TOKENS, connect, exchange, reader, start};

#[tokio::test]
async fn each_request_is_recorded_without_its_secrets() {
    let astra = start();
    let alpha = astra.organization(0).clone();
    let api = Api::of(&astra, 0);
    let made = api.mint(&reader(&astra, 0), "a description").await;
    api.token(made["token"].as_str().unwrap()).get(CURRENT_ORG).await;
    api.get(&format!("{TOKENS}?a=b")).await;
    let records = astra.requests();
    assert_eq!(records.iter().map(|record| record.number).collect::<Vec<_>>(), [1, 2, 3]);

    let mint = &records[0];
    assert_eq!((mint.method.as_str(), mint.path.as_str()), ("POST", TOKENS));
    assert_eq!(mint.client_id.as_ref(), Some(&alpha.bootstrap.client_id));
    assert_eq!(mint.organization.as_ref(), Some(&alpha.id));
    assert!(mint.changed && mint.told && mint.body.contains("a description"));
    let expected = format!("Bearer AstraCS:{}:redacted", alpha.bootstrap.client_id);
    assert!(mint.headers.contains(&("authorization".into(), expected)));
    let answer = mint.answer.as_ref().unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains(made["clientId"].as_str().unwrap()));
    assert_eq!(records[1].client_id.as_deref(), made["clientId"].as_str());
    assert_eq!((records[2].query.as_deref(), records[2].changed), (Some("a=b"), false));

    let all = serde_json::to_string(&records).unwrap();
    assert_eq!(astra.leaks(all.as_bytes()), Vec::<String>::new());
    let leaked = format!("log: token={}", made["token"].as_str().unwrap());
    assert_eq!(astra.leaks(leaked.as_bytes()), [made["clientId"].as_str().unwrap()]);
    assert!(astra.violations().is_empty());

    astra.reset();
    assert!(astra.requests().is_empty());
    let counts = astra.counts(&alpha.id);
    assert_eq!((counts.live, counts.revoked), (1, 0));
}

#[tokio::test]
async fn what_no_client_of_ours_sends_is_a_violation() {
    let astra = start();
    let token = astra.organization(0).bootstrap.token.clone();
    let auth = format!("host: x\r\nauthorization: Bearer {token}\r\n");
    let rows = [
        (format!("GET /v2/unknown HTTP/1.0\r\n{auth}\r\n"), "no call of the DevOps API"),
        (format!("POST {CURRENT_ORG} HTTP/1.0\r\n{auth}\r\n"), "no call of the DevOps API"),
        (format!("GET {CURRENT_ORG}?t={token} HTTP/1.0\r\n{auth}\r\n"), "a token in the URL"),
        (format!("GET {CURRENT_ORG} HTTP/1.0\r\n{auth}{auth}\r\n"), "more than one `Authorization`"),
        (format!("GET {CURRENT_ORG} HTTP/1.0\r\nauthorization: x\r\n\r\n"), "not exactly one `Host`"),
        (format!("GET {CURRENT_ORG} HTTP/1.0\r\n{auth}content-length: 2\r\n\r\n{{}}"), "a body on GET or DELETE"),
        (
            format!("POST {TOKENS} HTTP/1.0\r\n{auth}content-length: 2\r\n\r\n{{}}"),
            "a body whose content type is not JSON",
        ),
    ];
    for (wire, problem) in rows {
        astra.reset();
        exchange(&mut connect(&astra), wire.as_bytes()).1.unwrap();
        let violations = astra.violations();
        assert!(violations.iter().any(|one| one.problem.contains(problem)), "{problem}");
        let shown = serde_json::to_string(&violations).unwrap();
        assert!(astra.leaks(shown.as_bytes()).is_empty());
    }
}

#[tokio::test]
async fn a_head_request_gets_no_body() {
    let astra = start();
    let api = Api::of(&astra, 0);
    let reply = api.send(Method::HEAD, CURRENT_ORG, None).await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.text.as_str()), (404, ""));
    assert_eq!(api.get(CURRENT_ORG).await.json(), json!({"id": astra.organization(0).id}));
    assert_eq!(astra.connections().accepted, 1);
}
