//! Organizations: `config`, `configs`, `config/:org`.

use harness::{Stage, StageOptions};
use serde_json::{Value, json};

scenarios! { all:
    a_config_is_read_as_written_without_its_secret,
    both_paths_of_a_config_are_one_thing,
    a_config_needs_its_fields,
    the_default_url_is_astras_own,
    an_update_changes_only_the_fields_given,
    a_redacted_token_is_never_stored,
    a_logical_name_stands_for_the_organization,
    a_logical_name_is_unique,
    the_path_of_a_config_has_one_spelling,
    bad_names_are_refused_and_nothing_is_stored,
    values_out_of_range_are_refused,
    a_definite_no_of_astra_is_a_400,
    no_answer_of_astra_is_a_warning,
    verification_can_be_skipped,
    lists_show_organizations_and_nothing_secret,
    an_empty_list_is_a_plain_404,
    deleting_is_refused_while_tokens_live,
    a_forced_delete_still_revokes,
    the_origin_stays_while_tokens_live,
    deleting_what_is_not_there_succeeds,
    only_known_verbs_are_served,
    an_origin_outside_the_registration_is_refused with no_egress(),
}

fn no_egress() -> StageOptions {
    StageOptions { egress_allowed: false, ..StageOptions::default() }
}

fn path(stage: &Stage) -> String {
    format!("config/{}", stage.alpha.id)
}

fn fields(stage: &Stage) -> Value {
    json!({ "org_id": stage.alpha.id, "astra_token": stage.alpha.token, "url": stage.astra.url() })
}

fn with(mut fields: Value, name: &str, value: impl Into<Value>) -> Value {
    fields[name] = value.into();
    fields
}

fn redacted(token: &str) -> String {
    format!("{}:redacted", token.rsplit_once(':').unwrap().0)
}

fn a_config_is_read_as_written_without_its_secret(stage: &Stage) {
    let body = with(fields(stage), "logical_name", "Main");
    let written = stage.write("config", with(body, "url", format!("{}/", stage.astra.url())));
    assert!(written.status < 300 && written.warnings.is_empty(), "{written:#?}");
    let read = stage.read("config", json!({ "org_id": stage.alpha.id })).expect(200);
    assert_eq!(read.text("org_id"), stage.alpha.id);
    assert_eq!(read.text("astra_token"), redacted(&stage.alpha.token));
    assert_eq!(read.text("url"), stage.astra.url(), "a trailing slash is dropped");
    assert_eq!(read.text("logical_name"), "Main", "a config's logical name keeps its case");
    assert_eq!(read.text("caller_mode"), "standard");
    assert!(read.lease.is_none());
}

fn both_paths_of_a_config_are_one_thing(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "caller_mode": "sidecar" }));
    let old = stage.read("config", json!({ "org_id": stage.alpha.id })).expect(200);
    let new = stage.read(&path(stage), Value::Null).expect(200);
    assert_eq!(new.text("caller_mode"), "sidecar");
    assert_eq!((old.text("request_timeout"), &new.data["request_timeout"]), ("10s", &json!(10)));
    let client_id = new.text("astra_token_client_id");
    assert_eq!(old.text("astra_token"), format!("AstraCS:{client_id}:redacted"));
    assert_eq!(new.data.get("astra_token"), None, "a secret field that comes back is a difference in Terraform");
    for name in ["org_id", "url", "logical_name", "allowed_role_ids", "description", "max_retries", "record_reads"] {
        assert_eq!(old.data[name], new.data[name], "{name}");
    }
    let deleted = stage.delete("config", json!({ "org_id": stage.alpha.id }));
    assert!(deleted.status < 300, "{deleted:#?}");
    stage.read(&path(stage), Value::Null).expect(404);
}

fn a_config_needs_its_fields(stage: &Stage) {
    stage.write("config", json!({ "astra_token": stage.alpha.token })).expect_error(400, &["org_id"]);
    stage.write("config", json!({ "org_id": stage.alpha.id })).expect_error(400, &["astra_token"]);
    stage.write(&path(stage), json!({ "url": stage.astra.url() })).expect_error(400, &["astra_token"]);
    stage.read("config", Value::Null).expect_error(400, &["org_id"]);
    stage.list("configs").expect(404);
}

