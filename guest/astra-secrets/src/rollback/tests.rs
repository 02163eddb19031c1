//! What each minute's call puts right, and what it leaves alone.

#![expect(clippy::unwrap_used, reason = "tests")]

mod cost;
mod hanging;

use std::time::Duration;

use secrets_framework::host::{Clock, Host, HttpError, HttpMethod, Loss, Replication};
use secrets_framework::testing::{LogLine, StorageCall, rollback_request};
use secrets_framework::{Context, Operation};
use serde_json::{Value, json};

use crate::limits::{
    ENDED_PER_ROLLBACK_MAX, HISTORY_KEPT, INDEXED_PER_ROLLBACK_MAX, LEASE_END_MARGIN, QUEUED_TOKENS_PER_ROLLBACK_MAX,
    ROLLBACK_BUDGET,
};
use crate::testing::{ADMIN_A, ADMIN_B, Fault, LATER, Leased, Mount, ORG_A, ORG_B, On, ROLE_ID};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_token_whose_lease_nobody_revoked_is_ended_after_its_margin() {
    let mount = Mount::new();
    Leased::of(mount.org_token(json!({ "logical_name": "app" })));
    Leased::of(mount.creds());
    mount.host.clock.advance(HOUR + LEASE_END_MARGIN - Duration::from_secs(2));
    mount.rollback().unwrap();
    mount.assert_settled(2);
    mount.host.clock.advance(Duration::from_secs(3));
    mount.rollback().unwrap();
    mount.assert_settled(0);
}

#[test]
fn when_the_mount_goes_ended_leases_have_no_margin_and_others_are_left_to_the_server() {
    let mount = Mount::new();
    let ended = Leased::of(mount.creds()).client_id();
    mount.host.clock.advance(HOUR / 2);
    let live = Leased::of(mount.creds()).client_id();
    mount.host.clock.advance(HOUR / 2 + Duration::from_secs(1));
    crate::BACKEND.handle(&mount.host, &rollback_request(true)).unwrap();
    assert!(!mount.astra.live().contains(&ended) && mount.astra.live().contains(&live));
    mount.assert_settled(1);
}

/// How many tokens a call that ends all it may says it leaves.
fn left_behind(mount: &Mount) -> Vec<String> {
    mount.host.log.clear();
    crate::BACKEND.handle(&mount.host, &rollback_request(true)).unwrap();
    let lines = mount.host.log.lines();
    let left = lines.iter().filter(|line| line.message.contains("a disabled mount leaves them in Astra"));
    left.map(|line| line.fields[0].1.clone()).collect()
}

#[test]
fn when_the_mount_goes_the_log_says_how_many_replaced_tokens_live_on() {
    let mount = Mount::new();
    let first = mount.daily("app");
    assert!(left_behind(&mount).is_empty(), "nothing was replaced");
    mount.write_static("app", json!({ "grace_period": "24h" })).done();
    mount.rotate_static("app").data();
    mount.rotate_static("app").data();
    Leased::of(mount.creds());
    assert_eq!(left_behind(&mount), ["2"], "the server ends the lease");
    assert!(mount.astra.is_live(&first), "the mount may only move");
}

#[test]
fn when_the_mount_goes_the_log_says_how_many_ended_leases_one_call_left() {
    let mount = Mount::new();
    for _ in 0..ENDED_PER_ROLLBACK_MAX + 3 {
        Leased::of(mount.creds());
    }
    mount.host.clock.advance(HOUR + Duration::from_secs(1));
    assert_eq!(left_behind(&mount), ["3"]);
    assert!(left_behind(&mount).is_empty(), "another call ends them");
}

#[test]
fn when_the_mount_goes_more_tokens_than_one_call_looks_at_are_no_number() {
    let mount = Mount::new();
    let at = u64::from(u32::MAX);
    for number in 0..QUEUED_TOKENS_PER_ROLLBACK_MAX {
        mount.host.storage.seed(&crate::testing::task_key("token", at, &format!("{ORG_A}.T{number:05}")), "{}");
    }
    assert_eq!(left_behind(&mount), ["0 or more"]);
}

