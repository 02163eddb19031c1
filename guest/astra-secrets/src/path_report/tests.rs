#![expect(clippy::unwrap_used, reason = "tests")]

use secrets_framework::Operation;
use secrets_framework::host::Clock as _;
use serde_json::{Value, json};

use crate::config::test_mount::Answered;
use crate::limits::REPORT_PAGE_MAX;
use crate::testing::{ADMIN_B, Mount, ORG_A, ORG_B, ROLE_ID};

const DAY: u64 = 24 * 3600;
const DATABASE: &str = "dddddddd-1111-4111-8111-111111111111";

/// Puts a token into storage, as the engine writes it.
fn seed(mount: &Mount, org_id: &str, client_id: &str, more: Value) {
    let mut record =
        json!({ "clientId": client_id, "orgId": org_id, "roleName": "reader", "kind": "creds", "roles": [ROLE_ID] });
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let id = match record["logicalName"].as_str() {
        Some(name) => format!("named-{name}"),
        None => client_id.to_owned(),
    };
    mount.host.storage.seed(&format!("token/{id}"), record.to_string());
    mount.host.storage.seed(&format!("client-index/{org_id}/{client_id}"), json!({ "id": id }).to_string());
}

fn ask(mount: &Mount, path: &str, query: Value) -> Answered {
    mount.send(Operation::Read, path, query)
}

fn report(mount: &Mount, query: Value) -> Value {
    ask(mount, "report", query).data()
}

/// The client IDs of a page.
fn ids(page: &Value) -> Vec<&str> {
    page["tokens"].as_array().unwrap().iter().map(|token| token["client_id"].as_str().unwrap()).collect()
}

fn now(mount: &Mount) -> u64 {
    mount.host.clock.now().as_secs()
}

/// Two organizations, and one token of each kind of owner and use.
fn crowd() -> Mount {
    let mount = Mount::new();
    mount.configure(ORG_B, ADMIN_B, json!({ "logical_name": "second" }));
    let now = now(&mount);
    let by = |name: &str| json!({ "displayName": format!("approle-{name}"), "entityId": format!("e-{name}"), "entityName": name });
    let read = |at: u64| json!({ "events": [{ "at": at, "event": "read" }] });
    seed(
        &mount,
        ORG_A,
        "old",
        json!({ "made": now - 100 * DAY, "createdBy": by("pay"), "metadata": { "team": "payments" } }),
    );
    seed(
        &mount,
        ORG_A,
        "read",
        json!({
            "made": now - 100 * DAY, "createdBy": by("pay"), "history": read(now - DAY), "kind": "standard", "logicalName": "app",
            "metadata": { "team": "payments", "env": "prod" },
        }),
    );
    seed(&mount, ORG_A, "ends", json!({ "made": now - DAY, "leaseEnd": now + 3600, "createdBy": by("web") }));
    seed(&mount, ORG_B, "admin", json!({ "made": now - 300 * DAY, "kind": "admin", "roles": [] }));
    seed(
        &mount,
        ORG_B,
        "other",
        json!({
            "made": now - 2 * DAY, "expiresAt": "2199-01-01T00:00:00Z", "roleName": "writer", "createdBy": by("web"), "metadata": { "team": "web" },
        }),
    );
    mount
}

fn note_role(mount: &Mount, org_id: &str, resources: Value) {
    let note = json!({ "id": ROLE_ID, "name": "Reader of orders", "resources": resources, "seen_at": 1 });
    mount.host.storage.seed(&format!("astra-role/{org_id}/{ROLE_ID}"), note.to_string());
}

#[test]
fn a_report_says_who_owns_a_token_what_it_reaches_and_when_it_was_used() {
    let mount = crowd();
    note_role(&mount, ORG_A, json!([format!("drn:astra:org:{ORG_A}:db:{DATABASE}")]));
    let page = report(&mount, Value::Null);
    assert_eq!(ids(&page), ["ends", "old", "read", "admin", "other"]);
    assert_eq!(page["next"], Value::Null);
    let read = &page["tokens"][2];
    assert_eq!((&read["owner"], &read["kind"], &read["reads"]), (&json!("pay"), &json!("standard"), &json!(1)));
    assert_eq!(read["astra_roles"], json!(["Reader of orders"]));
    assert_eq!(read["logical_name"], "app");
    assert_eq!(
        read["created_by"],
        json!({ "display_name": "approle-pay", "entity_id": "e-pay", "entity_name": "pay" })
    );
    assert_eq!(read["last_use"], read["last_read"]);
    assert_eq!(page["astra_roles"][ORG_A][ROLE_ID]["resources"][0], format!("drn:astra:org:{ORG_A}:db:{DATABASE}"));
    assert_eq!(page["organizations"][ORG_B], json!({ "logical_name": "second", "record_reads": true }));
    // A role that nobody noted goes by its ID.
    assert_eq!(page["tokens"][4]["astra_roles"], json!([ROLE_ID]));
}

