//! Mints at the path of one role: `creds/:org/:role`.

use std::time::Duration;

use harness::{Stage, StageOptions, Verb};
use serde_json::{Value, json};

scenarios! { all:
    read_and_update_both_mint,
    a_ttl_is_asked_for_and_clamped,
    metadata_travels,
    the_description_is_filled_in_and_ends_in_the_mark,
    a_token_without_a_template_is_described_by_mount_and_role,
    a_description_that_grows_too_long_keeps_its_mark_whole,
    the_expiry_in_astra_is_after_the_lease_can_end,
    an_expiry_that_astra_refuses_is_left_out_with_a_warning with short_maximum(),
    an_expiry_can_be_switched_off,
    a_maximum_of_the_organization_caps_the_lease with half_an_hour_at_most(),
    mistakes_are_400_and_make_nothing,
    other_verbs_are_not_served,
    unknown_parameters_are_warned_about,
    captured_parameters_win_over_the_body,
    many_at_once_are_all_made_over_few_connections,
}

scenarios! { fake:
    nothing_secret_is_stored,
    nothing_secret_is_stored_in_sidecar_mode_either,
    a_read_only_node_makes_nothing,
    secrets_are_seal_wrapped,
}

fn short_maximum() -> StageOptions {
    StageOptions { max_ttl: Some(Duration::from_secs(3600)), ..StageOptions::default() }
}

fn half_an_hour_at_most() -> StageOptions {
    StageOptions { token_expiry_max: Some(Duration::from_secs(1800)), ..StageOptions::default() }
}

fn path(stage: &Stage) -> String {
    format!("creds/{}/reader", stage.alpha.id)
}

fn read_and_update_both_mint(stage: &Stage) {
    stage.ready();
    let read = stage.mint(&stage.alpha, "reader").expect(200);
    let written = stage.write(&path(stage), json!({})).expect(200);
    assert_ne!(read.text("clientId"), written.text("clientId"));
    for outcome in [&read, &written] {
        assert!(stage.works(outcome.text("token")));
        assert!(outcome.lease_id().contains(&path(stage)), "{outcome:#?}");
        assert_eq!(outcome.text("roleName"), "reader");
    }
    stage.assert_consistent(&stage.alpha, 2);
}

fn a_ttl_is_asked_for_and_clamped(stage: &Stage) {
    stage.configure(&stage.alpha);
    stage.make_role(&stage.alpha, "reader", json!({ "ttl": "10m", "max_ttl": "1h" }));
    let duration = |body: Value| {
        let outcome = stage.write(&path(stage), body).expect(200);
        (outcome.lease.as_ref().map(|lease| lease.duration), outcome.warnings.len())
    };
    assert_eq!(duration(json!({})), (Some(600), 0));
    assert_eq!(duration(json!({ "ttl": "20m" })), (Some(1200), 0));
    assert_eq!(duration(json!({ "ttl": "2h" })), (Some(3600), 1));
    stage.write(&path(stage), json!({ "ttl": -1 })).expect_error(400, &["ttl"]);
    assert_eq!(stage.live(&stage.alpha).len(), 3);
}

fn metadata_travels(stage: &Stage) {
    stage.ready();
    let minted = stage.write(&path(stage), json!({ "metadata": { "team": "data" } })).expect(200);
    assert_eq!(minted.data["custom_metadata"], json!({ "team": "data" }));
    assert_eq!(minted.data.get("metadata"), None, "an agent would take the secret for a deleted one");
    let record = stage.read(&format!("tokens/{}/{}", stage.alpha.id, minted.text("clientId")), Value::Null);
    assert_eq!(record.expect(200).data["metadata"], json!({ "team": "data" }));
}

fn the_description_is_filled_in_and_ends_in_the_mark(stage: &Stage) {
    stage.configure(&stage.alpha);
    let template = "{{role}} of {{org}} for {{metadata.team}} by {{display_name}}";
    stage.make_role(&stage.alpha, "reader", json!({ "description": template }));
    let minted = stage.write(&path(stage), json!({ "metadata": { "team": "data" } })).expect(200);
    let description = stage.astra_token(minted.text("clientId")).description;
    assert!(description.starts_with(&format!("reader of {} for data by ", stage.alpha.id)), "{description}");
    assert_marked(&description);
}

