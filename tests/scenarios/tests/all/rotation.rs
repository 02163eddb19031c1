//! Rotation of an organization's admin token, by hand (`config/:org/rotate-root`) and by schedule: mint, prove, store,
//! keep the old token for its grace period, and revoke only the old one.

use std::collections::BTreeSet;
use std::time::Duration;

use astra_simulator::{Effect, FaultRule, Lag, OutsideChange, TokenState};
use harness::{Org, Outcome, Stage};
use serde_json::{Value, json};

use crate::faults::{SECRETS, status};

scenarios! { all:
    rotating_replaces_the_admin_token_and_nothing_else,
    every_mint_works_while_the_token_rotates,
    leases_are_ended_by_the_new_token,
    a_token_that_cannot_be_proved_is_not_taken,
    a_refused_making_changes_nothing,
    an_admin_token_that_lost_its_rights_stays,
    rotating_needs_a_config_and_its_own_path,
    bad_schedules_name_field_and_value,
    a_schedule_is_read_as_written,
}

scenarios! { fake:
    the_old_token_is_gone_after_its_grace,
    without_a_grace_the_old_token_goes_at_once,
    a_new_token_that_is_not_known_everywhere_yet_is_waited_for,
    a_read_only_node_rotates_nothing,
    a_deleted_config_leaves_no_token_of_the_engine,
    a_token_written_by_hand_ends_the_one_that_the_engine_made,
}

scenarios! { clock:
    a_period_rotates_again_and_again,
    a_cron_expression_rotates_at_its_times,
    missed_rotations_are_one_rotation,
    a_rotation_outside_its_window_waits_for_the_next_time,
    a_failing_rotation_backs_off_and_recovers,
    a_period_that_is_taken_away_rotates_no_more,
}

fn config_path(org: &Org) -> String {
    format!("config/{}", org.id)
}

pub(crate) fn rotate(stage: &Stage) -> Outcome {
    stage.write(&format!("config/{}/rotate-root", stage.alpha.id), json!({}))
}

#[track_caller]
pub(crate) fn rotated(stage: &Stage) -> Outcome {
    let outcome = rotate(stage);
    assert!(outcome.status < 300, "{outcome:#?}");
    outcome
}

/// The client ID of a token.
pub(crate) fn client_id_of(token: &str) -> &str {
    token.split(':').nth(1).unwrap()
}

fn is_live(stage: &Stage, client_id: &str) -> bool {
    stage.astra_token(client_id).state == TokenState::Live
}

#[track_caller]
fn update(stage: &Stage, body: Value) {
    let written = stage.write(&config_path(&stage.alpha), body);
    assert!(written.status < 300, "{written:#?}");
}

/// Tokens that do not belong to the engine: without a mark, and with another mount's mark.
fn outsiders(stage: &Stage) -> BTreeSet<String> {
    let administrator = stage.astra_role(&stage.alpha, "Organization Administrator");
    let foreign = format!("vault-mark:00000000-0000-4000-8000-0000000000ff:{}", "0".repeat(32));
    let descriptions = ["an operator's", foreign.as_str()];
    descriptions
        .map(|description| stage.astra.add_token(&stage.alpha.id, &[&administrator], description, None).client_id)
        .into()
}

