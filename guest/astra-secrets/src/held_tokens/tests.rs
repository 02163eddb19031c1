//! A token that is dead in Astra is named and replaced, and no other one is:
//! each test of what must not be replaced fails if its rule is dropped.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use secrets_framework::Operation;
use secrets_framework::host::{Clock, HttpError};
use serde_json::{Value, json};

use crate::limits::{HELD_LOOK_PERIOD, HELD_ORGANIZATIONS_PER_ROLLBACK_MAX, HELD_PROOFS_MAX};
use crate::testing::{
    ADMIN_A, ADMIN_B, ASTRA, Fault, GATEWAY, LATER, Leased, Mount, ORG_A, ORG_B, On, ROLE_ID, assert_no_secret,
};

const MINUTE: Duration = Duration::from_secs(60);

/// A static role, old enough to be judged, whose look is planned.
fn with_role(mount: Mount) -> (Mount, String) {
    let client_id = mount.daily("app");
    mount.rollback().unwrap();
    mount.host.clock.advance(LATER);
    (mount, client_id)
}

/// What a check says of the tokens that the mount serves.
fn served(mount: &Mount) -> (Value, Value) {
    let answer = mount.send(Operation::Read, &format!("config/{ORG_A}/check"), Value::Null).data();
    assert_no_secret(&answer.to_string());
    (answer["served_tokens"].clone(), answer["healthy"].clone())
}

#[track_caller]
fn assert_served(mount: &Mount, ok: &str, holds: &str) {
    let (item, healthy) = served(mount);
    assert_eq!(item["ok"], ok, "{item}");
    assert!(item["message"].as_str().unwrap().contains(holds), "{item}");
    assert_eq!(healthy, ok != "no", "{item}");
}

/// The next look.
fn look(mount: &Mount) {
    mount.host.clock.advance(HELD_LOOK_PERIOD);
    mount.rollback().unwrap();
}

fn tidy(mount: &Mount, dry_run: bool) -> Value {
    let answer = mount.write("tidy", json!({ "dry_run": dry_run, "org_id": ORG_A })).data();
    assert_no_secret(&answer.to_string());
    answer
}

fn current(mount: &Mount, name: &str) -> String {
    mount.host.storage.json(&format!("static-role/{ORG_A}/{name}"))["client_id"].as_str().unwrap().to_owned()
}

/// Neither the look nor a tidy replaces the token.
#[track_caller]
fn assert_not_replaced(mount: &Mount, client_id: &str) {
    tidy(mount, false);
    assert_eq!(current(mount, "app"), client_id, "by tidy");
    look(mount);
    assert_eq!(current(mount, "app"), client_id, "by the look");
    assert!(mount.recorded().contains(client_id));
    mount.assert_no_secret_logged();
}

fn edit_record(mount: &Mount, client_id: &str, fields: Value) {
    let key = format!("token/{client_id}");
    let mut record = mount.host.storage.json(&key);
    record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    mount.host.storage.seed(&key, record.to_string());
}

#[test]
fn a_dead_token_is_named_by_a_check_and_replaced_within_the_hour() {
    for mount in [Mount::new(), Mount::on_vault()] {
        let (mount, dead) = with_role(mount);
        assert_served(&mount, "yes", "1 static roles");
        mount.astra.delete_outside(&dead);
        let before = mount.host.storage.snapshot();
        assert_served(&mount, "no", "(`app`)");
        assert_served(&mount, "no", &format!("`rotate-role/{ORG_A}/<name>`"));
        assert_eq!(mount.host.storage.snapshot(), before, "a check only reports it");
        assert_eq!(mount.read_creds("app").data()["clientId"], json!(dead));
        look(&mount);
        assert_ne!(mount.static_token("app"), dead);
        assert!(mount.host.log.text().contains("the token of a static role has ended in Astra"));
        // What is left of the dead one ends, and nobody waits for its grace period.
        mount.rollback().unwrap();
        mount.assert_static(1, 0);
        assert_served(&mount, "yes", "");
        let record = mount.send(Operation::Read, &format!("tokens/{ORG_A}/{dead}"), Value::Null).data();
        assert_eq!(record["ended_how"], "rotated");
        // The schedule counts from the replacement.
        assert_eq!(mount.read_static("app")["failures"], 0);
        look(&mount);
        mount.assert_static(1, 0);
    }
}

