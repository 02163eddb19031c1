//! Making and deleting tokens, with each switch.

use std::time::Duration;

use astra_simulator::{
    CreateFields, DescriptionLimit, Escalation, ExpiryBeyondMaximum, ExpiryPast, OrganizationSettings, Settings,
    Simulator, TokenState, TokensDelete, UnknownRole,
};
use serde_json::{Value, json};

use crate::client::{Api, CURRENT_ORG, TOKENS, reader, start};

#[tokio::test]
async fn a_token_is_made_used_listed_and_deleted() {
    let astra = start();
    let organization = astra.organization(0).id.clone();
    let api = Api::of(&astra, 0);
    let role = reader(&astra, 0);
    let made = api.mint(&role, "made by a test").await;

    let text = |name: &str| made[name].as_str().unwrap();
    assert_eq!(text("clientId").len(), 24);
    assert_eq!(text("secret").len(), 128);
    assert_eq!(text("orgId"), organization);
    assert_eq!(made["roles"], json!([role]));
    assert_eq!(text("token").len(), 97);
    assert_eq!(text("generatedOn").len(), "2021-04-30T19:38:26.147847107Z".len());
    assert_eq!(made["tokenExpiry"], Value::Null);
    assert_eq!(text("description"), "made by a test");

    let current = api.token(text("token")).get(CURRENT_ORG).await;
    assert_eq!(current.json(), json!({"id": organization}));
    assert_eq!(current.content_type, "application/json; charset=UTF-8");
    assert!(api.listed().await.contains(&text("clientId").to_owned()));
    let counts = astra.counts(&organization);
    assert_eq!((counts.live, counts.revoked, counts.orphaned), (2, 0, 0));

    let reply = api.revoke(text("clientId")).await;
    assert_eq!((reply.status.as_u16(), reply.text.as_str()), (204, ""));
    assert_eq!(api.token(text("token")).get(CURRENT_ORG).await.status, 401);
    assert!(!api.listed().await.contains(&text("clientId").to_owned()));
    let counts = astra.counts(&organization);
    assert_eq!((counts.live, counts.revoked), (1, 1));
    assert!(astra.violations().is_empty());
}

#[tokio::test]
async fn bad_bodies_are_400_and_make_nothing() {
    let astra = start();
    let api = Api::of(&astra, 0);
    let role = reader(&astra, 0);
    let rows = [
        json!([]),
        json!({}),
        json!({"roles": []}),
        json!({"roles": role}),
        json!({"roles": [1]}),
        json!({"roles": [role], "description": 1}),
        json!({"roles": [role], "tokenExpiry": "tomorrow"}),
        json!({"roles": [role], "tokenExpiry": 1}),
        json!({"roles": [role], "orgId": 1}),
    ];
    for (index, body) in rows.iter().enumerate() {
        assert_eq!(api.post(TOKENS, body.clone()).await.status, 400, "{body}");
        assert_eq!(astra.violations().len(), index + 1, "{body}");
    }
    assert_eq!(astra.counts(&astra.organization(0).id).live, 1);
}

#[tokio::test]
async fn unknown_fields_are_ignored_and_held_against_the_client() {
    let astra = start();
    let body = json!({"roles": [reader(&astra, 0)], "colour": "red"});
    assert_eq!(Api::of(&astra, 0).post(TOKENS, body).await.status, 200);
    let violations = astra.violations();
    assert_eq!(violations.len(), 1);
    assert!(violations[0].problem.contains("`colour`"), "{violations:?}");
}

#[tokio::test]
async fn an_unknown_role_has_three_answers() {
    let astra = start();
    let api = Api::of(&astra, 0);
    let foreign = json!({"roles": [reader(&astra, 1)]});
    for (position, status) in [(UnknownRole::NotFound, 404), (UnknownRole::BadRequest, 400)] {
        astra.switch(|switches| switches.unknown_role = position);
        assert_eq!(api.post(TOKENS, foreign.clone()).await.status, status);
    }
    astra.switch(|switches| switches.unknown_role = UnknownRole::AcceptedWithoutAccess);
    let made = api.post(TOKENS, foreign).await.json();
    let powerless = api.token(made["token"].as_str().unwrap());
    assert_eq!(powerless.get(CURRENT_ORG).await.status, 200);
    assert_eq!(powerless.get("/v2/databases").await.status, 403);
}

#[tokio::test]
async fn a_token_cannot_hand_on_more_than_it_has() {
    let astra = start();
    let organization = astra.organization(0).id.clone();
    let administrator = astra.role_id(&organization, "Database Administrator").unwrap();
    let made = astra.add_token(&organization, &[&administrator], "", None);
    let api = Api::with(&astra, Some(&made.token));
    let above = astra.role_id(&organization, "Organization Administrator").unwrap();

    assert_eq!(api.post(TOKENS, json!({"roles": [reader(&astra, 0)]})).await.status, 200);
    for status in [403, 400] {
        astra.switch(|switches| switches.escalation = Escalation::Refused { status });
        assert_eq!(api.post(TOKENS, json!({"roles": [above]})).await.status, status);
    }
    astra.switch(|switches| switches.escalation = Escalation::Allowed);
    assert_eq!(api.post(TOKENS, json!({"roles": [above]})).await.status, 200);
}

