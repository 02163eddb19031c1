#![expect(clippy::unwrap_used, reason = "tests")]

use secrets_framework::Operation;
use secrets_framework::testing::{StorageCall, TestHost, request};
use serde_json::json;

use super::*;
use crate::config::test_mount::{ORG_A, ORG_B, ROLE_ID};
use crate::limits::ROLES_LISTED_MAX;

fn load_in(host: &TestHost, org_id: &str, name: &str) -> Option<Role> {
    let request = request(Operation::Read, "role", Value::Null);
    load(&Context { host, request: &request }, &OrgId::stored(org_id), &RoleName::stored(name)).unwrap()
}

fn seed(host: &TestHost, org_id: &str, name: &str) {
    let role = json!({
        "role_name": name, "role_id": ROLE_ID, "org_id": org_id, "ttl": 3_600_000_000_000_i64,
        "max_ttl": 86_400_000_000_000_i64,
    });
    host.storage.seed(&format!("role/{org_id}:{name}"), role.to_string());
}

#[test]
fn a_role_of_the_go_plugin_is_read_in_one_get_and_rewritten() {
    let host = TestHost::new();
    seed(&host, ORG_A, "reader");
    let role = load_in(&host, ORG_A, "reader").unwrap();
    assert_eq!((host.storage.calls(StorageCall::Get), host.storage.calls(StorageCall::List)), (1, 0));
    assert_eq!((role.ttl, role.max_ttl), (Duration::from_secs(3_600), Duration::from_secs(86_400)));
    assert_eq!(role.role_ids, [AstraRoleId::stored(ROLE_ID)]);
    assert!(!role.imported);

    let entry = role.to_entry().unwrap();
    assert_eq!(entry.key, format!("role/{ORG_A}:reader"));
    let rewritten: Value = serde_json::from_slice(&entry.value).unwrap();
    assert_eq!(rewritten, host.storage.json(&entry.key), "nothing is added to what the Go plugin wrote");
}

#[test]
fn our_fields_and_unknown_ones_survive_storage() {
    let mut role = Role::new(OrgId::stored(ORG_A), RoleName::stored("r"));
    role.role_ids = ["r1", "r2"].map(AstraRoleId::stored).into();
    role.description = "{{role}}".to_owned();
    role.token_expiry = TokenExpiry::Off;
    role.imported = true;
    role.other.insert("later".to_owned(), json!({ "a": 1 }));
    let entry = role.to_entry().unwrap();
    assert_eq!(stored::decode(&entry, &role.org_id, &role.name).unwrap().unwrap(), role);
}

#[test]
fn a_role_id_that_the_go_plugin_wrote_since_is_meant() {
    let host = TestHost::new();
    let role = json!({ "role_name": "r", "org_id": ORG_A, "role_id": "new", "role_ids": ["old", "old2"] });
    host.storage.seed(&format!("role/{ORG_A}:r"), role.to_string());
    assert_eq!(load_in(&host, ORG_A, "r").unwrap().role_ids, [AstraRoleId::stored("new")]);
}

#[test]
fn odd_old_names_are_listed_and_loaded_each_as_its_own() {
    let host = TestHost::new();
    let odd = [("a:b", "c"), ("a", "x/y"), ("p/q", "r"), ("p/q", "s:t"), (ORG_A, "Old Name")];
    for (org_id, name) in odd {
        seed(&host, org_id, name);
    }
    let mut listed: Vec<_> =
        all_roles(&*host.storage).unwrap().into_iter().map(|(org, name)| (org.to_string(), name.to_string())).collect();
    listed.sort();
    let mut expected = odd.map(|(org, name)| (org.to_owned(), name.to_owned()));
    expected.sort();
    assert_eq!(listed, expected);
    for (org_id, name) in odd {
        assert!(load_in(&host, org_id, name).is_some(), "{org_id} {name}");
    }
    assert!(load_in(&host, "a", "b:c").is_none(), "the key is the same, the role is another's");
    let of = |org_id: &str| -> Vec<String> {
        role_names(&*host.storage, &OrgId::stored(org_id)).unwrap().iter().map(RoleName::to_string).collect()
    };
    assert_eq!(of("a"), ["x/y"]);
    assert_eq!(of("a:b"), ["c"]);
    assert_eq!(of("p/q"), ["r", "s:t"]);
    assert_eq!(of(ORG_B), Vec::<String>::new());
}

#[test]
fn listing_one_organization_does_not_read_the_others() {
    let host = TestHost::new();
    for number in 0..3_000 {
        host.storage.seed(&format!("role/{ORG_A}:{number:04}"), "{}");
    }
    seed(&host, ORG_B, "only");
    host.storage.clear_calls();
    assert_eq!(role_names(&*host.storage, &OrgId::stored(ORG_B)).unwrap(), [RoleName::stored("only")]);
    assert_eq!((host.storage.calls(StorageCall::List), host.storage.calls(StorageCall::Get)), (1, 0));
}

#[test]
fn roles_of_all_organizations_are_counted_by_one_list() {
    let host = TestHost::new();
    let org_ids = [ORG_A, ORG_B, "odd/one", "zzz"].map(OrgId::stored);
    for (org_id, name) in [(ORG_A, "a"), (ORG_A, "x:y"), (ORG_B, "a"), ("odd/one", "a")] {
        seed(&host, org_id, name);
    }
    host.storage.clear_calls();
    assert_eq!(counts(&*host.storage, &org_ids).unwrap(), [Some(2), Some(1), Some(1), Some(0)]);
    assert_eq!(host.storage.calls(StorageCall::List), 2, "the folder of the odd one is listed, too");
    // Beyond a limit, those are counted that the list has as a whole.
    for number in 0..ROLES_LISTED_MAX {
        host.storage.seed(&format!("role/{ORG_B}:{number:05}"), "{}");
    }
    assert_eq!(counts(&*host.storage, &org_ids).unwrap(), [Some(2), None, None, None]);
}

#[test]
fn keys_are_short_where_they_can_be() {
    let roles = [("a", "r"), ("b", "r"), ("b", "s")].map(|(org, name)| (OrgId::stored(org), RoleName::stored(name)));
    assert_eq!(short_keys(&roles), ["a:r", "b:r", "s"]);
}

#[test]
fn durations_are_checked() {
    assert_eq!(parse_ttl("ttl", 0).unwrap(), Duration::ZERO);
    assert_eq!(parse_ttl("ttl", 90).unwrap(), Duration::from_secs(90));
    let error = parse_ttl("max_ttl", -5).unwrap_err().to_string();
    assert_eq!(error, "`max_ttl` is `-5 s`: must not be negative; 0 means the mount's own");
    assert!(parse_ttl("ttl", i64::MAX).is_err(), "storage holds nanoseconds");
    assert!(parse_ttl("ttl", i64::MAX / 1_000_000_000).is_ok());
}

#[test]
fn a_ttl_above_its_maximum_is_cut() {
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    let mut ttl = hours(2);
    assert_eq!(clamp(&mut ttl, Duration::ZERO), None, "zero is the mount's own maximum");
    assert_eq!(clamp(&mut ttl, hours(2)), None);
    let warning = clamp(&mut ttl, hours(1)).unwrap();
    assert_eq!(warning, "`ttl` of 2h0m0s is above `max_ttl` of 1h0m0s: it was set to 1h0m0s");
    assert_eq!(ttl, hours(1));
}
