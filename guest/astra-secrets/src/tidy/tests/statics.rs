//! Tokens that static roles use, but whose record was lost: no orphans.

use super::rules::{forget, nothing_is_removed};
use super::*;
use crate::limits::{STATIC_ROLES_MAX, STATIC_ROLES_READ_AT_ONCE, TIDY_LOOKED_AT_MAX, TIDY_READS_PER_ENTRY};

fn seed_static(mount: &Mount, name: &str, client_id: &str) {
    let role = json!({ "org_id": ORG_A, "name": name, "client_id": client_id });
    mount.host.storage.seed(&format!("static-role/{ORG_A}/{name}"), role.to_string());
}

#[test]
fn a_current_token_is_kept_and_ends_as_any_other_once_it_is_replaced() {
    for mount in [Mount::new(), Mount::on_vault()] {
        mount.write_static("app", json!({ "rotation_period": "24h", "grace_period": "2h" })).done();
        let lost = mount.static_token("app");
        forget(&mount, &lost);
        mount.host.clock.advance(LATER);
        let message = nothing_is_removed(&mount)["messages"][0].as_str().unwrap().to_owned();
        assert!(message.contains(&lost) && message.contains(&format!("`rotate-role/{ORG_A}/app`")), "{message}");
        assert_eq!(tidy(&mount, true)["orphans"], json!([]));
        // What it says works, and those who still use the old one are not cut off.
        mount.rotate_static("app").0.unwrap();
        mount.host.clock.advance(2 * HOUR - Duration::from_secs(1));
        mount.rollback().unwrap();
        assert_eq!(nothing_is_removed(&mount)["messages"], json!([]));
        assert!(mount.astra.is_live(&lost));
        mount.host.clock.advance(Duration::from_secs(1));
        mount.rollback().unwrap();
        mount.assert_static(1, 0);
    }
}

#[test]
fn a_replaced_token_is_kept_until_its_grace_is_over() {
    let mount = Mount::new();
    let lost = mount.daily("app");
    mount.rotate_static("app").0.unwrap();
    forget(&mount, &lost);
    mount.host.clock.advance(HOUR - Duration::from_secs(1));
    nothing_is_removed(&mount);
    mount.host.clock.advance(Duration::from_secs(1));
    assert_eq!(tidy(&mount, false)["removed"], json!([lost]));
    mount.assert_static(1, 0);
}

#[test]
fn where_a_static_role_cannot_be_read_no_token_is_taken_for_an_orphan() {
    let mount = Mount::new();
    let lost = mount.daily("app");
    forget(&mount, &lost);
    let key = format!("static-role/{ORG_A}/app");
    let stored = mount.host.storage.json(&key);
    mount.host.storage.seed(&key, "canary");
    orphan(&mount, "Orphan");
    let answer = tidy(&mount, false);
    assert_eq!(answer["removed"], json!([]));
    let messages = answer["messages"].to_string();
    for client_id in ["Orphan", &lost] {
        assert!(
            messages.contains(&format!("`{client_id}`"))
                && messages.contains(&format!("delete `static-roles/{ORG_A}/app`"))
        );
    }
    assert!(mount.astra.is_live(&lost) && mount.astra.is_live("Orphan"));
    // Of one that is damaged elsewhere, its tokens are known.
    let mut damaged = stored.clone();
    damaged["role_ids"] = json!(7);
    mount.host.storage.seed(&key, damaged.to_string());
    assert_eq!(tidy(&mount, false)["removed"], json!(["Orphan"]));
    assert!(mount.astra.is_live(&lost));
    // What is told works: the role goes, and what it had is an orphan then.
    mount.host.storage.seed(&key, "canary");
    mount.delete_static("app").0.unwrap();
    assert_eq!(tidy(&mount, false)["removed"], json!([lost]));
    assert!(mount.astra.live().is_empty() && mount.keys("static-role/").is_empty());
}

#[test]
fn static_roles_are_all_asked_and_count_against_what_one_tidy_may_read() {
    let mount = Mount::new();
    for number in 0..STATIC_ROLES_MAX {
        seed_static(&mount, &format!("r{number:04}"), &format!("Token{number}"));
    }
    let last = STATIC_ROLES_READ_AT_ONCE * 3;
    seed_static(&mount, &format!("r{last:04}"), "Orphan00007");
    for number in 0..TIDY_LOOKED_AT_MAX {
        mount.astra.make_outside(&format!("Orphan{number:05}"), &mark(&mount, u32::try_from(number).unwrap()));
    }
    mount.host.clock.advance(LATER);
    let told = tidy(&mount, true);
    let orphans = told["orphans"].as_array().unwrap();
    let left = TIDY_LOOKED_AT_MAX - STATIC_ROLES_MAX / TIDY_READS_PER_ENTRY;
    assert_eq!((orphans.len(), &told["complete"]), (left - 1, &json!(false)));
    assert!(!orphans.contains(&json!("Orphan00007")), "{told}");
}
