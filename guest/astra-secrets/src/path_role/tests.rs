//! The contract of `role`, `roles`, `roles/:org` and `roles/:org/:role`, through the table.

use std::time::Duration;

use secrets_framework::Operation;
use secrets_framework::testing::StorageCall;
use serde_json::json;

use crate::config::test_mount::{Mount, ORG_A, ORG_B, ROLE_ID, TOKEN_B};
use crate::limits::ROLES_DESCRIBED_MAX;

const OTHER_ID: &str = "88888888-8888-4888-8888-888888888888";

fn path(name: &str) -> String {
    format!("roles/{ORG_A}/{name}")
}

#[test]
fn a_role_is_written_and_read_by_body() {
    let mount = Mount::with_org_a();
    let role = json!({ "org_id": ORG_A, "role_name": "Reader", "role_id": ROLE_ID, "ttl": "1h", "max_ttl": 86_400 });
    mount.write("role", role).done();
    let read = mount.read("role", json!({ "org_id": ORG_A, "role_name": "READER" })).data();
    assert_eq!(
        read,
        json!({
            "org_id": ORG_A, "role_name": "reader", "role_id": ROLE_ID, "role_ids": [ROLE_ID], "ttl": "1h0m0s",
            "max_ttl": "24h0m0s", "description": "", "token_expiry": "auto", "max_tokens": 0,
        })
    );
    let mut by_path = mount.read(&path("reader"), json!({})).data();
    assert_eq!((&by_path["ttl"], &by_path["max_ttl"]), (&json!(3600), &json!(86_400)));
    (by_path["ttl"], by_path["max_ttl"]) = (read["ttl"].clone(), read["max_ttl"].clone());
    assert_eq!(by_path, read, "all else is the same");
    let key = format!("role/{ORG_A}:reader");
    assert_eq!(
        mount.host.storage.json(&key),
        json!({ "role_name": "reader", "role_id": ROLE_ID, "org_id": ORG_A, "ttl": 3_600_000_000_000_i64,
            "max_ttl": 86_400_000_000_000_i64 }),
        "the Go plugin's form"
    );
}

#[test]
fn a_role_is_written_and_read_by_path() {
    let mount = Mount::with_org_a();
    let role = json!({
        "role_ids": [ROLE_ID, OTHER_ID], "ttl": 60, "description": "for {{metadata.app}}", "token_expiry": "off",
    });
    mount.write(&path("reader"), role).done();
    let read = mount.read(&path("reader"), json!({})).data();
    assert_eq!((&read["role_id"], &read["role_ids"]), (&json!(ROLE_ID), &json!([ROLE_ID, OTHER_ID])));
    assert_eq!((&read["ttl"], &read["max_ttl"]), (&json!(60), &json!(0)));
    assert_eq!((&read["description"], &read["token_expiry"]), (&json!("for {{metadata.app}}"), &json!("off")));

    mount.write(&path("reader"), json!({ "max_ttl": "2m" })).done();
    let mut after = mount.read(&path("reader"), json!({})).data();
    assert_eq!(after["max_ttl"], 120);
    after["max_ttl"] = 0.into();
    assert_eq!(after, read, "an update changes only what is given");

    mount.write(&path("reader"), json!({ "role_id": OTHER_ID })).done();
    assert_eq!(mount.read(&path("reader"), json!({})).data()["role_ids"], json!([OTHER_ID]));
    mount.write(&path("reader"), json!({ "role_id": OTHER_ID, "role_ids": [ROLE_ID, OTHER_ID] })).done();
    assert_eq!(mount.read(&path("reader"), json!({})).data()["role_ids"], json!([OTHER_ID, ROLE_ID]));
}

#[test]
fn a_logical_name_stands_for_the_organization_in_a_body_only() {
    let mount = Mount::with_org_a();
    mount.write(&format!("config/{ORG_A}"), json!({ "logical_name": "prod" })).done();
    mount.write("role", json!({ "org_id": "prod", "role_name": "r", "role_id": ROLE_ID })).done();
    assert_eq!(mount.read("role", json!({ "org_id": "prod", "role_name": "r" })).data()["org_id"], ORG_A);
    assert!(mount.exists("role", json!({ "org_id": "prod", "role_name": "R" })));
    for mistake in [
        mount.read("roles/prod/r", json!({})).mistake(),
        mount.write("roles/prod/r", json!({ "role_id": ROLE_ID })).mistake(),
        mount.delete("roles/prod/r", json!({})).mistake(),
        mount.list("roles/prod/").mistake(),
    ] {
        assert!(mistake.contains(ORG_A) && mistake.contains("`prod`"), "{mistake}");
    }
    mount.delete("role", json!({ "org_id": "prod", "role_name": "r" })).done();
    mount.read(&path("r"), json!({})).missing();
}

