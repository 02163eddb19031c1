//! `tokens/:org` in pages and beyond its limits.

use secrets_framework::Operation;
use secrets_framework::testing::StorageCall;
use serde_json::{Value, json};

use crate::limits::{
    TOKENS_DESCRIBED_BYTES_MAX, TOKENS_DESCRIBED_HISTORY_BYTES_MAX, TOKENS_DESCRIBED_MAX, TOKENS_LISTED_MAX,
};
use crate::testing::{Mount, ORG_A};

/// A mount with so many tokens: `T000000`, `T000001` and so on.
fn with_tokens(tokens: usize) -> Mount {
    let mount = Mount::new();
    for number in 0..tokens {
        seed(&mount, &format!("T{number:06}"));
    }
    mount
}

fn seed(mount: &Mount, client_id: &str) {
    let record = json!({ "clientId": client_id, "orgId": ORG_A, "roleName": "reader" });
    mount.host.storage.seed(&format!("token/{client_id}"), record.to_string());
    let key = format!("client-index/{ORG_A}/{}", crate::storage::key::segment(client_id));
    mount.host.storage.seed(&key, json!({ "id": client_id }).to_string());
}

/// The keys of one page, each of which is described.
fn page(mount: &Mount, fields: Value) -> Vec<String> {
    let data = mount.send(Operation::List, &format!("tokens/{ORG_A}/"), fields).data();
    let keys: Vec<String> = serde_json::from_value(data["keys"].clone()).unwrap();
    assert_eq!(keys.len(), data["key_info"].as_object().unwrap().len());
    keys
}

fn end(mount: &Mount, fields: Value) {
    mount.send(Operation::List, &format!("tokens/{ORG_A}/"), fields).missing();
}

#[test]
fn pages_follow_one_another_to_the_end() {
    let mount = with_tokens(7);
    // As the server passes query parameters on: as text.
    let first = page(&mount, json!({ "limit": "3" }));
    assert_eq!(first, ["T000000", "T000001", "T000002"]);
    let second = page(&mount, json!({ "limit": 3, "after": "T000002" }));
    assert_eq!(second, ["T000003", "T000004", "T000005"]);
    assert_eq!(page(&mount, json!({ "limit": 3, "after": "T000005" })), ["T000006"]);
    end(&mount, json!({ "limit": 3, "after": "T000006" }));
    // What is listed after need not be there; no limit, 0 and less than 0 are none.
    assert_eq!(page(&mount, json!({ "after": "T000004x" })), ["T000005", "T000006"]);
    for limit in [json!(0), json!(-1), json!("")] {
        assert_eq!(page(&mount, json!({ "limit": limit })).len(), 7);
    }
    let text = mount.send(Operation::List, &format!("tokens/{ORG_A}/"), json!({ "limit": "many" })).mistake();
    assert!(text.contains("limit"), "{text}");
}

#[test]
fn a_page_costs_the_same_with_few_and_with_many_tokens() {
    let cost = |tokens: usize, after: &str| {
        let mount = with_tokens(tokens);
        mount.host.storage.clear_calls();
        assert_eq!(page(&mount, json!({ "limit": 5, "after": after })).len(), 5);
        [StorageCall::Get, StorageCall::List, StorageCall::Put].map(|call| mount.host.storage.calls(call))
    };
    let few = cost(10, "T000003");
    assert_eq!(few, [2 + 2 * 5, 1, 0], "config and the index's state; index and record of each");
    assert_eq!(cost(10_000, "T000003"), few);
    assert_eq!(cost(10_000, "T009000"), few);
}

#[test]
fn a_look_up_costs_the_same_with_few_and_with_many_tokens() {
    let cost = |tokens: usize| {
        let mount = with_tokens(tokens);
        mount.host.storage.clear_calls();
        mount.send(Operation::Read, &format!("tokens/{ORG_A}/T000007"), Value::Null).data();
        [StorageCall::Get, StorageCall::List, StorageCall::Put].map(|call| mount.host.storage.calls(call))
    };
    assert_eq!(cost(10), [3, 1, 0], "config, index, record; reads that wait");
    assert_eq!(cost(10_000), cost(10));
}

#[test]
fn what_a_crash_left_in_the_index_takes_no_place_on_a_page() {
    let mount = with_tokens(6);
    for client_id in ["T000001", "T000002"] {
        mount.host.storage.remove(&format!("token/{client_id}"));
    }
    assert_eq!(page(&mount, json!({ "limit": 3 })), ["T000000", "T000003", "T000004"]);
}

#[test]
fn odd_client_ids_have_their_place_in_the_order_of_pages() {
    let mount = Mount::new();
    for client_id in ["Zed", "a.b", "aab", "ä"] {
        seed(&mount, client_id);
    }
    let mut seen = Vec::new();
    while seen.len() < 4 {
        let after = seen.last().cloned().unwrap_or_default();
        seen.append(&mut page(&mount, json!({ "limit": 1, "after": after })));
    }
    end(&mount, json!({ "limit": 1, "after": seen[3] }));
    seen.sort();
    assert_eq!(seen, ["Zed", "a.b", "aab", "ä"]);
}