#[test]
fn every_filter_takes_what_it_names() {
    let mount = crowd();
    note_role(&mount, ORG_A, json!([format!("drn:astra:org:{ORG_A}:db:{DATABASE}:keyspace:*")]));
    let rows: [(Value, &[&str]); 14] = [
        (json!({ "owner": "pay" }), &["old", "read"]),
        (json!({ "owner": "approle-web" }), &["ends", "other"]),
        (json!({ "owner": "e-web", "role": "writer" }), &["other"]),
        (json!({ "kind": "admin,standard" }), &["read", "admin"]),
        (json!({ "metadata.team": "payments" }), &["old", "read"]),
        (json!({ "metadata.team": "payments", "metadata.env": "prod" }), &["read"]),
        (json!({ "metadata.team": "" }), &["ends", "admin"]),
        (json!({ "unused_for": "60d" }), &["old"]),
        (json!({ "unused_for": "24h" }), &["ends", "old", "read", "other"]),
        (json!({ "expires_within": "2h" }), &["ends"]),
        (json!({ "reaches": DATABASE, "kind": "creds" }), &["ends", "old", "other"]),
        (json!({ "reaches": format!("drn:astra:org:{ORG_A}:db:{DATABASE}"), "owner": "pay" }), &["old", "read"]),
        (json!({ "reaches": "reader of ORDERS", "owner": "pay" }), &["old", "read"]),
        (json!({ "reaches": "db:none", "owner": "pay" }), &[]),
    ];
    for (query, expected) in rows {
        let page = report(&mount, query.clone());
        assert_eq!(ids(&page), expected, "{query}");
    }
    // Nothing is known of the Astra roles of organization B, which is told and never taken for no.
    let page = report(&mount, json!({ "reaches": DATABASE, "owner": "web" }));
    let reach: Vec<&Value> = page["tokens"].as_array().unwrap().iter().map(|token| &token["reach"]).collect();
    assert_eq!(reach, ["yes", "unknown"]);
}

#[test]
fn a_bad_filter_is_a_mistake_that_names_the_field() {
    let mount = crowd();
    let rows = [
        (json!({ "kind": "static,leased" }), "`kind` is `leased`"),
        (json!({ "owner": "" }), "`owner` is empty"),
        (json!({ "reaches": "cluster:x" }), "`reaches` is `cluster:x`"),
        (json!({ "unused_for": "long" }), "\"unused_for\""),
        (json!({ "expires_within": "-1h" }), "\"expires_within\""),
        (json!({ "sort": "age" }), "`sort` is `age`"),
        (json!({ "limit": REPORT_PAGE_MAX + 1 }), "`limit` is `1001`"),
        (json!({ "limit": -1 }), "`limit` is `-1`"),
        (json!({ "after": "x" }), "`after` is `x`"),
        (json!({ "after": "a/b", "sort": "made" }), "`after` is `a/b`"),
        (json!({ "metadata.": "x" }), "`metadata.` names no key"),
        (json!({ "metadata.team": ["a", "b"] }), "\"metadata.team\""),
        (json!({ "summary": true, "sort": "made" }), "`sort` has no effect with `summary`"),
    ];
    for (query, expected) in rows {
        let text = ask(&mount, "report", query.clone()).mistake();
        assert!(text.contains(expected), "{query}: {text}");
    }
    let warnings = ask(&mount, "report", json!({ "meta.team": "x" })).warnings();
    assert!(warnings[0].contains("[meta.team]"), "{warnings:?}");
}

#[test]
fn the_path_of_an_organization_shows_that_one_only() {
    let mount = crowd();
    let page = ask(&mount, &format!("report/{ORG_B}"), Value::Null).data();
    assert_eq!(ids(&page), ["admin", "other"]);
    ask(&mount, "report/nobody", Value::Null).missing();
    assert!(ask(&mount, "report/second", Value::Null).mistake().contains(ORG_B));
    // Its tokens outlive its config.
    mount.host.storage.remove(&format!("config/{ORG_B}"));
    assert_eq!(ids(&ask(&mount, &format!("report/{ORG_B}"), Value::Null).data()), ["admin", "other"]);
}