fn rotating_replaces_the_admin_token_and_nothing_else(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "logical_name": "main" }));
    stage.configure(&stage.beta);
    stage.make_role(&stage.alpha, "reader", json!({}));
    let outsiders = outsiders(stage);
    let (old, beta) = (stage.admin_client_id(&stage.alpha), stage.admin_client_id(&stage.beta));
    let before = stage.read(&config_path(&stage.alpha), Value::Null).expect(200);

    rotated(stage);

    let new = stage.admin_client_id(&stage.alpha);
    assert_ne!(new, old);
    assert_eq!(stage.astra_token(&new).roles, stage.astra_token(&old).roles);
    assert_eq!(stage.astra_token(&new).expires, None, "an admin token has no end");
    assert_eq!(stage.astra_token(&new).made_by.as_deref(), Some(old.as_str()));
    assert!(stage.works(&stage.alpha.token), "the old one works for its grace");
    let asked = stage.astra.requests().into_iter().filter(|request| request.client_id.as_deref() == Some(&new));
    assert!(asked.count() > 0, "the new one was proved with a call of its own");
    let mut after = stage.read(&config_path(&stage.alpha), Value::Null).expect(200);
    assert!(!after.text("last_rotated").is_empty(), "{after:#?}");
    for name in ["astra_token_client_id", "last_rotated"] {
        after.data[name] = before.data[name].clone();
    }
    assert_eq!(after.data, before.data, "nothing else of the config changes");
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    assert_eq!(stage.astra_token(minted.text("clientId")).made_by.as_deref(), Some(new.as_str()));
    assert_eq!(stage.admin_client_id(&stage.beta), beta);
    assert!(outsiders.iter().all(|client_id| is_live(stage, client_id)));
}

/// Reads and writes continue while their token is replaced.
fn every_mint_works_while_the_token_rotates(stage: &Stage) {
    const ROTATIONS: usize = 3;
    const MINTS: usize = 12;
    stage.ready();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..MINTS {
                let minted = stage.mint(&stage.alpha, "reader").expect(200);
                assert!(stage.works(minted.text("token")));
                stage.revoke(&minted.lease_id()).expect(204);
            }
        });
        for _ in 0..ROTATIONS {
            rotated(stage);
        }
    });
    assert!(stage.driver.leases().is_empty());
    let admins = stage.live(&stage.alpha);
    assert_eq!(admins.len(), ROTATIONS, "one in use, the others in their grace: {admins:?}");
    assert!(admins.contains(&stage.admin_client_id(&stage.alpha)));
}

fn leases_are_ended_by_the_new_token(stage: &Stage) {
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    rotated(stage);
    let client_id = client_id_of(&stage.alpha.token).to_owned();
    assert!(stage.astra.change(&OutsideChange::RevokeToken { client_id }));
    stage.renew(&minted.lease_id(), None).expect(200);
    stage.revoke(&minted.lease_id()).expect(204);
    assert!(!stage.works(minted.text("token")));
    assert!(stage.driver.leases().is_empty());
}

fn a_token_that_cannot_be_proved_is_not_taken(stage: &Stage) {
    crate::faults::few_retries(stage);
    let old = stage.admin_client_id(&stage.alpha);
    stage.astra.fault(FaultRule::new(status(500, Effect::NotDone)).path("/v2/currentOrg"));
    let outcome = rotate(stage);
    assert!((500..=504).contains(&outcome.status), "{outcome:#?}");
    stage.astra.clear_faults();
    assert_eq!(stage.admin_client_id(&stage.alpha), old);
    assert!(stage.live(&stage.alpha).is_empty(), "what was made is taken back at once");
    stage.mint(&stage.alpha, "reader").expect(200);
}

fn a_refused_making_changes_nothing(stage: &Stage) {
    crate::faults::few_retries(stage);
    let old = stage.admin_client_id(&stage.alpha);
    for code in [400, 403, 500] {
        stage.astra.fault(FaultRule::new(status(code, Effect::NotDone)).method("POST").path(SECRETS));
        rotate(stage).expect_error(502, &[&stage.alpha.id, &code.to_string()]);
        stage.astra.clear_faults();
        assert_eq!(stage.admin_client_id(&stage.alpha), old);
    }
    assert!(stage.live(&stage.alpha).is_empty());
    stage.mint(&stage.alpha, "reader").expect(200);
}

fn an_admin_token_that_lost_its_rights_stays(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "max_retries": 0 }));
    let old = stage.admin_client_id(&stage.alpha);
    let role = stage.astra_role(&stage.alpha, "Organization Administrator");
    let organization = stage.alpha.id.clone();
    let actions = vec!["org-read".to_owned()];
    assert!(stage.astra.change(&OutsideChange::NarrowRole { organization, role, actions }));
    rotate(stage).expect_error(502, &[&stage.alpha.id, "403"]);
    assert_eq!(stage.admin_client_id(&stage.alpha), old);
    assert!(stage.live(&stage.alpha).is_empty());
    assert!(stage.works(&stage.alpha.token));
}