fn the_default_url_is_astras_own(stage: &Stage) {
    for url in [json!({ "url": "" }), json!({})] {
        let mut body = json!({ "org_id": stage.alpha.id, "astra_token": stage.alpha.token, "verify": false });
        body.as_object_mut().unwrap().extend(url.as_object().unwrap().clone());
        assert!(stage.write("config", body).status < 300);
        assert_eq!(stage.read(&path(stage), Value::Null).text("url"), "https://api.astra.datastax.com");
        assert!(stage.delete(&path(stage), Value::Null).status < 300);
    }
}

fn an_update_changes_only_the_fields_given(stage: &Stage) {
    let written = stage.write("config", with(fields(stage), "logical_name", "main"));
    assert!(written.status < 300, "{written:#?}");
    let updated = stage.write("config", json!({ "org_id": stage.alpha.id, "caller_mode": "sidecar" }));
    assert!(updated.status < 300, "{updated:#?}");
    let read = stage.read(&path(stage), Value::Null).expect(200);
    assert_eq!(read.text("caller_mode"), "sidecar");
    assert_eq!(read.text("logical_name"), "main");
    assert_eq!(read.text("url"), stage.astra.url());
    assert_eq!(format!("AstraCS:{}:redacted", read.text("astra_token_client_id")), redacted(&stage.alpha.token));
}

fn a_redacted_token_is_never_stored(stage: &Stage) {
    let shown = redacted(&stage.alpha.token);
    stage.write("config", with(fields(stage), "astra_token", shown.clone())).expect_error(400, &["astra_token"]);
    stage.list("configs").expect(404);
    stage.configure(&stage.alpha);
    stage.write(&path(stage), json!({ "astra_token": shown })).expect_error(400, &["astra_token"]);
    stage.make_role(&stage.alpha, "reader", json!({}));
    stage.mint(&stage.alpha, "reader").expect(200);
}

fn a_logical_name_stands_for_the_organization(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "logical_name": "Main" }));
    let read = stage.read("config", json!({ "logical_name": "Main" })).expect(200);
    assert_eq!(read.text("org_id"), stage.alpha.id);
    // In a body or query, the name may replace the ID.
    let role =
        json!({ "org_id": "Main", "role_name": "reader", "role_id": stage.astra_role(&stage.alpha, "R/W User") });
    let written = stage.write("role", role);
    assert!(written.status < 300, "{written:#?}");
    stage.read(&format!("roles/{}/reader", stage.alpha.id), Value::Null).expect(200);
    let made = json!({ "org_id": "Main", "role_name": "reader", "logical_name": "a" });
    let made = stage.write("org/token", made).expect(200);
    stage.revoke(&made.lease_id()).expect(204);
    assert!(stage.delete("config", json!({ "org_id": "Main" })).status < 300);
    stage.read(&path(stage), Value::Null).expect(404);
    stage.configure_with(&stage.alpha, json!({ "logical_name": "Main" }));
    assert!(stage.delete("config", json!({ "logical_name": "Main" })).status < 300);
    stage.read(&path(stage), Value::Null).expect(404);
}

fn a_logical_name_is_unique(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "logical_name": "main" }));
    let body = json!({ "astra_token": stage.beta.token, "url": stage.astra.url(), "logical_name": "main" });
    stage.write(&format!("config/{}", stage.beta.id), body).expect_error(409, &["main", &stage.alpha.id]);
    assert_eq!(stage.list("configs").keys(), std::slice::from_ref(&stage.alpha.id));
    // The name is free again after its owner gives it up.
    let renamed = stage.write(&path(stage), json!({ "logical_name": "other" }));
    assert!(renamed.status < 300, "{renamed:#?}");
    stage.configure_with(&stage.beta, json!({ "logical_name": "main" }));
    assert_eq!(stage.read("config", json!({ "logical_name": "main" })).text("org_id"), stage.beta.id);
}

