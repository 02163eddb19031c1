//! `tidy`: the mount's records compared with Astra's list, by hand and by schedule. A dry run changes nothing, and
//! tokens without this mount's mark are never touched.

use std::collections::BTreeSet;
use std::time::Duration;

use astra_simulator::{Action, Effect, FaultRule, Lag, OutsideChange, ResetAt};
use harness::{Outcome, Stage, StageOptions};
use serde_json::{Value, json};

use crate::faults::{SECRETS, status};
use crate::rotation::minutes_pass;

scenarios! { all:
    a_mount_in_order_has_nothing_to_tidy with any_age(),
    orphans_are_reported_and_then_removed with any_age(),
    records_without_a_token_are_removed with any_age(),
    foreign_tokens_are_never_touched with any_age(),
    one_organization_is_tidied_alone with any_age(),
    a_tidy_goes_on_where_the_last_one_stopped with any_age(),
    a_failing_organization_does_not_hide_the_others with any_age(),
    an_admin_token_near_its_end_is_told_of with any_age(),
    the_last_result_is_read_again with any_age(),
    bad_fields_name_field_and_value,
    young_tokens_are_left_alone,
}

scenarios! { fake:
    static_and_admin_tokens_are_not_orphans with any_age(),
    a_mint_in_progress_is_left_alone with any_age(),
    a_list_that_lags_hides_no_record with any_age(),
    a_read_only_node_tidies_nothing with any_age(),
    two_tidies_at_a_time_are_one with any_age(),
}

scenarios! { clock:
    a_token_whose_lease_is_over_is_revoked,
    a_period_tidies_for_real,
}

/// The age from which on tidy touches a token. It is longer than a mint and a request to tidy take, so that a test
/// without a pause fails on every machine.
const AGE: Duration = Duration::from_millis(20);

/// Options of a mount whose tidy touches tokens of any age.
pub(crate) fn any_age() -> StageOptions {
    StageOptions { wal_min_age: AGE, ..StageOptions::default() }
}

/// Runs tidy after all earlier tokens have the age of `any_age`. Astra, engine and test share one clock here, and Astra
/// cuts its times to milliseconds, which makes tokens older: a token is old enough by then.
pub(crate) fn tidy(stage: &Stage, body: Value) -> Outcome {
    std::thread::sleep(AGE);
    stage.write("tidy", body)
}

fn for_real(stage: &Stage) -> Outcome {
    tidy(stage, json!({ "dry_run": false }))
}