fn rotating_needs_a_config_and_its_own_path(stage: &Stage) {
    stage.write("config/nobody/rotate-root", json!({})).expect_error(400, &["nobody"]);
    stage.configure_with(&stage.alpha, json!({ "logical_name": "main" }));
    stage.write("config/main/rotate-root", json!({})).expect_error(400, &["main", &stage.alpha.id]);
    let path = format!("config/{}/rotate-root", stage.alpha.id);
    stage.read(&path, Value::Null).expect(405);
    stage.delete(&path, Value::Null).expect(405);
    assert!(stage.live(&stage.alpha).is_empty());
}

fn bad_schedules_name_field_and_value(stage: &Stage) {
    let fields = |more: Value| {
        let mut body = json!({ "astra_token": stage.alpha.token, "url": stage.astra.url() });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (more, texts) in bad_schedules("rotation_grace_period") {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        stage.write(&config_path(&stage.alpha), fields(more)).expect_error(400, &texts);
    }
    stage.list("configs").expect(404);
    assert_eq!(stage.astra.request_count(), 0, "found out before Astra is asked");
    // An update is checked in the same way.
    stage.configure(&stage.alpha);
    stage.write(&config_path(&stage.alpha), json!({ "rotation_period": 59 })).expect_error(400, &["rotation_period"]);
    stage.write(&config_path(&stage.alpha), json!({ "rotation_period": "1h" }));
    let long = json!({ "rotation_grace_period": "2h" });
    stage.write(&config_path(&stage.alpha), long).expect_error(400, &["rotation_grace_period", "2h0m0s", "1h0m0s"]);
}

/// Invalid schedules, with the field and value that the error must name.
pub(crate) fn bad_schedules(grace: &str) -> Vec<(Value, Vec<String>)> {
    let rows = [
        (json!({ "rotation_period": 59 }), "rotation_period", "59 s"),
        (json!({ "rotation_period": -60 }), "rotation_period", "-60 s"),
        (json!({ "rotation_period": "soon" }), "rotation_period", ""),
        (json!({ "rotation_period": "200000h" }), "rotation_period", "720000000 s"),
        (json!({ "rotation_schedule": "sometimes" }), "rotation_schedule", "sometimes"),
        (json!({ "rotation_schedule": "* * * * * *" }), "rotation_schedule", "* * * * * *"),
        (json!({ "rotation_schedule": "0 0 30 2 *" }), "rotation_schedule", "0 0 30 2 *"),
        (json!({ "rotation_schedule": "x".repeat(129) }), "rotation_schedule", "xxxx"),
        (json!({ "rotation_schedule": "0 3 * * *", "rotation_period": "24h" }), "rotation_period", "86400 s"),
        (json!({ "rotation_schedule": "0 3 * * *", "rotation_window": "1m" }), "rotation_window", "60 s"),
        (json!({ "rotation_period": "24h", "rotation_window": "1h" }), "rotation_window", "3600 s"),
        (json!({ "rotation_window": "1h" }), "rotation_window", "3600 s"),
    ];
    let mut rows: Vec<_> =
        rows.into_iter().map(|(body, field, value)| (body, vec![field.to_owned(), value.to_owned()])).collect();
    let mut negative = json!({ "rotation_period": "24h" });
    negative[grace] = json!(-1);
    rows.push((negative, vec![grace.to_owned(), "-1".to_owned()]));
    let mut longer = json!({ "rotation_period": "1h" });
    longer[grace] = json!("2h");
    rows.push((longer, vec![grace.to_owned(), "2h0m0s".to_owned()]));
    rows
}

fn a_schedule_is_read_as_written(stage: &Stage) {
    let shown = |names: [&str; 4]| {
        let read = stage.read(&config_path(&stage.alpha), Value::Null).expect(200);
        names.map(|name| read.data[name].clone())
    };
    let names = ["rotation_period", "rotation_schedule", "rotation_window", "rotation_grace_period"];
    stage.configure(&stage.alpha);
    assert_eq!(shown(names), [json!(0), json!(""), json!(0), json!(600)]);
    update(stage, json!({ "rotation_period": "24h", "rotation_grace_period": "1h" }));
    assert_eq!(shown(names), [json!(86_400), json!(""), json!(0), json!(3600)]);
    let read = stage.read(&config_path(&stage.alpha), Value::Null).expect(200);
    assert!(!read.text("next_rotation").is_empty(), "{read:#?}");
    // The one replaces the other.
    update(stage, json!({ "rotation_schedule": "30 3 * * SUN", "rotation_window": "2h" }));
    assert_eq!(shown(names), [json!(0), json!("30 3 * * SUN"), json!(7200), json!(3600)]);
    update(stage, json!({ "rotation_schedule": "", "rotation_window": 0 }));
    assert_eq!(shown(names), [json!(0), json!(""), json!(0), json!(3600)]);
    let read = stage.read(&config_path(&stage.alpha), Value::Null).expect(200);
    assert_eq!(read.text("next_rotation"), "", "{read:#?}");
}

fn the_old_token_is_gone_after_its_grace(stage: &Stage) {
    const GRACE: Duration = Duration::from_secs(2);
    stage.configure_with(&stage.alpha, json!({ "rotation_grace_period": GRACE.as_secs() }));
    stage.make_role(&stage.alpha, "reader", json!({}));
    let outsiders = outsiders(stage);
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    rotated(stage);
    let new = stage.admin_client_id(&stage.alpha);
    stage.settle_after(GRACE, &|| !stage.works(&stage.alpha.token));
    assert!(outsiders.iter().all(|client_id| is_live(stage, client_id)));
    assert!(is_live(stage, &new));
    for client_id in outsiders {
        assert!(stage.astra.change(&OutsideChange::RevokeToken { client_id }));
    }
    stage.settle_held(&stage.alpha, 1, 1);
    assert_eq!(stage.admin_client_id(&stage.alpha), new);
    stage.mint(&stage.alpha, "reader").expect(200);
    stage.revoke(&minted.lease_id()).expect(204);
    stage.assert_held(&stage.alpha, 1, 1);
}

fn without_a_grace_the_old_token_goes_at_once(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "rotation_grace_period": 0 }));
    stage.make_role(&stage.alpha, "reader", json!({}));
    for _ in 0..3 {
        rotated(stage);
        stage.settle_held(&stage.alpha, 0, 1);
    }
    assert!(!stage.works(&stage.alpha.token));
    stage.mint(&stage.alpha, "reader").expect(200);
}