fn the_path_of_a_config_has_one_spelling(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "logical_name": "main" }));
    for path in ["config/main", "roles/main/reader", "creds/main/reader", "tokens/main/x"] {
        stage.read(path, Value::Null).expect_error(400, &["main", &stage.alpha.id]);
    }
    stage.write("config/main", json!({ "caller_mode": "sidecar" })).expect_error(400, &[&stage.alpha.id]);
}

fn bad_names_are_refused_and_nothing_is_stored(stage: &Stage) {
    for name in ["a/b", "a:b", "", "-a", "a-", "a b", &"x".repeat(129)] {
        stage.write("config", with(fields(stage), "org_id", name)).expect_error(400, &["org_id"]);
    }
    for name in ["a/b", "a:b", "-a", &"x".repeat(129)] {
        stage.write("config", with(fields(stage), "logical_name", name)).expect_error(400, &["logical_name"]);
    }
    stage.list("configs").expect(404);
}

fn values_out_of_range_are_refused(stage: &Stage) {
    let rows = [
        ("caller_mode", json!("both"), "caller_mode"),
        ("url", json!("not a url"), "url"),
        ("url", json!("ftp://127.0.0.1"), "url"),
        ("url", json!(format!("{}/?a=b", stage.astra.url())), "url"),
        ("request_timeout", json!("-1s"), "request_timeout"),
        ("request_timeout", json!("2h"), "request_timeout"),
        ("max_retries", json!(-1), "max_retries"),
        ("max_retries", json!(1000), "max_retries"),
        ("description", json!("x".repeat(257)), "description"),
        ("description", json!("{{unknown}}"), "description"),
        ("verify", json!("perhaps"), "verify"),
    ];
    for (name, value, named) in rows {
        stage.write(&path(stage), with(fields(stage), name, value)).expect_error(400, &[named]);
    }
    stage.list("configs").expect(404);
}

fn a_definite_no_of_astra_is_a_400(stage: &Stage) {
    let unknown = format!("AstraCS:{}:{}", "a".repeat(24), "0".repeat(64));
    stage.write("config", with(fields(stage), "astra_token", unknown)).expect_error(400, &["astra_token"]);
    // The token of another organization.
    stage.write("config", with(fields(stage), "astra_token", stage.beta.token.clone())).expect_error(400, &[]);
    stage.list("configs").expect(404);
    for status in [401, 403] {
        stage.astra.switch(|switches| switches.dead_token_status = status);
        let dead = format!("AstraCS:{}:{}", "b".repeat(24), "1".repeat(64));
        stage.write("config", with(fields(stage), "astra_token", dead)).expect_error(400, &[]);
    }
    stage.list("configs").expect(404);
}

fn no_answer_of_astra_is_a_warning(stage: &Stage) {
    use astra_simulator::{Action, Effect, FaultBody, FaultRule, ResetAt};
    let status = |status| Action::Status { status, body: FaultBody::Html, retry_after: None, effect: Effect::NotDone };
    let reset = Action::Reset { at: ResetAt::BeforeAnswer, effect: Effect::NotDone };
    for action in [status(500), status(503), status(404), reset] {
        stage.astra.clear_faults();
        stage.astra.fault(FaultRule::new(action.clone()));
        let written = stage.write("config", fields(stage)).expect(200);
        assert_eq!(written.warnings.len(), 1, "{action:?} {written:#?}");
        let deleted = stage.delete(&path(stage), Value::Null);
        assert!(deleted.status < 300, "{deleted:#?}");
    }
    stage.astra.clear_faults();
    stage.astra.listener_off();
    stage.astra.drop_connections();
    let written = stage.write("config", fields(stage)).expect(200);
    assert_eq!(written.warnings.len(), 1, "{written:#?}");
    stage.astra.listener_on();
    stage.make_role(&stage.alpha, "reader", json!({}));
    stage.mint(&stage.alpha, "reader").expect(200);
}

fn verification_can_be_skipped(stage: &Stage) {
    let written = stage.write("config", with(fields(stage), "verify", false));
    assert!(written.status < 300 && written.warnings.is_empty(), "{written:#?}");
    assert_eq!(stage.astra.request_count(), 0);
}