#[test]
fn when_the_mount_goes_open_entries_are_undone_at_once() {
    let mount = Mount::new();
    mount.astra.set_lag(1);
    mount.configure(ORG_A, ADMIN_A, json!({ "max_retries": 0 }));
    mount.astra.fail(On::Make, Fault::DoneThenFails(HttpError::Lost(Loss::Closed)));
    mount.creds().0.unwrap_err();
    assert_eq!((mount.astra.live().len(), mount.open_entries()), (1, 1));
    crate::BACKEND.handle(&mount.host, &rollback_request(true)).unwrap();
    mount.assert_settled(0);
}

#[test]
fn an_organization_that_fails_does_not_keep_others_waiting() {
    let mount = Mount::new();
    mount.configure(ORG_B, ADMIN_B, json!({}));
    mount.write_role(ORG_B, "reader", json!({ "role_id": ROLE_ID, "ttl": "2h" }));
    for _ in 0..=ENDED_PER_ROLLBACK_MAX {
        Leased::of(mount.creds());
    }
    Leased::of(mount.send(Operation::Read, &format!("creds/{ORG_B}/reader"), Value::Null));
    mount.host.clock.advance(3 * HOUR);
    // All of A's come first, and each of them fails.
    mount.astra.move_org(ADMIN_A, "https://nowhere.example.org");
    mount.rollback().unwrap();
    mount.rollback().unwrap();
    assert_eq!(mount.astra.live().len(), ENDED_PER_ROLLBACK_MAX + 1, "B's has gone");
    mount.astra.move_org(ADMIN_A, crate::testing::ASTRA);
    mount.host.clock.advance(HOUR);
    mount.rollback().unwrap();
    assert_eq!(mount.astra.live().len(), 1, "a call has a limit");
    mount.rollback().unwrap();
    mount.assert_settled(0);
}

