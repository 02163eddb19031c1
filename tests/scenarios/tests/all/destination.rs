//! A stored token goes only to the URL that it was stored with: another Astra with the very same organizations and
//! tokens never gets a token that was not given together with its URL.

use astra_simulator::Simulator;
use harness::{DriverKind, Stage, StageOptions, play, start_astra};
use serde_json::{Value, json};

/// Runs each scenario on each driver with another Astra that the registration allows, too.
macro_rules! beside_another_astra {
    ($($name:ident),+ $(,)?) => {
        mod native {
            $(#[test] fn $name() { super::beside_another(harness::DriverKind::Native, super::$name) })+
        }
        #[cfg(feature = "component")]
        mod component {
            $(#[test] fn $name() { super::beside_another(harness::DriverKind::Component, super::$name) })+
        }
        #[cfg(feature = "component")]
        mod played_vault {
            $(#[test] fn $name() { super::beside_another(harness::DriverKind::PlayedVault, super::$name) })+
        }
        mod openbao {
            $(#[test] fn $name() { super::beside_another(harness::DriverKind::OpenBao, super::$name) })+
        }
    };
}

beside_another_astra! {
    a_stored_token_is_sent_to_no_other_url,
    a_token_given_with_the_url_is_sent_there,
    tokens_kept_for_revocation_stay_at_their_url,
    a_write_refused_by_a_local_check_sends_nothing,
}

fn beside_another(kind: DriverKind, scenario: fn(&Stage, &Simulator)) {
    let other = start_astra(&StageOptions::default());
    let options = StageOptions { more_origins: vec![other.url().to_owned()], ..StageOptions::default() };
    play(kind, options, |stage| scenario(stage, &other));
}

fn path(stage: &Stage) -> String {
    format!("config/{}", stage.alpha.id)
}

fn with(fields: &[Value]) -> Value {
    Value::Object(fields.iter().flat_map(|fields| fields.as_object().unwrap().clone()).collect())
}

fn a_stored_token_is_sent_to_no_other_url(stage: &Stage, other: &Simulator) {
    stage.ready();
    let urls = [
        other.url().to_owned(),
        format!("{}/gateway", other.url()),
        format!("{}/gateway", stage.astra.url()),
        String::new(),
    ];
    let flags =
        [json!({}), json!({ "force": true }), json!({ "verify": false }), json!({ "force": true, "verify": false })];
    for with_tokens in [false, true] {
        if with_tokens {
            stage.mint(&stage.alpha, "reader").expect(200);
        }
        let before = stage.astra.request_count();
        for url in &urls {
            for flags in &flags {
                let data = with(&[json!({ "url": url }), flags.clone()]);
                stage.write(&path(stage), data.clone()).expect_error(400, &["`astra_token`", stage.astra.url()]);
                let data = with(&[data, json!({ "org_id": stage.alpha.id })]);
                stage.write("config", data).expect_error(400, &["`astra_token`", stage.astra.url()]);
            }
        }
        assert_eq!(other.request_count(), 0, "tokens alive: {with_tokens}");
        assert_eq!(stage.astra.request_count(), before, "tokens alive: {with_tokens}");
        assert_eq!(stage.read(&path(stage), Value::Null).expect(200).text("url"), stage.astra.url());
    }
    // Another spelling of the same URL is the same URL.
    let same = format!("{}/", stage.astra.url().replacen("http", "HTTP", 1));
    assert!(stage.write(&path(stage), json!({ "url": same })).status < 300);
    stage.mint(&stage.alpha, "reader").expect(200);
}

fn a_token_given_with_the_url_is_sent_there(stage: &Stage, other: &Simulator) {
    stage.configure(&stage.alpha);
    let moved = json!({ "url": other.url(), "astra_token": stage.alpha.token });
    let moved = stage.write(&path(stage), moved);
    assert!(moved.status < 300 && moved.warnings.is_empty(), "{moved:#?}");
    assert_eq!(other.request_count(), 1, "the check of the token");
    stage.make_role(&stage.alpha, "reader", json!({}));
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    assert!(stage.live(&stage.alpha).is_empty() && other.request_count() > 1);
    stage.revoke(&minted.lease_id()).expect(204);
}

/// A client that may write and delete configs, but not read tokens, brings a token of another organization.
fn tokens_kept_for_revocation_stay_at_their_url(stage: &Stage, other: &Simulator) {
    stage.ready();
    let weak = json!({ "url": other.url(), "astra_token": stage.beta.token, "verify": false });
    let leases = [(); 2].map(|()| stage.mint(&stage.alpha, "reader").expect(200).lease_id());
    let rotated = stage.write(&format!("{}/rotate-root", path(stage)), json!({})).expect(200);
    stage.write(&path(stage), weak.clone()).expect_error(400, &["`force=true`"]);
    assert_eq!(other.request_count(), 0);
    assert!(stage.write(&path(stage), with(&[weak.clone(), json!({ "force": true })])).status < 300);
    stage.revoke(&leases[0]).expect(204);
    assert!(stage.delete(&path(stage), json!({ "force": true })).status < 300);
    assert!(stage.write(&path(stage), weak).status < 300);
    stage.read(&format!("{}/check", path(stage)), json!({ "deep": true })).expect(200);
    stage.write("tidy", json!({ "dry_run": false }));
    stage.revoke(&leases[1]).expect(204);
    let live = stage.live(&stage.alpha);
    assert!(
        live.iter().all(|id| [&rotated.data["client_id"], &rotated.data["previous_client_id"]].contains(&&json!(id))),
        "{live:?}"
    );
    // Both Astras know the same tokens, so the requests tell them apart: the other one got only the token that came
    // with its URL.
    let theirs = stage.beta.token.split(':').nth(1);
    let requests = other.requests();
    assert!(!requests.is_empty());
    for request in requests {
        assert_eq!(request.client_id.as_deref(), theirs, "{} {}", request.method, request.path);
    }
}

fn a_write_refused_by_a_local_check_sends_nothing(stage: &Stage, other: &Simulator) {
    stage.ready();
    stage.configure_with(&stage.beta, json!({ "logical_name": "taken" }));
    stage.mint(&stage.alpha, "reader").expect(200);
    let before = stage.astra.request_count();
    let moved = json!({ "url": other.url(), "astra_token": stage.alpha.token });
    let refused = |more: Value| stage.write(&path(stage), with(&[moved.clone(), more])).messages();
    for (more, said) in [
        (json!({}), "`force=true`"),
        (json!({ "force": true, "logical_name": "taken" }), "`logical_name`"),
        (json!({ "force": true, "logical_name": stage.beta.id }), "`logical_name`"),
        (json!({ "force": true, "rotation_period": 1 }), "`rotation_period`"),
        (json!({ "force": true, "rotation_schedule": "0 3 30 2 *" }), "never comes"),
        (json!({ "force": true, "allowed_role_ids": "a b" }), "`allowed_role_ids`"),
        (json!({ "force": true, "url": "https://example.com" }), "--allow-egress"),
    ] {
        let messages = refused(more);
        assert!(messages.contains(said), "{messages}");
    }
    assert_eq!((other.request_count(), stage.astra.request_count()), (0, before));
}
