//! Every fault of Astra in turn, at the mint and at the revocation of a token, on the native and the component driver;
//! a sample of them under a server, whose own rollback must settle them.

use std::time::Duration;

use astra_simulator::{Action, Damage, Effect, FaultRule, ResetAt, RetryAfter};
use harness::{DriverKind, Outcome, Stage, StageOptions, play, play_rows};
use serde_json::json;

use crate::faults::{SECRETS, few_retries, impatient, mint, patient, rate_limit, status};
use crate::{rotation, static_role, static_rotation};

#[test]
fn native_mint() {
    walk_mint(DriverKind::Native);
}
#[test]
fn native_revoke() {
    walk_revoke(DriverKind::Native);
}
#[cfg(feature = "component")]
#[test]
fn component_mint() {
    walk_mint(DriverKind::Component);
}
#[cfg(feature = "component")]
#[test]
fn component_revoke() {
    walk_revoke(DriverKind::Component);
}

/// The mounts run at the same time, so that all wait for the same rollback calls of the server.
#[test]
fn openbao_sample() {
    let done = Effect::Done;
    let rows = [
        (status(502, done), 1),
        (Action::Reset { at: ResetAt::BeforeAnswer, effect: done }, 1),
        (Action::Hang { effect: done }, 1),
        (Action::Damage { damage: Damage::Body("null".to_owned()) }, 1),
        (Action::Damage { damage: Damage::Missing(vec!["token".to_owned()]) }, 1),
        (status(500, Effect::NotDone), 0),
    ];
    std::thread::scope(|scope| {
        for (action, made) in rows {
            scope.spawn(move || play(DriverKind::OpenBao, short_age(), |stage| sample(stage, &action, made)));
        }
        for scenario in [
            rotation::a_period_under_a_server,
            static_rotation::a_period_under_a_server,
            a_lost_rotation,
            a_lost_static_rotation,
            a_grace_that_ends,
        ] {
            scope.spawn(move || play(DriverKind::OpenBao, short_age(), scenario));
        }
    });
}

fn short_age() -> StageOptions {
    StageOptions { wal_min_age: Duration::from_secs(1), ..StageOptions::default() }
}

/// The answer to the mint and every list are lost: only a later rollback can settle the mint.
fn sample(stage: &Stage, action: &Action, made: usize) {
    few_retries(stage);
    if matches!(action, Action::Hang { .. }) {
        impatient(stage);
    }
    stage.astra.fault(FaultRule::new(action.clone()).method("POST").path(SECRETS).first(1));
    stage.astra.fault(FaultRule::new(status(500, Effect::NotDone)).method("GET").path(SECRETS));
    stage.astra.fault(FaultRule::new(status(500, Effect::NotDone)).method("DELETE"));
    let outcome = mint(stage);
    assert!(outcome.status >= 500, "{action:?}: {outcome:#?}");
    assert_eq!(stage.live(&stage.alpha).len(), made, "{action:?}: left to a later rollback");
    stage.astra.clear_faults();
    stage.settle_at(&stage.alpha, 0);
}

/// As a sample, with a rotation: the old token stays in use, and the new one is revoked.
fn a_lost_rotation(stage: &Stage) {
    few_retries(stage);
    let old = stage.admin_client_id(&stage.alpha);
    lose_the_making(stage);
    let outcome = rotation::rotate(stage);
    assert!(outcome.status >= 500, "{outcome:#?}");
    assert_eq!((stage.live(&stage.alpha).len(), stage.admin_client_id(&stage.alpha)), (1, old));
    stage.astra.clear_faults();
    stage.settle_at(&stage.alpha, 0);
    assert!(stage.works(&stage.alpha.token));
}