#[test]
fn a_go_mount_is_listed_in_pages_before_its_index_is_filled() {
    let mount = with_tokens(5);
    mount.host.storage.remove("state/index");
    for key in mount.host.storage.keys().iter().filter(|key| key.starts_with("client-index/")) {
        mount.host.storage.remove(key);
    }
    assert_eq!(page(&mount, json!({ "limit": 2 })), ["T000000", "T000001"]);
    assert_eq!(page(&mount, json!({ "limit": 2, "after": "T000001" })), ["T000002", "T000003"]);
    assert_eq!(page(&mount, json!({ "limit": 2, "after": "T000003" })), ["T000004"]);
    end(&mount, json!({ "limit": 2, "after": "T000004" }));
}

#[test]
fn a_list_beyond_its_limits_says_what_to_do() {
    let lists = [format!("tokens/{ORG_A}/"), "org/tokens/".to_owned()];
    let mount = with_tokens(TOKENS_DESCRIBED_MAX + 3);
    for list in &lists {
        let (keys, described, warnings) = long(&mount, list);
        assert_eq!((keys, described), (TOKENS_DESCRIBED_MAX + 3, TOKENS_DESCRIBED_MAX));
        assert!(warnings.len() == 1 && warnings[0].contains("key_info"), "{warnings:?}");
    }
    mount.host.storage.remove("state/index");
    for list in &lists {
        let (keys, described, warnings) = long(&mount, list);
        assert_eq!((keys, described), (TOKENS_DESCRIBED_MAX, TOKENS_DESCRIBED_MAX));
        assert!(warnings.len() == 1 && warnings[0].contains("indexed"), "{warnings:?}");
    }
}

#[test]
fn long_metadata_of_an_old_mount_are_described_as_far_as_an_answer_holds_them() {
    let mount = with_tokens(20);
    let noted = "v".repeat(TOKENS_DESCRIBED_BYTES_MAX / 10);
    for key in mount.host.storage.keys().iter().filter(|key| key.starts_with("token/")) {
        let mut record = mount.host.storage.json(key);
        record["metadata"] = json!({ "k": noted });
        mount.host.storage.seed(key, record.to_string());
    }
    let (keys, described, warnings) = long(&mount, "org/tokens/");
    assert_eq!((keys, described, warnings.len()), (20, 10, 1));
    mount.host.storage.remove("state/index");
    let (keys, described, warnings) = long(&mount, "org/tokens/");
    assert_eq!((keys, described, warnings.len()), (10, 10, 1));
}

#[test]
fn long_histories_are_read_as_far_as_one_request_may_and_hide_no_token() {
    let mount = with_tokens(20);
    let event = json!({ "at": 1, "event": "read", "displayName": "d".repeat(TOKENS_DESCRIBED_HISTORY_BYTES_MAX / 10) });
    for key in mount.host.storage.keys().iter().filter(|key| key.starts_with("token/")) {
        let mut record = mount.host.storage.json(key);
        record["history"] = json!({ "events": [event] });
        // All but one that its page does not describe are admin tokens.
        record["kind"] = if key == "token/T000017" { json!("creds") } else { json!("admin") };
        mount.host.storage.seed(key, record.to_string());
    }
    let (keys, described, warnings) = long(&mount, "org/tokens/");
    assert_eq!((keys, described, warnings.len()), (20, 10, 1));
    let delete = || mount.send(Operation::Delete, &format!("config/{ORG_A}"), Value::Null);
    assert!(delete().mistake().contains("tokens that are alive"));
}

#[test]
fn a_list_names_no_more_than_one_request_may() {
    let mount = Mount::new();
    // Names alone are enough: beyond the first, records are not looked at.
    for number in 0..TOKENS_DESCRIBED_MAX {
        seed(&mount, &format!("T{number:06}"));
    }
    for number in TOKENS_DESCRIBED_MAX..=TOKENS_LISTED_MAX {
        mount.host.storage.seed(&format!("client-index/{ORG_A}/T{number:06}"), "{}");
    }
    let (keys, _, warnings) = long(&mount, &format!("tokens/{ORG_A}/"));
    assert_eq!(keys, TOKENS_LISTED_MAX);
    assert!(warnings.len() == 2 && warnings[1].contains("`after`"), "{warnings:?}");
    let last = format!("T{:06}", TOKENS_LISTED_MAX - 1);
    mount.host.storage.remove(&format!("client-index/{ORG_A}/{last}"));
    let (keys, _, warnings) = long(&mount, "org/tokens/");
    assert_eq!((keys, warnings.len()), (TOKENS_LISTED_MAX, 1), "all of them fit");
}

/// How many a list names and describes, and its warnings.
fn long(mount: &Mount, list: &str) -> (usize, usize, Vec<String>) {
    let response = mount.send(Operation::List, list, Value::Null).0.unwrap().unwrap();
    let data: Value = serde_json::from_str(&response.data.unwrap()).unwrap();
    let (keys, infos) = (data["keys"].as_array().unwrap(), data["key_info"].as_object().unwrap());
    (keys.len(), infos.len(), response.warnings)
}
