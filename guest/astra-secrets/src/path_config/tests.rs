//! The contract of `config`, `configs` and `config/:org`, through the table.

#![expect(clippy::unwrap_used, reason = "tests")]

mod damaged;
mod damaged_retired;
mod destination;
mod kept_tokens;
mod life;
mod verify;

use secrets_framework::Operation;
use serde_json::json;

use crate::config::test_mount::{Mount, ORG_A, ORG_B, ROLE_ID, TOKEN_A, TOKEN_B, http_answer};
use crate::limits::{CONFIGS_MAX, DESCRIPTION_BYTES_MAX, ROLE_IDS_MAX};

fn path_a() -> String {
    format!("config/{ORG_A}")
}

#[test]
fn a_config_is_created_and_read_without_its_secret() {
    let mount = Mount::new();
    mount.write("config", json!({ "org_id": ORG_A, "astra_token": TOKEN_A, "url": "", "logical_name": "Prod" })).done();
    let read = mount.read("config", json!({ "org_id": ORG_A })).data();
    assert_eq!(
        read,
        json!({
            "org_id": ORG_A, "astra_token": "AstraCS:AdminClientOfOrgAaaaaaaa:redacted",
            "url": "https://api.astra.datastax.com", "logical_name": "Prod", "caller_mode": "standard",
            "allowed_role_ids": [], "description": "", "request_timeout": "10s", "max_retries": 2,
            "rotation_period": "0s", "rotation_schedule": "", "rotation_window": "0s",
            "rotation_grace_period": "10m0s", "last_rotated": "", "next_rotation": "", "tidy_period": "0s", "next_tidy": "",
            "record_reads": true, "max_tokens": 0,
        })
    );
    assert_eq!(mount.read("config", json!({ "logical_name": "Prod" })).data(), read);
    assert_eq!(mount.read("config", json!({ "org_id": "Prod" })).data(), read, "it may stand for the ID");
    let mut by_path = mount.read(&path_a(), json!({})).data();
    assert_eq!(by_path["astra_token_client_id"], "AdminClientOfOrgAaaaaaaa");
    for field in ["request_timeout", "rotation_period", "rotation_window", "rotation_grace_period", "tidy_period"] {
        assert!(by_path[field].is_u64(), "`{field}` is {}, not whole seconds", by_path[field]);
        by_path[field] = read[field].clone();
    }
    by_path["astra_token"] = read["astra_token"].clone();
    by_path.as_object_mut().unwrap().remove("astra_token_client_id");
    assert_eq!(by_path, read, "all else is the same");
    assert!(mount.host.storage.snapshot()[&path_a()].seal_wrap, "section 6, point 15");
}

#[test]
fn all_settings_are_kept_by_the_path_of_the_organization() {
    let mount = Mount::new();
    let settings = json!({
        "astra_token": TOKEN_A, "url": "https://api.dev.cloud.datastax.com/", "caller_mode": "Sidecar",
        "allowed_role_ids": format!("{ROLE_ID}, r2,{ROLE_ID}"), "description": "by {{display_name}}",
        "request_timeout": "20s", "max_retries": 0, "rotation_schedule": "30 3 * * SUN", "rotation_window": "2h",
        "rotation_grace_period": "1h", "tidy_period": "24h", "record_reads": false,
    });
    mount.write(&path_a(), settings).done();
    let read = mount.read(&path_a(), json!({})).data();
    assert_eq!(read["url"], "https://api.dev.cloud.datastax.com", "a trailing slash is dropped");
    assert_eq!(read["caller_mode"], "sidecar");
    assert_eq!(read["allowed_role_ids"], json!([ROLE_ID, "r2"]));
    assert_eq!(read["description"], "by {{display_name}}");
    assert_eq!((&read["request_timeout"], &read["max_retries"]), (&json!(20), &json!(0)));
    assert_eq!((&read["rotation_schedule"], &read["rotation_window"]), (&json!("30 3 * * SUN"), &json!(7200)));
    assert_eq!((&read["rotation_grace_period"], &read["tidy_period"]), (&json!(3600), &json!(86400)));
    assert_eq!(read["record_reads"], false);
    assert_eq!(mount.host.storage.json(&path_a())["caller_mode"], 2, "as the Go plugin stores it");
}