fn a_new_token_that_is_not_known_everywhere_yet_is_waited_for(stage: &Stage) {
    stage.ready();
    stage.astra.set_lag(Lag { new_token_refused_calls: 1, ..Lag::default() });
    rotated(stage);
    assert_ne!(stage.admin_client_id(&stage.alpha), client_id_of(&stage.alpha.token));
    stage.astra.set_lag(Lag::default());
    stage.mint(&stage.alpha, "reader").expect(200);
}

fn a_read_only_node_rotates_nothing(stage: &Stage) {
    stage.ready();
    stage.fake().storage.set_read_only();
    let requests = stage.astra.request_count();
    assert_eq!(rotate(stage).errors, [harness::fake::READ_ONLY_TEXT], "so that the server forwards it");
    assert_eq!(stage.astra.request_count(), requests, "Astra is not asked");
    stage.fake().storage.heal();
    assert!(stage.live(&stage.alpha).is_empty());
    rotated(stage);
}

/// Only the engine knows its token: without the config, the token would be lost and stay alive.
fn a_deleted_config_leaves_no_token_of_the_engine(stage: &Stage) {
    const GRACE: Duration = Duration::from_secs(1);
    stage.configure_with(&stage.alpha, json!({ "rotation_grace_period": GRACE.as_secs() }));
    rotated(stage);
    stage.settle_after(GRACE, &|| !stage.works(&stage.alpha.token));
    assert_eq!(stage.live(&stage.alpha).len(), 1);
    let deleted = stage.delete(&config_path(&stage.alpha), json!({ "force": true }));
    assert!(deleted.status < 300, "{deleted:#?}");
    stage.settle_after(GRACE, &|| stage.live(&stage.alpha).is_empty());
    assert!(stage.records(&stage.alpha).is_empty());
    let hash = stage.alpha.token.rsplit(':').next().unwrap();
    assert!(!stage.fake().storage.dump().values().any(|value| value.to_string().contains(hash)));
}

