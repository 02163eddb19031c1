//! What Astra and the egress policy say about a new token or URL.

use secrets_framework::host::{HttpError, HttpMethod, Loss, NotSent};
use serde_json::json;

use super::*;

#[test]
fn a_token_is_tried_once_at_its_own_origin() {
    let mount = Mount::new();
    mount.write(&path_a(), json!({ "astra_token": TOKEN_A, "url": "https://gate.example/astra/" })).done();
    let [request] = mount.host.http.requests().try_into().unwrap();
    assert_eq!(request.method, HttpMethod::Get);
    assert_eq!(
        (request.origin.as_str(), request.path_and_query.as_str()),
        ("https://gate.example", "/astra/v2/currentOrg")
    );
    assert_eq!(request.client_id, "AdminClientOfOrgAaaaaaaa");
}

#[test]
fn each_organization_is_asked_with_its_own_token() {
    // Section 6, point 1.
    let mount = Mount::new();
    mount.write("config", json!({ "org_id": ORG_A, "astra_token": TOKEN_A })).done();
    mount.write("config", json!({ "org_id": ORG_B, "astra_token": TOKEN_B })).done();
    mount.write("config", json!({ "org_id": ORG_A, "url": "https://a.example", "astra_token": TOKEN_A })).done();
    let clients: Vec<_> = mount.host.http.requests().into_iter().map(|request| request.client_id).collect();
    assert_eq!(clients, ["AdminClientOfOrgAaaaaaaa", "AdminClientOfOrgBbbbbbbb", "AdminClientOfOrgAaaaaaaa"]);
}

#[test]
fn a_definite_no_is_400_and_nothing_is_stored() {
    let mount = Mount::new();
    for status in [401, 403] {
        mount.script_status(status);
        let mistake = mount.write(&path_a(), json!({ "astra_token": TOKEN_A })).mistake();
        assert!(mistake.contains(&status.to_string()) && mistake.contains("`astra_token`"), "{mistake}");
    }
    mount.script_astra(&[(TOKEN_B, ORG_B, json!([]))]);
    let mistake = mount.write(&path_a(), json!({ "astra_token": TOKEN_B })).mistake();
    assert!(mistake.contains(ORG_A) && mistake.contains(ORG_B), "{mistake}");
    assert!(mount.host.storage.keys().is_empty());
}

#[test]
fn a_no_on_an_update_leaves_the_old_token() {
    let mount = Mount::with_org_a();
    let before = mount.host.storage.snapshot();
    mount.write(&path_a(), json!({ "astra_token": "AstraCS:wrong:wrong", "logical_name": "x" })).mistake();
    assert_eq!(mount.host.storage.snapshot(), before);
}

#[test]
fn no_answer_stores_it_with_a_warning() {
    type Script = fn(&Mount);
    let scripts: [Script; 9] = [
        |mount| mount.script_status(404),
        |mount| mount.script_status(429),
        |mount| mount.script_status(500),
        |mount| mount.script_status(502),
        |mount| mount.script_status(302),
        |mount| mount.script_error(HttpError::TimedOut),
        |mount| mount.script_error(HttpError::NotSent(NotSent::Refused)),
        |mount| mount.script_error(HttpError::Lost(Loss::Closed)),
        |mount| mount.host.http.script(|_| Ok(http_answer(200, &json!(["AstraCS:canary"])))),
    ];
    for script in scripts {
        let mount = Mount::new();
        script(&mount);
        let warnings = mount.write(&path_a(), json!({ "astra_token": TOKEN_A })).warnings();
        let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
        assert!(warning.starts_with("the token was stored unchecked") && !warning.contains("canary"), "{warning}");
        assert_eq!(mount.host.storage.json(&path_a())["astra_token"], TOKEN_A);
        assert_eq!(mount.asked().len(), 1, "not repeated: the operator waits");
        assert!(mount.host.clock.slept().is_empty());
    }
}

#[test]
fn the_check_waits_five_seconds_at_the_most() {
    let mount = Mount::new();
    mount.host.http.script(|request| {
        assert_eq!(request.timeout, crate::limits::VERIFY_TIMEOUT);
        assert_eq!(request.timeout.as_secs(), 5);
        Err(HttpError::TimedOut)
    });
    mount.write(&path_a(), json!({ "astra_token": TOKEN_A })).warnings();
}

#[test]
fn verify_false_asks_nobody() {
    let mount = Mount::new();
    mount.script_status(401);
    mount.write(&path_a(), json!({ "astra_token": TOKEN_A, "verify": false })).done();
    assert!(mount.asked().is_empty());
    mount.write(&path_a(), json!({ "logical_name": "x" })).done();
    assert!(mount.asked().is_empty(), "no new token: nothing to check");
}

#[test]
fn an_origin_that_the_registration_does_not_allow_is_never_stored() {
    // Section 6, point 20; and a refusal must not pass for an Astra that is down.
    let mount = Mount::new();
    mount.host.http.script_origins(|origin| {
        if origin == "https://api.astra.datastax.com" {
            return Ok(());
        }
        Err(format!("`{origin}` is not allowed: add `--allow-egress={origin}` to the plugin's registration"))
    });
    for verify in [true, false] {
        for url in ["http://api.astra.datastax.com", "https://evil.example", "http://169.254.169.254/latest"] {
            let mistake =
                mount.write(&path_a(), json!({ "astra_token": TOKEN_A, "url": url, "verify": verify })).mistake();
            assert!(mistake.contains("--allow-egress=") && mistake.contains(url), "{mistake}");
        }
    }
    assert!(mount.host.storage.keys().is_empty() && mount.asked().is_empty());
    mount.write(&path_a(), json!({ "astra_token": TOKEN_A })).done();
    mount.write(&path_a(), json!({ "url": "https://evil.example" })).mistake();
    assert_eq!(mount.read(&path_a(), json!({})).data()["url"], "https://api.astra.datastax.com");
    mount.host.http.script(|_| Err(HttpError::Denied("denied: add `--allow-egress=`".to_owned())));
    let mistake = mount.write(&path_a(), json!({ "astra_token": TOKEN_A })).mistake();
    assert!(mistake.contains("--allow-egress="), "{mistake}");
}

#[test]
fn an_organization_that_an_old_mount_knows_by_another_name_gets_a_new_token() {
    let mount = Mount::new();
    let config = json!({ "astra_token": TOKEN_B, "url": "", "org_id": "acme", "logical_name": "", "caller_mode": 1 });
    mount.host.storage.seed("config/acme", config.to_string());
    let warnings = mount.write("config/acme", json!({ "astra_token": TOKEN_A })).warnings();
    assert!(warnings[0].contains(ORG_A), "{warnings:?}");
    mount.write("config/other", json!({ "astra_token": TOKEN_A })).mistake();
}

#[test]
fn a_config_changed_while_astra_was_asked_is_not_mixed_with_it() {
    let mount = Mount::with_org_a();
    let storage = std::sync::Arc::clone(&mount.host.storage);
    mount.host.http.script(move |_| {
        // Another node's write, in between: the checked token would go to an unchecked URL.
        let mut stored = storage.json(&path_a());
        stored["url"] = "https://other.example".into();
        storage.seed(&path_a(), stored.to_string());
        Ok(http_answer(200, &json!({ "id": ORG_A })))
    });
    let (code, text) = mount.write(&path_a(), json!({ "astra_token": TOKEN_A })).failed();
    assert_eq!(code, Some(409), "{text}");
    assert!(mount.host.locks.held().is_empty());
}