#[test]
fn a_role_name_in_a_path_has_one_spelling() {
    let mount = Mount::with_org_a();
    mount.write(&path("reader"), json!({ "role_id": ROLE_ID })).done();
    for mistake in [
        mount.read(&path("Reader"), json!({})).mistake(),
        mount.write(&path("READER"), json!({ "role_id": ROLE_ID })).mistake(),
        mount.delete(&path("readeR"), json!({})).mistake(),
    ] {
        assert!(mistake.contains("`role` is ") && mistake.contains("lower case"), "{mistake}");
    }
}

#[test]
fn mistakes_are_400_name_the_field_and_store_nothing() {
    let mount = Mount::with_org_a();
    let before = mount.host.storage.snapshot();
    let good = path("good");
    for (path, data, named) in [
        ("role", json!({ "role_name": "r", "role_id": ROLE_ID }), "`org_id`"),
        ("role", json!({ "org_id": ORG_A, "role_id": ROLE_ID }), "`role_name`"),
        ("role", json!({ "org_id": ORG_A, "role_name": "r" }), "`role_id`"),
        ("role", json!({ "org_id": ORG_A, "role_name": "a/b", "role_id": ROLE_ID }), "`role_name` is `a/b`"),
        ("role", json!({ "org_id": ORG_A, "role_name": "a:b", "role_id": ROLE_ID }), "`role_name` is `a:b`"),
        ("role", json!({ "org_id": "x/y", "role_name": "r", "role_id": ROLE_ID }), "`org_id` is `x/y`"),
        ("role", json!({ "org_id": ORG_A, "role_name": "r", "role_id": "" }), "`role_id`"),
        ("role", json!({ "org_id": "o".repeat(9_000), "role_name": "r", "role_id": ROLE_ID }), "`org_id`"),
        (&path(&"r".repeat(9_000)), json!({ "role_id": ROLE_ID }), "`role_name`"),
        (&path("a:b"), json!({ "role_id": ROLE_ID }), "`role_name` is `a:b`"),
        (&path(&"r".repeat(129)), json!({ "role_id": ROLE_ID }), "`role_name`"),
        (&good, json!({}), "`role_id`"),
        (&good, json!({ "role_id": ROLE_ID, "ttl": -1 }), "`ttl` is `-1 s`"),
        (&good, json!({ "role_id": ROLE_ID, "max_ttl": "-1h" }), "`max_ttl` is `-3600 s`"),
        (&good, json!({ "role_ids": [] }), "`role_ids`"),
        (&good, json!({ "role_ids": ["a b"] }), "`role_ids` is `a b`"),
        (&good, json!({ "role_id": ROLE_ID, "role_ids": [OTHER_ID] }), "`role_id` is"),
        (&good, json!({ "role_id": ROLE_ID, "token_expiry": "never" }), "`token_expiry` is `never`"),
        (&good, json!({ "role_id": ROLE_ID, "description": "{{org" }), "`description`"),
    ] {
        let mistake = mount.write(path, data.clone()).mistake();
        assert!(mistake.contains(named), "{data}: {mistake}");
    }
    assert!(mount.update(&good, json!({ "role_id": ROLE_ID, "ttl": "soon" })).mistake().contains("ttl"));
    assert_eq!(mount.host.storage.snapshot(), before);
    assert!(mount.read("role", json!({ "role_name": "r" })).mistake().contains("`org_id`"));
    assert!(mount.delete("role", json!({ "org_id": ORG_A })).mistake().contains("`role_name`"));
}

#[test]
fn times_are_clamped_aloud_and_zero_is_the_mounts_own() {
    // Section 6, point 18.
    let mount = Mount::with_org_a();
    let warnings = mount.write(&path("r"), json!({ "role_id": ROLE_ID, "ttl": "2h", "max_ttl": "1h" })).warnings();
    assert_eq!(warnings, ["`ttl` of 2h0m0s is above `max_ttl` of 1h0m0s: it was set to 1h0m0s"]);
    assert_eq!(mount.read(&path("r"), json!({})).data()["ttl"], 3600);

    mount.write(&path("r"), json!({ "ttl": 0, "max_ttl": 0 })).done();
    let read = mount.read(&path("r"), json!({})).data();
    assert_eq!((&read["ttl"], &read["max_ttl"]), (&json!(0), &json!(0)));

    mount.write(&path("r"), json!({ "ttl": "1h" })).done();
    let warnings = mount.write(&path("r"), json!({ "max_ttl": "30m" })).warnings();
    assert_eq!(warnings, ["`ttl` of 1h0m0s is above `max_ttl` of 30m0s: it was set to 30m0s"]);

    mount.host.system_view.set_max_lease_ttl(Ok(Duration::from_secs(7_200)));
    let warnings = mount.write(&path("r"), json!({ "max_ttl": "3h" })).warnings();
    assert_eq!(
        warnings,
        ["`max_ttl` of 3h0m0s is above the mount's maximum of 2h0m0s: leases will end by the mount's"]
    );
}

