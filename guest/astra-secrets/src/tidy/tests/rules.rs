//! What must not be touched, one rule a test: each fails if its rule is dropped.

use super::*;
use crate::testing::{ADMIN_ROLE_ID, ASTRA};

/// Changes a record behind the engine's back.
fn edit(mount: &Mount, client_id: &str, fields: Value) {
    let key = format!("token/{client_id}");
    let mut record = mount.host.storage.json(&key);
    record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    mount.host.storage.seed(&key, record.to_string());
}

/// Forgets a token's record and its indexes.
pub(super) fn forget(mount: &Mount, client_id: &str) {
    let ours = |key: &String| key.starts_with("token/") || key.contains("-index/");
    for key in mount.host.storage.keys().into_iter().filter(|key| ours(key) && key.ends_with(client_id)) {
        mount.host.storage.remove(&key);
    }
}

/// A token that the mount made and that organization A is configured with since.
fn own_admin_token(mount: &Mount) -> String {
    let client_id = Leased::of(mount.creds()).client_id();
    mount.astra.set_roles(&client_id, &[ADMIN_ROLE_ID]);
    mount.configure(ORG_A, &format!("AstraCS:{client_id}:canary"), json!({}));
    client_id
}

/// A real run finds nothing to remove.
#[track_caller]
pub(super) fn nothing_is_removed(mount: &Mount) -> Value {
    let before = stored(mount);
    let answer = tidy(mount, false);
    for list in ["orphans", "gone", "expired", "removed"] {
        assert_eq!(answer[list], json!([]), "{list} in {answer}");
    }
    assert_eq!(stored(mount), before);
    answer
}

#[test]
fn tokens_without_this_mounts_mark() {
    let mount = Mount::new();
    let own = mark(&mount, 1);
    let others = ["", "by hand", &own.replace("vault-mark", "mark"), &format!("{own} and more"), &format!("x{own}")];
    for (number, description) in others.iter().enumerate() {
        mount.astra.make_outside(&format!("Other{number}"), description);
    }
    mount.host.system_view.set_backend_uuid("00000000-0000-4000-8000-00000000000f");
    mount.astra.make_outside("OtherMounts", &own);
    mount.host.clock.advance(LATER);
    nothing_is_removed(&mount);
    assert_eq!(mount.astra.live().len(), others.len() + 1);
}

#[test]
fn a_token_with_an_open_entry() {
    let mount = Mount::new();
    mount.configure(ORG_A, ADMIN_A, json!({ "max_retries": 0 }));
    mount.astra.set_lag(1);
    mount.astra.fail(On::Make, Fault::DoneThenStatus(502, ""));
    mount.creds().failed();
    mount.host.clock.advance(LATER);
    assert_eq!((mount.astra.live().len(), mount.open_entries()), (1, 1));
    nothing_is_removed(&mount);
    mount.rollback().unwrap();
    mount.assert_settled(0);
}

#[test]
fn a_record_with_an_open_entry() {
    let mount = Mount::new();
    let client_id = Leased::of(mount.creds()).client_id();
    let mark = mount.host.storage.json(&format!("token/{client_id}"))["mark"].clone();
    let data = json!({ "orgId": ORG_A, "origin": ASTRA, "mark": mark, "roles": [] });
    let entry = json!({ "type": "astra_token", "created_at": 0, "data": data });
    mount.host.storage.seed(&Mount::entry_key(ORG_A, "x"), entry.to_string());
    mount.host.clock.advance(LATER);
    mount.astra.set_expiry(&client_id, "2025-01-01T00:00:00Z");
    nothing_is_removed(&mount);
    mount.astra.delete_outside(&client_id);
    nothing_is_removed(&mount);
}

#[test]
fn a_token_younger_than_the_minimum_age_or_of_unknown_age() {
    let mount = Mount::new();
    mount.astra.make_outside("Young", &mark(&mount, 1));
    mount.host.clock.advance(Duration::from_secs(599));
    nothing_is_removed(&mount);
    mount.host.clock.advance(LATER);
    for unknown in [None, Some(""), Some("yesterday"), Some("2026-06-01T00:00:00Z")] {
        mount.astra.set_generated_on("Young", unknown);
        nothing_is_removed(&mount);
    }
    mount.astra.set_generated_on("Young", Some("2026-01-01T00:00:00Z"));
    assert_eq!(tidy(&mount, false)["removed"], json!(["Young"]));
}