#[test]
fn an_update_changes_only_the_fields_given() {
    let mount = Mount::with_org_a();
    mount.write(&path_a(), json!({ "logical_name": "prod", "description": "x", "caller_mode": "sidecar" })).done();
    let before = mount.read(&path_a(), json!({})).data();
    mount.write("config", json!({ "org_id": "prod", "logical_name": "live" })).done();
    let mut after = mount.read(&path_a(), json!({})).data();
    assert_eq!(after["logical_name"], "live");
    after["logical_name"] = "prod".into();
    assert_eq!(after, before);
    assert_eq!(mount.host.storage.json(&path_a())["astra_token"], TOKEN_A);
    mount.write(&path_a(), json!({ "logical_name": "" })).done();
    assert_eq!(mount.read(&path_a(), json!({})).data()["logical_name"], "");
    mount.read("config", json!({ "logical_name": "live" })).missing();
}

#[test]
fn fields_nobody_knows_are_kept_on_a_rewrite() {
    let mount = Mount::with_org_a();
    let mut stored = mount.host.storage.json(&path_a());
    stored["renewal_time"] = 5.into();
    mount.host.storage.seed(&path_a(), stored.to_string());
    mount.write(&path_a(), json!({ "logical_name": "x" })).done();
    assert_eq!(mount.host.storage.json(&path_a())["renewal_time"], 5);
}

#[test]
fn the_existence_check_decides_and_changes_nothing() {
    let mount = Mount::with_org_a();
    mount.write(&path_a(), json!({ "logical_name": "prod" })).done();
    let before = mount.host.storage.snapshot();
    assert!(mount.exists("config", json!({ "org_id": ORG_A })));
    assert!(mount.exists("config", json!({ "org_id": "prod" })));
    assert!(mount.exists(&path_a(), json!({})));
    assert!(!mount.exists("config", json!({ "org_id": ORG_B })));
    assert!(!mount.exists("config", json!({})), "what is missing is for the handler to say");
    assert!(!mount.exists("config/prod", json!({})));
    assert_eq!(mount.host.storage.snapshot(), before);
    assert!(mount.asked().is_empty());
}

