//! Each limit is reached, told, and left behind by the next tidy.

use super::*;
use crate::limits::{
    TIDY_BEGIN_BUDGET, TIDY_BUDGET, TIDY_COMPARED_MAX, TIDY_ENDED_MAX, TIDY_GO_ON_WITHIN, TIDY_LISTED_MAX,
    TIDY_LOOKED_AT_MAX, TIDY_MESSAGES_MAX, TIDY_ORGANIZATIONS_MAX, TIDY_ORPHANS_MAX, TIDY_REMOVED_MAX, TIDY_SHOWN_MAX,
};

fn orphans(mount: &Mount, count: usize) {
    for number in 0..count {
        mount.astra.make_outside(&format!("Orphan{number:05}"), &mark(mount, u32::try_from(number).unwrap()));
    }
    mount.host.clock.advance(LATER);
}

fn len(answer: &Value, list: &str) -> usize {
    answer[list].as_array().unwrap().len()
}

#[test]
fn what_one_call_looks_at_and_removes_is_bounded_and_the_next_goes_on() {
    let mount = Mount::new();
    orphans(&mount, TIDY_LOOKED_AT_MAX + 5);
    let told = tidy(&mount, true);
    assert_eq!((len(&told, "orphans"), &told["complete"]), (TIDY_LOOKED_AT_MAX, &json!(false)));
    assert!(told["messages"][0].as_str().unwrap().contains("tidy again"), "{}", told["messages"]);
    let rest = tidy(&mount, true);
    assert_eq!((len(&rest, "orphans"), &rest["complete"]), (5, &json!(true)), "a dry run goes on, too");
    let done = tidy(&mount, false);
    assert_eq!((len(&done, "orphans"), len(&done, "removed")), (TIDY_LOOKED_AT_MAX, TIDY_REMOVED_MAX));
    assert_eq!((len(&done, "messages"), &done["complete"]), (1, &json!(false)));
    let rounds = (0..20).take_while(|_| tidy(&mount, false)["complete"] == false).count();
    assert_eq!(rounds, (TIDY_LOOKED_AT_MAX + 5).div_ceil(TIDY_REMOVED_MAX) - 2);
    mount.assert_settled(0);
}

#[test]
fn no_further_token_is_touched_when_the_time_has_passed() {
    let mount = Mount::new();
    orphans(&mount, 2);
    let clock = std::sync::Arc::clone(&mount.host.clock);
    mount.astra.during_next(On::Delete, move || clock.advance(TIDY_BUDGET));
    let answer = tidy(&mount, false);
    assert_eq!((len(&answer, "removed"), &answer["complete"]), (1, &json!(false)));
}

#[test]
fn an_organization_that_no_time_is_left_for_has_its_turn_with_the_next_call() {
    let slow = |mount: &Mount| {
        let clock = std::sync::Arc::clone(&mount.host.clock);
        mount.astra.during_next(On::List, move || clock.advance(TIDY_BEGIN_BUDGET));
    };
    let big = |mount: &Mount| mount.astra.set_foreign(TIDY_LISTED_MAX);
    for hinder in [&slow as &dyn Fn(&Mount), &big] {
        let mount = Mount::new();
        mount.configure(ORG_B, ADMIN_B, json!({}));
        hinder(&mount);
        mount.host.http.clear();
        let answer = tidy(&mount, true);
        assert!(mount.host.http.requests().iter().all(|request| request.client_id == "AdminOfA"));
        let organizations = &answer["organizations"];
        let complete = (&organizations[ORG_A]["complete"], &organizations[ORG_B]["complete"]);
        assert_eq!(complete, (&json!(true), &json!(false)));
        assert!(answer["messages"][0].as_str().unwrap().contains(ORG_B), "{answer}");
        // The next call goes on with the second one, and the first, which is done, is told of as it was.
        mount.host.http.clear();
        let answer = tidy(&mount, true);
        assert!(mount.host.http.requests().iter().all(|request| request.client_id == "AdminOfB"));
        assert_eq!((&answer["complete"], answer["organizations"].as_object().unwrap().len()), (&json!(true), 2));
        // The one after begins anew.
        mount.astra.set_foreign(0);
        mount.host.http.clear();
        assert_eq!(tidy(&mount, true)["complete"], true);
        let mut clients: Vec<String> = mount.host.http.requests().into_iter().map(|sent| sent.client_id).collect();
        clients.dedup();
        assert_eq!(clients, ["AdminOfA", "AdminOfB"]);
    }
}