fn a_lost_static_rotation(stage: &Stage) {
    few_retries(stage);
    static_role::made(stage, json!({}));
    let current = static_role::current(stage);
    lose_the_making(stage);
    let outcome = static_role::rotate(stage, "app");
    assert!(outcome.status >= 500, "{outcome:#?}");
    assert_eq!(stage.live(&stage.alpha).len(), 2, "made, and its answer lost");
    stage.astra.clear_faults();
    stage.settle_held(&stage.alpha, 0, 1);
    assert_eq!(static_role::current(stage), current);
}

/// The answer to the mint is lost; the list comes later.
fn lose_the_making(stage: &Stage) {
    let lost = Action::Reset { at: ResetAt::BeforeAnswer, effect: Effect::Done };
    stage.astra.fault(FaultRule::new(lost).method("POST").path(SECRETS));
    // The first list shows the roles of the current token; the lists that settle come after it.
    let down = FaultRule::new(status(500, Effect::NotDone)).method("GET").path(SECRETS);
    stage.astra.fault(down.calls(&(2..100).collect::<Vec<_>>()));
    stage.astra.fault(FaultRule::new(status(500, Effect::NotDone)).method("DELETE"));
}

fn a_grace_that_ends(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "rotation_grace_period": 1 }));
    static_role::made(stage, json!({ "grace_period": 1 }));
    let replaced = static_role::creds(stage, "app").expect(200);
    assert!(rotation::rotate(stage).status < 300 && static_role::rotate(stage, "app").status < 300);
    stage.driver.settle(&|| !stage.works(&stage.alpha.token) && !stage.works(replaced.text("token")));
    stage.settle_held(&stage.alpha, 0, 2);
}

/// Each fault once, and each permanently, at the call that makes a token.
fn walk_mint(kind: DriverKind) {
    let once_and_lasting = |(name, action): (_, Action)| [false, true].map(|lasting| (name, action.clone(), lasting));
    let rows = mint_faults().into_iter().flat_map(once_and_lasting).collect();
    let named = |(name, action, lasting): &_| format!("{name}, lasting {lasting}: {action:?}");
    play_rows(rows, named, |row| {
        play(kind, StageOptions::default(), |stage| {
            few_retries(stage);
            impatient(stage);
            let rule = FaultRule::new(row.1.clone()).method("POST").path(SECRETS);
            stage.astra.fault(if row.2 { rule } else { rule.first(1) });
            let outcome = mint(stage);
            settles(stage, &named(&row), &outcome);
        });
    });
}

/// Each fault at every call while a token is revoked: the delete, and the lists that settle doubt.
fn walk_revoke(kind: DriverKind) {
    let at_each = |(name, action): (_, Action)| ["DELETE", "*"].map(|method| (name, action.clone(), method));
    let rows = mint_faults().into_iter().flat_map(at_each).collect();
    let named = |(name, action, method): &_| format!("{name} at {method}: {action:?}");
    play_rows(rows, named, |row| {
        let what = named(&row);
        play(kind, StageOptions::default(), |stage| {
            few_retries(stage);
            let minted = mint(stage).expect(200);
            impatient(stage);
            let rule = FaultRule::new(row.1.clone());
            stage.astra.fault(if row.2 == "*" { rule } else { rule.method(row.2) });
            let outcome = stage.revoke(&minted.lease_id());
            stage.astra.clear_faults();
            patient(stage);
            match outcome.status {
                204 => assert!(!stage.works(minted.text("token")), "{what}: the lease is gone, the token lives"),
                400 => drop(stage.revoke(&minted.lease_id()).expect(204)),
                _ => panic!("{what}: {outcome:#?}"),
            }
            stage.age_wal();
            stage.settle_at(&stage.alpha, 0);
        });
    });
}

/// After a fault: a token that was answered with 200 is alive with record and lease; any other is gone.
#[track_caller]
fn settles(stage: &Stage, what: &str, outcome: &Outcome) {
    let made = usize::from(outcome.status == 200);
    assert!([200, 400, 502, 503, 504].contains(&outcome.status), "{what}: {outcome:#?}");
    assert!(made == 0 || !outcome.text("token").is_empty(), "{what}: {outcome:#?}");
    assert!(made == 1 || outcome.lease.is_none(), "{what}: {outcome:#?}");
    stage.astra.clear_faults();
    patient(stage);
    stage.age_wal();
    stage.settle_at(&stage.alpha, made);
    // The mount continues to work.
    let next = mint(stage).expect(200);
    stage.revoke(&next.lease_id()).expect(204);
}