#[test]
fn roles_stay_within_what_the_organization_allows() {
    let mount = Mount::with_org_a();
    mount.write(&path("old"), json!({ "role_id": OTHER_ID })).done();
    mount.write(&format!("config/{ORG_A}"), json!({ "allowed_role_ids": ROLE_ID })).done();
    let mistake = mount.write(&path("r"), json!({ "role_ids": [ROLE_ID, OTHER_ID] })).mistake();
    assert!(mistake.contains(OTHER_ID) && mistake.contains("`allowed_role_ids`"), "{mistake}");
    mount.write("role", json!({ "org_id": ORG_A, "role_name": "old", "role_id": OTHER_ID })).mistake();
    mount.read(&path("r"), json!({})).missing();
    mount.write(&path("r"), json!({ "role_id": ROLE_ID })).done();
}

#[test]
fn a_role_of_an_organization_not_yet_configured_is_stored_with_a_warning() {
    let mount = Mount::new();
    let warnings = mount.write("role", json!({ "org_id": ORG_A, "role_name": "r", "role_id": ROLE_ID })).warnings();
    assert!(warnings[0].contains(&format!("config/{ORG_A}")), "{warnings:?}");
    assert_eq!(mount.read(&path("r"), json!({})).data()["role_id"], ROLE_ID);
}

#[test]
fn lists_name_roles_shortly_with_their_facts_and_in_pages() {
    let mount = Mount::with_org_a();
    mount.write("config", json!({ "org_id": ORG_B, "astra_token": TOKEN_B })).done();
    for path in ["roles/", "roles", &format!("roles/{ORG_A}/"), "roles/nobody/"] {
        mount.list(path).missing();
    }
    for (org_id, name) in [(ORG_A, "both"), (ORG_B, "both"), (ORG_A, "only_a"), (ORG_B, "only_b")] {
        let role = json!({ "org_id": org_id, "role_name": name, "role_id": ROLE_ID, "ttl": "1h" });
        mount.write("role", role).done();
    }
    let list = mount.list("roles/").data();
    let both = [format!("{ORG_A}:both"), format!("{ORG_B}:both")];
    assert_eq!(list["keys"], json!([both[0], both[1], "only_a", "only_b"]));
    assert_eq!(
        list["key_info"][&both[1]],
        json!({
            "org_id": ORG_B, "role_name": "both", "role_id": ROLE_ID, "ttl": "1h0m0s", "max_ttl": "0s"
        })
    );
    assert_eq!(list["key_info"].as_object().map(|info| info.len()), Some(4));
    let list = mount.list(&format!("roles/{ORG_A}/")).data();
    assert_eq!(list["keys"], json!(["both", "only_a"]));
    assert_eq!(
        list["key_info"]["only_a"],
        json!({
            "org_id": ORG_A, "role_name": "only_a", "role_id": ROLE_ID, "ttl": 3600, "max_ttl": 0
        })
    );
    let page = |path: &str, after: &str| mount.send(Operation::List, path, json!({ "after": after, "limit": 1 }));
    assert_eq!(page("roles/", &both[0]).data()["keys"], json!([both[1]]));
    assert_eq!(
        page(&format!("roles/{ORG_A}/"), "both").data()["key_info"],
        json!({ "only_a": list["key_info"]["only_a"] })
    );
    page("roles/", "only_b").missing();
}

#[test]
fn what_is_not_there_is_missing_and_may_be_deleted() {
    let mount = Mount::with_org_a();
    mount.read("role", json!({ "org_id": ORG_A, "role_name": "none" })).missing();
    mount.read(&path("none"), json!({})).missing();
    mount.delete("role", json!({ "org_id": ORG_A, "role_name": "none" })).done();
    mount.delete(&path("none"), json!({})).done();
    assert!(!mount.exists(&path("none"), json!({})));
    assert!(!mount.exists("role", json!({})));
}

#[test]
fn a_read_takes_one_storage_call_and_one_more_for_its_astra_role() {
    let mount = Mount::with_org_a();
    mount.write(&path("r"), json!({ "role_id": ROLE_ID })).done();
    for (path, data, gets) in [
        (path("r"), json!({}), 1),
        (path("r"), json!({ "with_astra_roles": true }), 2),
        ("role".to_owned(), json!({ "org_id": ORG_A, "role_name": "r" }), 1),
    ] {
        mount.host.storage.clear_calls();
        mount.read(&path, data).data();
        let calls = [StorageCall::Get, StorageCall::List].map(|call| mount.host.storage.calls(call));
        assert_eq!(calls, [gets, 0], "{path}");
    }
}