#[test]
fn pages_follow_one_another_in_every_order() {
    let mount = crowd();
    let orders = [
        (json!({}), vec!["ends", "old", "read", "admin", "other"]),
        (json!({ "sort": "made" }), vec!["admin", "old", "read", "other", "ends"]),
        (json!({ "sort": "-made" }), vec!["ends", "other", "old", "read", "admin"]),
        (json!({ "sort": "expires" }), vec!["ends", "other", "old", "read", "admin"]),
        (json!({ "sort": "-expires" }), vec!["other", "ends", "old", "read", "admin"]),
        (json!({ "sort": "-last_read" }), vec!["read", "ends", "old", "admin", "other"]),
        (json!({ "sort": "owner" }), vec!["old", "read", "ends", "other", "admin"]),
        (json!({ "sort": "role" }), vec!["ends", "old", "read", "admin", "other"]),
    ];
    for (query, expected) in orders {
        for limit in [1, 2, 5] {
            let (mut seen, mut after) = (Vec::new(), json!(""));
            loop {
                let mut query = query.clone();
                query["limit"] = json!(limit);
                query["after"] = after;
                let page = report(&mount, query);
                seen.extend(ids(&page).into_iter().map(str::to_owned));
                after = page["next"].clone();
                if after.is_null() {
                    break;
                }
            }
            assert_eq!(seen, expected, "{query} {limit}");
        }
    }
}

#[test]
fn reads_that_wait_for_rollback_count() {
    let mount = Mount::new();
    let named = json!({ "org_id": ORG_A, "role_name": "reader", "logical_name": "shared" });
    mount.write("org/token", named.clone()).data();
    mount.host.clock.advance(std::time::Duration::from_secs(100 * DAY));
    assert_eq!(report(&mount, json!({ "unused_for": "60d" }))["tokens"].as_array().unwrap().len(), 1);
    mount.send(Operation::Read, "org/token", named).data();
    let page = report(&mount, Value::Null);
    assert_eq!((&page["tokens"][0]["reads"], page["tokens"][0]["last_read"].is_string()), (&json!(1), true));
    assert!(report(&mount, json!({ "unused_for": "60d" }))["tokens"].as_array().unwrap().is_empty());
}

#[test]
fn a_summary_counts_by_role_owner_metadata_age_and_end() {
    let mount = crowd();
    let answer = report(&mount, json!({ "summary": "true" }));
    let summary = &answer["summary"];
    assert_eq!((&summary["tokens"], &answer["next"]), (&json!(5), &Value::Null));
    assert_eq!(summary["by_organization"], json!({ ORG_A: 3, ORG_B: 2 }));
    assert_eq!(summary["by_role"], json!({ "reader": 4, "writer": 1 }));
    assert_eq!(summary["by_owner"], json!({ "": 1, "pay": 2, "web": 2 }));
    assert_eq!(summary["by_metadata"], json!({ "env=prod": 1, "team=payments": 2, "team=web": 1 }));
    let band = |name: &str| -> Vec<u64> {
        summary[name].as_array().unwrap().iter().map(|band| band["tokens"].as_u64().unwrap()).collect()
    };
    assert_eq!(band("by_age"), [1, 1, 0, 0, 3, 0, 0]);
    assert_eq!(band("by_last_use"), [2, 1, 0, 0, 1, 0, 1]);
    assert_eq!(band("by_expiry"), [1, 0, 0, 0, 0, 1, 3]);
    let filtered = report(&mount, json!({ "summary": true, "owner": "web" }));
    assert_eq!(filtered["summary"]["tokens"], 2);
}

#[test]
fn nothing_secret_is_reported() {
    let mount = Mount::new();
    let made = mount.org_token(json!({})).data();
    let page = report(&mount, Value::Null).to_string();
    for name in ["token", "secret"] {
        assert!(!page.contains(made[name].as_str().unwrap()), "{page}");
    }
}

#[test]
fn a_config_that_records_no_reads_is_named() {
    let mount = crowd();
    mount.record_no_reads();
    let warnings = ask(&mount, "report", Value::Null).warnings();
    assert!(warnings.len() == 1 && warnings[0].contains(ORG_A) && warnings[0].contains("record_reads"), "{warnings:?}");
}
