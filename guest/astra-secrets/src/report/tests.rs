//! Limits of a report.

#![expect(clippy::unwrap_used, reason = "tests")]

use secrets_framework::Operation;
use secrets_framework::testing::StorageCall;
use serde_json::{Value, json};

use crate::limits::{
    ASTRA_ROLES_NOTED_MAX, REPORT_CALLS_MAX, REPORT_READ_BYTES_MAX, REPORT_SHOWN_BYTES_MAX, SUMMARY_NAMES_MAX,
};
use crate::testing::{Mount, ORG_A};

fn seed(mount: &Mount, client_id: &str, more: Value) {
    let mut record = json!({ "clientId": client_id, "orgId": ORG_A, "roleName": "reader", "kind": "creds" });
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    mount.host.storage.seed(&format!("token/{client_id}"), record.to_string());
    mount.host.storage.seed(&format!("client-index/{ORG_A}/{client_id}"), json!({ "id": client_id }).to_string());
}

fn with_tokens(count: usize, more: impl Fn(usize) -> Value) -> Mount {
    let mount = Mount::new();
    for number in 0..count {
        seed(&mount, &format!("T{number:06}"), more(number));
    }
    mount
}

fn report(mount: &Mount, query: Value) -> Value {
    mount.send(Operation::Read, "report", query).data()
}

/// All pages of a report: how many tokens each has.
fn pages(mount: &Mount, query: &Value) -> Vec<usize> {
    let (mut sizes, mut after) = (Vec::new(), json!(""));
    loop {
        let mut query = query.clone();
        query["after"] = after;
        let page = report(mount, query);
        sizes.push(page["tokens"].as_array().unwrap().len());
        after = page["next"].clone();
        if after.is_null() {
            return sizes;
        }
    }
}

#[test]
fn a_page_reads_each_record_once_and_waits_for_storage_a_few_times() {
    let mount = with_tokens(2_500, |_| json!({}));
    assert_eq!(pages(&mount, &json!({})), [1_000, 1_000, 500]);
    mount.host.storage.clear_calls();
    report(&mount, json!({}));
    // The index's state, a config, and the records.
    assert_eq!(mount.host.storage.calls(StorageCall::Get), 1_002);
    assert!(mount.host.storage.round_trips() <= 20, "{}", mount.host.storage.round_trips());
}

#[test]
fn a_report_reads_no_more_than_one_request_may_and_goes_on() {
    let tokens = REPORT_CALLS_MAX + 500;
    let mount =
        with_tokens(tokens, |number| if number + 1 == tokens { json!({ "kind": "static" }) } else { json!({}) });
    // The one token that the filter takes is beyond the limit of the first request.
    assert_eq!(pages(&mount, &json!({ "kind": "static" })), [0, 1]);
    let first = report(&mount, json!({ "summary": true }));
    let rest = report(&mount, json!({ "summary": true, "after": first["next"] }));
    let count = |answer: &Value| answer["summary"]["tokens"].as_u64().unwrap();
    assert_eq!((count(&first) + count(&rest), &rest["next"]), (tokens as u64, &Value::Null));
    let text = mount.send(Operation::Read, "report", json!({ "sort": "made" })).mistake();
    assert!(text.contains("`sort`") && text.contains("the command `report`"), "{text}");
}

#[test]
fn long_records_end_a_request_early_and_no_token_is_lost() {
    let event = json!({ "at": 1, "event": "read", "displayName": "d".repeat(REPORT_READ_BYTES_MAX / 250) });
    let mount = with_tokens(400, |_| json!({ "history": { "events": [event] } }));
    let sizes = pages(&mount, &json!({}));
    assert_eq!((sizes.iter().sum::<usize>(), sizes.len()), (400, 2), "{sizes:?}");
    let noted = "v".repeat(REPORT_SHOWN_BYTES_MAX / 50);
    let mount = with_tokens(90, |_| json!({ "metadata": { "k": noted } }));
    let sizes = pages(&mount, &json!({}));
    assert_eq!((sizes.iter().sum::<usize>(), sizes[0]), (90, 49), "{sizes:?}");
}

#[test]
fn astra_roles_beyond_the_limit_of_a_request_are_not_known() {
    let mount = with_tokens(ASTRA_ROLES_NOTED_MAX + 1, |number| json!({ "roles": [format!("role-{number:04}")] }));
    for number in 0..=ASTRA_ROLES_NOTED_MAX {
        let id = format!("role-{number:04}");
        let note = json!({ "id": id, "name": "n", "resources": ["drn:astra:org:o:db:d"], "seen_at": 1 });
        mount.host.storage.seed(&format!("astra-role/{ORG_A}/{id}"), note.to_string());
    }
    let page = report(&mount, json!({ "reaches": "db:d" }));
    let tokens = page["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), ASTRA_ROLES_NOTED_MAX + 1);
    assert_eq!((&tokens[0]["reach"], &tokens[ASTRA_ROLES_NOTED_MAX]["reach"]), (&json!("yes"), &json!("unknown")));
}

#[test]
fn a_count_of_a_summary_has_a_limit_of_names() {
    let mount = with_tokens(SUMMARY_NAMES_MAX + 2, |number| json!({ "metadata": { "id": number.to_string() } }));
    let counts = report(&mount, json!({ "summary": true }))["summary"]["by_metadata"].clone();
    assert_eq!((counts.as_object().unwrap().len(), &counts["(others)"]), (SUMMARY_NAMES_MAX + 1, &json!(2)));
}

#[test]
fn a_record_that_cannot_be_read_hides_no_other_and_is_told() {
    let mount = with_tokens(3, |_| json!({}));
    mount.host.storage.seed("token/T000001", "damaged");
    let response = mount.send(Operation::Read, "report", Value::Null).0.unwrap().unwrap();
    let page: Value = serde_json::from_str(response.data.as_deref().unwrap()).unwrap();
    assert_eq!(page["tokens"].as_array().unwrap().len(), 2);
    assert!(response.warnings[0].contains("1 records of tokens cannot be read"), "{:?}", response.warnings);
    assert!(mount.host.log.text().contains("T000001"));
}

#[test]
fn what_a_crash_left_in_the_index_is_no_token() {
    let mount = with_tokens(3, |_| json!({}));
    mount.host.storage.remove("token/T000002");
    assert_eq!(pages(&mount, &json!({ "limit": 2 })).iter().sum::<usize>(), 2);
}

#[test]
fn a_mount_whose_index_is_not_complete_says_when_to_try_again() {
    let mount = with_tokens(1, |_| json!({}));
    mount.host.storage.remove("state/index");
    let (code, text) = mount.send(Operation::Read, "report", Value::Null).failed();
    assert_eq!(code, Some(503));
    assert!(text.contains("indexed"), "{text}");
}