#[test]
fn an_unfinished_round_is_left_by_another_kind_of_tidy_and_after_a_day() {
    let mount = Mount::new();
    mount.configure(ORG_B, ADMIN_B, json!({}));
    let asked = || {
        mount.host.http.clear();
        let clock = std::sync::Arc::clone(&mount.host.clock);
        mount.astra.during_next(On::List, move || clock.advance(TIDY_BEGIN_BUDGET));
        tidy(&mount, true);
        let mut clients: Vec<String> = mount.host.http.requests().into_iter().map(|sent| sent.client_id).collect();
        clients.dedup();
        clients
    };
    assert_eq!(asked(), ["AdminOfA"]);
    // One organization alone neither ends nor goes on with it.
    mount.write("tidy", json!({ "org_id": ORG_A })).data();
    mount.host.clock.advance(TIDY_GO_ON_WITHIN);
    assert_eq!(asked(), ["AdminOfA"]);
    mount.write("tidy", json!({ "org_id": ORG_A })).data();
    assert_eq!(asked(), ["AdminOfB"]);
    assert_eq!(asked(), ["AdminOfA"]);
    // A dry run leaves nothing out of a real one.
    orphan(&mount, "Orphan");
    assert_eq!(tidy(&mount, false)["removed"], json!(["Orphan"]));
}

#[test]
fn an_organization_that_finds_the_limits_used_up_loses_nothing() {
    let mount = Mount::new();
    mount.configure(ORG_B, ADMIN_B, json!({}));
    for client_id in ["OfB1", "OfB2"] {
        mount.astra.make_outside_in(ADMIN_B, client_id, &mark(&mount, 1));
    }
    orphans(&mount, TIDY_REMOVED_MAX);
    let first = tidy(&mount, false);
    assert_eq!((len(&first, "removed"), &first["complete"]), (TIDY_REMOVED_MAX, &json!(false)));
    let second = tidy(&mount, false);
    assert_eq!((&second["organizations"][ORG_B]["complete"], &second["complete"]), (&json!(true), &json!(true)));
    mount.assert_settled(0);
}

/// A token for each of these names is listed, and each has an index entry but no record that can be read.
fn seed_index(mount: &Mount, count: usize) {
    for number in 0..count {
        mount.host.storage.seed(&format!("client-index/{ORG_A}/f{number}"), "{}");
    }
    mount.astra.set_foreign(count);
}

#[test]
fn records_beyond_those_that_one_call_compares_have_their_turn_with_the_next() {
    let mount = Mount::new();
    // Sorts after the others.
    let gone = Leased::of(mount.creds()).client_id();
    mount.astra.delete_outside(&gone);
    let key = |id: &str| format!("token/{id}");
    let mut record = mount.host.storage.json(&key(&gone));
    record["clientId"] = json!("zGone");
    super::rules::forget(&mount, &gone);
    mount.host.storage.seed(&key("zGone"), record.to_string());
    let deadline = record["leaseEnd"].as_u64().unwrap() + crate::limits::LEASE_END_MARGIN.as_secs();
    mount.host.storage.seed(&task_key("token", deadline, &format!("{ORG_A}.zGone")), "{}");
    mount.host.storage.seed(&format!("client-index/{ORG_A}/zGone"), json!({ "id": "zGone" }).to_string());
    seed_index(&mount, TIDY_COMPARED_MAX);
    orphan(&mount, "zOrphan");
    let first = tidy(&mount, false);
    assert_eq!((&first["complete"], &first["gone"], &first["orphans"]), (&json!(false), &json!([]), &json!([])));
    assert!(first["messages"][0].as_str().unwrap().contains("goes on from there"), "{first}");
    let second = tidy(&mount, false);
    assert_eq!(second["complete"], true, "{}", second["messages"]);
    assert_eq!((&second["gone"], &second["orphans"]), (&json!(["zGone"]), &json!(["zOrphan"])));
    assert_eq!(len(&second, "removed"), 2);
    assert!(!mount.astra.is_live("zOrphan"));
}

#[test]
fn a_part_that_failed_is_tried_again_and_then_left_behind() {
    let mount = Mount::new();
    orphans(&mount, TIDY_ORPHANS_MAX + 2);
    // Some are removed, then one is not, each time.
    let stuck = || {
        mount.astra.fail_times(On::Delete, 1, Fault::Status(500, ""));
        tidy(&mount, false)
    };
    mount.configure(ORG_A, ADMIN_A, json!({ "max_retries": 0 }));
    let first = stuck();
    assert_eq!(
        (len(&first, "removed"), len(&first, "orphans"), &first["complete"]),
        (0, TIDY_ORPHANS_MAX, &json!(false))
    );
    assert!(first["failed"][ORG_A].is_string());
    let second = stuck();
    assert_eq!(second["orphans"][0], "Orphan00000", "the same part again");
    assert_eq!(tidy(&mount, false)["orphans"][0], "Orphan00001", "and now the one that fails is left behind");
    let mut last = Value::Null;
    for _ in 0..TIDY_ORPHANS_MAX.div_ceil(TIDY_REMOVED_MAX) {
        last = tidy(&mount, false);
    }
    // The call that ends it says that something was left, and the next one does it.
    assert_eq!(last["complete"], false);
    assert!(last["messages"][0].as_str().unwrap().contains("begin anew"), "{}", last["messages"]);
    assert_eq!(tidy(&mount, false)["removed"], json!(["Orphan00000"]));
    mount.assert_settled(0);
}