fn a_token_written_by_hand_ends_the_one_that_the_engine_made(stage: &Stage) {
    const GRACE: Duration = Duration::from_secs(1);
    stage.configure_with(&stage.alpha, json!({ "rotation_grace_period": GRACE.as_secs() }));
    stage.make_role(&stage.alpha, "reader", json!({}));
    rotated(stage);
    let administrator = stage.astra_role(&stage.alpha, "Organization Administrator");
    let next = stage.astra.add_token(&stage.alpha.id, &[&administrator], "the operator's next", None);
    update(stage, json!({ "astra_token": next.token }));
    stage.settle_after(GRACE, &|| stage.live(&stage.alpha).is_empty());
    stage.settle_at(&stage.alpha, 0);
    assert!(stage.works(&next.token), "what the operator wrote is the operator's");
    stage.mint(&stage.alpha, "reader").expect(200);
}

/// Moves the clock to five past, so that no full hour begins between two lines of a test.
pub(crate) fn to_five_past(stage: &Stage) {
    let clock = &stage.fake().clock;
    let into_the_hour = clock.now().as_secs() % 3600;
    clock.advance(Duration::from_secs(3600 + 300 - into_the_hour));
}

/// Moves the clock, and lets the server call rollback.
pub(crate) fn minutes_pass(stage: &Stage, minutes: u64) {
    stage.fake().clock.advance(Duration::from_secs(60 * minutes));
    stage.driver.settle(&|| true);
}

fn a_period_rotates_again_and_again(stage: &Stage) {
    const ROTATIONS: usize = 10;
    stage.configure_with(&stage.alpha, json!({ "rotation_period": "1h", "rotation_grace_period": "10m" }));
    stage.make_role(&stage.alpha, "reader", json!({}));
    let mut seen = BTreeSet::from([stage.admin_client_id(&stage.alpha)]);
    minutes_pass(stage, 59);
    assert!(stage.live(&stage.alpha).is_empty(), "it is not due yet");
    minutes_pass(stage, 2);
    for _ in 0..ROTATIONS {
        assert!(seen.insert(stage.admin_client_id(&stage.alpha)), "another token each hour");
        let minted = stage.mint(&stage.alpha, "reader").expect(200);
        stage.revoke(&minted.lease_id()).expect(204);
        minutes_pass(stage, 11);
        stage.assert_held(&stage.alpha, 0, 1);
        minutes_pass(stage, 50);
    }
    assert!(!stage.works(&stage.alpha.token));
}

fn a_cron_expression_rotates_at_its_times(stage: &Stage) {
    to_five_past(stage);
    stage.configure_with(&stage.alpha, json!({ "rotation_schedule": "*/30 * * * *" }));
    let first = stage.admin_client_id(&stage.alpha);
    let next = stage.read(&config_path(&stage.alpha), Value::Null).text("next_rotation").to_owned();
    assert!(next.contains(":00:00") || next.contains(":30:00"), "{next}");
    // Two times of the schedule pass, one after the other.
    let mut seen = BTreeSet::from([first]);
    for _ in 0..4 {
        minutes_pass(stage, 15);
        seen.insert(stage.admin_client_id(&stage.alpha));
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}

fn missed_rotations_are_one_rotation(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "rotation_period": "1h", "rotation_grace_period": "10m" }));
    // The server was down for a week, or its clock jumped.
    minutes_pass(stage, 7 * 24 * 60);
    assert_eq!(stage.live(&stage.alpha).len(), 1);
    minutes_pass(stage, 1);
    assert_eq!(stage.live(&stage.alpha).len(), 1, "what was missed is not made up for one by one");
    minutes_pass(stage, 61);
    assert_eq!(stage.live(&stage.alpha).len(), 2, "the next one has come, and its grace period has not ended");
    minutes_pass(stage, 11);
    stage.assert_held(&stage.alpha, 0, 1);
}