fn a_token_without_a_template_is_described_by_mount_and_role(stage: &Stage) {
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let lease = minted.lease_id();
    let (mount, _) = lease.split_once("/creds/").unwrap();
    let description = stage.astra_token(minted.text("clientId")).description;
    assert!(description.starts_with(mount) && description.contains(" reader vault-mark:"), "{description}");
}

fn a_description_that_grows_too_long_keeps_its_mark_whole(stage: &Stage) {
    stage.configure(&stage.alpha);
    stage.make_role(&stage.alpha, "reader", json!({ "description": "{{metadata.long}}" }));
    let minted = stage.write(&path(stage), json!({ "metadata": { "long": "x".repeat(300) } })).expect(200);
    let description = stage.astra_token(minted.text("clientId")).description;
    assert!(description.len() <= 256, "{description}");
    assert_marked(&description);
}

fn assert_marked(description: &str) {
    let (_, mark) = description.rsplit_once("vault-mark:").unwrap();
    let (uuid, hex) = mark.split_once(':').unwrap();
    assert_eq!(uuid.len(), 36, "{description}");
    assert!(hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()), "{description}");
}

fn the_expiry_in_astra_is_after_the_lease_can_end(stage: &Stage) {
    stage.configure(&stage.alpha);
    stage.make_role(&stage.alpha, "reader", json!({ "ttl": "10m", "max_ttl": "1h" }));
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    stage.driver.fake().inspect(|fake| fake.clock.advance(Duration::from_secs(3600)));
    stage.astra.advance(Duration::from_secs(3600));
    assert!(stage.works(minted.text("token")), "it lives for as long as its lease can");
    // A day is far longer than any margin: also without a server, the token ends.
    stage.astra.advance(Duration::from_secs(24 * 3600));
    assert!(!stage.works(minted.text("token")));
}

fn an_expiry_that_astra_refuses_is_left_out_with_a_warning(stage: &Stage) {
    use astra_simulator::{Action, Effect, FaultBody, FaultRule};
    stage.ready();
    let refuse = Action::Status { status: 400, body: FaultBody::Errors, retry_after: None, effect: Effect::NotDone };
    stage.astra.fault(FaultRule::new(refuse).method("POST").first(1));
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    assert_eq!(minted.warnings.len(), 1, "{minted:#?}");
    let astra = stage.astra_token(minted.text("clientId"));
    assert_eq!(astra.expires, None);
    stage.assert_consistent(&stage.alpha, 1);
}

fn an_expiry_can_be_switched_off(stage: &Stage) {
    stage.configure(&stage.alpha);
    stage.make_role(&stage.alpha, "reader", json!({ "token_expiry": "off" }));
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    assert_eq!(stage.astra_token(minted.text("clientId")).expires, None);
    assert!(minted.warnings.is_empty(), "{minted:#?}");
    let role = format!("roles/{}/reader", stage.alpha.id);
    stage.write(&role, json!({ "token_expiry": "sometimes" })).expect_error(400, &["token_expiry"]);
}

/// The lease ends no later than the token, whether Astra refuses a longer expiry or shortens it.
fn a_maximum_of_the_organization_caps_the_lease(stage: &Stage) {
    use astra_simulator::ExpiryBeyondMaximum::{Clamped, Refused};
    stage.configure(&stage.alpha);
    stage.make_role(&stage.alpha, "reader", json!({ "ttl": "1h", "max_ttl": "2h" }));
    for beyond in [Refused, Clamped] {
        stage.astra.switch(|switches| switches.expiry_beyond_maximum = beyond);
        let minted = stage.mint(&stage.alpha, "reader").expect(200);
        let duration = minted.lease.as_ref().map_or(0, |lease| lease.duration);
        assert!((1500..=1800).contains(&duration), "{beyond:?}: {minted:#?}");
        assert!(!minted.warnings.is_empty(), "{beyond:?}: {minted:#?}");
        let renewed = stage.renew(&minted.lease_id(), Some(Duration::from_secs(7200))).expect(200);
        assert!(renewed.lease.is_some_and(|lease| lease.duration <= 1800), "{beyond:?}");
        stage.revoke(&minted.lease_id()).expect(204);
    }
    stage.assert_consistent(&stage.alpha, 0);
}

