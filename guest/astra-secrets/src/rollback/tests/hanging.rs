//! One organization's Astra that hangs keeps no other organization waiting.

use std::time::Duration;

use secrets_framework::Operation;
use secrets_framework::host::{HttpError, Loss, SystemView};
use secrets_framework::testing::StorageCall;
use serde_json::{Value, json};

use super::HOUR;
use crate::limits::{
    ENDED_PER_ROLLBACK_MAX, OPEN_INTENTS_MAX, QUEUED_TOKENS_PER_ROLLBACK_MAX, SCHEDULED_TASKS_PER_ROLLBACK_MAX,
};
use crate::testing::{ADMIN_A, ADMIN_B, Fault, LATER, Leased, Mount, ORG_A, ORG_B, On, ROLE_ID};

/// A mount that serves two organizations.
fn of_two() -> Mount {
    let mount = Mount::new();
    mount.configure(ORG_A, ADMIN_A, json!({ "max_retries": 0 }));
    mount.configure(ORG_B, ADMIN_B, json!({ "max_retries": 0 }));
    mount.write_role(ORG_B, "reader", json!({ "role_id": ROLE_ID, "ttl": "2h" }));
    mount
}

fn creds_of_b(mount: &Mount) -> crate::config::test_mount::Answered {
    mount.send(Operation::Read, &format!("creds/{ORG_B}/reader"), Value::Null)
}

/// A static role that is rotated once a day.
fn daily() -> Value {
    json!({ "role_ids": [ROLE_ID], "rotation_period": "24h" })
}

fn with_more_daily_roles_of_a_than_one_call_rotates() -> Mount {
    let mount = of_two();
    for number in 0..=SCHEDULED_TASKS_PER_ROLLBACK_MAX {
        mount.write(&format!("static-roles/{ORG_A}/app{number}"), daily()).done();
    }
    mount
}

/// Rollback calls until `is_done`.
#[track_caller]
fn call_until(mount: &Mount, is_done: impl Fn() -> bool) {
    let mut calls = 0;
    while !is_done() {
        // What failed is an error of the call.
        drop(mount.rollback());
        calls += 1;
        assert!(calls < 20, "organization B does not get its turn");
    }
}

#[test]
fn an_organization_whose_astra_hangs_does_not_keep_ended_tokens_of_others_waiting() {
    let mount = of_two();
    // More than one call looks at, and due before the one of B.
    let hanging = QUEUED_TOKENS_PER_ROLLBACK_MAX + 5;
    for _ in 0..hanging {
        Leased::of(mount.creds());
    }
    mount.host.clock.advance(Duration::from_secs(1));
    Leased::of(creds_of_b(&mount));
    mount.host.clock.advance(3 * HOUR);
    mount.finish_index_scan();
    mount.has_looked();
    mount.astra.answer_bearer(ADMIN_A, Err(HttpError::TimedOut));
    call_until(&mount, || mount.astra.live().len() == hanging);
    mount.astra.heal();
    mount.host.clock.advance(HOUR);
    while !mount.astra.live().is_empty() {
        let before = mount.astra.live().len();
        mount.rollback().unwrap();
        assert_eq!(mount.astra.live().len(), before.saturating_sub(ENDED_PER_ROLLBACK_MAX), "a call has a limit");
    }
    mount.assert_settled(0);
}

#[test]
fn an_organization_whose_astra_hangs_does_not_keep_scheduled_tasks_of_others_waiting() {
    let mount = with_more_daily_roles_of_a_than_one_call_rotates();
    mount.host.clock.advance(Duration::from_secs(1));
    mount.write(&format!("static-roles/{ORG_B}/app"), daily()).done();
    mount.host.clock.advance(24 * HOUR);
    mount.has_looked();
    mount.astra.answer_bearer(ADMIN_A, Err(HttpError::TimedOut));
    mount.host.http.clear();
    call_until(&mount, || {
        mount.host.http.requests().iter().any(|sent| sent.client_id == "AdminOfB" && !sent.body.is_empty())
    });
}