pub(crate) fn list(outcome: &Outcome, name: &str) -> BTreeSet<String> {
    let items = outcome.data[name].as_array().unwrap_or_else(|| panic!("no `{name}` in {outcome:#?}"));
    items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn set(client_ids: &[&str]) -> BTreeSet<String> {
    client_ids.iter().map(|client_id| (*client_id).to_owned()).collect()
}

/// The mark of this mount, from its own tokens, with other digits.
fn mark_like(stage: &Stage, client_id: &str, digit: char) -> String {
    let description = stage.astra_token(client_id).description;
    let (start, _) = description.rsplit_once(':').unwrap();
    let mark = &start[start.find("vault-mark:").unwrap()..];
    format!("{mark}:{}", digit.to_string().repeat(32))
}

/// A token in Astra with this mount's mark and without a record.
pub(crate) fn orphan(stage: &Stage, like: &str, digit: char) -> String {
    let role = stage.astra_role(&stage.alpha, "R/W User");
    let description = format!("lost {}", mark_like(stage, like, digit));
    stage.astra.add_token(&stage.alpha.id, &[&role], &description, None).client_id
}

fn is_live(stage: &Stage, client_id: &str) -> bool {
    stage.astra_token(client_id).state == astra_simulator::TokenState::Live
}

fn a_mount_in_order_has_nothing_to_tidy(stage: &Stage) {
    stage.ready();
    stage.mint(&stage.alpha, "reader").expect(200);
    let named = json!({ "org_id": stage.alpha.id, "role_name": "reader", "logical_name": "app" });
    stage.write("org/token", named).expect(200);
    for body in [json!({}), json!({ "dry_run": false })] {
        let outcome = tidy(stage, body).expect(200);
        for name in ["orphans", "gone", "expired", "warnings", "removed"] {
            assert_eq!(list(&outcome, name), BTreeSet::new(), "{name}: {outcome:#?}");
        }
        assert_eq!(outcome.data["complete"], true);
        assert!(outcome.warnings.is_empty(), "{outcome:#?}");
    }
    stage.assert_consistent(&stage.alpha, 2);
}

fn orphans_are_reported_and_then_removed(stage: &Stage) {
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let orphans = BTreeSet::from(['1', '2'].map(|digit| orphan(stage, minted.text("clientId"), digit)));
    let dry = tidy(stage, json!({})).expect(200);
    assert_eq!((list(&dry, "orphans"), list(&dry, "removed")), (orphans.clone(), BTreeSet::new()));
    assert_eq!(dry.data["dry_run"], true);
    assert!(orphans.iter().all(|client_id| is_live(stage, client_id)), "a dry run changes nothing");
    let real = for_real(stage).expect(200);
    assert_eq!((list(&real, "orphans"), list(&real, "removed")), (orphans.clone(), orphans.clone()));
    assert!(!orphans.iter().any(|client_id| is_live(stage, client_id)));
    assert!(stage.works(minted.text("token")));
    stage.assert_consistent(&stage.alpha, 1);
    assert_eq!(list(&for_real(stage).expect(200), "orphans"), BTreeSet::new());
}

fn records_without_a_token_are_removed(stage: &Stage) {
    stage.ready();
    let gone = stage.mint(&stage.alpha, "reader").expect(200);
    let kept = stage.mint(&stage.alpha, "reader").expect(200);
    let client_id = gone.text("clientId").to_owned();
    assert!(stage.astra.change(&OutsideChange::RevokeToken { client_id: client_id.clone() }));
    let dry = tidy(stage, json!({})).expect(200);
    assert_eq!(list(&dry, "gone"), set(&[&client_id]));
    assert!(stage.records(&stage.alpha).contains(&client_id), "a dry run changes nothing");
    let real = for_real(stage).expect(200);
    assert_eq!((list(&real, "gone"), list(&real, "removed")), (set(&[&client_id]), set(&[&client_id])));
    assert_eq!(stage.records(&stage.alpha), set(&[kept.text("clientId")]));
    let record = stage.read(&format!("tokens/{}/{client_id}", stage.alpha.id), Value::Null).expect(200);
    assert_eq!(record.text("ended_how"), "tidied");
    // The server still has its lease; the revocation finds nothing to do.
    stage.revoke(&gone.lease_id()).expect(204);
    stage.assert_consistent(&stage.alpha, 1);
}

/// Tokens of operators, of another mount and of another organization, and texts that only look like a mark.
fn foreign_tokens_are_never_touched(stage: &Stage) {
    stage.ready();
    stage.configure(&stage.beta);
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let own = mark_like(stage, minted.text("clientId"), '3');
    let foreign = format!("vault-mark:00000000-0000-4000-8000-0000000000ff:{}", "3".repeat(32));
    let descriptions = [
        String::new(),
        "an operator's".to_owned(),
        foreign,
        format!("{own} and more"),
        own[..own.len() - 1].to_owned(),
        own.replace("vault-mark", "vault-Mark"),
        format!("{own}4"),
    ];
    let role = stage.astra_role(&stage.alpha, "R/W User");
    let made: Vec<String> = descriptions
        .iter()
        .map(|description| stage.astra.add_token(&stage.alpha.id, &[&role], description, None).client_id)
        .collect();
    let outcome = for_real(stage).expect(200);
    assert_eq!(list(&outcome, "removed"), BTreeSet::new(), "{outcome:#?}");
    for (client_id, description) in made.iter().zip(&descriptions) {
        assert!(is_live(stage, client_id), "`{description}` is none of ours");
    }
    assert!(stage.works(&stage.alpha.token) && stage.works(&stage.beta.token) && stage.works(minted.text("token")));
}

fn one_organization_is_tidied_alone(stage: &Stage) {
    stage.ready();
    stage.configure_with(&stage.beta, json!({ "logical_name": "second" }));
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let orphan = orphan(stage, minted.text("clientId"), '1');
    let other = tidy(stage, json!({ "org_id": "second", "dry_run": false })).expect(200);
    assert_eq!(list(&other, "orphans"), BTreeSet::new());
    assert!(is_live(stage, &orphan));
    let own = tidy(stage, json!({ "org_id": stage.alpha.id, "dry_run": false })).expect(200);
    assert_eq!(list(&own, "removed"), set(&[&orphan]));
    stage.assert_consistent(&stage.alpha, 1);
}

fn a_failing_organization_does_not_hide_the_others(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "max_retries": 0 }));
    stage.make_role(&stage.alpha, "reader", json!({}));
    stage.configure_with(&stage.beta, json!({ "max_retries": 0 }));
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let orphan = orphan(stage, minted.text("clientId"), '1');
    let rule = FaultRule::new(status(500, Effect::NotDone)).organization(&stage.beta.id);
    stage.astra.fault(rule);
    let outcome = for_real(stage).expect(200);
    assert_eq!(list(&outcome, "removed"), set(&[&orphan]));
    assert!(outcome.data["failed"][&stage.beta.id].is_string(), "{outcome:#?}");
    assert_eq!(outcome.data["failed"].as_object().map(serde_json::Map::len), Some(1));
    assert_eq!((outcome.data["complete"].clone(), outcome.warnings.len()), (json!(false), 1));
    // For this organization alone, the failure is the error of the request.
    tidy(stage, json!({ "org_id": stage.beta.id })).expect_error(502, &[&stage.beta.id, "500"]);
}