#[test]
fn a_tidy_tells_of_a_dead_token_or_replaces_it_at_once() {
    for mount in [Mount::new(), Mount::on_vault()] {
        let (mount, dead) = with_role(mount);
        mount.astra.delete_outside(&dead);
        let told = tidy(&mount, true);
        assert_eq!((&told["gone"], &told["removed"]), (&json!([dead]), &json!([])));
        assert_eq!(current(&mount, "app"), dead);
        let done = tidy(&mount, false);
        assert_eq!(
            (&done["gone"], &done["removed"], &done["complete"]),
            (&json!([dead]), &json!([dead]), &json!(true))
        );
        assert!(done["messages"][0].as_str().unwrap().contains("`app`"), "{done}");
        assert_ne!(mount.static_token("app"), dead);
        mount.assert_static(1, 0);
    }
}

#[test]
fn a_scheduled_tidy_replaces_a_dead_token() {
    let (mount, dead) = with_role(Mount::new());
    mount.configure(ORG_A, ADMIN_A, json!({ "tidy_period": "10m" }));
    mount.astra.delete_outside(&dead);
    mount.host.clock.advance(LATER);
    mount.rollback().unwrap();
    assert_ne!(mount.static_token("app"), dead);
}

#[test]
fn a_token_younger_than_the_minimum_age_is_not_judged() {
    let mount = Mount::new();
    let young = mount.daily("app");
    mount.host.storage.seed("state/held-look", json!({ "next": 1 }).to_string());
    mount.astra.delete_outside(&young);
    mount.host.clock.advance(Duration::from_secs(599));
    assert_served(&mount, "yes", "");
    tidy(&mount, false);
    mount.rollback().unwrap();
    assert_eq!(current(&mount, "app"), young);
    edit_record(&mount, &young, json!({ "made": null, "generatedOn": "" }));
    assert_not_replaced(&mount, &young);
    // Time alone makes the difference.
    edit_record(&mount, &young, json!({ "made": 1 }));
    look(&mount);
    assert_ne!(mount.static_token("app"), young);
}

#[test]
fn a_token_that_a_list_which_lags_does_not_show_is_not_replaced() {
    let (mount, live) = with_role(Mount::new());
    mount.astra.hide(&live, 99);
    assert_served(&mount, "yes", "");
    assert_not_replaced(&mount, &live);
}

#[test]
fn a_list_that_is_cut_or_another_organizations_or_fails_replaces_nothing() {
    let (mount, dead) = with_role(Mount::new());
    mount.astra.delete_outside(&dead);
    mount.astra.fail_times(On::List, 99, Fault::DoneThenBody(|_| json!({ "clients": [] }).to_string()));
    assert_served(&mount, "unknown", "does not even show the admin token");
    assert_not_replaced(&mount, &dead);
    mount.astra.heal();
    for fault in [Fault::Status(500, "canary"), Fault::Status(403, "null"), Fault::DoneThenBody(|_| "{".to_owned())] {
        mount.astra.fail_times(On::List, 99, fault);
        let answered = mount.write("tidy", json!({ "dry_run": false, "org_id": ORG_A }));
        assert!(answered.0.is_err());
        look(&mount);
        assert_eq!(current(&mount, "app"), dead);
        mount.astra.heal();
    }
    mount.configure(ORG_A, ADMIN_B, json!({ "verify": false }));
    look(&mount);
    assert_eq!(current(&mount, "app"), dead);
    // With its own list, it is replaced.
    mount.configure(ORG_A, ADMIN_A, json!({}));
    look(&mount);
    assert_ne!(mount.static_token("app"), dead);
}