#[test]
fn rotations_of_an_organization_whose_astra_hangs_do_not_keep_the_looks_at_others_waiting() {
    let mount = with_more_daily_roles_of_a_than_one_call_rotates();
    let yearly = json!({ "role_ids": [ROLE_ID], "rotation_period": "8760h" });
    mount.write(&format!("static-roles/{ORG_B}/app"), yearly).done();
    // Static roles are new in this call, and are compared later.
    mount.rollback().unwrap();
    mount.host.clock.advance(24 * HOUR);
    let end_of_b = crate::admin_end::key(&crate::names::OrgId::stored(ORG_B));
    mount.host.storage.remove(&end_of_b);
    mount.astra.answer_bearer(ADMIN_A, Err(HttpError::TimedOut));
    mount.host.http.clear();
    let is_compared = || {
        let requests = mount.host.http.requests();
        requests.iter().any(|sent| sent.client_id == "AdminOfB" && sent.path_and_query == "/v2/currentOrg")
    };
    call_until(&mount, || is_compared() && mount.host.storage.keys().contains(&end_of_b));
}

#[test]
fn entries_of_an_organization_whose_astra_hangs_do_not_keep_those_of_others_waiting() {
    let mount = of_two();
    let of_a = 100;
    mount.astra.answer_bearer(ADMIN_A, Err(HttpError::TimedOut));
    for _ in 0..of_a {
        mount.creds().0.unwrap_err();
    }
    mount.astra.set_lag(1);
    mount.astra.fail(On::Make, Fault::DoneThenFails(HttpError::Lost(Loss::Closed)));
    creds_of_b(&mount).0.unwrap_err();
    assert_eq!((mount.astra.live().len(), mount.open_entries()), (1, of_a + 1));
    mount.host.clock.advance(LATER);
    mount.rollback().unwrap_err();
    assert_eq!((mount.astra.live().len(), mount.open_entries()), (0, of_a), "B's has gone in the first call");
}

#[test]
fn who_looks_for_entries_of_an_organization_reads_none_of_another_however_many_are_open() {
    let mount = of_two();
    mount.write_role(ORG_B, "reader", json!({ "role_id": ROLE_ID, "max_tokens": 2 }));
    mount.write_role(ORG_A, "limited", json!({ "role_id": ROLE_ID, "max_tokens": 2 }));
    for number in 0..OPEN_INTENTS_MAX {
        let mark = format!("vault-mark:x:{number:032}");
        let data = json!({ "orgId": ORG_A, "origin": crate::testing::ASTRA, "mark": mark, "roles": [] });
        let entry = json!({ "type": "astra_token", "data": data, "created_at": 0 });
        mount.host.storage.seed(&Mount::entry_key(ORG_A, &format!("{number:08}")), entry.to_string());
    }
    mount.host.storage.clear_calls();
    let made = Leased::of(creds_of_b(&mount));
    assert!(mount.host.storage.calls(StorageCall::Get) < 10);
    let limited = mount.send(Operation::Read, &format!("creds/{ORG_A}/limited"), Value::Null);
    let error = limited.0.unwrap_err().to_string();
    assert!(error.contains("2000 or more write-ahead entries are open, which rollback settles"), "{error}");
    Leased::of(mount.creds());

    let check = mount.send(Operation::Read, &format!("config/{ORG_B}/check"), Value::Null).data();
    assert_eq!((&check["pending_wal"]["ok"], &check["entries"]["ok"]), (&json!("yes"), &json!("yes")), "{check}");
    mount.revoke(mount.lease(made.secret)).0.unwrap();
    let uuid = SystemView::backend_uuid(&*mount.host.system_view);
    mount.astra.make_outside_in(ADMIN_B, "Orphan", &format!("vault-mark:{uuid}:{:032}", 7));
    mount.host.clock.advance(LATER);
    let tidied = mount.write("tidy", json!({ "org_id": ORG_B, "dry_run": false })).data();
    assert_eq!(tidied["removed"], json!(["Orphan"]), "{tidied}");
    mount.send(Operation::Delete, &format!("config/{ORG_B}"), Value::Null).0.unwrap();
    assert!(!mount.host.storage.keys().contains(&format!("retired-config/{ORG_B}")));
}