fn an_admin_token_near_its_end_is_told_of(stage: &Stage) {
    const A_WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
    let administrator = stage.astra_role(&stage.alpha, "Organization Administrator");
    let ending = stage.astra.add_token(&stage.alpha.id, &[&administrator], "ends soon", Some(A_WEEK));
    let mut org = stage.alpha.clone();
    org.token = ending.token.clone();
    stage.configure(&org);
    let outcome = for_real(stage).expect(200);
    assert_eq!(list(&outcome, "warnings"), set(&[&ending.client_id]));
    assert!(outcome.data["messages"].to_string().contains("rotate"), "it says what to do: {outcome:#?}");
    assert!(stage.works(&ending.token));
}

fn the_last_result_is_read_again(stage: &Stage) {
    stage.read("tidy", Value::Null).expect(404);
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let orphan = orphan(stage, minted.text("clientId"), '1');
    let done = for_real(stage).expect(200);
    let read = stage.read("tidy", Value::Null).expect(200);
    assert_eq!(read.data, done.data);
    assert_eq!(list(&read, "removed"), set(&[&orphan]));
    assert!(!read.text("began").is_empty() && !read.text("ended").is_empty(), "{read:#?}");
    assert_eq!(
        stage.read("tidy", json!({ "org_id": stage.alpha.id })).expect(200).data["orphans"],
        done.data["orphans"]
    );
}

fn bad_fields_name_field_and_value(stage: &Stage) {
    stage.configure(&stage.alpha);
    tidy(stage, json!({ "dry_run": "perhaps" })).expect_error(400, &["dry_run"]);
    tidy(stage, json!({ "org_id": "nobody" })).expect_error(400, &["org_id", "nobody"]);
    for period in [json!(59), json!(-1), json!("soon")] {
        let body = json!({ "tidy_period": period });
        stage.write(&format!("config/{}", stage.alpha.id), body).expect_error(400, &["tidy_period"]);
    }
    stage.delete("tidy", Value::Null).expect(405);
    stage.list("tidy").expect(404);
}

/// A mint may still be in progress: tokens younger than the minimum age of write-ahead entries are left alone.
fn young_tokens_are_left_alone(stage: &Stage) {
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let young = orphan(stage, minted.text("clientId"), '1');
    let gone = stage.mint(&stage.alpha, "reader").expect(200);
    let client_id = gone.text("clientId").to_owned();
    assert!(stage.astra.change(&OutsideChange::RevokeToken { client_id: client_id.clone() }));
    let outcome = for_real(stage).expect(200);
    assert_eq!(list(&outcome, "removed"), BTreeSet::new(), "{outcome:#?}");
    assert!(is_live(stage, &young));
    assert!(stage.records(&stage.alpha).contains(&client_id));
}