#[test]
fn no_further_organization_is_begun_when_there_are_too_many() {
    let mount = Mount::new();
    let config = mount.host.storage.json(&format!("config/{ORG_A}"));
    for number in 0..TIDY_ORGANIZATIONS_MAX {
        mount.host.storage.seed(&format!("config/0{number:03}"), config.to_string());
    }
    let answer = tidy(&mount, true);
    assert_eq!(answer["organizations"].as_object().unwrap().len(), TIDY_ORGANIZATIONS_MAX + 1);
    let incomplete: Vec<&str> = answer["messages"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(incomplete.len() == 1 && incomplete[0].contains(ORG_A), "{incomplete:?}");
}

#[test]
fn a_second_origin_is_not_begun_when_the_time_is_used_up() {
    let mount = Mount::new();
    let left = Leased::of(mount.creds()).client_id();
    mount.astra.add_org("AstraCS:Moved:canary", ORG_A, "https://moved.example.org");
    mount.configure(ORG_A, "AstraCS:Moved:canary", json!({ "url": "https://moved.example.org", "force": true }));
    mount.host.clock.advance(LATER);
    let clock = std::sync::Arc::clone(&mount.host.clock);
    mount.astra.during_next(On::List, move || clock.advance(TIDY_BEGIN_BUDGET));
    let answer = tidy(&mount, false);
    assert_eq!((&answer["removed"], &answer["complete"]), (&json!([]), &json!(false)));
    assert!(mount.recorded().contains(&left));
}

#[test]
fn a_list_larger_than_the_host_lets_through_is_told() {
    let mount = Mount::new();
    mount.astra.fail(On::List, Fault::Fails(secrets_framework::host::HttpError::TooLarge));
    let (code, text) = mount.write("tidy", json!({})).failed();
    assert_eq!(code, Some(502));
    assert!(text.contains("larger than the host allows"), "{text}");
}

#[test]
fn ended_records_beyond_the_first_wait_for_rollback() {
    let mount = Mount::new();
    let client_id = Leased::of(mount.creds()).client_id();
    for number in 0..TIDY_ENDED_MAX {
        mount.host.storage.seed(&task_key("token", 0, &format!("{ORG_A}.{number}")), "{}");
    }
    mount.host.clock.advance(2 * HOUR);
    assert_eq!(tidy(&mount, true)["expired"], json!([]));
    mount.host.storage.remove(&task_key("token", 0, &format!("{ORG_A}.0")));
    assert_eq!(tidy(&mount, true)["expired"], json!([client_id]));
}

#[test]
fn messages_are_bounded() {
    let mount = Mount::new();
    orphans(&mount, TIDY_MESSAGES_MAX + 1);
    mount.astra.fail_times(On::Delete, 99, Fault::Status(404, ""));
    let answer = tidy(&mount, false);
    assert_eq!((len(&answer, "messages"), len(&answer, "orphans")), (TIDY_MESSAGES_MAX, TIDY_MESSAGES_MAX + 1));
}

#[test]
fn what_is_shown_is_bounded() {
    let mount = Mount::new();
    tidy(&mount, true);
    let result = json!({ "orphans": vec!["X"; TIDY_SHOWN_MAX + 1], "complete": true });
    mount.host.storage.seed(&format!("tidy/org/{ORG_A}"), result.to_string());
    let read = mount.send(Operation::Read, "tidy", Value::Null);
    assert!(read.0.as_ref().unwrap().as_ref().unwrap().warnings[0].contains("are shown"));
    assert_eq!(len(&read.data(), "orphans"), TIDY_SHOWN_MAX);
}

#[test]
fn a_mount_whose_index_is_not_filled_yet_waits() {
    let mount = Mount::new();
    mount.host.storage.remove("state/index");
    let record = json!({ "clientId": "Go", "orgId": ORG_A, "roleName": "reader", "logicalName": "x" });
    for number in 0..crate::limits::INDEXED_PER_ROLLBACK_MAX {
        mount.host.storage.seed(&format!("token/{number:064}"), record.to_string());
    }
    let (code, text) = mount.write("tidy", json!({})).failed();
    assert_eq!(code, Some(503));
    assert!(text.contains("being indexed"), "{text}");
    mount.send(Operation::Read, "tidy", Value::Null).missing();
    mount.rollback().unwrap();
    tidy(&mount, true);
}
