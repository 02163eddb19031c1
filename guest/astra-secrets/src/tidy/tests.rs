//! What tidy finds, what it removes, and above all what it leaves alone.

#![expect(clippy::unwrap_used, reason = "tests")]

mod bounds;
mod races;
mod rules;
mod schedule;
mod statics;

use std::time::Duration;

use secrets_framework::Operation;
use secrets_framework::host::Clock;
use serde_json::{Value, json};

use crate::testing::{ADMIN_A, ADMIN_B, Fault, LATER, Leased, Mount, ORG_A, ORG_B, On, assert_no_secret, task_key};

const HOUR: Duration = Duration::from_secs(3600);

/// Tidies for real, or only tells, and answers what was told.
#[track_caller]
fn tidy(mount: &Mount, dry_run: bool) -> Value {
    let answer = mount.write("tidy", json!({ "dry_run": dry_run })).data();
    assert_no_secret(&answer.to_string());
    assert_eq!(mount.host.locks.held(), Vec::<String>::new());
    answer
}

/// A mark of the mount's that no mint of this test made.
fn mark(mount: &Mount, number: u32) -> String {
    let uuid = secrets_framework::host::SystemView::backend_uuid(&*mount.host.system_view);
    format!("vault-mark:{uuid}:{number:032x}")
}

/// Leaves an orphan in Astra that is old enough.
fn orphan(mount: &Mount, client_id: &str) {
    mount.astra.make_outside(client_id, &format!("for whom {}", mark(mount, 7)));
    mount.host.clock.advance(LATER);
}

/// What changed in storage, but for the result and what is noted of Astra's roles.
fn stored(mount: &Mount) -> Vec<(String, Vec<u8>)> {
    let entries = mount.host.storage.snapshot().into_iter();
    entries
        .filter(|(key, _)| !key.starts_with("tidy/") && !key.starts_with("astra-role/"))
        .map(|(key, entry)| (key, entry.value))
        .collect()
}

#[test]
fn a_mount_in_order_has_nothing_to_tidy() {
    let mount = Mount::new();
    let live = Leased::of(mount.creds()).client_id();
    Leased::of(mount.org_token(json!({ "logical_name": "app" })));
    mount.host.clock.advance(LATER);
    let before = stored(&mount);
    for dry_run in [true, false] {
        let answer = tidy(&mount, dry_run);
        for list in ["orphans", "gone", "expired", "warnings", "removed", "messages"] {
            assert_eq!(answer[list], json!([]), "{list}");
        }
        assert_eq!((&answer["failed"], &answer["complete"]), (&json!({}), &json!(true)));
        assert_eq!(answer["organizations"][ORG_A]["dry_run"], dry_run);
    }
    assert_eq!(stored(&mount), before);
    assert!(mount.astra.is_live(&live));
    mount.assert_settled(2);
}

#[test]
fn each_kind_is_told_by_a_dry_run_and_removed_by_a_real_one() {
    for mount in [Mount::new(), Mount::on_vault()] {
        let gone = Leased::of(mount.org_token(json!({ "logical_name": "gone" }))).client_id();
        mount.astra.delete_outside(&gone);
        let expired = Leased::of(mount.creds()).client_id();
        mount.astra.set_expiry(&expired, "2026-01-01T00:30:00Z");
        let live = Leased::of(mount.creds()).client_id();
        orphan(&mount, "Orphan");
        mount.host.clock.advance(HOUR - LATER);
        mount.astra.set_expiry("AdminOfA", "2026-01-10T00:00:00Z");

        let before = stored(&mount);
        let told = tidy(&mount, true);
        assert_eq!(told["orphans"], json!(["Orphan"]));
        assert_eq!(told["gone"], json!([gone]));
        assert_eq!(told["expired"], json!([expired]));
        assert_eq!(told["warnings"], json!(["AdminOfA"]));
        assert_eq!(told["removed"], json!([]));
        assert_eq!((&told["dry_run"], &told["complete"]), (&json!(true), &json!(true)));
        assert_eq!(stored(&mount), before);
        assert!(mount.astra.is_live("Orphan") && mount.astra.is_live(&expired));

        let done = tidy(&mount, false);
        assert_eq!(done["removed"], json!([gone, expired, "Orphan"]));
        assert!(mount.host.log.text().contains("Orphan"), "who looks for it finds it in the log");
        assert_eq!(done["orphans"], told["orphans"]);
        assert!(mount.astra.is_live(&live));
        mount.assert_settled(1);
        assert_eq!(tidy(&mount, false)["removed"], json!([]));
    }
}