fn static_and_admin_tokens_are_not_orphans(stage: &Stage) {
    stage.configure(&stage.alpha);
    crate::static_role::made(stage, json!({}));
    // Each of these is in use, and one more is in its grace period.
    assert!(crate::static_role::rotate(stage, "app").status < 300);
    assert!(crate::rotation::rotate(stage).status < 300);
    assert!(crate::rotation::rotate(stage).status < 300);
    let before = stage.live(&stage.alpha);
    assert_eq!(before.len(), 4);
    let outcome = for_real(stage).expect(200);
    assert_eq!(list(&outcome, "removed"), BTreeSet::new(), "{outcome:#?}");
    assert_eq!(stage.live(&stage.alpha), before);
    // A dead token that clients read is replaced first, and only then forgotten.
    let dead = crate::static_role::current(stage);
    assert!(stage.astra.change(&OutsideChange::RevokeToken { client_id: dead.clone() }));
    let outcome = for_real(stage).expect(200);
    assert_eq!(list(&outcome, "removed"), set(&[&dead]), "{outcome:#?}");
    assert!(outcome.data["messages"].to_string().contains(&dead), "{outcome:#?}");
    assert!(!stage.records(&stage.alpha).contains(&dead));
    assert!(is_live(stage, &crate::static_role::current(stage)));
}

/// More than one call removes: the next call continues, and at the end nothing is left.
fn a_tidy_goes_on_where_the_last_one_stopped(stage: &Stage) {
    const ORPHANS: usize = 130;
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let role = stage.astra_role(&stage.alpha, "R/W User");
    let description = format!("lost {}", mark_like(stage, minted.text("clientId"), '1'));
    let orphans: BTreeSet<String> =
        (0..ORPHANS).map(|_| stage.astra.add_token(&stage.alpha.id, &[&role], &description, None).client_id).collect();
    let mut removed = BTreeSet::new();
    for complete in [false, true] {
        let outcome = for_real(stage).expect(200);
        assert_eq!(outcome.data["complete"], complete, "{outcome:#?}");
        removed.extend(list(&outcome, "removed"));
        assert_eq!(removed.len() < ORPHANS, !complete);
    }
    assert_eq!(removed, orphans);
    assert!(stage.works(minted.text("token")));
    stage.assert_consistent(&stage.alpha, 1);
}

/// The write-ahead entry is open: rollback will settle the token.
fn a_mint_in_progress_is_left_alone(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "max_retries": 0 }));
    stage.make_role(&stage.alpha, "reader", json!({}));
    let lost = Action::Reset { at: ResetAt::BeforeAnswer, effect: Effect::Done };
    stage.astra.fault(FaultRule::new(lost).method("POST").path(SECRETS));
    stage.astra.fault(FaultRule::new(status(500, Effect::NotDone)).method("GET"));
    assert!(stage.mint(&stage.alpha, "reader").status >= 500);
    stage.astra.clear_faults();
    assert_eq!((stage.live(&stage.alpha).len(), stage.wal().len()), (1, 1));
    let outcome = for_real(stage).expect(200);
    assert_eq!(list(&outcome, "orphans"), BTreeSet::new(), "{outcome:#?}");
    assert_eq!((stage.live(&stage.alpha).len(), stage.wal().len()), (1, 1));
    stage.age_wal();
    stage.settle_at(&stage.alpha, 0);
}

fn a_list_that_lags_hides_no_record(stage: &Stage) {
    stage.configure(&stage.alpha);
    assert!(crate::rotation::rotate(stage).status < 300);
    stage.make_role(&stage.alpha, "reader", json!({}));
    stage.astra.set_lag(Lag { new_token_unlisted_lists: 100, ..Lag::default() });
    // A call made the token, so the list does not show it yet, nor the token of the request.
    assert!(crate::rotation::rotate(stage).status < 300 || !stage.live(&stage.alpha).is_empty());
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let outcome = for_real(stage).expect(200);
    let removed = list(&outcome, "removed");
    assert!(!removed.contains(&stage.admin_client_id(&stage.alpha)), "{outcome:#?}");
    stage.astra.set_lag(Lag::default());
    stage.revoke(&minted.lease_id()).expect(204);
    assert!(!stage.works(minted.text("token")));
}

