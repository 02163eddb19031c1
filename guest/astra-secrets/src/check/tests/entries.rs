//! Entries of the mount's storage that cannot be read are named, whoever they belong to.

use super::*;
use crate::limits::CHECKED_CONFIGS_MAX;
use crate::testing::ORG_B;

#[test]
fn each_kind_of_bad_entry_is_named() {
    for (key, value) in [
        ("wal/damaged", "canary"),
        ("wal/other", r#"{"type":"other","data":{},"created_at":1}"#),
        ("config/other-org", "[]"),
        ("config/url-is-a-number", r#"{"astra_token":"AstraCS:x:canary","url":5}"#),
        ("config/", "{}"),
        ("retired-config/other-org", "canary"),
        ("queue/odd", "{}"),
        ("queue/00000001/odd", "{}"),
        ("queue/00000001/other/000000003600.x", "{}"),
        ("queue/00000001/tidy/odd", "{}"),
        ("queue/00000001/token/000000000001.x.y", "{}"),
    ] {
        let mount = Mount::new();
        mount.host.storage.seed(key, value);
        let answer = check(&mount);
        assert_item(&answer, "entries", "no", &format!("`{key}`"));
        assert_eq!(answer["healthy"], false);
        mount.host.storage.remove(key);
        assert_item(&check(&mount), "entries", "yes", "");
    }
}

#[test]
fn one_bad_entry_of_each_kind_stops_no_list_and_no_other_organization() {
    let mount = Mount::new();
    mount.configure(ORG_B, ADMIN_B, json!({}));
    mount.write_role(ORG_B, "reader", json!({ "role_id": crate::testing::ROLE_ID }));
    mount.daily("nightly");
    for key in [
        "config/bad",
        "config/",
        &format!("role/{ORG_A}:bad"),
        &format!("role/{ORG_A}:b:c"),
        "role/",
        &format!("static-role/{ORG_A}/bad"),
        "tidy/org/bad",
        "retired-config/bad",
        "wal/bad",
        "history/bad/bad",
        "queue/00000001/token/bad",
    ] {
        mount.host.storage.seed(key, "canary");
    }
    mount.host.storage.seed(&format!("config/{}x", "f/".repeat(40)), "{}");
    let list = |path: &str| mount.send(Operation::List, path, Value::Null).data()["keys"].clone();
    assert!(list("configs/").as_array().unwrap().contains(&json!(ORG_B)));
    assert!(list("roles/").as_array().unwrap().len() >= 2);
    assert!(list(&format!("roles/{ORG_A}/")).as_array().unwrap().contains(&json!("reader")));
    assert!(list(&format!("static-roles/{ORG_A}/")).as_array().unwrap().contains(&json!("nightly")));
    let info = mount.send(Operation::Read, "info", Value::Null).data();
    assert!(info["organizations"].get(ORG_A).is_some() && info["organizations"].get(ORG_B).is_some());
    let synced = mount.write("sync-roles", json!({})).data();
    assert!(synced["failed"].get("bad").is_some() && synced["failed"].get(ORG_A).is_none(), "{synced}");
    let tidied = mount.write("tidy", json!({ "dry_run": false })).data();
    assert!(tidied["failed"].get(ORG_A).is_none() && tidied["failed"].get(ORG_B).is_none(), "{tidied}");
    mount.send(Operation::Read, "tidy", Value::Null).data();
    mount.send(Operation::Read, "config", json!({ "org_id": "nobody-has-this-name" })).missing();
}

#[test]
fn a_check_reads_so_many_configs_and_no_more() {
    let mount = Mount::new();
    for number in 0..CHECKED_CONFIGS_MAX {
        mount.host.storage.seed(&format!("config/0{number:05}"), r#"{"astra_token":"AstraCS:x:canary"}"#);
    }
    mount.host.storage.seed("config/zulu", "canary");
    assert_item(&check(&mount), "entries", "yes", "that were looked at");
    mount.host.storage.seed("config/00000", "canary");
    assert_item(&check(&mount), "entries", "no", "`config/00000`");
}

/// The log of a list that clients read each minute has no line of the same entry each minute.
#[test]
fn an_entry_that_lists_pass_over_is_logged_once() {
    let mount = Mount::new();
    let keys = [format!("config/{ORG_B}"), format!("role/{ORG_A}:broken"), format!("static-role/{ORG_A}/broken")];
    keys.iter().for_each(|key| mount.host.storage.seed(key, "canary"));
    mount.host.log.clear();
    for _ in 0..3 {
        mount.send(Operation::List, "configs/", Value::Null).data();
        mount.send(Operation::Read, "info", Value::Null).data();
        mount.send(Operation::List, "roles/", Value::Null).data();
        mount.send(Operation::List, &format!("static-roles/{ORG_A}/"), Value::Null).data();
    }
    let text = mount.host.log.text();
    for key in &keys {
        assert_eq!(text.matches(&format!("(\"key\", \"{key}\")")).count(), 1, "{key}: {text}");
    }
    assert!(!text.contains("canary"));
    // A node that may not write cannot remember what it has logged, and answers all the same.
    mount.host.storage.remove("passed-over-state");
    let read_only = secrets_framework::host::StorageError::ReadOnly("read-only".to_owned());
    mount.host.storage.fail_prefix(secrets_framework::testing::StorageCall::Put, "passed-over-state", read_only);
    mount.send(Operation::List, "configs/", Value::Null).data();
}
