//! Forms that clients rely on: pages of lists, warnings about parameters without effect, keys of lists that can be used
//! in requests, and a stable time to live.

use harness::{Stage, Verb};
use serde_json::{Value, json};

scenarios! { all:
    every_list_is_read_in_pages,
    a_parameter_that_does_nothing_is_warned_of,
    the_key_of_a_listed_role_is_taken_by_the_old_path,
    a_time_to_live_asked_for_stays_through_renewals,
    numbers_that_are_whole_are_taken_however_they_are_written,
    an_error_of_conversion_names_the_field_and_quotes_no_value,
    a_role_has_no_more_leased_tokens_than_it_may,
    a_static_role_takes_an_existing_token_over,
}

/// A mount with two organizations that have a role of one name, a second role and two static roles.
fn filled(stage: &Stage) {
    for org in [&stage.alpha, &stage.beta] {
        stage.configure(org);
        stage.make_role(org, "reader", json!({ "ttl": "1h" }));
    }
    stage.make_role(&stage.alpha, "writer", json!({}));
    let role_ids = json!([stage.astra_role(&stage.alpha, "R/W User")]);
    for name in ["app", "job"] {
        let body = json!({ "role_ids": role_ids, "rotation_period": "24h" });
        assert!(stage.write(&format!("static-roles/{}/{name}", stage.alpha.id), body).status < 300);
    }
    for org in [&stage.alpha, &stage.alpha, &stage.beta] {
        stage.mint(org, "reader").expect(200);
    }
}

fn every_list_is_read_in_pages(stage: &Stage) {
    filled(stage);
    let alpha = &stage.alpha.id;
    let of_alpha = ["roles", "static-roles", "tokens"].map(|folder| format!("{folder}/{alpha}"));
    let lists = ["config", "configs", "roles", "org/tokens"].map(str::to_owned);
    for path in lists.into_iter().chain(of_alpha) {
        let page = |query: Value| stage.ask(Verb::List, &path, query);
        let all = stage.list(&path).expect(200);
        let keys = all.keys();
        assert!(keys.len() >= 2 && keys.is_sorted(), "{path}: {keys:?}");
        let mut after = String::new();
        for key in &keys {
            let one = page(json!({ "after": after, "limit": 1 })).expect(200);
            assert_eq!(one.keys(), std::slice::from_ref(key), "{path} after `{after}`");
            assert_eq!(one.data["key_info"], json!({ key: all.data["key_info"][key] }), "{path}");
            after.clone_from(key);
        }
        page(json!({ "after": after, "limit": 1 })).expect(404);
        assert_eq!(page(json!({ "limit": 0 })).expect(200).keys(), keys, "{path}: 0 = all");
        page(json!({ "limit": "many" })).expect_error(400, &["limit"]);
    }
}

fn a_parameter_that_does_nothing_is_warned_of(stage: &Stage) {
    filled(stage);
    let alpha = &stage.alpha.id;
    for (path, mut body) in [
        ("config".to_owned(), json!({ "org_id": alpha })),
        (format!("config/{alpha}"), json!({})),
        ("role".to_owned(), json!({ "org_id": alpha, "role_name": "reader" })),
        (format!("roles/{alpha}/reader"), json!({})),
        (format!("static-roles/{alpha}/app"), json!({})),
    ] {
        assert_eq!(stage.write(&path, body.clone()).status, 204, "{path}");
        body["tll"] = json!("1h");
        let written = stage.write(&path, body).expect(200);
        assert!(written.warnings.iter().any(|warning| warning.contains("tll")), "{path}: {written:#?}");
    }
    // Only the list of the path reads these parameters.
    let page = stage.write("config", json!({ "org_id": alpha, "after": "a", "limit": 1 })).expect(200);
    assert!(page.warnings.iter().any(|warning| warning.contains("[after limit]")), "{page:#?}");
    let replaced = stage.write(&format!("roles/{alpha}/reader"), json!({ "role": "writer" })).expect(200);
    assert!(replaced.warnings.iter().any(|warning| warning.contains("[role]")), "{replaced:#?}");
    let deleted = stage.delete(&format!("roles/{alpha}/writer"), json!({ "tll": "1h" }));
    assert!(deleted.status == 204 || deleted.warnings.iter().any(|warning| warning.contains("tll")), "{deleted:#?}");
    assert_eq!(stage.list(&format!("roles/{alpha}")).keys(), ["reader"]);
}

fn the_key_of_a_listed_role_is_taken_by_the_old_path(stage: &Stage) {
    filled(stage);
    let key = stage.list("roles").expect(200).keys().into_iter().find(|key| key.starts_with(&stage.beta.id)).unwrap();
    let named = json!({ "org_id": stage.beta.id, "role_name": key });
    assert_eq!(stage.read("role", named.clone()).expect(200).text("role_name"), "reader");
    let mut update = named.clone();
    update["ttl"] = json!(120);
    assert!(stage.write("role", update).status < 300);
    assert_eq!(stage.read(&format!("roles/{}/reader", stage.beta.id), Value::Null).data["ttl"], 120);
    assert_eq!(stage.read(&format!("roles/{}/reader", stage.alpha.id), Value::Null).data["ttl"], 3600);
    assert!(stage.delete("role", named).status < 300);
    stage.read(&format!("roles/{}/reader", stage.beta.id), Value::Null).expect(404);
    stage.read(&format!("roles/{}/reader", stage.alpha.id), Value::Null).expect(200);
}