#[test]
fn the_last_result_is_read_back_and_is_404_before() {
    let mount = Mount::new();
    mount.configure(ORG_B, ADMIN_B, json!({ "logical_name": "beta" }));
    mount.send(Operation::Read, "tidy", Value::Null).missing();
    orphan(&mount, "Orphan");
    let told = tidy(&mount, true);
    let read = mount.send(Operation::Read, "tidy", Value::Null).data();
    assert_eq!(read, told);
    let of_b = mount.send(Operation::Read, "tidy", json!({ "org_id": "beta" })).data();
    assert_eq!((&of_b["orphans"], of_b["organizations"].as_object().unwrap().len()), (&json!([]), 1));
    mount.send(Operation::Read, "tidy", json!({ "org_id": "nobody" })).missing();
    mount.assert_no_secret_logged();
}

#[test]
fn one_organization_is_tidied_by_id_or_logical_name_and_an_unknown_one_is_a_mistake() {
    let mount = Mount::new();
    mount.configure(ORG_B, ADMIN_B, json!({ "logical_name": "beta" }));
    for name in [ORG_B, "beta"] {
        mount.host.http.clear();
        let answer = mount.write("tidy", json!({ "org_id": name })).data();
        assert_eq!(answer["organizations"].as_object().unwrap().keys().collect::<Vec<_>>(), [ORG_B]);
        assert!(mount.host.http.requests().iter().all(|request| request.client_id == "AdminOfB"));
    }
    let mistake = mount.write("tidy", json!({ "org_id": "nobody" })).mistake();
    assert!(mistake.contains("`nobody`") && mistake.contains("`configs`"), "{mistake}");
}

#[test]
fn an_organization_that_fails_hides_no_other() {
    let mount = Mount::new();
    mount.configure(ORG_B, ADMIN_B, json!({}));
    orphan(&mount, "Orphan");
    mount.astra.move_org(ADMIN_B, "https://nowhere.example.org");
    let answered = mount.write("tidy", json!({ "dry_run": false }));
    assert_eq!(answered.0.as_ref().unwrap().as_ref().unwrap().warnings.len(), 1);
    let answer = answered.data();
    assert_eq!(answer["removed"], json!(["Orphan"]));
    assert!(answer["failed"][ORG_B].as_str().unwrap().contains("404"), "{answer}");
    assert_eq!((answer["failed"].as_object().unwrap().len(), &answer["complete"]), (1, &json!(false)));
    mount.assert_settled(0);

    // Alone, it is an error of its own, and its result is kept.
    assert_eq!(mount.write("tidy", json!({ "org_id": ORG_B })).failed().0, Some(502));
    let read = mount.send(Operation::Read, "tidy", json!({ "org_id": ORG_B })).data();
    assert!(read["failed"][ORG_B].is_string());
}