fn a_read_only_node_tidies_nothing(stage: &Stage) {
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let orphan = orphan(stage, minted.text("clientId"), '1');
    stage.fake().storage.set_read_only();
    let requests = stage.astra.request_count();
    for body in [json!({}), json!({ "dry_run": false })] {
        assert_eq!(tidy(stage, body).errors, [harness::fake::READ_ONLY_TEXT], "so that the server forwards it");
    }
    assert_eq!(stage.astra.request_count(), requests, "Astra is not asked");
    stage.fake().storage.heal();
    assert!(is_live(stage, &orphan));
}

fn two_tidies_at_a_time_are_one(stage: &Stage) {
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let orphan = orphan(stage, minted.text("clientId"), '1');
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| for_real(stage).expect(200));
        }
    });
    assert!(!is_live(stage, &orphan));
    let deletes = stage.astra.requests().into_iter().filter(|call| call.method == "DELETE").count();
    assert_eq!(deletes, 1);
    stage.assert_consistent(&stage.alpha, 1);
}

/// The server lost the lease, and Astra was down when rollback should have revoked the token.
fn a_token_whose_lease_is_over_is_revoked(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "max_retries": 0 }));
    stage.make_role(&stage.alpha, "reader", json!({ "ttl": "10m", "max_ttl": "10m", "token_expiry": "off" }));
    stage.fake().lose_next_answer();
    stage.mint(&stage.alpha, "reader").expect(500);
    let lost = stage.live(&stage.alpha);
    stage.astra.fault(FaultRule::new(status(500, Effect::NotDone)));
    minutes_pass(stage, 60);
    assert_eq!(stage.live(&stage.alpha), lost);
    stage.astra.clear_faults();
    let dry = tidy(stage, json!({})).expect(200);
    assert_eq!((list(&dry, "expired"), list(&dry, "removed")), (lost.clone(), BTreeSet::new()));
    let real = for_real(stage).expect(200);
    assert_eq!((list(&real, "expired"), list(&real, "removed")), (lost.clone(), lost));
    stage.assert_consistent(&stage.alpha, 0);
}

fn a_period_tidies_for_real(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "tidy_period": "1h" }));
    stage.make_role(&stage.alpha, "reader", json!({}));
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let orphan = orphan(stage, minted.text("clientId"), '1');
    minutes_pass(stage, 58);
    assert!(is_live(stage, &orphan), "it is not due yet");
    stage.read("tidy", Value::Null).expect(404);
    minutes_pass(stage, 4);
    assert!(!is_live(stage, &orphan));
    let read = stage.read("tidy", Value::Null).expect(200);
    assert_eq!(list(&read, "removed"), set(&[&orphan]));
    assert_eq!(read.data["organizations"][&stage.alpha.id]["scheduled"], true, "{read:#?}");
    assert_eq!(read.data["dry_run"], false);
    let next = stage.read(&format!("config/{}", stage.alpha.id), Value::Null).text("next_tidy").to_owned();
    assert!(!next.is_empty());
    // A failed run is repeated after growing pauses, and a check shows it.
    stage.astra.fault(FaultRule::new(status(500, Effect::NotDone)));
    for _ in 0..120 {
        minutes_pass(stage, 1);
    }
    let lists = stage.astra.fault_hits().iter().sum::<u64>();
    assert!(lists < 120, "not each minute: {lists} calls");
    let check = stage.read(&format!("config/{}/check", stage.alpha.id), Value::Null).expect(200);
    assert!(check.data.to_string().contains("tid"), "{check:#?}");
    stage.astra.clear_faults();
    let young = self::orphan(stage, minted.text("clientId"), '2');
    minutes_pass(stage, 24 * 60);
    minutes_pass(stage, 61);
    assert!(!is_live(stage, &young), "it recovers");
}