#[tokio::test]
async fn the_answer_can_be_old_or_by_the_spec_or_201() {
    let astra = start();
    let api = Api::of(&astra, 0);
    let role = reader(&astra, 0);
    astra.switch(|switches| switches.create_fields = CreateFields::Old);
    let old = api.mint(&role, "d").await;
    assert!(old.get("description").is_none() && old.get("tokenExpiry").is_none());
    assert!(old["generatedOn"].is_string());
    astra.switch(|switches| switches.create_fields = CreateFields::Spec);
    let spec = api.mint(&role, "d").await;
    assert!(spec.get("generatedOn").is_none());
    assert_eq!(spec["description"], "d");
    astra.switch(|switches| switches.create_status = 201);
    assert_eq!(api.post(TOKENS, json!({"roles": [role]})).await.status, 201);
}

#[tokio::test]
async fn an_expiry_ends_the_token_when_the_clock_gets_there() {
    let astra = start();
    let organization = astra.organization(0).id.clone();
    let api = Api::of(&astra, 0);
    let now = astra.now();
    let in_the_future = format!("2099{}", now.get(4..).unwrap());
    let body = json!({"roles": [reader(&astra, 0)], "tokenExpiry": in_the_future});
    let made = api.post(TOKENS, body).await.json();
    assert_eq!(made["tokenExpiry"], json!(in_the_future));
    let minted = api.token(made["token"].as_str().unwrap());
    assert_eq!(minted.get(CURRENT_ORG).await.status, 200);
    astra.advance(Duration::from_secs(100 * 366 * 24 * 3_600));
    assert_eq!(minted.get(CURRENT_ORG).await.error_id(), 340_018);
    let counts = astra.counts(&organization);
    assert_eq!((counts.live, counts.expired), (1, 1));
    assert_eq!(astra.tokens(&organization)[1].state, TokenState::Expired);
}

#[tokio::test]
async fn an_expiry_in_the_past_has_three_answers() {
    let astra = start();
    let api = Api::of(&astra, 0);
    let body = json!({"roles": [reader(&astra, 0)], "tokenExpiry": "2001-01-01T00:00:00Z"});
    assert_eq!(api.post(TOKENS, body.clone()).await.status, 400);
    astra.switch(|switches| switches.expiry_past = ExpiryPast::AcceptedExpired);
    let expired = api.post(TOKENS, body.clone()).await.json();
    let dead = api.token(expired["token"].as_str().unwrap());
    assert_eq!(dead.get(CURRENT_ORG).await.status, 401);
    astra.switch(|switches| switches.expiry_past = ExpiryPast::Ignored);
    assert_eq!(api.post(TOKENS, body).await.json()["tokenExpiry"], Value::Null);
    assert!(astra.violations().is_empty());
}

#[tokio::test]
async fn the_organizations_maximum_applies_and_has_three_answers_beyond_it() {
    let mut organization = OrganizationSettings::new("alpha");
    organization.token_expiry_max = Some(Duration::from_secs(3_600));
    let settings = Settings {
        organizations: vec![organization],
        clock: astra_simulator::ClockSettings::Frozen { unix_seconds: 0 },
        ..Settings::default()
    };
    let astra = Simulator::start(settings).unwrap();
    let api = Api::of(&astra, 0);
    let role = reader(&astra, 0);
    let maximum = "1970-01-01T01:00:00.000Z";
    assert_eq!(api.mint(&role, "").await["tokenExpiry"], json!(maximum));
    let beyond = json!({"roles": [role], "tokenExpiry": "1970-01-01T02:00:00Z"});
    assert_eq!(api.post(TOKENS, beyond.clone()).await.status, 400);
    for (position, expiry) in
        [(ExpiryBeyondMaximum::Clamped, maximum), (ExpiryBeyondMaximum::Accepted, "1970-01-01T02:00:00.000Z")]
    {
        astra.switch(|switches| switches.expiry_beyond_maximum = position);
        assert_eq!(api.post(TOKENS, beyond.clone()).await.json()["tokenExpiry"], json!(expiry));
    }
}