#[test]
fn mistakes_are_400_name_the_field_and_store_nothing() {
    let mount = Mount::new();
    let text = "x".repeat(DESCRIPTION_BYTES_MAX + 1);
    let many = vec!["r"; ROLE_IDS_MAX + 1].iter().enumerate().map(|(n, r)| format!("{r}{n}")).collect::<Vec<_>>();
    let path = path_a();
    for (path, data, named) in [
        ("config", json!({ "astra_token": TOKEN_A }), "`org_id`"),
        ("config", json!({ "org_id": ORG_A }), "`astra_token`"),
        ("config", json!({ "org_id": "a/b", "astra_token": TOKEN_A }), "`org_id` is `a/b`"),
        ("config", json!({ "org_id": "a:b", "astra_token": TOKEN_A }), "`org_id` is `a:b`"),
        ("config", json!({ "org_id": "a\"b", "astra_token": TOKEN_A }), "`org_id` is `a\\\"b`"),
        ("config", json!({ "org_id": "o".repeat(9_000), "astra_token": TOKEN_A }), "`org_id`"),
        ("config/a:b", json!({ "astra_token": TOKEN_A }), "`org_id` is `a:b`"),
        (&path, json!({ "astra_token": "AstraCS:canary:redacted" }), "`:redacted`"),
        (&path, json!({ "astra_token": "nonsense" }), "`astra_token`"),
        (&path, json!({ "astra_token": TOKEN_A, "url": "nonsense" }), "`url` is `nonsense`"),
        (&path, json!({ "astra_token": TOKEN_A, "logical_name": "a b" }), "`logical_name` is `a b`"),
        (&path, json!({ "astra_token": TOKEN_A, "caller_mode": "both" }), "`caller_mode` is `both`"),
        (&path, json!({ "astra_token": TOKEN_A, "description": text }), "`description`"),
        (&path, json!({ "astra_token": TOKEN_A, "description": "a\nb" }), "`description`"),
        (&path, json!({ "astra_token": TOKEN_A, "description": "{{nope}}" }), "`nope`"),
        (&path, json!({ "astra_token": TOKEN_A, "request_timeout": -1 }), "`request_timeout` is `-1 s`"),
        (&path, json!({ "astra_token": TOKEN_A, "request_timeout": "61s" }), "`request_timeout` is `61 s`"),
        (&path, json!({ "astra_token": TOKEN_A, "max_retries": -1 }), "`max_retries` is `-1`"),
        (&path, json!({ "astra_token": TOKEN_A, "max_retries": 11 }), "`max_retries` is `11`"),
        (&path, json!({ "astra_token": TOKEN_A, "allowed_role_ids": ["a b"] }), "`allowed_role_ids` is `a b`"),
        (&path, json!({ "astra_token": TOKEN_A, "rotation_period": 59 }), "`rotation_period` is `59 s`"),
        (&path, json!({ "astra_token": TOKEN_A, "rotation_schedule": "0 3 30 2 *" }), "never comes"),
        (&path, json!({ "astra_token": TOKEN_A, "rotation_window": "1h" }), "`rotation_window` is `3600 s`"),
        (&path, json!({ "astra_token": TOKEN_A, "rotation_period": "5m" }), "`rotation_grace_period` is `10m0s`"),
        (
            &path,
            json!({ "astra_token": TOKEN_A, "rotation_schedule": "*/15 * * * *", "rotation_grace_period": "16m" }),
            "15m0s",
        ),
        (&path, json!({ "astra_token": TOKEN_A, "rotation_grace_period": -1 }), "`rotation_grace_period` is `-1 s`"),
        (&path, json!({ "astra_token": TOKEN_A, "rotation_grace_period": "87601h" }), "10 years"),
        (&path, json!({ "astra_token": TOKEN_A, "tidy_period": 59 }), "`tidy_period` is `59 s`"),
        (&path, json!({ "astra_token": TOKEN_A, "tidy_period": "87601h" }), "10 years"),
        (&path, json!({ "astra_token": TOKEN_A, "allowed_role_ids": many }), "`allowed_role_ids`"),
    ] {
        let mistake = mount.write(path, data.clone()).mistake();
        assert!(mistake.contains(named) && !mistake.contains("canary"), "{data}: {mistake}");
    }
    assert!(mount.update(&path, json!({ "max_retries": "many" })).mistake().contains("max_retries"));
    assert!(mount.host.storage.keys().is_empty());
    assert!(mount.asked().is_empty());
    assert!(mount.read("config", json!({})).mistake().contains("`org_id`"));
    assert!(mount.delete("config", json!({})).mistake().contains("`org_id`"));
}

#[test]
fn limits_are_reached_and_not_passed() {
    let mount = Mount::with_org_a();
    let ids: Vec<_> = (0..ROLE_IDS_MAX).map(|number| format!("r{number}")).collect();
    let largest = json!({
        "description": "x".repeat(DESCRIPTION_BYTES_MAX), "request_timeout": 30, "max_retries": 10,
        "allowed_role_ids": ids, "rotation_grace_period": "87600h", "tidy_period": "87600h",
    });
    mount.write(&path_a(), largest).done();
    mount.write(&path_a(), json!({ "request_timeout": 0 })).done();
    assert_eq!(mount.read(&path_a(), json!({})).data()["request_timeout"], 10);
}