fn a_time_to_live_asked_for_stays_through_renewals(stage: &Stage) {
    filled(stage);
    let alpha = &stage.alpha.id;
    for (path, mut body) in [
        (format!("creds/{alpha}/reader"), json!({})),
        ("org/token".to_owned(), json!({ "org_id": alpha, "role_name": "reader" })),
    ] {
        body["ttl"] = json!("10m");
        let made = stage.write(&path, body).expect(200);
        let lease = made.lease.as_ref().unwrap();
        assert_eq!(lease.duration, 600, "{path}");
        let renewed = stage.renew(&made.lease_id(), None).expect(200);
        assert_eq!(renewed.lease.as_ref().map(|lease| lease.duration), Some(600), "{path}");
        assert_eq!(renewed.warnings, Vec::<String>::new(), "{path}");
    }
}

fn numbers_that_are_whole_are_taken_however_they_are_written(stage: &Stage) {
    stage.configure(&stage.alpha);
    let config = format!("config/{}", stage.alpha.id);
    for (name, written, number) in [
        ("max_retries", json!(3.0), 3),
        ("max_retries", json!("4"), 4),
        ("request_timeout", json!(12.0), 12),
        ("request_timeout", json!("1e1"), 10),
    ] {
        let answer = stage.write(&config, json!({ name: written }));
        assert!(answer.status < 300, "{name} = {written}: {answer:#?}");
        assert_eq!(stage.read(&config, Value::Null).data[name], number, "{name} = {written}");
    }
    for (name, written) in
        [("max_retries", json!(1.5)), ("request_timeout", json!(0.5)), ("request_timeout", json!("500ms"))]
    {
        stage.write(&config, json!({ name: written })).expect_error(400, &[name]);
    }
}

/// If a client puts a secret into the wrong field, or in the wrong form, the secret does not get into logs.
fn an_error_of_conversion_names_the_field_and_quotes_no_value(stage: &Stage) {
    stage.configure(&stage.alpha);
    let config = format!("config/{}", stage.alpha.id);
    for (name, value) in [
        ("max_retries", json!("secret-value")),
        ("record_reads", json!("secret-value")),
        ("astra_token", json!({ "token": "secret-value" })),
        ("url", json!(["secret-value"])),
    ] {
        let refused = stage.write(&config, json!({ name: value })).expect_error(400, &[name]);
        assert!(!refused.messages().contains("secret-value"), "{name}: {refused:#?}");
    }
}

fn a_role_has_no_more_leased_tokens_than_it_may(stage: &Stage) {
    stage.configure(&stage.alpha);
    stage.make_role(&stage.alpha, "reader", json!({ "max_tokens": 2 }));
    let first = stage.mint(&stage.alpha, "reader").expect(200);
    stage.mint(&stage.alpha, "reader").expect(200);
    stage.mint(&stage.alpha, "reader").expect_error(400, &["`reader`", "2 of 2 tokens alive"]);
    let body = json!({ "org_id": stage.alpha.id, "role_name": "reader" });
    stage.write("org/token", body).expect_error(400, &["2 of 2 tokens alive"]);
    stage.assert_consistent(&stage.alpha, 2);
    stage.revoke(&first.lease_id()).expect(204);
    stage.mint(&stage.alpha, "reader").expect(200);
    stage.assert_consistent(&stage.alpha, 2);
}

fn a_static_role_takes_an_existing_token_over(stage: &Stage) {
    stage.configure(&stage.alpha);
    let role_id = stage.astra_role(&stage.alpha, "R/W User");
    let portal = stage.astra.add_token(&stage.alpha.id, &[&role_id], "made in the portal", None);
    let path = format!("static-roles/{}/app", stage.alpha.id);
    let body = |role: &str| json!({ "role_ids": [role], "rotation_period": "24h", "token": portal.token });
    let other = stage.astra_role(&stage.alpha, "RO User");
    stage.write(&path, body(&other)).expect_error(400, &["role_ids", &role_id]);
    let written = stage.write(&path, body(&role_id));
    assert!(written.status < 300, "{written:#?}");
    let creds = format!("static-creds/{}/app", stage.alpha.id);
    let served = stage.read(&creds, Value::Null).expect(200);
    assert_eq!((served.text("clientId"), served.text("token")), (portal.client_id.as_str(), portal.token.as_str()));
    let again = format!("static-roles/{}/other", stage.alpha.id);
    stage.write(&again, body(&role_id)).expect_error(409, &[&portal.client_id]);
    stage.write(&format!("rotate-role/{}/app", stage.alpha.id), json!({})).expect(200);
    assert_ne!(stage.read(&creds, Value::Null).text("clientId"), portal.client_id);
    assert!(stage.works(&portal.token), "in its grace period");
    assert!(stage.delete(&path, Value::Null).status < 300);
    assert!(!stage.works(&portal.token), "the token belongs to the mount");
}