fn lists_show_organizations_and_nothing_secret(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "logical_name": "main" }));
    stage.configure(&stage.beta);
    let mut expected = [stage.alpha.id.clone(), stage.beta.id.clone()];
    expected.sort();
    for path in ["configs", "config"] {
        let listed = stage.list(path).expect(200);
        assert_eq!(listed.keys(), expected);
        let info = &listed.data["key_info"];
        assert_eq!(info[&stage.alpha.id]["logical_name"], "main", "{info}");
        assert!(info.get(&stage.beta.id).is_some(), "{info}");
    }
}

fn an_empty_list_is_a_plain_404(stage: &Stage) {
    for path in ["configs", "config", "roles", "org/tokens"] {
        let listed = stage.list(path).expect(404);
        assert!(listed.errors.is_empty() && listed.warnings.is_empty(), "{path}: {listed:#?}");
    }
    stage.configure(&stage.alpha);
    for path in ["roles", "tokens"] {
        let listed = stage.list(&format!("{path}/{}", stage.alpha.id)).expect(404);
        assert!(listed.errors.is_empty() && listed.warnings.is_empty(), "{path}: {listed:#?}");
    }
}

fn deleting_is_refused_while_tokens_live(stage: &Stage) {
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    stage.delete(&path(stage), Value::Null).expect_error(400, &["force"]);
    stage.delete("config", json!({ "org_id": stage.alpha.id })).expect_error(400, &["force"]);
    stage.revoke(&minted.lease_id()).expect(204);
    assert!(stage.delete(&path(stage), Value::Null).status < 300);
    stage.read(&path(stage), Value::Null).expect(404);
}

fn a_forced_delete_still_revokes(stage: &Stage) {
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let deleted = stage.delete(&path(stage), json!({ "force": true }));
    assert!(deleted.status < 300, "{deleted:#?}");
    stage.read(&path(stage), Value::Null).expect(404);
    stage.list("configs").expect(404);
    assert!(stage.works(minted.text("token")));
    stage.revoke(&minted.lease_id()).expect(204);
    assert!(!stage.works(minted.text("token")));
    stage.assert_consistent(&stage.alpha, 0);
    if let Some(fake) = stage.driver.fake() {
        let token_hash = stage.alpha.token.rsplit(':').next().unwrap();
        let is_kept = || fake.storage.dump().into_iter().any(|(_, value)| value.to_string().contains(token_hash));
        assert!(
            stage.driver.settle(&|| !is_kept()),
            "the first rollback after the last record forgets the admin token"
        );
    }
}

fn the_origin_stays_while_tokens_live(stage: &Stage) {
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let elsewhere =
        json!({ "astra_token": stage.alpha.token, "url": "https://api.astra.datastax.com", "verify": false });
    stage.write(&path(stage), elsewhere.clone()).expect_error(400, &["force"]);
    assert_eq!(stage.read(&path(stage), Value::Null).text("url"), stage.astra.url());
    let mut forced = elsewhere;
    forced["force"] = json!(true);
    assert!(stage.write(&path(stage), forced).status < 300);
    // The revocation goes to the origin at which the token was made.
    stage.revoke(&minted.lease_id()).expect(204);
    assert!(stage.live(&stage.alpha).is_empty());
}

fn deleting_what_is_not_there_succeeds(stage: &Stage) {
    assert!(stage.delete(&path(stage), Value::Null).status < 300);
    assert!(stage.delete("config", json!({ "org_id": stage.alpha.id })).status < 300);
}

fn only_known_verbs_are_served(stage: &Stage) {
    stage.read("configs", Value::Null).expect(405);
    stage.delete("configs", Value::Null).expect(405);
    stage.delete("info", Value::Null).expect(405);
    stage.read("nothing/here", Value::Null).expect(404);
    stage.write("nothing/here", json!({})).expect(404);
    stage.list("nothing").expect(404);
}

fn an_origin_outside_the_registration_is_refused(stage: &Stage) {
    stage.write("config", fields(stage)).expect_error(400, &["--allow-egress", stage.astra.url()]);
    stage.list("configs").expect(404);
    for url in ["http://example.com", "https://api.astra.datastax.com.evil.example"] {
        stage.write("config", with(fields(stage), "url", url)).expect_error(400, &["--allow-egress"]);
    }
    assert_eq!(stage.astra.request_count(), 0);
}
