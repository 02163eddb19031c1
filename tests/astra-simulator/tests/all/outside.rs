//! Changes behind the client's back: by a test, and by a rule just before a call.

use std::time::Duration;

use astra_simulator::{Action, ClockSettings, FaultRule, OutsideChange, Settings, Simulator};

use crate::client::{Api, CURRENT_ORG, TOKENS, reader, start};

#[tokio::test]
async fn a_rule_makes_the_change_just_before_the_call() {
    let astra = start();
    let organization = astra.organization(0).id.clone();
    let made = astra.add_token(&organization, &[&reader(&astra, 0)], "", None);
    let change = OutsideChange::RevokeToken { client_id: made.client_id.clone() };
    let rule = FaultRule::new(Action::Outside { change }).method("DELETE").first(1);
    astra.fault(rule);
    assert_eq!(Api::of(&astra, 0).revoke(&made.client_id).await.status, 404);
    assert_eq!(astra.counts(&organization).revoked, 1);
}

#[tokio::test]
async fn the_bootstrap_token_is_revoked_expired_or_downgraded() {
    let astra = start();
    let organization = astra.organization(0).id.clone();
    let own = astra.organization(0).bootstrap.client_id.clone();
    let api = Api::of(&astra, 0);
    let start_state = astra.snapshot();

    let read_only = vec![reader(&astra, 0)];
    let downgrade = OutsideChange::ChangeTokenRoles { client_id: own.clone(), roles: read_only };
    assert!(astra.change(&downgrade));
    assert_eq!(api.get(TOKENS).await.status, 403);
    assert_eq!(api.get(CURRENT_ORG).await.status, 200);

    astra.restore(&start_state);
    assert_eq!(api.get(TOKENS).await.status, 200);
    assert!(astra.change(&OutsideChange::ExpireToken { client_id: own.clone() }));
    assert_eq!(api.get(CURRENT_ORG).await.status, 401);
    assert_eq!(astra.counts(&organization).expired, 1);

    astra.reset();
    assert!(astra.change(&OutsideChange::RevokeToken { client_id: own.clone() }));
    assert!(!astra.change(&OutsideChange::RevokeToken { client_id: own }));
    assert_eq!(api.get(CURRENT_ORG).await.status, 401);
}

#[tokio::test]
async fn marked_tokens_go_at_once() {
    let astra = start();
    let organization = astra.organization(0).id.clone();
    let role = reader(&astra, 0);
    for mark in ["vault-mark:a:1", "vault-mark:a:2", "vault-mark:b:1"] {
        astra.add_token(&organization, &[&role], mark, None);
    }
    assert!(astra.change(&OutsideChange::RevokeMarked { mark: "vault-mark:a:".into() }));
    let counts = astra.counts(&organization);
    assert_eq!((counts.live, counts.revoked), (2, 2));
    assert!(!astra.change(&OutsideChange::RevokeMarked { mark: "vault-mark:c:".into() }));
}

#[tokio::test]
async fn a_frozen_clock_moves_only_when_it_is_told() {
    let settings = Settings { clock: ClockSettings::Frozen { unix_seconds: 1_000_000_000 }, ..Settings::default() };
    let astra = Simulator::start(settings).unwrap();
    assert_eq!(astra.now(), "2001-09-09T01:46:40.000Z");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}{CURRENT_ORG}", astra.url());
    let date = client.get(url).send().await.unwrap().headers()["date"].clone();
    assert_eq!(date, "Sun, 09 Sep 2001 01:46:40 GMT");
    assert!(astra.change(&OutsideChange::AdvanceClock { milliseconds: 1_500 }));
    astra.advance(Duration::from_millis(500));
    assert_eq!(astra.now(), "2001-09-09T01:46:42.000Z");
}
