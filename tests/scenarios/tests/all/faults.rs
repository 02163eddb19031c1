//! An Astra that errs, hangs, lies or cuts off, at the making and at the
//! ending of a token. Whatever it does, in the end each live token has its
//! record and its lease, and nothing is left to undo.

use std::time::Duration;

use astra_simulator::{
    Action, CreateFields, Damage, DescriptionLimit, Effect, ExpiryBeyondMaximum, FaultBody, FaultRule, Lag,
    OutsideChange, ResetAt, RetryAfter, UnknownRole,
};
use harness::{DriverKind, Note, Outcome, Stage, StageOptions, play};
use serde_json::{Value, json};

scenarios! { all:
    a_rate_limit_that_passes_is_waited_for,
    a_rate_limit_that_stays_is_a_503,
    a_server_error_that_passes_is_repeated,
    a_server_error_that_stays_is_a_502,
    a_refused_admin_token_is_a_502,
    no_answer_in_time_is_a_504,
    redirects_are_not_followed,
    a_post_is_repeated_only_when_the_list_is_clean,
    a_token_without_secrets_is_never_stored,
    deep_json_and_huge_bodies_are_refused,
}

scenarios! { fake:
    a_lost_answer_is_found_later_when_the_list_lags,
    a_list_that_lags_behind_a_delete_ends_well,
    chance_faults_settle,
}

const SECRETS: &str = "/v2/clientIdSecrets";

fn status(status: u16, effect: Effect) -> Action {
    Action::Status { status, body: FaultBody::Errors, retry_after: None, effect }
}

fn rate_limit(retry_after: Option<RetryAfter>) -> Action {
    Action::Status { status: 429, body: FaultBody::Empty, retry_after, effect: Effect::NotDone }
}

/// Alpha with short patience, so that faults that last cost little time.
fn impatient(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "request_timeout": "1s", "max_retries": 1 }));
    stage.make_role(&stage.alpha, "reader", json!({}));
}

fn mint(stage: &Stage) -> Outcome {
    stage.mint(&stage.alpha, "reader")
}

