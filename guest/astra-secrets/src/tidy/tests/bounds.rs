//! Each limit is reached, told, and left behind by the next tidy.

use super::*;
use crate::limits::{
    TIDY_BEGIN_BUDGET, TIDY_BUDGET, TIDY_COMPARED_MAX, TIDY_ENDED_MAX, TIDY_LOOKED_AT_MAX, TIDY_MESSAGES_MAX,
    TIDY_ORGANIZATIONS_MAX, TIDY_RECEIVED_BYTES_MAX, TIDY_REMOVED_MAX, TIDY_SHOWN_MAX,
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
fn no_further_organization_is_begun_when_the_time_or_the_memory_is_used_up() {
    let mount = Mount::new();
    mount.configure(ORG_B, ADMIN_B, json!({}));
    let clock = std::sync::Arc::clone(&mount.host.clock);
    mount.astra.during_next(On::List, move || clock.advance(TIDY_BEGIN_BUDGET));
    let slow = tidy(&mount, true);
    for number in 0..32 {
        mount.astra.make_outside(&format!("Big{number}"), &"x".repeat(TIDY_RECEIVED_BYTES_MAX / 32));
    }
    mount.host.http.clear();
    let big = tidy(&mount, true);
    assert!(mount.host.http.requests().iter().all(|request| request.client_id == "AdminOfA"));
    for answer in [slow, big] {
        let organizations = &answer["organizations"];
        let complete = (&organizations[ORG_A]["complete"], &organizations[ORG_B]["complete"]);
        assert_eq!(complete, (&json!(true), &json!(false)));
        assert!(answer["messages"][0].as_str().unwrap().contains(ORG_B), "{answer}");
    }
    assert_eq!(mount.write("tidy", json!({ "org_id": ORG_B })).data()["complete"], true);
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
fn a_second_origin_is_not_begun_when_the_memory_is_used_up() {
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
fn more_records_than_can_be_compared_are_told() {
    let mount = Mount::new();
    for number in 0..=TIDY_COMPARED_MAX {
        mount.host.storage.seed(&format!("client-index/{ORG_A}/C{number:05}"), "{}");
    }
    mount.host.http.clear();
    let mistake = mount.write("tidy", json!({})).failed().1;
    assert!(mistake.contains("more tokens than one tidy can compare"), "{mistake}");
    assert!(mount.host.http.requests().is_empty());
}

#[test]
fn ended_records_beyond_the_first_wait_for_rollback() {
    let mount = Mount::new();
    let client_id = Leased::of(mount.creds()).client_id();
    for number in 0..TIDY_ENDED_MAX {
        mount.host.storage.seed(&format!("due-index/000000000000-{number}"), "{}");
    }
    mount.host.clock.advance(2 * HOUR);
    assert_eq!(tidy(&mount, true)["expired"], json!([]));
    mount.host.storage.remove("due-index/000000000000-0");
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
    mount.host.storage.remove("index-state");
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