#[test]
fn a_token_that_is_not_refused_with_401_is_not_replaced() {
    let (mount, live) = with_role(Mount::new());
    mount.astra.delete_outside(&live);
    let own = format!("AstraCS:{live}:canary");
    for (status, ok) in
        [(200, "yes"), (403, "yes"), (404, "unknown"), (429, "unknown"), (500, "unknown"), (302, "unknown")]
    {
        mount.astra.answer_bearer(&own, Ok(status));
        assert_served(&mount, ok, "");
        assert_not_replaced(&mount, &live);
    }
    mount.astra.answer_bearer(&own, Err(HttpError::TimedOut));
    assert_served(&mount, "unknown", "no answer in time");
    assert_not_replaced(&mount, &live);
    mount.astra.answer_bearer(&own, Ok(401));
    assert_served(&mount, "no", "");
    look(&mount);
    assert_ne!(mount.static_token("app"), live);
}

#[test]
fn a_token_that_is_listed_is_not_even_tried() {
    let (mount, live) = with_role(Mount::new());
    mount.astra.answer_bearer(&format!("AstraCS:{live}:canary"), Ok(401));
    mount.host.http.clear();
    assert_served(&mount, "yes", "");
    assert_not_replaced(&mount, &live);
    assert!(mount.host.http.requests().iter().all(|request| request.client_id != live));
}

#[test]
fn a_token_that_was_taken_over_is_replaced_like_any_other() {
    let (mount, dead) = with_role(Mount::new());
    edit_record(&mount, &dead, json!({ "mark": "" }));
    mount.astra.delete_outside(&dead);
    assert_served(&mount, "no", "(`app`)");
    tidy(&mount, false);
    assert_ne!(current(&mount, "app"), dead);
    assert_served(&mount, "yes", "");
}

#[test]
fn a_replaced_token_in_its_grace_period_is_left_alone() {
    let (mount, replaced) = with_role(Mount::new());
    mount.rotate_static("app").data();
    let live = current(&mount, "app");
    mount.host.clock.advance(LATER);
    mount.astra.delete_outside(&replaced);
    assert_served(&mount, "yes", "");
    tidy(&mount, false);
    assert!(mount.recorded().contains(&replaced));
    assert_eq!(current(&mount, "app"), live);
}

/// Where the config points now is not where the token was made.
#[test]
fn a_token_is_sent_nowhere_but_where_it_was_made() {
    for (origin, path) in [("https://moved.example.org", ""), (ASTRA, GATEWAY)] {
        let (mount, dead) = with_role(Mount::new());
        mount.astra.delete_outside(&dead);
        mount.astra.add_org("AstraCS:Moved:canary", ORG_A, origin);
        let moved = format!("{origin}{path}");
        mount.configure(ORG_A, "AstraCS:Moved:canary", json!({ "url": moved, "force": true }));
        // The operator's token at the left origin has ended, too.
        mount.astra.delete_outside("AdminOfA");
        mount.host.http.clear();
        assert_served(&mount, "unknown", "made at another `url`");
        tidy(&mount, false);
        look(&mount);
        assert_eq!(current(&mount, "app"), dead);
        let sent = mount.host.http.requests().into_iter().filter(|request| request.client_id == dead).count();
        assert_eq!(sent, 0, "{moved}");
    }
}

