//! The order of checks, and each recorded refusal of a token.

use astra_simulator::{
    BootstrapRole, CallKind, ErrorShape, OrganizationSettings, OutsideChange, PermissionMissing, Settings, Simulator,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{Api, CURRENT_ORG, ROLES, TOKENS, TextCheck, reader, start};

#[tokio::test]
async fn an_unknown_path_or_method_is_404_before_the_token_is_looked_at() {
    let astra = start();
    let nobody = Api::with(&astra, None);
    let rows = [(Method::GET, "/v2/nothing"), (Method::PUT, TOKENS), (Method::POST, CURRENT_ORG)];
    for (method, path) in rows {
        let reply = nobody.send(method.clone(), path, None).await.unwrap();
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{method} {path}");
        assert_eq!(reply.text, "404 page not found");
        assert_eq!(reply.content_type, "text/plain; charset=utf-8");
    }
    assert_eq!(astra.violations().len(), 3);
}

#[tokio::test]
async fn each_bad_token_gets_its_recorded_answer() {
    let astra = start();
    let good = astra.organization(0).bootstrap.clone();
    let stray = format!("{}x", good.token);
    let wrong_hash = format!("AstraCS:{}:{}", good.client_id, "0".repeat(64));
    let unknown = format!("AstraCS:{}:{}", "a".repeat(24), "0".repeat(64));
    let rows = [
        (None, 401, 340_002),
        (Some(""), 401, 340_012),
        (Some("nonsense"), 401, 340_016),
        (Some("AstraCS:short:00"), 401, 340_016),
        (Some(stray.as_str()), 403, 340_017),
        (Some(wrong_hash.as_str()), 403, 340_017),
        (Some(unknown.as_str()), 401, 340_018),
    ];
    for (token, status, id) in rows {
        let reply = Api::with(&astra, token).get(CURRENT_ORG).await;
        assert_eq!((reply.status.as_u16(), reply.error_id()), (status, id), "{token:?}");
    }
    let reply = Api::with(&astra, Some("nonsense")).get(CURRENT_ORG).await;
    assert!(reply.text.contains("call %s/v2/admin/tokens?%s"), "{}", reply.text);
}

#[tokio::test]
async fn a_dead_token_gets_the_status_of_the_switch() {
    let astra = start();
    let organization = &astra.organization(0).id;
    let role = reader(&astra, 0);
    let revoked = astra.add_token(organization, &[&role], "", None);
    let expired = astra.add_token(organization, &[&role], "", None);
    for change in [
        OutsideChange::RevokeToken { client_id: revoked.client_id.clone() },
        OutsideChange::ExpireToken { client_id: expired.client_id.clone() },
    ] {
        assert!(astra.change(&change));
    }
    for status in [401, 403, 404] {
        astra.switch(|switches| switches.dead_token_status = status);
        for dead in [&revoked, &expired] {
            let reply = Api::with(&astra, Some(&dead.token)).get(CURRENT_ORG).await;
            assert_eq!((reply.status.as_u16(), reply.error_id()), (status, 340_018));
        }
    }
}

#[tokio::test]
async fn an_access_list_refuses_other_addresses_before_the_token_is_checked() {
    let astra = start();
    let organization = astra.organization(0).id.clone();
    let api = Api::of(&astra, 0);
    let list =
        |addresses: Option<Vec<String>>| OutsideChange::AccessList { organization: organization.clone(), addresses };
    assert!(astra.change(&list(Some(vec!["10.0.0.0/8".into()]))));
    let stray = api.token(&format!("{}x", astra.organization(0).bootstrap.token));
    assert_eq!(api.get(CURRENT_ORG).await.status, 403);
    assert_eq!(stray.get(CURRENT_ORG).await.error_id(), 340_003);
    astra.switch(|switches| switches.access_list_status = 401);
    assert_eq!(api.get(CURRENT_ORG).await.status, 401);
    assert_eq!(Api::of(&astra, 1).get(CURRENT_ORG).await.status, 200);
    assert!(astra.change(&list(Some(vec!["127.0.0.0/8".into()]))));
    assert_eq!(api.get(CURRENT_ORG).await.status, 200);
}

#[tokio::test]
async fn a_missing_permission_is_403_or_401_null() {
    let mut organization = OrganizationSettings::new("alpha");
    organization.bootstrap = BootstrapRole::BuiltIn("RO User".into());
    let settings = Settings { organizations: vec![organization], ..Settings::default() };
    let astra = Simulator::start(settings).unwrap();
    let api = Api::of(&astra, 0);
    let body = json!({"roles": [reader(&astra, 0)]});

    assert_eq!(api.get(CURRENT_ORG).await.status, 200);
    assert_eq!(api.get("/v2/databases").await.status, 200);
    assert_eq!(api.get(TOKENS).await.status, 403);
    assert_eq!(api.post(TOKENS, body.clone()).await.status, 403);
    assert_eq!(api.revoke("anything").await.status, 403);
    astra.switch(|switches| switches.permission_missing = PermissionMissing::UnauthorizedNull);
    let reply = api.post(TOKENS, body).await;
    assert_eq!((reply.status.as_u16(), reply.json()), (401, Value::Null));
    assert_eq!(astra.counts(&astra.organization(0).id).live, 1);
}

#[tokio::test]
async fn permission_comes_before_the_body_and_follows_the_roles_as_they_are_now() {
    let astra = start();
    let organization = astra.organization(0).id.clone();
    let role = astra.add_role(&organization, "tokens", &["org-token-read", "org-token-write"]);
    let role = role.unwrap();
    let made = astra.add_token(&organization, &[&role], "", None);
    let api = Api::with(&astra, Some(&made.token));
    assert_eq!(api.get(TOKENS).await.status, 200);
    assert_eq!(api.post(TOKENS, json!({})).await.status, 400);
    let narrowed = OutsideChange::NarrowRole { organization, role, actions: vec!["org-token-read".into()] };
    assert!(astra.change(&narrowed));
    assert_eq!(api.get(TOKENS).await.status, 200);
    assert_eq!(api.post(TOKENS, json!({})).await.status, 403);
}

#[tokio::test]
async fn every_error_shape_can_be_chosen_for_each_call() {
    let astra = start();
    let api = Api::of(&astra, 0);
    let missing = format!("{ROLES}/none");
    let rows: [(ErrorShape, TextCheck); 8] = [
        (ErrorShape::Errors, |text| text.starts_with(r#"{"errors":[{"ID":"#)),
        (ErrorShape::Text, |text| text == r#""unable to get role for organization""#),
        (ErrorShape::Object, |text| text.starts_with(r#"{"error":{"#)),
        (ErrorShape::Plain, |text| text == "unable to get role for organization"),
        (ErrorShape::Null, |text| text == "null"),
        (ErrorShape::Empty, str::is_empty),
        (ErrorShape::DataPlane, |text| text.contains(r#""code":404"#)),
        (ErrorShape::Html, |text| text.starts_with("<html>")),
    ];
    for (shape, matches) in rows {
        astra.switch(|switches| {
            switches.error_shapes.insert(CallKind::RoleRead, shape);
        });
        let reply = api.get(&missing).await;
        assert_eq!(reply.status, 404, "{shape:?}");
        assert!(matches(&reply.text), "{shape:?}: {}", reply.text);
        // Another call keeps its own shape.
        assert_eq!(api.revoke("none").await.error_id(), 340_015);
    }
}