#[tokio::test]
async fn descriptions_tokens_and_roles_can_be_limited() {
    let astra = start();
    let api = Api::of(&astra, 0);
    let role = reader(&astra, 0);
    let long = json!({"roles": [role], "description": "x".repeat(41)});
    assert_eq!(api.post(TOKENS, long.clone()).await.status, 200);
    astra.switch(|switches| switches.description = DescriptionLimit::Refused { bytes_max: 40 });
    assert_eq!(api.post(TOKENS, long.clone()).await.status, 400);
    astra.switch(|switches| switches.description = DescriptionLimit::Cut { bytes_max: 40 });
    assert_eq!(api.post(TOKENS, long).await.json()["description"], json!("x".repeat(40)));

    astra.switch(|switches| switches.roles_per_token_max = Some(1));
    let two = json!({"roles": [role, role]});
    assert_eq!(api.post(TOKENS, two).await.status, 400);
    astra.switch(|switches| switches.tokens_max = Some(3));
    assert_eq!(api.post(TOKENS, json!({"roles": [role]})).await.status, 400);
    assert_eq!(astra.counts(&astra.organization(0).id).live, 3);
}

#[tokio::test]
async fn a_delete_answers_by_its_switches() {
    let astra = start();
    let api = Api::of(&astra, 0);
    let role = reader(&astra, 0);
    let made = api.mint(&role, "").await;
    let client_id = made["clientId"].as_str().unwrap();

    // Another letter case and another organization's token are as unknown.
    let swapped: String = client_id
        .chars()
        .map(|letter| match letter.is_ascii_lowercase() {
            true => letter.to_ascii_uppercase(),
            false => letter.to_ascii_lowercase(),
        })
        .collect();
    assert_eq!(api.revoke(&swapped).await.status, 404);
    assert_eq!(Api::of(&astra, 1).revoke(client_id).await.status, 404);
    assert_eq!(astra.counts(&astra.organization(0).id).live, 2);

    astra.switch(|switches| switches.delete_status = 200);
    assert_eq!(api.revoke(client_id).await.status, 200);
    for status in [404, 204, 400, 500] {
        astra.switch(|switches| switches.delete_unknown_status = status);
        assert_eq!(api.revoke(client_id).await.status, status);
    }
    assert_eq!(astra.counts(&astra.organization(0).id).revoked, 1);
}

#[tokio::test]
async fn a_token_may_delete_itself_or_not() {
    let astra = start();
    let api = Api::of(&astra, 0);
    let own = astra.organization(0).bootstrap.client_id.clone();
    astra.switch(|switches| switches.delete_self = false);
    assert_eq!(api.revoke(&own).await.status, 403);
    assert_eq!(api.get(CURRENT_ORG).await.status, 200);
    astra.switch(|switches| switches.delete_self = true);
    assert_eq!(api.revoke(&own).await.status, 204);
    assert_eq!(api.get(CURRENT_ORG).await.status, 401);
}

#[tokio::test]
async fn the_newer_path_works_and_its_delete_has_three_forms() {
    let astra = start();
    let api = Api::of(&astra, 0);
    let body = json!({"roles": [reader(&astra, 0)]});
    let forms = [
        (TokensDelete::Path, "/v2/tokens/", 204),
        (TokensDelete::Query, "/v2/tokens?clientId=", 204),
        (TokensDelete::Absent, "/v2/tokens/", 404),
    ];
    for (form, path, status) in forms {
        astra.switch(|switches| switches.tokens_delete = form);
        let made = api.post("/v2/tokens", body.clone()).await.json();
        let client_id = made["clientId"].as_str().unwrap();
        assert_eq!(api.delete(&format!("{path}{client_id}")).await.status, status, "{form:?}");
    }
    assert_eq!(api.get("/v2/tokens").await.json()["clients"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_enterprise_makes_tokens_in_its_organizations_on_the_newer_path() {
    let mut settings = Settings::with_organizations(3);
    for organization in settings.organizations.iter_mut().take(2) {
        organization.enterprise = Some("holding".into());
    }
    let astra = Simulator::start(settings).unwrap();
    let enterprise = &astra.enterprises()[0];
    let api = Api::with(&astra, Some(&enterprise.bootstrap.token));
    let body = |index: usize| json!({"roles": [reader(&astra, index)], "orgId": astra.organization(index).id});
    let made = api.post("/v2/tokens", body(1)).await.json();
    assert_eq!(made["orgId"], json!(astra.organization(1).id));
    assert_eq!(astra.counts(&astra.organization(1).id).live, 2);
    // Not on the old path, not in a stranger, and not from a member to the other.
    assert_eq!(api.post(TOKENS, body(1)).await.status, 403);
    assert_eq!(api.post("/v2/tokens", body(2)).await.status, 403);
    assert_eq!(Api::of(&astra, 0).post("/v2/tokens", body(1)).await.status, 403);
    // Its own ID is taken on both, as the SDK sends it.
    let own = json!({"roles": [reader(&astra, 0)], "orgId": astra.organization(0).id});
    assert_eq!(Api::of(&astra, 0).post(TOKENS, own).await.status, 200);
}
