//! What happens between the first look and the act: no age protects what the
//! second look must.

use super::*;

#[test]
fn a_token_made_between_the_two_lists_is_no_orphan() {
    let mount = Mount::new();
    mount.host.system_view.set_wal_minimum_age(Duration::ZERO);
    let racing = mount.clone();
    mount.astra.during_next(On::CurrentOrg, move || {
        Leased::of(racing.creds());
    });
    let answer = tidy(&mount, false);
    assert_eq!((&answer["orphans"], &answer["removed"]), (&json!([]), &json!([])));
    mount.assert_settled(1);
}

#[test]
fn a_token_revoked_between_the_two_lists_is_not_gone() {
    let mount = Mount::new();
    let leased = Leased::of(mount.creds());
    mount.host.clock.advance(LATER);
    let racing = mount.clone();
    let lease = mount.lease(leased.secret);
    mount.astra.during_next(On::CurrentOrg, move || racing.revoke(lease).done());
    let answer = tidy(&mount, false);
    assert_eq!((&answer["gone"], &answer["removed"]), (&json!([]), &json!([])));
    mount.assert_settled(0);
}

#[test]
fn a_token_revoked_after_the_list_is_no_orphan_for_long() {
    let mount = Mount::new();
    let leased = Leased::of(mount.creds());
    mount.host.clock.advance(LATER);
    let racing = mount.clone();
    let lease = mount.lease(leased.secret);
    mount.astra.during_next(On::List, move || racing.revoke(lease).done());
    let answer = tidy(&mount, false);
    assert_eq!((&answer["orphans"], &answer["gone"]), (&json!([]), &json!([])));
    mount.assert_settled(0);
}

#[test]
fn a_mint_that_waits_for_astra_keeps_its_token() {
    let mount = Mount::new();
    let racing = mount.clone();
    mount.astra.during_next_make(move || {
        racing.host.clock.advance(LATER);
        let answer = racing.write("tidy", json!({ "dry_run": false })).data();
        assert_eq!(answer["orphans"], json!([]));
    });
    Leased::of(mount.creds());
    mount.assert_settled(1);
}

#[test]
fn a_token_whose_lock_another_holds_is_left_for_the_next_time() {
    let mount = Mount::new();
    orphan(&mount, "Orphan");
    mount.host.locks.set_wait(Duration::ZERO);
    let lock = format!("mint/{}", mark(&mount, 7));
    let guard = secrets_framework::host::Locks::acquire(&*mount.host.locks, &lock).unwrap();
    let answer = mount.write("tidy", json!({ "dry_run": false })).data();
    assert_eq!(answer["removed"], json!([]));
    assert!(answer["messages"][0].as_str().unwrap().contains("`Orphan`"), "{answer}");
    assert!(mount.astra.is_live("Orphan"));
    drop(guard);
    tidy(&mount, false);
    mount.assert_settled(0);
}

#[test]
fn a_record_whose_lock_another_holds_is_left_for_the_next_time() {
    let mount = Mount::new();
    let gone = Leased::of(mount.creds()).client_id();
    let expired = Leased::of(mount.creds()).client_id();
    mount.astra.delete_outside(&gone);
    mount.astra.set_expiry(&expired, "2025-01-01T00:00:00Z");
    mount.host.clock.advance(LATER);
    mount.host.locks.set_wait(Duration::ZERO);
    let locks = [&gone, &expired].map(|client_id| {
        secrets_framework::host::Locks::acquire(&*mount.host.locks, &format!("token/{client_id}")).unwrap()
    });
    let answer = mount.write("tidy", json!({ "dry_run": false })).data();
    assert_eq!((&answer["removed"], answer["messages"].as_array().unwrap().len()), (&json!([]), 2));
    drop(locks);
    tidy(&mount, false);
    mount.assert_settled(0);
}

#[test]
fn a_lease_renewed_meanwhile_goes_on() {
    let mount = Mount::new();
    mount.write_role(ORG_A, "reader", json!({ "ttl": "1h", "max_ttl": "24h" }));
    let leased = Leased::of(mount.creds());
    let lease = mount.lease(leased.secret);
    mount.host.clock.advance(2 * HOUR);
    let racing = mount.clone();
    mount.astra.during_next(On::CurrentOrg, move || {
        racing.renew(lease).0.unwrap();
    });
    let answer = tidy(&mount, false);
    assert_eq!((&answer["expired"], &answer["removed"]), (&json!([]), &json!([])));
    mount.assert_settled(1);
}

#[test]
fn a_config_rotated_meanwhile_keeps_its_new_token() {
    let mount = Mount::new();
    let client_id = Leased::of(mount.creds()).client_id();
    mount.astra.set_roles(&client_id, &[crate::testing::ADMIN_ROLE_ID]);
    let ours = |key: &String| key.starts_with("token/") || key.contains("-index/");
    for key in mount.host.storage.keys().into_iter().filter(ours) {
        mount.host.storage.remove(&key);
    }
    mount.host.clock.advance(LATER);
    let racing = mount.clone();
    let token = format!("AstraCS:{client_id}:canary");
    mount.astra.during_next(On::List, move || racing.configure(ORG_A, &token, json!({})));
    assert_eq!(tidy(&mount, false)["removed"], json!([]));
    assert!(mount.astra.is_live(&client_id));
}

#[test]
fn a_second_tidy_of_the_mount_is_told_to_come_back() {
    let mount = Mount::new();
    mount.host.locks.set_wait(Duration::ZERO);
    let racing = mount.clone();
    mount.astra.during_next(On::List, move || {
        let (code, text) = racing.write("tidy", json!({})).failed();
        assert_eq!(code, Some(503));
        assert!(text.contains("being tidied already"), "{text}");
    });
    tidy(&mount, true);
}