#[test]
fn a_record_younger_than_the_minimum_age_which_a_list_that_lags_does_not_show() {
    let mount = Mount::new();
    mount.astra.set_lag(3);
    let client_id = Leased::of(mount.creds()).client_id();
    mount.host.clock.advance(Duration::from_secs(599));
    nothing_is_removed(&mount);
    // The Go plugin noted no time of its own; where Astra's cannot be read, the age is unknown.
    mount.host.clock.advance(LATER);
    edit(&mount, &client_id, json!({ "made": null, "generatedOn": "" }));
    nothing_is_removed(&mount);
    edit(&mount, &client_id, json!({ "made": null, "generatedOn": "2026-01-01T00:00:00.147847107Z" }));
    assert_eq!(tidy(&mount, true)["gone"], json!([client_id]));
}

#[test]
fn a_token_in_its_grace_period() {
    for kind in ["static", "admin"] {
        let mount = Mount::new();
        let client_id = Leased::of(mount.creds()).client_id();
        edit(&mount, &client_id, json!({ "kind": kind }));
        mount.host.clock.advance(HOUR / 2);
        mount.astra.set_expiry(&client_id, "2025-01-01T00:00:00Z");
        nothing_is_removed(&mount);
        mount.astra.delete_outside(&client_id);
        nothing_is_removed(&mount);
        // When it is over, it is as any other.
        mount.host.clock.advance(HOUR / 2);
        assert_eq!(tidy(&mount, false)["gone"], json!([client_id]), "{kind}");
        mount.assert_settled(0);
    }
}

/// Old mounts know organizations by names of their own, and case does not count in Astra's.
#[test]
fn a_token_of_the_same_organization_under_another_name() {
    for other in ["prod".to_owned(), ORG_A.to_ascii_uppercase()] {
        let mount = Mount::new();
        let copy = |from: String, to: String| {
            let mut entry = mount.host.storage.json(&from);
            entry["org_id"] = json!(other);
            mount.host.storage.seed(&to, entry.to_string());
        };
        copy(format!("config/{ORG_A}"), format!("config/{other}"));
        copy(format!("role/{ORG_A}:reader"), format!("role/{other}:reader"));
        Leased::of(mount.org_token(json!({ "org_id": other })));
        Leased::of(mount.org_token(json!({ "org_id": other, "logical_name": "app" })));
        mount.host.clock.advance(LATER);
        nothing_is_removed(&mount);
        assert_eq!(mount.astra.live().len(), 2, "{other}");
        // What neither of them knows is an orphan all the same.
        orphan(&mount, "Orphan");
        assert_eq!(tidy(&mount, false)["removed"], json!(["Orphan"]));
    }
}

#[test]
fn an_admin_token_without_a_record() {
    let mount = Mount::new();
    let client_id = own_admin_token(&mount);
    forget(&mount, &client_id);
    mount.host.clock.advance(LATER);
    nothing_is_removed(&mount);
    assert!(mount.astra.is_live(&client_id));
}

#[test]
fn an_admin_token_that_only_a_retired_config_still_asks_with() {
    let mount = Mount::new();
    let client_id = own_admin_token(&mount);
    let leased = Leased::of(mount.creds()).client_id();
    forget(&mount, &client_id);
    mount.send(Operation::Delete, &format!("config/{ORG_A}"), json!({ "force": true })).0.unwrap();
    mount.host.clock.advance(LATER);
    nothing_is_removed(&mount);
    assert!(mount.astra.is_live(&client_id) && mount.astra.is_live(&leased));
}

