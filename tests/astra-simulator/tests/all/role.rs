//! Roles: both casings and both forms of a policy, the rules about changing them.

use astra_simulator::{RoleFields, RoleListAllowed, RolePolicy, Settings, Simulator};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Api, ROLES, TOKENS, reader, start};

fn body(name: &str, organization: &str) -> Value {
    json!({"name": name, "policy": {
        "description": "d",
        "effect": "allow",
        "resources": [format!("drn:astra:org:{organization}:db:*")],
        "actions": ["org-db-view"],
    }})
}

#[tokio::test]
async fn a_role_is_made_read_changed_and_deleted() {
    let astra = start();
    let organization = astra.organization(0).id.clone();
    let api = Api::of(&astra, 0);
    let made = api.post(ROLES, body("viewer", &organization)).await;
    assert_eq!(made.status, 201);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let path = format!("{ROLES}/{id}");
    assert_eq!(api.get(&path).await.json()["name"], "viewer");

    let twice = api.post(ROLES, body("viewer", &organization)).await;
    assert_eq!((twice.status.as_u16(), twice.json()), (409, json!("unable to create role")));

    let token = api.mint(&id, "").await;
    let holder = api.token(token["token"].as_str().unwrap());
    assert_eq!(holder.get("/v2/databases").await.status, 200);
    let mut narrowed = body("viewer", &organization);
    narrowed["policy"]["actions"] = json!(["db-cql"]);
    let changed = api.send(Method::PUT, &path, Some(narrowed)).await.unwrap();
    assert_eq!(changed.json()["policy"]["actions"], json!(["db-cql"]));
    assert_eq!(holder.get("/v2/databases").await.status, 403);

    assert_eq!(api.delete(&path).await.status, 204);
    let gone = api.get(&path).await;
    assert_eq!(gone.status, 404);
    assert_eq!(gone.json(), json!("unable to get role for organization"));
    // Its token stays, without access.
    assert!(api.listed().await.contains(&token["clientId"].as_str().unwrap().to_owned()));
    assert_eq!(holder.get("/v2/databases").await.status, 403);
    assert!(astra.violations().is_empty());
}

#[tokio::test]
async fn roles_come_in_both_casings_and_both_policy_forms() {
    let astra = start();
    let api = Api::of(&astra, 0);
    for fields in [RoleFields::Lower, RoleFields::Upper] {
        for policy in [RolePolicy::Object, RolePolicy::Text] {
            astra.switch(|switches| {
                switches.role_fields = fields;
                switches.role_policy = policy;
            });
            let (id, name, held) = match fields {
                RoleFields::Lower => ("id", "name", "policy"),
                RoleFields::Upper => ("ID", "Name", "Policy"),
            };
            let roles = api.get(ROLES).await.json();
            let roles = roles.as_array().unwrap();
            assert_eq!(roles.len(), 16);
            let role = roles.iter().find(|role| role[name] == "R/W User").unwrap();
            assert!(role[id].is_string());
            let policy = match policy {
                RolePolicy::Object => role[held].clone(),
                RolePolicy::Text => serde_json::from_str(role[held].as_str().unwrap()).unwrap(),
            };
            assert_eq!(policy["effect"], "allow");
            let resource = policy["resources"][0].as_str().unwrap();
            assert_eq!(resource, "drn:astra:org:__ORG_ID__");
        }
    }
}

#[tokio::test]
async fn built_in_roles_refuse_change() {
    let astra = start();
    let api = Api::of(&astra, 0);
    let path = format!("{ROLES}/{}", reader(&astra, 0));
    let change = Some(body("x", &astra.organization(0).id));
    assert_eq!(api.send(Method::PUT, &path, change).await.unwrap().status, 400);
    assert_eq!(api.delete(&path).await.status, 400);
    assert_eq!(api.get(&path).await.json()["name"], "RO User");
}

#[tokio::test]
async fn an_incomplete_role_is_400() {
    let astra = start();
    let api = Api::of(&astra, 0);
    let mut incomplete = body("x", &astra.organization(0).id);
    incomplete["policy"].as_object_mut().unwrap().remove("effect");
    assert_eq!(api.post(ROLES, incomplete).await.status, 400);
    assert_eq!(astra.violations().len(), 1);
}

#[tokio::test]
async fn who_may_list_roles_is_a_switch() {
    let mut settings = Settings::default();
    let actions = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    settings.organizations[0].custom_roles = vec![
        ("none".into(), actions(&["db-cql"])),
        ("org".into(), actions(&["org-read"])),
        ("role".into(), actions(&["org-role-read"])),
    ];
    let astra = Simulator::start(settings).unwrap();
    let organization = astra.organization(0).id.clone();
    let rows = [
        (RoleListAllowed::AnyToken, [200, 200, 200]),
        (RoleListAllowed::OrgRead, [403, 200, 200]),
        (RoleListAllowed::RoleRead, [403, 403, 200]),
    ];
    for (position, expected) in rows {
        astra.switch(|switches| switches.role_list = position);
        for (name, status) in ["none", "org", "role"].into_iter().zip(expected) {
            let role = astra.role_id(&organization, name).unwrap();
            let made = astra.add_token(&organization, &[&role], "", None);
            let api = Api::with(&astra, Some(&made.token));
            assert_eq!(api.get(ROLES).await.status, status, "{position:?} {name}");
            // Reading one always needs the permission for roles.
            let one = api.get(&format!("{ROLES}/{role}")).await.status;
            assert_eq!(one.is_success(), name == "role", "{position:?} {name}");
        }
    }
    assert_eq!(Api::of(&astra, 0).get(TOKENS).await.status, 200);
}