fn mistakes_are_400_and_make_nothing(stage: &Stage) {
    stage.ready();
    stage.read(&format!("creds/{}/nothing", stage.alpha.id), Value::Null).expect_error(400, &["nothing"]);
    stage.read("creds/nobody/reader", Value::Null).expect_error(400, &["nobody"]);
    stage.write(&path(stage), json!({ "metadata": 5 })).expect(400);
    assert!(stage.live(&stage.alpha).is_empty());
}

fn other_verbs_are_not_served(stage: &Stage) {
    stage.ready();
    stage.delete(&path(stage), Value::Null).expect(405);
    stage.ask(Verb::Patch, &path(stage), json!({})).expect(405);
    stage.read(&format!("creds/{}", stage.alpha.id), Value::Null).expect(404);
    assert!(stage.live(&stage.alpha).is_empty());
}

fn unknown_parameters_are_warned_about(stage: &Stage) {
    stage.ready();
    let minted = stage.write(&path(stage), json!({ "zzz": 1, "aaa": 2 })).expect(200);
    assert_eq!(minted.warnings, ["Endpoint ignored these unrecognized parameters: [aaa zzz]"]);
}

fn captured_parameters_win_over_the_body(stage: &Stage) {
    stage.ready();
    let minted = stage.write(&path(stage), json!({ "role": "other" })).expect(200);
    let expected =
        "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: [role]";
    assert_eq!(minted.warnings, [expected]);
}

fn many_at_once_are_all_made_over_few_connections(stage: &Stage) {
    const AT_ONCE: usize = 40;
    const CONNECTIONS_MAX: usize = 32;
    stage.ready();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| stage.mint(&stage.alpha, "reader").expect(200));
        }
    });
    stage.assert_consistent(&stage.alpha, AT_ONCE);
    // The native driver's own client has no such limit.
    if stage.driver.kind() != harness::DriverKind::Native {
        let connections = stage.astra.connections();
        assert!(connections.open_max <= CONNECTIONS_MAX, "{connections:?}");
    }
}

fn nothing_secret_is_stored(stage: &Stage) {
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    assert_stored_nowhere(stage, minted.text("token"), minted.text("secret"));
}

fn nothing_secret_is_stored_in_sidecar_mode_either(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "caller_mode": "sidecar" }));
    stage.make_role(&stage.alpha, "reader", json!({}));
    let body = json!({ "org_id": stage.alpha.id, "role_name": "reader" });
    let minted = stage.write("org/token", body).expect(200);
    assert_stored_nowhere(stage, minted.text("token"), minted.text("secret"));
}

fn assert_stored_nowhere(stage: &Stage, token: &str, secret: &str) {
    assert!(!token.is_empty() && !secret.is_empty());
    let hash = token.rsplit(':').next().unwrap();
    for (key, value) in stage.fake().storage.dump() {
        let text = value.to_string();
        assert!(!text.contains(hash) && !text.contains(secret), "`{key}` holds what was minted");
    }
}

fn a_read_only_node_makes_nothing(stage: &Stage) {
    stage.ready();
    stage.fake().storage.set_read_only();
    for outcome in [stage.mint(&stage.alpha, "reader"), stage.write(&path(stage), json!({}))] {
        assert_eq!(outcome.errors, [harness::fake::READ_ONLY_TEXT], "the server's own text, so that it is forwarded");
    }
    stage.fake().storage.heal();
    assert_eq!(stage.astra.tokens_marked(&stage.alpha.id, "vault-mark:"), []);
    stage.mint(&stage.alpha, "reader").expect(200);
    stage.assert_consistent(&stage.alpha, 1);
}

fn secrets_are_seal_wrapped(stage: &Stage) {
    stage.ready();
    stage
        .write("org/token", json!({ "org_id": stage.alpha.id, "role_name": "reader", "logical_name": "a" }))
        .expect(200);
    for prefix in ["config/", "token/"] {
        let storage = &stage.fake().storage;
        assert!(!storage.keys_below(prefix).is_empty());
        assert_eq!(storage.unwrapped_below(prefix), Vec::<String>::new());
    }
}
