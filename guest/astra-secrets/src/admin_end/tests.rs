#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use secrets_framework::Operation;
use secrets_framework::host::{Clock, HttpMethod};
use serde_json::{Value, json};

use super::*;
use crate::testing::{ADMIN_B, Fault, Mount, ORG_A, ORG_B, On};

const HOUR: Duration = Duration::from_secs(3600);

fn metric(mount: &Mount, name: &str, org_id: &str) -> Option<u64> {
    let data = mount.send(Operation::Read, "metrics", Value::Null).data();
    let family = data["families"].as_array().unwrap().iter().find(|family| family["name"] == name)?;
    let labels = json!({ "organization": org_id });
    let sample = family["samples"].as_array().unwrap().iter().find(|sample| sample["labels"] == labels)?;
    sample["value"].as_u64()
}

fn lists(mount: &Mount) -> usize {
    let requests = mount.host.http.requests();
    mount.host.http.clear();
    requests
        .iter()
        .filter(|request| request.method == HttpMethod::Get && request.path_and_query.ends_with("/v2/clientIdSecrets"))
        .count()
}

fn rollback_after(mount: &Mount, time: Duration) -> usize {
    mount.host.http.clear();
    mount.host.clock.advance(time);
    mount.rollback().unwrap();
    lists(mount)
}

#[test]
fn the_end_of_an_admin_token_is_looked_up_once_a_day_and_after_a_change() {
    let mount = Mount::new();
    mount.astra.set_expiry("AdminOfA", "2026-01-15T00:00:00Z");
    assert_eq!(metric(&mount, "astra_admin_token_end_timestamp_seconds", ORG_A), None);
    assert_eq!(rollback_after(&mount, HOUR), 1);
    let now = mount.host.clock.now().as_secs();
    let ends = 1_768_435_200;
    assert_eq!(metric(&mount, "astra_admin_token_end_timestamp_seconds", ORG_A), Some(ends));
    assert_eq!(metric(&mount, "astra_admin_token_remaining_seconds", ORG_A), Some(ends - now));
    assert_eq!(metric(&mount, "astra_admin_token_seen_timestamp_seconds", ORG_A), Some(now));
    assert_eq!(rollback_after(&mount, HOUR), 0, "known for today");
    assert_eq!(rollback_after(&mount, 23 * HOUR), 1);
    // Another token, of which nothing is known until the next look.
    mount.write(&format!("config/{ORG_A}/rotate-root"), json!({})).data();
    assert_eq!(metric(&mount, "astra_admin_token_end_timestamp_seconds", ORG_A), None);
    assert_eq!(metric(&mount, "astra_admin_token_seen_timestamp_seconds", ORG_A), None);
    assert!(rollback_after(&mount, HOUR) >= 1);
    assert_eq!(metric(&mount, "astra_admin_token_end_timestamp_seconds", ORG_A), None, "Astra tells no end");
    assert!(metric(&mount, "astra_admin_token_seen_timestamp_seconds", ORG_A).is_some());
}

#[test]
fn a_token_that_has_ended_has_no_time_left() {
    let mount = Mount::new();
    mount.astra.set_expiry("AdminOfA", "2026-01-01T02:00:00Z");
    rollback_after(&mount, HOUR);
    mount.host.clock.advance(3 * HOUR);
    assert_eq!(metric(&mount, "astra_admin_token_remaining_seconds", ORG_A), Some(0));
}

#[test]
fn an_organization_that_cannot_be_asked_keeps_no_other_from_it() {
    let mount = Mount::new();
    mount.configure(ORG_B, ADMIN_B, json!({}));
    mount.astra.fail(On::List, Fault::Status(401, ""));
    mount.host.log.clear();
    rollback_after(&mount, HOUR);
    assert!(mount.host.log.text().contains("the end of an admin token could not be found out"));
    let seen = |org_id| metric(&mount, "astra_admin_token_seen_timestamp_seconds", org_id).is_some();
    assert_eq!((seen(ORG_A), seen(ORG_B)), (false, true));
    rollback_after(&mount, HOUR);
    assert!(seen(ORG_A), "asked again an hour later");
}

#[test]
fn one_call_asks_for_a_bounded_number_of_lists_and_the_next_goes_on() {
    let mount = Mount::new();
    let config = mount.host.storage.json(&format!("config/{ORG_A}"));
    for number in 0..ADMIN_END_LISTS_MAX {
        let mut other = config.clone();
        other["org_id"] = json!(format!("org-{number:02}"));
        mount.host.storage.seed(&format!("config/org-{number:02}"), other.to_string());
    }
    assert_eq!(rollback_after(&mount, HOUR), ADMIN_END_LISTS_MAX);
    assert_eq!(rollback_after(&mount, Duration::from_secs(60)), 1);
    assert_eq!(rollback_after(&mount, Duration::from_secs(60)), 0);
}

#[test]
fn one_call_looks_at_a_bounded_number_of_organizations() {
    let mount = Mount::new();
    for number in 0..ADMIN_END_ORGANIZATIONS_MAX {
        // No admin token, so Astra is not asked.
        let other = json!({ "org_id": format!("org-{number:03}"), "astra_token": "", "url": "https://a.example" });
        mount.host.storage.seed(&format!("config/org-{number:03}"), other.to_string());
    }
    rollback_after(&mount, HOUR);
    let after = || mount.host.storage.json(ADMIN_END_STATE_KEY)["after"].as_str().unwrap().to_owned();
    assert_eq!(after(), format!("org-{:03}", ADMIN_END_ORGANIZATIONS_MAX - 2), "{ORG_A} comes first");
    rollback_after(&mount, Duration::from_secs(60));
    assert_eq!(after(), "");
}

#[test]
fn what_is_known_of_the_end_goes_with_the_config() {
    let mount = Mount::new();
    rollback_after(&mount, HOUR);
    let key = key(&OrgId::stored(ORG_A));
    assert!(mount.host.storage.keys().contains(&key));
    mount.send(Operation::Delete, &format!("config/{ORG_A}"), Value::Null).0.unwrap();
    assert!(!mount.host.storage.keys().contains(&key));
}