#[test]
fn an_admin_token_of_a_left_origin_that_does_not_answer() {
    let mount = Mount::new();
    let client_id = own_admin_token(&mount);
    assert_eq!(client_id, "Client0001");
    forget(&mount, &client_id);
    Leased::of(mount.creds());
    mount.astra.add_org("AstraCS:Moved:canary", ORG_A, "https://moved.example.org");
    mount.configure(ORG_A, "AstraCS:Moved:canary", json!({ "url": "https://moved.example.org", "force": true }));
    mount.astra.move_org(ADMIN_A, "https://nowhere.example.org");
    mount.host.clock.advance(LATER);
    // Both origins lead to one Astra, and the new one lists it, too.
    mount.astra.fail(
        On::List,
        Fault::DoneThenBody(|mut list| {
            let mark = "vault-mark:11111111-2222-4333-8444-555555555555:00000000000000000000000000000001";
            let old = "2025-01-01T00:00:00Z";
            let token = json!({ "clientId": "Client0001", "description": mark, "generatedOn": old });
            list["clients"].as_array_mut().unwrap().push(token);
            list.to_string()
        }),
    );
    nothing_is_removed(&mount);
}

#[test]
fn an_admin_token_that_has_expired_by_the_list() {
    let mount = Mount::new();
    let client_id = own_admin_token(&mount);
    edit(&mount, &client_id, json!({ "kind": "admin", "leaseEnd": null }));
    mount.host.clock.advance(LATER);
    mount.astra.set_expiry(&client_id, "2025-01-01T00:00:00Z");
    assert_eq!(nothing_is_removed(&mount)["warnings"], json!([client_id]));
}

#[test]
fn a_held_token_that_the_list_does_not_show_is_told_and_kept() {
    let mount = Mount::new();
    let client_id = own_admin_token(&mount);
    edit(&mount, &client_id, json!({ "kind": "admin", "leaseEnd": null }));
    mount.host.clock.advance(LATER);
    mount.astra.hide(&client_id, 1);
    let answer = nothing_is_removed(&mount);
    let message = answer["messages"][0].as_str().unwrap();
    assert!(message.contains(&client_id) && message.contains("in use"), "{message}");
}

#[test]
fn records_when_the_list_lacks_the_very_token_that_asked() {
    let mount = Mount::new();
    let client_id = Leased::of(mount.creds()).client_id();
    mount.host.clock.advance(LATER);
    mount.astra.fail_times(On::List, 2, Fault::DoneThenBody(|_| json!({ "clients": [] }).to_string()));
    for dry_run in [true, false] {
        let answer = tidy(&mount, dry_run);
        assert_eq!((&answer["gone"], &answer["complete"]), (&json!([]), &json!(false)));
        assert!(answer["messages"][0].as_str().unwrap().contains("does not show the admin token"));
    }
    assert!(mount.recorded().contains(&client_id));
}

#[test]
fn tokens_of_another_organization_whose_admin_token_was_configured_by_mistake() {
    let mount = Mount::new();
    Leased::of(mount.creds());
    mount.host.clock.advance(LATER);
    mount.configure(ORG_A, ADMIN_B, json!({ "verify": false }));
    let (code, text) = mount.write("tidy", json!({ "dry_run": false })).failed();
    assert_eq!(code, Some(502));
    assert!(text.contains("another organization's"), "{text}");
    mount.assert_settled(1);
}

#[test]
fn a_lease_that_has_just_ended_or_goes_on() {
    let mount = Mount::new();
    let client_id = Leased::of(mount.creds()).client_id();
    // The margin is for the server's own attempts at a revocation.
    mount.host.clock.advance(HOUR + crate::limits::LEASE_END_MARGIN - Duration::from_secs(1));
    nothing_is_removed(&mount);
    // Rollback looks at it later, once Astra failed; tidy need not wait.
    mount.host.clock.advance(Duration::from_secs(2));
    mount.astra.fail(On::Delete, Fault::Status(500, ""));
    mount.rollback().unwrap();
    assert_eq!(tidy(&mount, true)["expired"], json!([client_id]));
    assert_eq!(tidy(&mount, false)["removed"], json!([client_id]));
    mount.assert_settled(0);
}