fn a_rotation_outside_its_window_waits_for_the_next_time(stage: &Stage) {
    to_five_past(stage);
    stage.configure_with(&stage.alpha, json!({ "rotation_schedule": "0 * * * *", "rotation_window": "5m" }));
    let next = stage.read(&config_path(&stage.alpha), Value::Null).text("next_rotation").to_owned();
    // The window ends half an hour after the scheduled time.
    minutes_pass(stage, minutes_until(stage, &next) + 30);
    assert!(stage.live(&stage.alpha).is_empty(), "it waits");
    let later = stage.read(&config_path(&stage.alpha), Value::Null).text("next_rotation").to_owned();
    assert!(later > next, "{next} {later}");
    minutes_pass(stage, minutes_until(stage, &later) + 1);
    assert_eq!(stage.live(&stage.alpha).len(), 1, "within its window it rotates");
}

/// Minutes from the mount's present time to this full hour, RFC 3339; at least 1.
pub(crate) fn minutes_until(stage: &Stage, time: &str) -> u64 {
    let minute = stage.fake().clock.now().as_secs() / 60 % 60;
    assert!(time.ends_with(":00:00Z"), "{time}");
    60 - minute
}

fn a_failing_rotation_backs_off_and_recovers(stage: &Stage) {
    let more = json!({ "rotation_period": "1h", "rotation_grace_period": "10m", "max_retries": 0 });
    stage.configure_with(&stage.alpha, more);
    stage.make_role(&stage.alpha, "reader", json!({}));
    let old = stage.admin_client_id(&stage.alpha);
    stage.astra.fault(FaultRule::new(status(500, Effect::NotDone)).method("POST").path(SECRETS));
    let asked = || stage.astra.fault_hits().iter().sum::<u64>();
    minutes_pass(stage, 61);
    let first = asked();
    assert!(first >= 1, "it was tried");
    for _ in 0..60 {
        minutes_pass(stage, 1);
    }
    let tries = asked();
    assert!((2..30).contains(&tries), "it is tried again, but not each minute: {tries} times in an hour");
    assert_eq!(stage.admin_client_id(&stage.alpha), old);
    let check = stage.read(&format!("config/{}/check", stage.alpha.id), Value::Null).expect(200);
    assert!(check.data.to_string().contains("rotat"), "{check:#?}");
    stage.astra.clear_faults();
    // More than the longest pause of the back-off.
    minutes_pass(stage, 24 * 60);
    minutes_pass(stage, 11);
    assert_ne!(stage.admin_client_id(&stage.alpha), old);
    stage.age_wal();
    stage.settle_held(&stage.alpha, 0, 1);
    stage.mint(&stage.alpha, "reader").expect(200);
}

fn a_period_that_is_taken_away_rotates_no_more(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "rotation_period": "1h" }));
    update(stage, json!({ "rotation_period": 0 }));
    minutes_pass(stage, 24 * 60);
    assert!(stage.live(&stage.alpha).is_empty());
    assert_eq!(stage.fake().storage.keys_below("queue/"), Vec::<String>::new());
}

/// A rotation by the server's own rollback. For the sample, which shares its wait with a row that waits for a token's
/// end.
pub(crate) fn a_period_under_a_server(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "rotation_period": 60, "rotation_grace_period": 0 }));
    stage.make_role(&stage.alpha, "reader", json!({}));
    let old = stage.admin_client_id(&stage.alpha);
    let lease = stage.mint(&stage.alpha, "reader").expect(200).lease_id();
    stage.driver.settle(&|| stage.admin_client_id(&stage.alpha) != old);
    let new = stage.admin_client_id(&stage.alpha);
    assert_ne!(new, old, "a minute later another token has taken its place");
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    assert_eq!(stage.astra_token(minted.text("clientId")).made_by, Some(new));
    stage.revoke(&lease).expect(204);
}