#[test]
fn a_mount_holds_so_many_organizations() {
    let mount = Mount::new();
    for number in 1..CONFIGS_MAX {
        let org_id = format!("org-{number}");
        let config =
            json!({ "astra_token": TOKEN_A, "url": "", "org_id": org_id, "logical_name": "", "caller_mode": 1 });
        mount.host.storage.seed(&format!("config/{org_id}"), config.to_string());
    }
    mount.write("config", json!({ "org_id": ORG_A, "astra_token": TOKEN_A })).done();
    let mistake = mount.write("config", json!({ "org_id": ORG_B, "astra_token": TOKEN_B })).mistake();
    assert!(mistake.contains("2000 organizations"), "{mistake}");
    assert_eq!(mount.list("configs/").data()["keys"].as_array().unwrap().len(), CONFIGS_MAX);
    mount.write("config", json!({ "org_id": ORG_A, "logical_name": "x" })).done();
}

#[test]
fn a_damaged_config_hides_no_other() {
    let mount = Mount::with_org_a();
    mount.write(&path_a(), json!({ "logical_name": "prod" })).done();
    mount.host.storage.remove("logical-name/prod");
    mount.host.storage.seed("config/0", "AstraCS:canary");
    let list = mount.list("configs/").data();
    assert_eq!(list["keys"], json!(["0", ORG_A]));
    assert_eq!(mount.read("config", json!({ "logical_name": "prod" })).data()["org_id"], ORG_A);
    let (_, text) = mount.read("config/0", json!({})).failed();
    assert!(text.contains("`0`") && !text.contains("canary"), "{text}");
    let log = mount.host.log.text();
    assert!(log.contains("a config was passed over") && !log.contains("canary"), "{log}");
}

#[test]
fn a_logical_name_in_the_path_is_refused_and_the_id_named() {
    let mount = Mount::with_org_a();
    mount.write(&path_a(), json!({ "logical_name": "prod" })).done();
    for mistake in [
        mount.read("config/prod", json!({})).mistake(),
        mount.write("config/prod", json!({ "astra_token": TOKEN_A })).mistake(),
        mount.delete("config/prod", json!({})).mistake(),
    ] {
        assert_eq!(
            mistake,
            format!("`org` is the logical name `prod`: in a path, use the organization's ID, `{ORG_A}`")
        );
    }
}

#[test]
fn a_logical_name_is_unique_and_no_other_organizations_id() {
    let mount = Mount::with_org_a();
    mount.write(&path_a(), json!({ "logical_name": "prod" })).done();
    for name in ["prod", ORG_A] {
        let (code, text) =
            mount.write("config", json!({ "org_id": ORG_B, "astra_token": TOKEN_B, "logical_name": name })).failed();
        assert_eq!(code, Some(409), "{text}");
        assert!(text.contains(name) && text.contains(ORG_A), "{text}");
    }
    assert!(!mount.host.storage.keys().contains(&format!("config/{ORG_B}")));
    mount.write(&path_a(), json!({ "logical_name": "prod" })).done();
    mount.write(&path_a(), json!({ "logical_name": "other" })).done();
    mount.write("config", json!({ "org_id": ORG_B, "astra_token": TOKEN_B, "logical_name": "prod" })).done();
    assert_eq!(mount.read("config", json!({ "org_id": "prod" })).data()["org_id"], ORG_B);
}