/// Every possible fault of a call that makes a token.
pub(crate) fn mint_faults() -> Vec<(&'static str, Action)> {
    let mut rows = call_faults();
    rows.extend(lies().into_iter().map(|damage| ("a lie", Action::Damage { damage })));
    rows
}

/// Every possible fault of any call.
pub(crate) fn call_faults() -> Vec<(&'static str, Action)> {
    let both = [Effect::NotDone, Effect::Done];
    let mut rows = vec![
        ("429", rate_limit(None)),
        ("429 for a second", rate_limit(Some(RetryAfter::Seconds(1)))),
        ("429 until a date", rate_limit(Some(RetryAfter::Date(1)))),
        ("429 for a day", rate_limit(Some(RetryAfter::Seconds(86_400)))),
        ("429 for ever", rate_limit(Some(RetryAfter::Raw("99999999999999999999".to_owned())))),
        ("429 and garbage", rate_limit(Some(RetryAfter::Raw("soon".to_owned())))),
        ("reset within the answer", Action::Reset { at: ResetAt::DuringAnswer, effect: Effect::Done }),
        ("a slow answer", Action::Delay { from_ms: 50, to_ms: 100 }),
        ("an answer too late", Action::Delay { from_ms: 1500, to_ms: 1500 }),
        ("drop by drop", Action::Drip { interval_ms: 1 }),
        ("closed when idle", Action::CloseIdle { after_ms: 0 }),
        ("redirect", Action::Redirect { status: 307, location: "http://127.0.0.1:9/".to_owned() }),
    ];
    for code in [400, 401, 403, 404, 500, 502, 503, 504] {
        rows.push(("an error status", status(code, Effect::NotDone)));
    }
    for effect in both {
        rows.push(("500", status(500, effect)));
        rows.push(("502", status(502, effect)));
        rows.push(("reset", Action::Reset { at: ResetAt::BeforeAnswer, effect }));
        rows.push(("half close", Action::HalfClose { effect }));
        rows.push(("hang", Action::Hang { effect }));
    }
    rows.extend(damages().into_iter().map(|damage| ("damage", Action::Damage { damage })));
    rows
}

fn damages() -> Vec<Damage> {
    let texts = ["[]", "null", "", "{}", "\"made\"", "<html></html>", "{\"clientId\":null}"];
    let mut damages = vec![
        Damage::CutJson,
        Damage::ContentLengthTooLong,
        Damage::ContentLengthTooShort,
        Damage::ContentType("text/html".to_owned()),
        Damage::NotText,
        Damage::ExtraFields,
        Damage::VeryLarge(32 * 1024 * 1024),
        Damage::NotHttp,
    ];
    damages.extend(texts.map(|text| Damage::Body(text.to_owned())));
    damages
}

/// Damages of single fields in the answer with the token.
fn lies() -> Vec<Damage> {
    let mut damages = Vec::new();
    for field in ["clientId", "token", "secret", "orgId", "roles", "generatedOn"] {
        damages.push(Damage::Missing(vec![field.to_owned()]));
        damages.push(Damage::EmptyStrings(vec![field.to_owned()]));
    }
    let lies = [
        ("token", json!("AstraCS:other:0000")),
        ("token", json!(5)),
        ("clientId", json!("../currentOrg")),
        ("clientId", json!("x".repeat(5000))),
        ("orgId", json!("00000000-0000-4000-8000-00000000dead")),
        ("generatedOn", json!("yesterday")),
    ];
    damages.extend(lies.map(|(name, value)| Damage::Fields([(name.to_owned(), value)].into())));
    damages
}