/// Every fault that a call to make a token can meet.
fn mint_faults() -> Vec<(&'static str, Action)> {
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

/// After a fault: what was answered 200 lives with record and lease, all else is gone.
#[track_caller]
fn settles(stage: &Stage, what: &str, outcome: &Outcome) {
    let made = usize::from(outcome.status == 200);
    assert!([200, 400, 502, 503, 504].contains(&outcome.status), "{what}: {outcome:#?}");
    assert!(made == 0 || !outcome.text("token").is_empty(), "{what}: {outcome:#?}");
    assert!(made == 1 || outcome.lease.is_none(), "{what}: {outcome:#?}");
    stage.astra.clear_faults();
    stage.age_wal();
    stage.settle_at(&stage.alpha, made);
    // And the mount goes on working.
    let next = mint(stage).expect(200);
    stage.revoke(&next.lease_id()).expect(204);
}

/// Not finding a mark settles nothing by itself: the entry stays until a list some time later is clean.
#[track_caller]
fn settled(stage: &Stage, tokens: usize) {
    if stage.driver.fake().is_some() {
        stage.age_wal();
    }
    stage.settle_at(&stage.alpha, tokens);
}

/// Each fault once, and each for good, at the call that makes a token.
fn walk_mint(kind: DriverKind) {
    for (name, action) in mint_faults() {
        for lasting in [false, true] {
            let what = format!("{name}, lasting {lasting}: {action:?}");
            let _note = Note::new(&what);
            play(kind, StageOptions::default(), |stage| {
                impatient(stage);
                let rule = FaultRule::new(action.clone()).method("POST").path(SECRETS);
                stage.astra.fault(if lasting { rule } else { rule.first(1) });
                let outcome = mint(stage);
                settles(stage, &what, &outcome);
            });
        }
    }
}

/// Each fault at every call while a token is ended: the delete and the lists that settle doubt.
fn walk_revoke(kind: DriverKind) {
    for (name, action) in mint_faults() {
        for method in ["DELETE", "*"] {
            let what = format!("{name} at {method}: {action:?}");
            let _note = Note::new(&what);
            play(kind, StageOptions::default(), |stage| {
                impatient(stage);
                let minted = mint(stage).expect(200);
                let rule = FaultRule::new(action.clone());
                stage.astra.fault(if method == "*" { rule } else { rule.method(method) });
                let outcome = stage.revoke(&minted.lease_id());
                stage.astra.clear_faults();
                match outcome.status {
                    204 => assert!(!stage.works(minted.text("token")), "{what}: the lease is gone, the token lives"),
                    400 => drop(stage.revoke(&minted.lease_id()).expect(204)),
                    _ => panic!("{what}: {outcome:#?}"),
                }
                stage.age_wal();
                stage.settle_at(&stage.alpha, 0);
            });
        }
    }
}

mod walk {
    use super::*;

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

    /// Mounts beside each other, so that all wait for the same turn of the server's rollback.
    #[test]
    fn openbao_sample() {
        let done = Effect::Done;
        let rows = [
            status(502, done),
            Action::Reset { at: ResetAt::BeforeAnswer, effect: done },
            Action::Hang { effect: done },
            Action::Damage { damage: Damage::Body("null".to_owned()) },
            Action::Damage { damage: Damage::Missing(vec!["token".to_owned()]) },
            status(500, Effect::NotDone),
        ];
        std::thread::scope(|scope| {
            for action in rows {
                scope.spawn(move || play(DriverKind::OpenBao, short_age(), |stage| sample(stage, &action)));
            }
        });
    }

    fn short_age() -> StageOptions {
        StageOptions { wal_min_age: Duration::from_secs(1), ..StageOptions::default() }
    }

    /// The answer to the making is lost, and so is every list: only a later rollback can settle it.
    fn sample(stage: &Stage, action: &Action) {
        impatient(stage);
        stage.astra.fault(FaultRule::new(action.clone()).method("POST").path(SECRETS).first(1));
        stage.astra.fault(FaultRule::new(status(500, Effect::NotDone)).method("GET").path(SECRETS));
        stage.astra.fault(FaultRule::new(status(500, Effect::NotDone)).method("DELETE"));
        let outcome = mint(stage);
        assert!(outcome.status >= 500, "{action:?}: {outcome:#?}");
        stage.astra.clear_faults();
        stage.settle_at(&stage.alpha, 0);
    }
}

/// Every switch for an unknown answer of Astra: the main job works under each.
mod switches {
    use super::*;
    use astra_simulator::{AbsentFields, ErrorShape, ExpiryPast, PermissionMissing, RoleFields, RolePolicy, Switches};

    type Change = fn(&mut Switches);

    const ALL: &[(&str, Change)] = &[
        ("create 201", |all| all.create_status = 201),
        ("create 202", |all| all.create_status = 202),
        ("old create fields", |all| all.create_fields = CreateFields::Old),
        ("create fields of the spec", |all| all.create_fields = CreateFields::Spec),
        ("expiry beyond maximum refused", |all| all.expiry_beyond_maximum = ExpiryBeyondMaximum::Refused),
        ("expiry beyond maximum clamped", |all| all.expiry_beyond_maximum = ExpiryBeyondMaximum::Clamped),
        ("expiry past accepted", |all| all.expiry_past = ExpiryPast::AcceptedExpired),
        ("delete 200", |all| all.delete_status = 200),
        ("unknown delete 204", |all| all.delete_unknown_status = 204),
        ("unknown delete 400", |all| all.delete_unknown_status = 400),
        ("unknown delete 500", |all| all.delete_unknown_status = 500),
        ("fields left out", |all| all.absent_fields = AbsentFields::LeftOut),
        ("expired dropped", |all| all.expired_listed = false),
        ("list in order", |all| all.list_shuffled = false),
        ("dead token 403", |all| all.dead_token_status = 403),
        ("dead token 404", |all| all.dead_token_status = 404),
        ("permission missing 401", |all| all.permission_missing = PermissionMissing::UnauthorizedNull),
        ("upper-case fields", |all| all.role_fields = RoleFields::Upper),
        ("policy as text", |all| all.role_policy = RolePolicy::Text),
        ("roleless dropped", |all| all.roleless_listed = false),
        ("errors as html", |all| all.error_shapes = shapes(ErrorShape::Html)),
        ("errors as null", |all| all.error_shapes = shapes(ErrorShape::Null)),
        ("errors as text", |all| all.error_shapes = shapes(ErrorShape::Text)),
        ("errors empty", |all| all.error_shapes = shapes(ErrorShape::Empty)),
        ("errors as objects", |all| all.error_shapes = shapes(ErrorShape::Object)),
    ];

    fn shapes(shape: ErrorShape) -> std::collections::BTreeMap<astra_simulator::CallKind, ErrorShape> {
        use astra_simulator::CallKind::{CurrentOrg, RoleList, TokenCreate, TokenDelete, TokenList};
        [CurrentOrg, RoleList, TokenCreate, TokenDelete, TokenList].map(|call| (call, shape)).into()
    }

    fn main_job(kind: DriverKind) {
        for (name, change) in ALL {
            let mut options = StageOptions::default();
            change(&mut options.switches);
            let _note = Note::new(name);
            play(kind, options, |stage| {
                stage.ready();
                let kept = mint(stage).expect(200);
                let gone = mint(stage).expect(200);
                stage.renew(&kept.lease_id(), None).expect(200);
                let client_id = gone.text("clientId").to_owned();
                assert!(stage.astra.change(&OutsideChange::RevokeToken { client_id }));
                stage.revoke(&gone.lease_id()).expect(204);
                stage.revoke(&kept.lease_id()).expect(204);
                assert!(!stage.works(kept.text("token")), "{name}");
                // A role that Astra does not know makes nothing that stays.
                stage.make_role(&stage.alpha, "ghost", json!({ "role_id": "00000000-0000-4000-8000-000000000bad" }));
                let ghost = stage.mint(&stage.alpha, "ghost");
                assert!([400, 502].contains(&ghost.status), "{name}: {ghost:#?}");
                stage.assert_consistent(&stage.alpha, 0);
            });
        }
    }

    #[test]
    fn native() {
        main_job(DriverKind::Native);
    }
    #[cfg(feature = "component")]
    #[test]
    fn component() {
        main_job(DriverKind::Component);
    }
}

fn a_rate_limit_that_passes_is_waited_for(stage: &Stage) {
    stage.ready();
    let limit = rate_limit(Some(RetryAfter::Seconds(1)));
    stage.astra.fault(FaultRule::new(limit).method("POST").path(SECRETS).first(1));
    mint(stage).expect(200);
    stage.assert_consistent(&stage.alpha, 1);
}

fn a_rate_limit_that_stays_is_a_503(stage: &Stage) {
    stage.ready();
    let limit = rate_limit(Some(RetryAfter::Seconds(86_400)));
    stage.astra.fault(FaultRule::new(limit).method("POST").path(SECRETS));
    mint(stage).expect_error(503, &[&stage.alpha.id]);
    stage.assert_consistent(&stage.alpha, 0);
}

fn a_server_error_that_passes_is_repeated(stage: &Stage) {
    stage.ready();
    stage.astra.fault(FaultRule::new(status(503, Effect::NotDone)).method("POST").path(SECRETS).first(1));
    mint(stage).expect(200);
    settled(stage, 1);
}

fn a_server_error_that_stays_is_a_502(stage: &Stage) {
    impatient(stage);
    stage.astra.fault(FaultRule::new(status(500, Effect::NotDone)).method("POST").path(SECRETS));
    mint(stage).expect_error(502, &[&stage.alpha.id, "500"]);
    stage.astra.clear_faults();
    settled(stage, 0);
}

fn a_refused_admin_token_is_a_502(stage: &Stage) {
    stage.ready();
    let minted = mint(stage).expect(200);
    let client_id = stage.alpha.token.split(':').nth(1).unwrap().to_owned();
    assert!(stage.astra.change(&OutsideChange::RevokeToken { client_id }));
    mint(stage).expect_error(502, &[&stage.alpha.id, "401"]);
    // It does not count as revoked either: nobody with rights looked at the token.
    stage.revoke(&minted.lease_id()).expect(400);
    stage.assert_consistent(&stage.alpha, 1);
    let administrator = stage.astra_role(&stage.alpha, "Organization Administrator");
    let next = stage.astra.add_token(&stage.alpha.id, &[&administrator], "next", None);
    let written = stage.write(&format!("config/{}", stage.alpha.id), json!({ "astra_token": next.token }));
    assert!(written.status < 300, "{written:#?}");
    stage.revoke(&minted.lease_id()).expect(204);
    stage.assert_consistent(&stage.alpha, 0);
}

fn no_answer_in_time_is_a_504(stage: &Stage) {
    impatient(stage);
    stage.astra.fault(FaultRule::new(Action::Hang { effect: Effect::NotDone }).method("POST").path(SECRETS));
    mint(stage).expect_error(504, &[&stage.alpha.id]);
    stage.astra.clear_faults();
    assert!(stage.live(&stage.alpha).is_empty());
}

fn redirects_are_not_followed(stage: &Stage) {
    let elsewhere = harness::start_astra(&StageOptions { seed: 99, ..StageOptions::default() });
    impatient(stage);
    for code in [301, 302, 303, 307, 308] {
        let location = format!("{}/v2/clientIdSecrets", elsewhere.url());
        stage.astra.fault(FaultRule::new(Action::Redirect { status: code, location }));
        mint(stage).expect_error(502, &[&stage.alpha.id]);
        stage.astra.clear_faults();
    }
    assert_eq!(elsewhere.request_count(), 0, "no request, and so no token, went elsewhere");
    settled(stage, 0);
}

/// A 502 after which the token is there, and then one after which it is not.
fn a_post_is_repeated_only_when_the_list_is_clean(stage: &Stage) {
    stage.ready();
    stage.astra.fault(FaultRule::new(status(502, Effect::Done)).method("POST").path(SECRETS).first(1));
    let outcome = mint(stage);
    let posts = stage.astra.requests().iter().filter(|request| request.method == "POST").count();
    assert!(posts <= 2, "{posts} calls");
    let marks: std::collections::BTreeSet<String> =
        stage.astra.tokens_marked(&stage.alpha.id, "vault-mark:").into_iter().map(|token| token.description).collect();
    assert_eq!(marks.len(), posts, "each attempt has a fresh mark");
    let made = usize::from(outcome.status == 200);
    assert_eq!(stage.live(&stage.alpha).len(), made, "{outcome:#?}");
    assert_eq!(stage.driver.leases().len(), made);
}

fn a_token_without_secrets_is_never_stored(stage: &Stage) {
    impatient(stage);
    for damage in [Damage::Body("null".to_owned()), Damage::Missing(vec!["token".to_owned(), "clientId".to_owned()])] {
        stage.astra.fault(FaultRule::new(Action::Damage { damage }).method("POST").path(SECRETS));
        mint(stage).expect_error(502, &[&stage.alpha.id]);
        stage.astra.clear_faults();
        assert!(stage.live(&stage.alpha).is_empty(), "settled at once, by the mark");
        assert!(stage.records(&stage.alpha).is_empty());
    }
}

fn deep_json_and_huge_bodies_are_refused(stage: &Stage) {
    stage.ready();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for damage in [Damage::Body(deep), Damage::VeryLarge(9 * 1024 * 1024)] {
        stage.astra.fault(FaultRule::new(Action::Damage { damage }).method("POST").path(SECRETS).first(1));
        mint(stage).expect_error(502, &[&stage.alpha.id]);
        stage.astra.clear_faults();
        assert!(stage.live(&stage.alpha).is_empty());
    }
    mint(stage).expect(200);
}

/// Astra made the token, the answer is lost, and its list does not show it yet.
fn a_lost_answer_is_found_later_when_the_list_lags(stage: &Stage) {
    const LAG: Duration = Duration::from_secs(120);
    stage.configure_with(&stage.alpha, json!({ "max_retries": 0 }));
    stage.make_role(&stage.alpha, "reader", json!({}));
    let lag_ms = u64::try_from(LAG.as_millis()).unwrap();
    stage.astra.set_lag(Lag { new_token_unlisted_ms: lag_ms, ..Lag::default() });
    let lost = Action::Reset { at: ResetAt::BeforeAnswer, effect: Effect::Done };
    stage.astra.fault(FaultRule::new(lost).method("POST").path(SECRETS));
    let outcome = mint(stage);
    assert!(outcome.status >= 500, "{outcome:#?}");
    stage.astra.clear_faults();
    assert_eq!((stage.live(&stage.alpha).len(), stage.wal().len()), (1, 1), "not finding settles nothing");
    stage.driver.settle(&|| true);
    assert_eq!((stage.live(&stage.alpha).len(), stage.wal().len()), (1, 1), "too young for rollback");
    stage.astra.advance(LAG * 2);
    stage.age_wal();
    stage.settle_at(&stage.alpha, 0);
}

fn a_list_that_lags_behind_a_delete_ends_well(stage: &Stage) {
    impatient(stage);
    stage.astra.set_lag(Lag { deleted_token_listed_lists: 3, ..Lag::default() });
    let minted = mint(stage).expect(200);
    // Deleted, but the answer is lost, and the list still shows it.
    stage.astra.fault(FaultRule::new(status(502, Effect::Done)).method("DELETE").first(1));
    let mut tries = 0;
    while stage.revoke(&minted.lease_id()).status != 204 {
        tries += 1;
        assert!(tries < 10, "the lease is never revoked");
    }
    stage.assert_consistent(&stage.alpha, 0);
}

/// Every third call goes wrong in one way or another, for a while.
fn chance_faults_settle(stage: &Stage) {
    const ROUNDS: usize = 30;
    impatient(stage);
    for action in [
        status(500, Effect::NotDone),
        status(502, Effect::Done),
        rate_limit(None),
        Action::Reset { at: ResetAt::BeforeAnswer, effect: Effect::Done },
        Action::Reset { at: ResetAt::DuringAnswer, effect: Effect::Done },
        Action::Damage { damage: Damage::CutJson },
    ] {
        stage.astra.fault(FaultRule::new(action).chance(0.08));
    }
    let leases: Vec<_> = (0..ROUNDS).filter_map(|_| mint(stage).lease).collect();
    let (ending, staying) = leases.split_at(ROUNDS / 3);
    let failed: Vec<_> = ending.iter().filter(|lease| stage.revoke(&lease.id).status != 204).collect();
    stage.astra.clear_faults();
    for lease in failed {
        stage.revoke(&lease.id).expect(204);
    }
    stage.age_wal();
    stage.settle_at(&stage.alpha, staying.len());
}

/// Used where a row must say that a switch is what makes the difference.
#[test]
fn every_form_of_an_unknown_role_makes_nothing_that_stays() {
    for unknown_role in [UnknownRole::NotFound, UnknownRole::BadRequest] {
        let mut options = StageOptions::default();
        options.switches.unknown_role = unknown_role;
        options.switches.description = DescriptionLimit::Refused { bytes_max: 300 };
        play(DriverKind::Native, options, |stage| {
            stage.configure(&stage.alpha);
            stage.make_role(&stage.alpha, "ghost", json!({ "role_id": "00000000-0000-4000-8000-000000000bad" }));
            let outcome = stage.mint(&stage.alpha, "ghost");
            assert!([400, 502].contains(&outcome.status), "{outcome:#?}");
            stage.assert_consistent(&stage.alpha, 0);
            assert_eq!(outcome.data, Value::Null);
        });
    }
}