#[test]
fn an_admin_token_that_has_expired_is_told_and_nothing_is_touched() {
    let mount = Mount::new();
    let client_id = Leased::of(mount.creds()).client_id();
    orphan(&mount, "Orphan");
    mount.astra.fail_times(On::CurrentOrg, 9, Fault::Status(401, r#"{"errors":[{"ID":340018}]}"#));
    let (code, text) = mount.write("tidy", json!({ "dry_run": false })).failed();
    assert_eq!(code, Some(502));
    assert!(text.contains(ORG_A) && text.contains("340018"), "{text}");
    assert!(mount.astra.is_live("Orphan") && mount.recorded().contains(&client_id));
}

#[test]
fn a_lost_permission_to_delete_is_told_once_and_keeps_what_is_there() {
    let mount = Mount::new();
    let gone = Leased::of(mount.creds()).client_id();
    mount.astra.delete_outside(&gone);
    for client_id in ["OrphanA", "OrphanB", "OrphanC"] {
        mount.astra.make_outside(client_id, &mark(&mount, 9));
    }
    mount.host.clock.advance(LATER);
    mount.astra.fail_times(On::Delete, 99, Fault::Status(403, "null"));
    mount.host.http.clear();
    let answer = tidy(&mount, false);
    assert_eq!(answer["orphans"], json!(["OrphanA", "OrphanB", "OrphanC"]));
    assert_eq!(answer["removed"], json!([gone]), "that takes no permission");
    assert_eq!(answer["messages"].as_array().unwrap().len(), 1);
    assert!(answer["failed"][ORG_A].as_str().unwrap().contains("may manage tokens"), "{answer}");
    let deletions = mount.host.http.requests();
    assert_eq!(deletions.iter().filter(|request| request.path_and_query.contains("Orphan")).count(), 1);
    mount.astra.heal();
    tidy(&mount, false);
    mount.assert_settled(0);
}

#[test]
fn a_token_that_cannot_be_deleted_does_not_keep_others_waiting() {
    let mount = Mount::new();
    for client_id in ["OrphanA", "OrphanB"] {
        mount.astra.make_outside(client_id, &mark(&mount, 9));
    }
    mount.host.clock.advance(LATER);
    mount.astra.fail(On::Delete, Fault::Status(404, ""));
    let answer = tidy(&mount, false);
    assert_eq!(answer["removed"], json!(["OrphanB"]));
    assert!(answer["messages"][0].as_str().unwrap().contains("`OrphanA`"), "{answer}");
    assert_eq!(answer["failed"], json!({}));
}

#[test]
fn tokens_of_a_left_origin_are_tidied_where_they_are() {
    let mount = Mount::new();
    let old = Leased::of(mount.creds()).client_id();
    let gone = Leased::of(mount.creds()).client_id();
    mount.astra.delete_outside(&gone);
    mount.astra.make_outside("OldOrphan", &mark(&mount, 1));
    mount.host.clock.advance(LATER);
    mount.astra.add_org("AstraCS:Moved:canary", ORG_A, "https://moved.example.org");
    mount.configure(ORG_A, "AstraCS:Moved:canary", json!({ "url": "https://moved.example.org", "force": true }));
    let answer = tidy(&mount, false);
    assert_eq!((&answer["orphans"], &answer["gone"]), (&json!(["OldOrphan"]), &json!([gone])));
    assert!(mount.astra.is_live(&old) && mount.astra.is_live("AdminOfA"));
    mount.assert_settled(1);

    // Without its list, nothing is known of the left origin's tokens.
    mount.astra.move_org(ADMIN_A, "https://nowhere.example.org");
    let answer = tidy(&mount, false);
    assert_eq!((&answer["gone"], &answer["removed"]), (&json!([]), &json!([])));
    assert!(answer["failed"][ORG_A].is_string());
    assert!(mount.recorded().contains(&old));
}

#[test]
fn a_forced_delete_of_a_config_leaves_what_tidy_can_still_do() {
    let mount = Mount::new();
    let live = Leased::of(mount.creds()).client_id();
    mount.astra.make_outside("Orphan", &mark(&mount, 1));
    mount.host.clock.advance(LATER);
    mount.send(Operation::Delete, &format!("config/{ORG_A}"), json!({ "force": true })).0.unwrap();
    let answer = tidy(&mount, false);
    assert_eq!(answer["removed"], json!(["Orphan"]));
    assert!(mount.astra.is_live(&live) && mount.astra.is_live("AdminOfA"));
    mount.assert_settled(1);
    // What there is of it no longer is told no longer.
    mount.send(Operation::Delete, &format!("tokens/{ORG_A}/{live}"), Value::Null).done();
    mount.rollback().unwrap();
    assert_eq!(tidy(&mount, true)["organizations"], json!({}));
    assert!(!mount.host.storage.keys().iter().any(|key| key.starts_with("tidy/org/")));
}

#[test]
fn a_node_that_cannot_write_asks_nothing_and_says_it_in_the_servers_words() {
    let mount = Mount::new();
    orphan(&mount, "Orphan");
    mount.host.http.clear();
    mount.host.storage.set_read_only(true);
    for dry_run in [true, false] {
        let (_, text) = mount.write("tidy", json!({ "dry_run": dry_run })).failed();
        assert_eq!(text, secrets_framework::testing::READ_ONLY_TEXT);
    }
    assert!(mount.host.http.requests().is_empty());
}

#[test]
fn a_run_that_died_is_seen_and_the_next_one_finishes() {
    let deaths = |nth| {
        let mount = Mount::on_vault();
        let gone = Leased::of(mount.creds()).client_id();
        mount.astra.delete_outside(&gone);
        orphan(&mount, "Orphan");
        mount.host.storage.die_at_write(nth);
        let died = mount.write("tidy", json!({ "dry_run": false })).0.is_err();
        mount.host.storage.clear_faults();
        if died && nth > 1 {
            let read = mount.send(Operation::Read, "tidy", Value::Null).data();
            assert_eq!(read["ended"], Value::Null, "write {nth}");
        }
        assert_eq!(mount.host.locks.held(), Vec::<String>::new());
        tidy(&mount, false);
        // An index entry without its record goes when it is due.
        mount.host.clock.advance(2 * HOUR);
        mount.rollback().unwrap();
        mount.assert_settled(0);
        died
    };
    let died = (1..20).take_while(|nth| deaths(*nth)).count();
    assert!(died > 4, "{died}");
}