#[test]
fn a_token_whose_record_cannot_be_read() {
    let mount = Mount::new();
    let client_id = Leased::of(mount.creds()).client_id();
    forget(&mount, &client_id);
    mount.host.storage.seed(&format!("token/{client_id}"), "canary");
    mount.host.clock.advance(LATER);
    let answer = tidy(&mount, false);
    assert_eq!(answer["removed"], json!([]));
    assert!(answer["messages"][0].as_str().unwrap().contains("not readable"), "{answer}");
    assert!(mount.astra.is_live(&client_id));
}

#[test]
fn a_token_with_a_logical_name_whose_record_cannot_be_read() {
    let mount = Mount::new();
    let client_id = Leased::of(mount.org_token(json!({ "logical_name": "app" }))).client_id();
    let key = mount.host.storage.keys().into_iter().find(|key| key.starts_with("token/")).unwrap();
    mount.host.storage.seed(&key, "canary");
    mount.host.clock.advance(LATER);
    // A list looks each token up, and must not take the index entry away: it alone says whose the token is.
    let _ = mount.send(Operation::List, &format!("tokens/{ORG_A}/"), Value::Null);
    let answer = tidy(&mount, false);
    assert_eq!(answer["removed"], json!([]), "{answer}");
    assert!(mount.astra.is_live(&client_id));
}

#[test]
fn a_go_plugins_record_that_may_be_of_either_origin() {
    let mount = Mount::new();
    let client_id = Leased::of(mount.creds()).client_id();
    Leased::of(mount.creds());
    mount.astra.add_org("AstraCS:Moved:canary", ORG_A, "https://moved.example.org");
    mount.configure(ORG_A, "AstraCS:Moved:canary", json!({ "url": "https://moved.example.org", "force": true }));
    mount.astra.delete_outside(&client_id);
    mount.host.clock.advance(LATER);
    let mut record = mount.host.storage.json(&format!("token/{client_id}"));
    record.as_object_mut().unwrap().remove("origin");
    mount.host.storage.seed(&format!("token/{client_id}"), record.to_string());
    nothing_is_removed(&mount);
    edit(&mount, &client_id, json!({ "origin": ASTRA }));
    assert_eq!(tidy(&mount, false)["removed"], json!([client_id]));
}

#[test]
fn what_rotations_hold_and_what_they_let_live_on() {
    let mount = Mount::new();
    mount.write_static("app", json!({ "rotation_period": "24h", "grace_period": "2h" })).done();
    mount.configure(ORG_A, ADMIN_A, json!({ "rotation_grace_period": "2h" }));
    for _ in 0..2 {
        mount.rotate_static("app").0.unwrap();
        mount.write(&format!("config/{ORG_A}/rotate-root"), json!({})).0.unwrap();
    }
    mount.host.clock.advance(HOUR);
    let live = mount.astra.live();
    nothing_is_removed(&mount);
    assert_eq!(mount.astra.live(), live);
    let current = mount.static_token("app");
    mount.astra.delete_outside(&current);
    // A dead one is replaced, and only then its record goes.
    let told = tidy(&mount, true);
    assert_eq!((&told["gone"], &told["removed"]), (&json!([current]), &json!([])));
    assert!(mount.recorded().contains(&current));
    let done = tidy(&mount, false);
    assert_eq!((&done["gone"], &done["removed"]), (&json!([current]), &json!([current])));
    for answer in [told, done] {
        let message = answer["messages"][0].as_str().unwrap();
        assert!(message.contains("static role `app`") && message.contains(&current), "{message}");
    }
    assert_ne!(mount.static_token("app"), current);
    assert!(!mount.recorded().contains(&current));
}

#[test]
fn a_damaged_retired_config_is_told_and_the_current_origin_is_tidied() {
    let mount = Mount::new();
    let client_id = Leased::of(mount.creds()).client_id();
    mount.host.clock.advance(LATER);
    mount.astra.delete_outside(&client_id);
    mount.host.storage.seed(&format!("retired-config/{ORG_A}"), "canary");
    let tidied = mount.write("tidy", json!({ "dry_run": false })).data();
    assert_eq!(tidied["gone"], json!([client_id]), "{tidied}");
    let told = tidied["messages"].to_string();
    assert!(told.contains(&format!("`retired-config/{ORG_A}`")) && !told.contains("canary"), "{tidied}");
}