#[test]
fn a_call_that_dies_at_any_write_loses_no_task() {
    let dies = |on_vault: bool, nth: u64| {
        let mount = if on_vault { Mount::on_vault() } else { Mount::new() };
        // One whose lease ends, one that is renewed, one that is revoked, and one that was read.
        Leased::of(mount.creds());
        let [renewed, revoked] = [(); 2].map(|()| mount.lease(Leased::of(mount.creds()).secret));
        mount.revoke(revoked).done();
        mount.host.clock.advance(HOUR / 2);
        mount.renew(renewed).0.unwrap();
        let read = Leased::of(mount.org_token(json!({ "logical_name": "app" }))).client_id();
        mount.send(Operation::Read, "org/token", json!({ "org_id": ORG_A, "client_id": read })).data();
        mount.host.clock.advance(HOUR / 2 + LEASE_END_MARGIN);
        mount.finish_index_scan();
        mount.host.storage.die_at_write(nth);
        let died = mount.rollback().is_err();
        mount.host.storage.clear_faults();
        mount.rollback().unwrap();
        // Without transactions an index entry may stay without its record; the first look removes it.
        let _ = mount.send(Operation::List, &format!("tokens/{ORG_A}/"), Value::Null);
        mount.assert_settled(2);
        mount.host.clock.advance(HOUR);
        mount.rollback().unwrap();
        mount.assert_settled(0);
        let histories =
            |mount: &Mount| mount.host.storage.keys().iter().filter(|key| key.starts_with("history/")).count();
        assert_eq!((histories(&mount), mount.queued(Some("token")).len()), (4, 4), "write {nth}");
        let shown = mount.send(Operation::Read, &format!("tokens/{ORG_A}/{read}"), Value::Null).data();
        assert!(shown["history"].to_string().contains(r#""event":"read""#), "{shown}");
        mount.host.clock.advance(HISTORY_KEPT + HOUR);
        mount.rollback().unwrap();
        assert_eq!((histories(&mount), mount.queued(None).len()), (0, 0), "write {nth}");
        assert!(!mount.host.storage.keys().iter().any(|key| key.starts_with("reads/")));
        died
    };
    for on_vault in [false, true] {
        let writes = (1..50).take_while(|nth| dies(on_vault, *nth)).count();
        assert!(writes > 10, "{writes}");
    }
}

#[test]
fn a_damaged_record_does_not_keep_others_waiting() {
    let mount = Mount::new();
    let damaged = Leased::of(mount.creds()).client_id();
    mount.host.clock.advance(Duration::from_secs(1));
    let other = Leased::of(mount.creds()).client_id();
    mount.host.storage.seed(&format!("token/{damaged}"), "AstraCS:canary");
    mount.host.clock.advance(3 * HOUR);
    mount.rollback().unwrap();
    let text = mount.host.log.text();
    assert!(text.contains(&damaged) && !text.contains("canary"), "{text}");
    assert!(mount.astra.live().contains(&damaged) && !mount.astra.live().contains(&other));
}

#[test]
fn a_slow_astra_ends_a_call_early() {
    let mount = Mount::new();
    for _ in 0..20 {
        Leased::of(mount.creds());
    }
    mount.host.clock.advance(2 * HOUR);
    mount.astra.fail_times(On::Delete, 100, Fault::Fails(HttpError::TimedOut));
    mount.astra.fail_times(On::List, 100, Fault::Fails(HttpError::TimedOut));
    let start = mount.host.clock.now();
    mount.rollback().unwrap();
    let spent = mount.host.clock.now() - start;
    assert!(spent > ROLLBACK_BUDGET && spent < 3 * ROLLBACK_BUDGET, "{spent:?}");
    mount.astra.heal();
    mount.rollback_later();
    mount.assert_settled(0);
}

#[test]
fn a_mint_still_going_on_is_left_alone() {
    // Rollback comes between Astra's answer and the record, with no minimum age at all.
    let mount = Mount::new();
    mount.host.system_view.set_wal_minimum_age(Duration::ZERO);
    mount.host.locks.set_wait(Duration::from_millis(50));
    let racing = mount.clone();
    mount.astra.during_next_make(move || {
        racing.host.clock.advance(Duration::from_secs(2));
        racing.rollback().unwrap_err();
    });
    Leased::of(mount.creds());
    mount.assert_settled(1);
    mount.rollback_later();
    mount.assert_settled(1);
}

#[test]
fn a_mint_that_ended_while_rollback_waited_keeps_its_token() {
    let mount = Mount::new();
    let client_id = Leased::of(mount.creds()).client_id();
    // As rollback has it in hand: read before the mint dropped the entry.
    let mark = mount.host.storage.json(&format!("token/{client_id}"))["mark"].clone();
    let data = json!({ "orgId": ORG_A, "origin": crate::testing::ASTRA, "mark": mark, "roles": [ROLE_ID] });
    let request = rollback_request(false);
    let context = Context { host: &mount.host as &dyn Host, request: &request };
    super::undo(&context, crate::mint::INTENT_KIND, &data).unwrap();
    mount.assert_settled(1);
}

/// A mount with a token that Astra made, whose answer was lost, and that so many of Astra's lists do not show.
fn with_lost_answer(lists: u32) -> Mount {
    let mount = Mount::new();
    mount.configure(ORG_A, ADMIN_A, json!({ "max_retries": 0 }));
    mount.astra.set_lag(lists);
    mount.astra.fail(On::Make, Fault::DoneThenFails(HttpError::Lost(Loss::Closed)));
    mount.creds().0.unwrap_err();
    assert_eq!((mount.astra.live().len(), mount.open_entries()), (1, 1));
    mount
}

#[test]
fn another_organizations_list_settles_no_entry() {
    let mount = with_lost_answer(1);
    mount.configure(ORG_A, ADMIN_B, json!({ "verify": false }));
    mount.host.clock.advance(LATER);
    for _ in 0..2 {
        let text = mount.rollback().unwrap_err().to_string();
        assert!(text.contains(ORG_A) && text.contains("is another organization's"), "{text}");
    }
    assert_eq!((mount.astra.live().len(), mount.open_entries()), (1, 1), "the token is not forgotten");
    mount.configure(ORG_A, ADMIN_A, json!({}));
    mount.rollback_later();
    mount.assert_settled(0);
}

#[test]
fn a_list_without_the_token_that_asks_for_it_settles_no_entry() {
    let mount = with_lost_answer(2);
    mount.astra.hide("AdminOfA", 1);
    mount.host.clock.advance(LATER);
    let text = mount.rollback().unwrap_err().to_string();
    assert!(text.contains(ORG_A) && text.contains("does not show the admin token"), "{text}");
    assert_eq!((mount.astra.live().len(), mount.open_entries()), (1, 1), "the token is not forgotten");
    mount.rollback_later();
    mount.assert_settled(0);
}

#[test]
fn a_performance_secondary_asks_astra_nothing_and_keeps_its_copy_of_an_entry() {
    let mount = with_lost_answer(1);
    // The primary may have settled the mint: the secondary's copy of the entry can be stale.
    mount
        .host
        .system_view
        .set_replication(Ok(Replication { is_performance_secondary: true, ..Replication::default() }));
    mount.host.clock.advance(LATER);
    mount.host.http.clear();
    mount.rollback().unwrap();
    assert!(mount.host.http.requests().is_empty());
    assert_eq!((mount.astra.live().len(), mount.open_entries()), (1, 1));
    mount.host.system_view.set_local_mount(true);
    mount.rollback().unwrap();
    mount.assert_settled(0);
}

#[test]
fn an_entry_asks_for_the_organization_only_if_its_token_is_not_found() {
    let asked_after = |lists: u32| {
        let mount = with_lost_answer(lists);
        // Other looks of the call have no part in this.
        mount.has_looked();
        mount.host.clock.advance(LATER);
        mount.host.http.clear();
        mount.rollback().unwrap();
        mount.host.http.requests().iter().filter(|request| request.path_and_query == "/v2/currentOrg").count()
    };
    assert_eq!((asked_after(1), asked_after(2)), (0, 1));
}

#[test]
fn entries_that_cannot_be_undone_are_kept_named_and_fail_no_rollback_call() {
    let mount = Mount::new();
    mount.configure(ORG_A, ADMIN_A, json!({ "max_retries": 0 }));
    mount.astra.fail(On::Make, Fault::DoneThenFails(HttpError::Lost(Loss::Closed)));
    mount.astra.set_lag(1);
    mount.creds().0.unwrap_err();
    mount.astra.make_outside("Bystander", "");
    let entry_of = |data: Value| json!({ "type": "astra_token", "data": data, "created_at": 0 }).to_string();
    let damaged = [
        ("wal/foreign", json!({ "type": "canary-AstraCS:x", "data": {}, "created_at": 0 }).to_string()),
        ("wal/newer", json!({ "type": "mint/2", "data": { "mark": "canary" }, "created_at": 0 }).to_string()),
        ("wal/no-data", entry_of(json!({ "mark": "canary" }))),
        ("wal/no-mark", entry_of(json!({ "orgId": ORG_A, "origin": crate::testing::ASTRA, "mark": "", "roles": [] }))),
        ("wal/no-json", "canary".to_owned()),
    ];
    for (key, value) in &damaged {
        mount.host.storage.seed(key, value.as_str());
    }
    // The readable entry is undone beside them, in this call.
    mount.rollback_later();
    assert_eq!(mount.astra.live().into_iter().collect::<Vec<_>>(), ["Bystander"]);
    assert_eq!(mount.open_entries(), damaged.len());
    for _ in 0..3 {
        mount.rollback_later();
    }
    let text = mount.host.log.text();
    for (key, value) in &damaged {
        let is_of_key = |line: &&LogLine| line.fields.iter().any(|(name, value)| name == "key" && value == key);
        assert_eq!(mount.host.log.lines().iter().filter(is_of_key).count(), 1, "{key}: {text}");
        assert_eq!(mount.host.storage.snapshot()[*key].value, value.as_bytes(), "the entry is as it was");
    }
    assert!(text.contains("`mint/2`"), "{text}");
    mount.assert_no_secret_logged();
    let entries = mount.send(Operation::Read, &format!("config/{ORG_A}/check"), Value::Null).data()["entries"].clone();
    assert_eq!(entries["ok"], "no");
    for (key, _) in &damaged {
        assert!(entries["message"].as_str().unwrap().contains(&format!("`{key}`")), "{entries}");
        mount.host.storage.remove(key);
    }
    let entries = mount.send(Operation::Read, &format!("config/{ORG_A}/check"), Value::Null).data()["entries"].clone();
    assert_eq!((&entries["ok"], mount.open_entries()), (&json!("yes"), 0), "{entries}");
}

#[test]
fn tidy_ends_the_token_of_an_entry_that_was_damaged() {
    let mount = Mount::new();
    mount.configure(ORG_A, ADMIN_A, json!({ "max_retries": 0 }));
    mount.astra.set_lag(1);
    mount.astra.fail(On::Make, Fault::DoneThenFails(HttpError::Lost(Loss::Closed)));
    mount.creds().0.unwrap_err();
    let entry = mount.host.storage.keys().into_iter().find(|key| key.starts_with("wal/")).unwrap();
    mount.host.storage.seed(&entry, "canary");
    mount.rollback_later();
    assert_eq!((mount.astra.live().len(), mount.open_entries()), (1, 1));
    let tidied = mount.write("tidy", json!({ "dry_run": false })).data();
    assert_eq!(tidied["removed"].as_array().unwrap().len(), 1, "{tidied}");
    assert_eq!(mount.astra.live().len(), 0);
}

#[test]
fn a_forged_mark_in_a_clients_text_deletes_nothing() {
    let mount = Mount::new();
    mount.astra.fail(On::Make, Fault::Status(500, ""));
    mount.configure(ORG_A, ADMIN_A, json!({ "max_retries": 0 }));
    mount.creds().0.unwrap_err();
    let entry = mount.host.storage.keys().into_iter().find(|key| key.starts_with("wal/")).unwrap();
    let mark = mount.host.storage.json(&entry)["data"]["mark"].as_str().unwrap().to_owned();
    mount.astra.make_outside("Bystander", &format!("{mark} and more"));
    mount.rollback_later();
    assert!(mount.astra.live().contains("Bystander"));
    assert_eq!(mount.open_entries(), 0);
}

#[test]
fn an_entry_outlives_a_forced_delete_of_its_config() {
    let mount = Mount::new();
    mount.configure(ORG_A, ADMIN_A, json!({ "max_retries": 0 }));
    mount.astra.set_lag(1);
    mount.astra.fail(On::Make, Fault::DoneThenFails(HttpError::Lost(Loss::Closed)));
    mount.creds().0.unwrap_err();
    mount.send(Operation::Delete, &format!("config/{ORG_A}"), json!({ "force": true })).0.unwrap();
    mount.rollback_later();
    mount.assert_settled(0);
    assert!(!mount.host.storage.keys().iter().any(|key| key.starts_with("retired-config/")));
}

#[test]
fn an_entry_of_an_organization_without_any_config_waits_for_one_and_fails_no_rollback_call() {
    let mount = Mount::new();
    mount.configure(ORG_A, ADMIN_A, json!({ "max_retries": 0 }));
    mount.astra.set_lag(1);
    mount.astra.fail(On::Make, Fault::DoneThenFails(HttpError::Lost(Loss::Closed)));
    mount.creds().0.unwrap_err();
    mount.host.storage.remove(&format!("config/{ORG_A}"));
    for _ in 0..3 {
        mount.rollback_later();
    }
    assert_eq!(mount.open_entries(), 1);
    let lines = mount.host.log.lines();
    let told = lines.iter().filter(|line| line.fields.iter().any(|(_, value)| value.contains("there is no config")));
    assert_eq!(told.count(), 1, "once, with what to do: {}", mount.host.log.text());
    mount.configure(ORG_A, ADMIN_A, json!({}));
    mount.rollback_later();
    mount.assert_settled(0);
}

#[test]
fn a_go_mounts_index_is_filled_in_bounded_steps_and_used_at_once() {
    let mount = Mount::new();
    mount.host.storage.remove("state/index");
    let step = INDEXED_PER_ROLLBACK_MAX as usize;
    let tokens = 2 * step + 1;
    for number in 0..tokens {
        let client_id = format!("Go{number}");
        let record = json!({ "clientId": client_id, "orgId": ORG_A, "roleName": "reader", "logicalName": "x" });
        mount.host.storage.seed(&format!("token/{number:064}"), record.to_string());
    }
    let path = format!("tokens/{ORG_A}/Go{}", tokens - 1);
    // Found by looking at each, and noted.
    assert_eq!(mount.send(Operation::Read, &path, Value::Null).data()["role"], "reader");
    mount.host.storage.clear_calls();
    mount.send(Operation::Read, &path, Value::Null).data();
    assert_eq!(mount.host.storage.calls(StorageCall::Get), 3, "config, index, record");
    for filled in [step, 2 * step, tokens] {
        mount.rollback().unwrap();
        let indexed = mount.host.storage.keys().iter().filter(|key| key.starts_with("client-index/")).count();
        assert!((filled..=filled + 1).contains(&indexed), "{indexed}");
    }
    let listed = mount.send(Operation::List, &format!("tokens/{ORG_A}/"), Value::Null).data();
    assert_eq!(listed["keys"].as_array().unwrap().len(), tokens);
    // The Go plugin noted no end of their leases: rollback never ends them.
    mount.host.clock.advance(1000 * HOUR);
    mount.host.http.clear();
    mount.rollback().unwrap();
    assert!(mount.host.http.requests().iter().all(|request| request.method != HttpMethod::Delete));
}

#[test]
fn a_go_token_is_ended_where_it_was_made_though_the_config_moved() {
    let mount = Mount::new();
    mount.host.storage.remove("state/index");
    mount.astra.make_outside("GoToken", "");
    let record = json!({ "clientId": "GoToken", "orgId": ORG_A, "roleName": "reader", "logicalName": "", "future": 1 });
    mount.host.storage.seed("token/GoToken", record.to_string());
    mount.rollback().unwrap();
    assert_eq!(mount.host.storage.json("token/GoToken")["future"], 1);
    // The new origin has an organization of the same ID, without that token.
    mount.astra.add_org("AstraCS:Moved:canary", ORG_A, "https://moved.example.org");
    let fields = json!({ "url": "https://moved.example.org", "force": true });
    mount.configure(ORG_A, "AstraCS:Moved:canary", fields);
    mount.send(Operation::Delete, &format!("tokens/{ORG_A}/GoToken"), Value::Null).done();
    mount.assert_settled(0);
}

#[test]
fn no_config_is_retired_between_the_last_look_for_tokens_and_the_removal_of_retired_configs() {
    let retired = format!("retired-config/{ORG_A}");
    let mount = Mount::new();
    let lease = mount.lease(Leased::of(mount.creds()).secret);
    mount.send(Operation::Delete, &format!("config/{ORG_A}"), json!({ "force": true })).done();
    mount.revoke(lease).done();
    assert!(mount.host.storage.keys().contains(&retired), "whoever holds a token's lock leaves it to rollback");
    // As while a config is written.
    mount.host.locks.set_wait(Duration::ZERO);
    let held = mount.host.locks().acquire("config").unwrap();
    let error = mount.rollback().unwrap_err().to_string();
    assert!(error.contains("writes a config of this mount"), "{error}");
    assert!(mount.host.storage.keys().contains(&retired));
    drop(held);
    mount.rollback().unwrap();
    assert!(!mount.host.storage.keys().contains(&retired));
}

#[test]
fn too_many_open_entries_keep_what_may_be_needed() {
    let mount = Mount::new();
    for number in 0..crate::limits::OPEN_INTENTS_MAX {
        let entry = json!({ "type": "other", "data": {}, "created_at": 0 });
        mount.host.storage.seed(&Mount::entry_key(ORG_A, &format!("{number:08}")), entry.to_string());
    }
    mount.host.storage.seed(&format!("retired-config/{ORG_A}"), r#"{"configs":[]}"#);
    mount.rollback().unwrap();
    assert!(mount.host.storage.keys().contains(&format!("retired-config/{ORG_A}")));
}

#[test]
fn rollback_later_is_later_than_the_minimum_age() {
    assert!(LATER > secrets_framework::host::SystemView::wal_minimum_age(&*Mount::new().host.system_view));
}