#[test]
fn of_writers_racing_for_a_logical_name_one_has_it() {
    let mount = Mount::new();
    // Both have passed all checks before the lock when Astra answers them.
    let both_asked = std::sync::Barrier::new(2);
    mount.host.http.script(move |request| {
        both_asked.wait();
        let org_id = if request.bearer.expose() == TOKEN_A { ORG_A } else { ORG_B };
        Ok(http_answer(200, &json!({ "id": org_id })))
    });
    let write = |org_id: &str, token: &str| {
        mount.write("config", json!({ "org_id": org_id, "astra_token": token, "logical_name": "prod" })).0
    };
    let results = std::thread::scope(|scope| {
        let threads = [scope.spawn(|| write(ORG_A, TOKEN_A)), scope.spawn(|| write(ORG_B, TOKEN_B))];
        threads.map(|thread| thread.join().unwrap())
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    let configs = mount.host.storage.keys().into_iter().filter(|key| key.starts_with("config/")).count();
    assert_eq!(configs, 1);
}

#[test]
fn lists_hold_ids_and_nothing_secret() {
    let mount = Mount::new();
    mount.list("configs/").missing();
    mount.list("config/").missing();
    mount.write("config", json!({ "org_id": ORG_B, "astra_token": TOKEN_B, "caller_mode": "sidecar" })).done();
    mount.write("config", json!({ "org_id": ORG_A, "astra_token": TOKEN_A, "logical_name": "prod" })).done();
    let list = mount.list("configs/").data();
    assert_eq!(list["keys"], json!([ORG_A, ORG_B]));
    assert_eq!(
        list["key_info"][ORG_A],
        json!({
            "org_id": ORG_A, "logical_name": "prod", "url": "https://api.astra.datastax.com", "caller_mode": "standard"
        })
    );
    assert_eq!(list["key_info"][ORG_B]["caller_mode"], "sidecar");
    assert!(!list.to_string().contains("AstraCS"), "section 6, point 2");
    assert_eq!(mount.list("config/").data(), list);
    assert_eq!(mount.list("configs").data(), list);
    for path in ["configs/", "config/"] {
        let page = |after: &str| mount.send(Operation::List, path, json!({ "after": after, "limit": 1 }));
        assert_eq!(page("").data()["keys"], json!([ORG_A]));
        assert_eq!(page(ORG_A).data()["key_info"], json!({ ORG_B: list["key_info"][ORG_B] }));
        page(ORG_B).missing();
    }
}

#[test]
fn what_an_old_mount_holds_under_odd_names_goes_on_working() {
    let mount = Mount::new();
    for org_id in ["a/b", "a:b", "My Org"] {
        let config = json!({ "astra_token": TOKEN_A, "url": "https://api.astra.datastax.com/", "org_id": org_id,
            "logical_name": "odd name", "caller_mode": 1 });
        mount.host.storage.seed(&format!("config/{org_id}"), config.to_string());
    }
    assert_eq!(mount.list("configs/").data()["keys"], json!(["My Org", "a/b", "a:b"]));
    for org_id in ["a/b", "a:b", "My Org"] {
        assert_eq!(mount.read("config", json!({ "org_id": org_id })).data()["url"], "https://api.astra.datastax.com");
        mount.write("config", json!({ "org_id": org_id, "caller_mode": "sidecar" })).done();
        assert_eq!(mount.read("config", json!({ "org_id": org_id })).data()["caller_mode"], "sidecar");
    }
    assert_eq!(mount.read("config/My Org", json!({})).data()["logical_name"], "odd name");
    assert_eq!(mount.read("config", json!({ "logical_name": "odd name" })).data()["org_id"], "My Org");
    for org_id in ["a/b", "a:b", "My Org"] {
        mount.delete("config", json!({ "org_id": org_id })).done();
    }
    mount.list("configs/").missing();
}

#[test]
fn a_config_changed_behind_our_back_is_seen_at_once() {
    // Section 6, point 14: nothing is remembered between requests.
    let mount = Mount::with_org_a();
    let mut stored = mount.host.storage.json(&path_a());
    stored["logical_name"] = "changed".into();
    mount.host.storage.seed(&path_a(), stored.to_string());
    assert_eq!(mount.read(&path_a(), json!({})).data()["logical_name"], "changed");
}

#[test]
fn a_node_that_cannot_write_says_it_in_the_servers_words() {
    let mount = Mount::new();
    mount.host.storage.set_read_only(true);
    let (_, text) = mount.write(&path_a(), json!({ "astra_token": TOKEN_A })).failed();
    assert_eq!(text, secrets_framework::testing::READ_ONLY_TEXT);
    mount.read(&path_a(), json!({})).missing();
}

#[test]
fn unknown_parameters_are_told() {
    let mount = Mount::new();
    mount.script_status(500);
    let warnings = mount.write("config", json!({ "org_id": ORG_A, "astra_token": TOKEN_A, "nope": 1 })).warnings();
    assert!(warnings.iter().any(|warning| warning.contains("[nope]")), "{warnings:?}");
}