#[test]
fn a_replacement_that_fails_backs_off_as_any_rotation_and_each_tidy_respects_that() {
    let (mount, dead) = with_role(Mount::new());
    mount.astra.delete_outside(&dead);
    mount.astra.fail_times(On::Make, 999, Fault::Status(503, "canary"));
    mount.host.clock.advance(HELD_LOOK_PERIOD);
    for pause in [60, 120, 240] {
        mount.rollback().unwrap_err();
        mount.host.http.clear();
        let told = tidy(&mount, false);
        assert!(told["messages"][0].as_str().unwrap().contains("status 503"), "{told}");
        mount.host.clock.advance(Duration::from_secs(pause - 1));
        mount.rollback().unwrap();
        let makes =
            mount.host.http.requests().iter().filter(|request| request.path_and_query.ends_with("Secrets")).count();
        assert_eq!(makes, 1, "tidy's list alone");
        mount.host.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(mount.read_static("app")["failures"], 3);
    mount.astra.heal();
    mount.rollback().unwrap();
    assert_ne!(mount.static_token("app"), dead);
    mount.rollback_later();
    mount.assert_static(1, 0);
}

#[test]
fn a_dead_token_does_not_wait_for_the_window_of_its_schedule() {
    let mount = Mount::new();
    let fields = json!({ "rotation_schedule": "0 3 15 * *", "rotation_window": "5m" });
    mount.write_static("app", fields).done();
    mount.rollback().unwrap();
    let dead = mount.static_token("app");
    mount.astra.delete_outside(&dead);
    mount.astra.fail_times(On::Make, 9, Fault::Status(401, ""));
    mount.host.clock.advance(HELD_LOOK_PERIOD);
    mount.rollback().unwrap_err();
    for _ in 0..10 {
        mount.host.clock.advance(MINUTE);
        let _ = mount.rollback();
    }
    assert_eq!(mount.read_static("app")["next_rotation"], "2026-01-15T03:00:00Z", "the attempts are over");
    mount.astra.heal();
    look(&mount);
    assert_ne!(mount.static_token("app"), dead);
    assert_eq!(mount.read_static("app")["next_rotation"], "2026-01-15T03:00:00Z");
}

#[test]
fn static_roles_of_one_organization_are_compared_with_one_list_an_hour() {
    let mount = Mount::new();
    let all: Vec<String> = (0..5).map(|number| mount.daily(&format!("app{number}"))).collect();
    mount.rollback().unwrap();
    mount.astra.delete_outside(&all[1]);
    mount.astra.delete_outside(&all[3]);
    mount.host.clock.advance(HELD_LOOK_PERIOD);
    mount.host.http.clear();
    mount.rollback().unwrap();
    let asked: Vec<(String, String)> =
        mount.host.http.requests().into_iter().map(|sent| (sent.client_id, sent.path_and_query)).collect();
    let of = |client_id: &str, path: &str| (client_id.to_owned(), path.to_owned());
    let own = "/v2/currentOrg";
    let expected = [of("AdminOfA", own), of("AdminOfA", "/v2/clientIdSecrets"), of(&all[1], own), of(&all[3], own)];
    assert_eq!(asked[..4], expected, "and then those two are replaced");
    mount.host.clock.advance(MINUTE);
    mount.rollback().unwrap();
    mount.assert_static(5, 0);
    mount.host.http.clear();
    for _ in 0..50 {
        mount.host.clock.advance(MINUTE);
        mount.rollback().unwrap();
    }
    assert!(mount.host.http.requests().is_empty(), "not before the hour is over");
}

#[test]
fn more_dead_tokens_than_one_call_tries_have_their_turn_with_the_next() {
    let mount = Mount::new();
    let count = HELD_PROOFS_MAX + 5;
    let all: Vec<String> = (0..count).map(|number| mount.daily(&format!("app{number}"))).collect();
    mount.rollback().unwrap();
    all.iter().for_each(|client_id| mount.astra.delete_outside(client_id));
    mount.host.clock.advance(HELD_LOOK_PERIOD);
    assert_served(&mount, "no", "and 15 more");
    let done = tidy(&mount, true);
    assert_eq!((done["gone"].as_array().unwrap().len(), &done["complete"]), (HELD_PROOFS_MAX, &json!(false)));
    for _ in 0..4 {
        mount.rollback().unwrap();
        mount.host.clock.advance(MINUTE);
    }
    mount.rollback().unwrap();
    mount.assert_static(count, 0);
}

#[test]
fn an_organization_whose_admin_token_is_dead_stops_no_other_and_is_told_in_the_log() {
    let (mount, of_a) = with_role(Mount::new());
    mount.configure(ORG_B, ADMIN_B, json!({}));
    mount
        .write(&format!("static-roles/{ORG_B}/app"), json!({ "role_ids": [ROLE_ID], "rotation_period": "24h" }))
        .done();
    let key = format!("static-role/{ORG_B}/app");
    let of_b = mount.host.storage.json(&key)["client_id"].as_str().unwrap().to_owned();
    mount.astra.delete_outside(&of_b);
    mount.astra.delete_outside("AdminOfA");
    look(&mount);
    assert_ne!(mount.host.storage.json(&key)["client_id"], json!(of_b));
    assert_eq!(current(&mount, "app"), of_a);
    let lines = mount.host.log.lines();
    let line = lines.iter().find(|line| line.message.starts_with("the tokens of static roles")).unwrap();
    let line = format!("{line:?}");
    assert!(line.contains(ORG_A) && line.contains(&format!("write it as `astra_token` to `config/{ORG_A}`")), "{line}");
    // And so are a check and the next requests told.
    let check = mount.send(Operation::Read, &format!("config/{ORG_A}/check"), Value::Null).data();
    assert_eq!(check["healthy"], false);
    let next =
        [mount.creds(), mount.write(&format!("config/{ORG_A}/rotate-root"), json!({})), mount.rotate_static("app")];
    let mut texts = vec![check["token_valid"]["message"].as_str().unwrap().to_owned()];
    texts.extend(next.map(|answered| answered.failed().1));
    for text in texts {
        assert!(text.contains("has ended") && text.contains(&format!("to `config/{ORG_A}`")), "{text}");
    }
    // That remedy works.
    mount.astra.make_admin("AstraCS:Another:canary");
    mount.configure(ORG_A, "AstraCS:Another:canary", json!({}));
    Leased::of(mount.creds());
}

#[test]
fn organizations_beyond_those_of_one_call_have_their_turn_with_the_next() {
    let (mount, dead) = with_role(Mount::new());
    // They have no config, and so nothing to look at.
    for number in 0..HELD_ORGANIZATIONS_PER_ROLLBACK_MAX {
        mount.host.storage.seed(&format!("static-role/0{number:03}/app"), "{}");
    }
    mount.astra.delete_outside(&dead);
    mount.host.clock.advance(HELD_LOOK_PERIOD);
    mount.rollback().unwrap();
    assert_eq!(current(&mount, "app"), dead);
    mount.rollback().unwrap();
    assert_ne!(mount.static_token("app"), dead);
}

#[test]
fn a_look_that_does_not_come_back_goes_on_with_the_next_organization() {
    let (mount, _) = with_role(Mount::new());
    mount.host.clock.advance(HELD_LOOK_PERIOD);
    let storage = std::sync::Arc::clone(&mount.host.storage);
    mount.astra.during_next(On::List, move || {
        storage.fail_all(secrets_framework::host::StorageError::Failed("the instance died here".to_owned()));
    });
    mount.astra.hide("AdminOfA", 1);
    let _ = mount.rollback();
    mount.host.storage.clear_faults();
    assert_eq!(mount.host.storage.json("state/held-look")["after"], format!("{ORG_A}/"));
    mount.rollback().unwrap();
    assert_eq!(mount.host.storage.json("state/held-look")["after"], "");
}

#[test]
fn a_clock_that_was_set_back_does_not_stop_the_look() {
    let (mount, dead) = with_role(Mount::new());
    mount.host.storage.seed("state/held-look", json!({ "next": 9_999_999_999_u64 }).to_string());
    mount.astra.delete_outside(&dead);
    mount.rollback().unwrap();
    mount.rollback().unwrap();
    assert_ne!(mount.static_token("app"), dead);
}

#[test]
fn a_token_that_was_rotated_while_it_was_looked_at_is_not_replaced_again() {
    let (mount, dead) = with_role(Mount::new());
    mount.astra.delete_outside(&dead);
    mount.host.clock.advance(HELD_LOOK_PERIOD);
    let racing = mount.clone();
    mount.astra.during_next(On::List, move || {
        racing.rotate_static("app").data();
    });
    mount.rollback().unwrap();
    let rotated = mount.static_token("app");
    mount.host.clock.advance(MINUTE);
    mount.rollback().unwrap();
    assert_eq!(mount.static_token("app"), rotated);
}

#[test]
fn a_config_deleted_while_its_static_roles_remain_is_passed_over() {
    let (mount, _) = with_role(Mount::new());
    mount.host.storage.remove(&format!("config/{ORG_A}"));
    let before = mount.host.clock.now();
    look(&mount);
    assert!(mount.host.clock.now() > before);
}