#[test]
fn what_an_old_mount_holds_under_odd_names_goes_on_working() {
    // Section 6, points 10 and 16.
    let mount = Mount::with_org_a();
    for name in ["a/b", "x:y", "old \"name\""] {
        let role = json!({ "role_name": name, "role_id": ROLE_ID, "org_id": ORG_A, "ttl": 0, "max_ttl": 0 });
        mount.host.storage.seed(&format!("role/{ORG_A}:{name}"), role.to_string());
    }
    assert_eq!(mount.list("roles/").data()["keys"], json!(["a/b", "old \"name\"", "x:y"]));
    assert_eq!(mount.list(&format!("roles/{ORG_A}/")).data()["keys"], json!(["a/b", "old \"name\"", "x:y"]));
    for name in ["a/b", "x:y", "old \"name\""] {
        let named = json!({ "org_id": ORG_A, "role_name": name });
        let mut update = named.clone();
        update["ttl"] = "5m".into();
        mount.write("role", update).done();
        assert_eq!(mount.read("role", named.clone()).data()["ttl"], "5m0s");
        mount.delete("role", named).done();
    }
    mount.list("roles/").missing();
}

#[test]
fn a_node_that_cannot_write_says_it_in_the_servers_words() {
    let mount = Mount::with_org_a();
    mount.write(&path("r"), json!({ "role_id": ROLE_ID })).done();
    mount.host.storage.set_read_only(true);
    for answered in [mount.write(&path("r"), json!({ "ttl": 1 })), mount.delete(&path("r"), json!({}))] {
        assert_eq!(answered.failed().1, secrets_framework::testing::READ_ONLY_TEXT);
    }
    mount.read(&path("r"), json!({})).data();
}

#[test]
fn the_key_that_a_list_shows_is_taken_for_a_role_of_several_organizations() {
    let mount = Mount::with_org_a();
    mount.write("config", json!({ "org_id": ORG_B, "astra_token": TOKEN_B })).done();
    for (org_id, ttl) in [(ORG_A, 60), (ORG_B, 120)] {
        mount.write("role", json!({ "org_id": org_id, "role_name": "both", "role_id": ROLE_ID, "ttl": ttl })).done();
    }
    let key = format!("{ORG_B}:both");
    assert!(mount.list("roles/").data()["keys"].to_string().contains(&key));
    for org_id in [json!(ORG_B), json!("")] {
        let named = json!({ "org_id": org_id, "role_name": key });
        assert_eq!(mount.read("role", named.clone()).data()["ttl"], "2m0s");
        assert!(mount.exists("role", named));
    }
    mount.read("role", json!({ "org_id": ORG_A, "role_name": key })).missing();

    mount.write("role", json!({ "role_name": key, "ttl": 180 })).done();
    assert_eq!(mount.read(&format!("roles/{ORG_B}/both"), json!({})).data()["ttl"], 180, "written");
    assert_eq!(mount.read(&path("both"), json!({})).data()["ttl"], 60, "the other organization's role stays");

    mount.delete("role", json!({ "role_name": key })).done();
    assert!(!mount.exists(&format!("roles/{ORG_B}/both"), json!({})));
    assert!(mount.exists(&path("both"), json!({})));
}

#[test]
fn a_role_of_the_very_name_goes_before_the_key_of_a_list() {
    let mount = Mount::with_org_a();
    mount.write("role", json!({ "org_id": ORG_A, "role_name": "both", "role_id": ROLE_ID })).done();
    // The Go plugin took any name.
    let name = format!("{ORG_A}:both");
    let old = json!({ "role_name": name, "role_id": OTHER_ID, "org_id": ORG_A, "ttl": 0, "max_ttl": 0 });
    mount.host.storage.seed(&format!("role/{ORG_A}:{name}"), old.to_string());
    let read = mount.read("role", json!({ "org_id": ORG_A, "role_name": name })).data();
    assert_eq!(read["role_id"], OTHER_ID);
}

#[test]
fn a_list_describes_a_bounded_number_of_roles_and_says_so() {
    let mount = Mount::with_org_a();
    for number in 0..=ROLES_DESCRIBED_MAX {
        let name = format!("r{number:05}");
        let role = json!({ "role_name": name, "role_id": ROLE_ID, "org_id": ORG_A, "ttl": 0, "max_ttl": 0 });
        mount.host.storage.seed(&format!("role/{ORG_A}:{name}"), role.to_string());
    }
    let list = mount.list(&format!("roles/{ORG_A}/")).data();
    assert_eq!(list["keys"].as_array().map(Vec::len), Some(ROLES_DESCRIBED_MAX + 1));
    assert_eq!(list["key_info"].as_object().map(|info| info.len()), Some(ROLES_DESCRIBED_MAX));
    let warnings = mount.list("roles/").warnings();
    assert!(warnings[0].contains("`limit` and `after`"), "{warnings:?}");
}
