//! Users, databases, access lists.

use astra_simulator::{RoleFields, Settings, Simulator};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Api, CURRENT_ORG, start};

#[tokio::test]
async fn databases_come_in_pages() {
    let mut settings = Settings::default();
    settings.organizations[0].databases = 30;
    let astra = Simulator::start(settings).unwrap();
    let api = Api::of(&astra, 0);
    let ids = |page: &Value| -> Vec<String> {
        let page = page.as_array().unwrap();
        page.iter().map(|database| database["id"].as_str().unwrap().to_owned()).collect()
    };
    let mut all = ids(&api.get("/v2/databases").await.json());
    assert_eq!(all.len(), 25);
    let after = format!("/v2/databases?limit=4&starting_after={}", all[24]);
    let next = ids(&api.get(&after).await.json());
    assert_eq!(next.len(), 4);
    all.extend(next);
    let last = format!("/v2/databases?starting_after={}", all[28]);
    all.extend(ids(&api.get(&last).await.json()));
    all.dedup();
    assert_eq!(all.len(), 30);
    assert_eq!(ids(&api.get("/v2/databases?starting_after=none").await.json()).len(), 0);
    for limit in ["0", "101", "x"] {
        let path = format!("/v2/databases?limit={limit}");
        assert_eq!(api.get(&path).await.status, 400, "{limit}");
    }
}

#[tokio::test]
async fn users_come_in_both_casings() {
    let astra = start();
    let api = Api::of(&astra, 0);
    let path = "/v2/organizations/users";
    let lower = api.get(path).await.json();
    assert_eq!(lower["orgID"], json!(astra.organization(0).id));
    assert_eq!(lower["users"][0]["roles"][0]["name"], "Organization Administrator");
    astra.switch(|switches| switches.role_fields = RoleFields::Upper);
    assert_eq!(api.get(path).await.json()["OrgName"], "alpha");
}

#[tokio::test]
async fn the_access_list_is_turned_on_and_locks_the_caller_out() {
    let astra = start();
    let api = Api::of(&astra, 0);
    let path = format!("/v2/organizations/{}/devops-acl", astra.organization(0).id);
    assert_eq!(api.get(&path).await.json(), json!({"enabled": false, "addresses": []}));
    assert_eq!(api.get("/v2/access-lists").await.json(), json!([]));

    let local = json!({"addresses": [{"address": "127.0.0.1"}]});
    let reply = api.send(Method::PUT, &path, Some(local)).await.unwrap();
    assert_eq!(reply.json()["enabled"], true);
    assert_eq!(api.get(CURRENT_ORG).await.status, 200);
    assert_eq!(api.delete(&path).await.status, 204);
    assert_eq!(api.get(&path).await.json()["enabled"], false);

    let other = json!({"addresses": [{"address": "10.0.0.0/8"}]});
    assert_eq!(api.post(&path, other).await.status, 200);
    assert_eq!(api.get(CURRENT_ORG).await.status, 403);
    let foreign = Api::of(&astra, 1).get(&path).await;
    assert_eq!(foreign.status, 403);
    assert!(astra.violations().is_empty());
}

#[tokio::test]
async fn the_data_api_answers_a_token_in_its_own_header() {
    let astra = start();
    let url = format!("{}/api/json/v1/default_keyspace", astra.url());
    let ask = async |name: &str, value: &str, command: Value| {
        let sent = reqwest::Client::new().post(&url).header(name, value).json(&command).send().await.unwrap();
        (sent.status().as_u16(), sent.json::<Value>().await.unwrap())
    };
    let token = astra.organization(0).bootstrap.token.clone();
    let find = json!({"findCollections": {}});
    assert_eq!(ask("Token", &token, find.clone()).await, (200, json!({"status": {"collections": []}})));
    assert_eq!(ask("Authorization", &format!("Bearer {token}"), find.clone()).await.0, 401);
    assert_eq!(ask("Token", &format!("{token}0"), find).await.0, 403);
    let unknown = ask("Token", &token, json!({"dropCollection": {}})).await;
    assert_eq!((unknown.0, &unknown.1["errors"][0]["errorCode"]), (200, &json!("COMMAND_UNKNOWN")));
}
