//! A mount that may only read from Astra changes nothing there and loses nothing that is due.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use secrets_framework::host::{HttpError, HttpMethod, Loss};
use secrets_framework::testing::rollback_request;
use secrets_framework::{Lease, Operation};
use serde_json::{Value, json};

use crate::BACKEND;
use crate::config::test_mount::Answered;
use crate::limits::{ENDED_PER_ROLLBACK_MAX, LEASE_END_MARGIN};
use crate::testing::{ADMIN_A, ADMIN_B, Fault, LATER, Leased, Mount, ORG_A, ORG_B, On, ROLE_ID};

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Mount {
    /// From now on, the host lets this mount only read from Astra, or lets it change Astra again.
    fn set_read_only(&self, read_only: bool) {
        self.host.system_view.set_upstream_read_only(read_only);
        self.host.http.clear();
        self.host.log.clear();
    }

    /// Client ID of organization A's admin token.
    fn admin_client_id(&self) -> String {
        let config = self.host.storage.json(&format!("config/{ORG_A}"));
        config["astra_token"].as_str().unwrap().split(':').nth(1).unwrap().to_owned()
    }

    fn changes_sent(&self) -> usize {
        self.host.http.requests().iter().filter(|request| request.method != HttpMethod::Get).count()
    }

    /// What is stored below these prefixes.
    fn stored_below(&self, prefixes: &[&str]) -> BTreeMap<String, Vec<u8>> {
        let all = self.host.storage.snapshot().into_iter();
        let kept = all.filter(|(key, _)| prefixes.iter().any(|prefix| key.starts_with(prefix)));
        kept.map(|(key, entry)| (key, entry.value)).collect()
    }
}

fn copy(lease: &Lease) -> Lease {
    Lease { id: lease.id.clone(), internal_data: lease.internal_data.clone(), ..*lease }
}

/// A 503 that names the argument and what was not done.
#[track_caller]
fn assert_refused(name: &str, answered: Answered, expected: &str) {
    let (code, text) = answered.failed();
    assert_eq!(code, Some(503), "{name}: {text}");
    assert!(text.contains("--astra-read-only") && text.contains(expected), "{name}: {text}");
    assert!(text.contains("remove that setting"), "{text}");
}

/// A request, and what its refusal says.
type Row = (&'static str, Box<dyn Fn(&Mount) -> Answered>, &'static str);

fn refused_requests(lease: Lease) -> Vec<Row> {
    let at = |rest: &str| format!("{rest}/{ORG_A}");
    let (config, tokens) = (at("config"), at("tokens"));
    let verified = json!({ "astra_token": ADMIN_B, "url": crate::testing::ASTRA });
    let new_org = (format!("config/{ORG_B}"), verified);
    let written = (config.clone(), json!({ "astra_token": "AstraCS:Other:canary" }));
    let [forced, deep, rotate] = ["", "/check", "/rotate-root"].map(|rest| format!("{config}{rest}"));
    let mint = "no token was made for organization";
    let revoked = format!("{tokens}/{}", lease.internal_data["clientId"].as_str().unwrap());
    vec![
        ("creds", Box::new(|mount| mount.creds()), mint),
        ("creds, written", Box::new(|mount| mount.write(&format!("creds/{ORG_A}/reader"), json!({}))), mint),
        ("org/token", Box::new(|mount| mount.org_token(json!({}))), mint),
        ("org/token by name", Box::new(|mount| mount.org_token(json!({ "logical_name": "other" }))), mint),
        ("revoke", Box::new(move |mount| mount.revoke(copy(&lease))), "was not revoked"),
        (
            "delete of a token",
            Box::new(move |mount| mount.send(Operation::Delete, &revoked, Value::Null)),
            "was not revoked",
        ),
        ("rotate-root", Box::new(move |mount| mount.write(&rotate, json!({}))), "was not rotated"),
        ("rotate-role", Box::new(|mount| mount.rotate_static("app")), "no token was made for static role `app`"),
        (
            "a new static role",
            Box::new(|mount| mount.write_static("new", json!({ "rotation_period": "24h" }))),
            "no token was made for static role `new`",
        ),
        ("delete of a static role", Box::new(|mount| mount.delete_static("app")), "was not deleted"),
        (
            "forced delete of a config",
            Box::new(move |mount| mount.send(Operation::Delete, &forced, json!({ "force": true }))),
            "was not deleted with `force=true`",
        ),
        (
            "check, deep",
            Box::new(move |mount| mount.send(Operation::Read, &deep, json!({ "deep": true }))),
            "leave `deep` out",
        ),
        ("tidy", Box::new(|mount| mount.write("tidy", json!({ "dry_run": false }))), "`dry_run=true`"),
        ("a config's token", Box::new(move |mount| mount.write(&written.0, written.1.clone())), "`verify=false`"),
        ("a new config", Box::new(move |mount| mount.write(&new_org.0, new_org.1.clone())), "`verify=false`"),
    ]
}

#[test]
fn what_would_change_astra_is_a_503_and_does_nothing() {
    let mount = Mount::new();
    mount.daily("app");
    let leased = Leased::of(mount.org_token(json!({ "logical_name": "named" })));
    let lease = mount.lease(leased.secret);
    let (live, stored) = (mount.astra.live(), mount.host.storage.snapshot());
    mount.set_read_only(true);
    for (name, send, expected) in refused_requests(lease) {
        assert_refused(name, send(&mount), expected);
        assert_eq!(mount.host.http.requests(), [], "{name}: nothing is asked");
        assert_eq!(mount.host.storage.snapshot(), stored, "{name}: nothing is stored");
        assert_eq!(mount.host.locks.held(), Vec::<String>::new(), "{name}");
    }
    assert_eq!(mount.astra.live(), live);
    mount.assert_no_secret_logged();
}

#[test]
fn in_sidecar_mode_a_read_makes_a_token_and_is_refused_too() {
    let mount = Mount::new();
    mount.write(&format!("config/{ORG_A}"), json!({ "caller_mode": "sidecar" })).done();
    mount.set_read_only(true);
    let read = mount.send(Operation::Read, "org/token", json!({ "org_id": ORG_A, "role_name": "reader" }));
    assert_refused("org/token", read, "no token was made");
    assert_eq!(mount.open_entries(), 0);
}

#[test]
fn a_token_that_is_gone_from_astra_keeps_its_lease_too() {
    let mount = Mount::new();
    let leased = Leased::of(mount.creds());
    mount.astra.delete_outside(&leased.client_id());
    mount.set_read_only(true);
    let lease = mount.lease(leased.secret);
    assert_refused("revoke", mount.revoke(copy(&lease)), "was not revoked");
    assert_eq!(mount.recorded().len(), 1);
    mount.set_read_only(false);
    mount.revoke(lease).done();
    mount.assert_settled(0);
}

#[test]
fn what_astra_does_not_learn_of_goes_on() {
    let mount = Mount::new();
    mount.daily("app");
    let leased = Leased::of(mount.org_token(json!({ "logical_name": "named" })));
    mount.set_read_only(true);
    let config = format!("config/{ORG_A}");
    mount.write(&config, json!({ "tidy_period": "24h", "rotation_period": "24h" })).done();
    mount.write(&config, json!({ "astra_token": ADMIN_A, "verify": false })).done();
    mount.write(&format!("config/{ORG_B}"), json!({ "astra_token": ADMIN_B, "verify": false })).done();
    mount.write_role(ORG_A, "writer", json!({ "role_id": ROLE_ID }));
    mount.write_static("app", json!({ "grace_period": "2h" })).done();
    mount.static_token("app");
    mount.write(&format!("{config}/sync-roles"), json!({})).data();
    mount.write("tidy", json!({ "dry_run": true })).data();
    let read = json!({ "org_id": ORG_A, "role_name": "reader", "logical_name": "named" });
    mount.send(Operation::Read, "org/token", read).data();
    let lease = mount.lease(leased.secret);
    assert!(mount.renew(lease).0.unwrap().unwrap().secret.is_some());
    mount.send(Operation::Delete, &format!("config/{ORG_B}"), Value::Null).done();
    assert_eq!(mount.changes_sent(), 0);
}

#[test]
fn info_and_check_say_that_astra_is_read_only() {
    let mount = Mount::new();
    let check = |mount: &Mount| mount.send(Operation::Read, &format!("config/{ORG_A}/check"), Value::Null);
    let info = |mount: &Mount| mount.send(Operation::Read, "info", Value::Null);
    assert_eq!(check(&mount).data()["astra_read_only"], false);
    assert_eq!(info(&mount).data()["astra_read_only"], false);
    assert_eq!(info(&mount).warnings(), Vec::<String>::new());
    mount.set_read_only(true);
    for read in [check, info] {
        assert_eq!(read(&mount).data()["astra_read_only"], true);
        let [warning] = <[String; 1]>::try_from(read(&mount).warnings()).unwrap();
        assert!(warning.contains("--astra-read-only") && warning.contains("rollback keeps what is due"), "{warning}");
    }
    assert_eq!(check(&mount).data()["may_manage_tokens"], Value::Null, "whether it may is not tried");
    assert_eq!(mount.changes_sent(), 0);
}

/// Everything that rollback can have to do: a mint that did not come to its end, a lease that ended, and three tasks.
fn with_all_due() -> Mount {
    let mount = Mount::new();
    let schedules = json!({ "tidy_period": "24h", "rotation_period": "24h", "max_retries": 0 });
    mount.write(&format!("config/{ORG_A}"), schedules).done();
    mount.daily("app");
    // The first look at the new token is over.
    mount.host.clock.advance(LEASE_END_MARGIN);
    mount.rollback().unwrap();
    Leased::of(mount.creds());
    mount.host.http.clear();
    mount.astra.set_lag(1);
    mount.astra.fail(On::Make, Fault::DoneThenFails(HttpError::Lost(Loss::Closed)));
    mount.creds().0.unwrap_err();
    assert_eq!(mount.open_entries(), 1);
    mount.host.clock.advance(DAY + LATER);
    mount
}

const DUE: [&str; 5] = ["wal/", "queue/", "token/", "config/", "static-role/"];

#[test]
fn rollback_keeps_all_that_is_due_and_does_it_once_afterwards() {
    let mount = with_all_due();
    let (live, due) = (mount.astra.live(), mount.stored_below(&DUE));
    mount.set_read_only(true);
    for minute in 1..=20 {
        mount.rollback().unwrap();
        mount.host.clock.advance(Duration::from_secs(60));
        let lines = mount.host.log.lines();
        assert_eq!(lines.len(), minute, "one line for each call: {lines:#?}");
    }
    assert_eq!(mount.host.http.requests(), []);
    assert_eq!((mount.astra.live(), mount.stored_below(&DUE)), (live, due));
    let [line, ..] = <[_; 20]>::try_from(mount.host.log.lines()).unwrap();
    let fields: Vec<_> = line.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(fields, [("write_ahead_entries", "1"), ("ended_tokens", "1"), ("scheduled_tasks", "3")]);

    mount.set_read_only(false);
    let (app, admin) = (mount.read_static("app")["client_id"].clone(), mount.admin_client_id());
    mount.rollback().unwrap();
    assert_eq!(mount.open_entries(), 0, "the lost mint is undone");
    let role = mount.read_static("app");
    assert_ne!(role["client_id"], app);
    assert_eq!((&role["failures"], &role["previous_client_id"]), (&json!(0), &app), "rotated once, without a failure");
    assert_ne!(mount.admin_client_id(), admin);
    let made = mount.host.http.requests().iter().filter(|request| request.method == HttpMethod::Post).count();
    assert_eq!(made, 2, "one token for each rotation");
    assert!(mount.send(Operation::Read, "tidy", Value::Null).data()["ended"].is_string());
    // Both replaced tokens come to the end of their grace periods.
    mount.host.clock.advance(Duration::from_secs(2 * 3600));
    mount.rollback().unwrap();
    let mut expected = mount.recorded();
    expected.insert(mount.admin_client_id());
    assert_eq!(mount.astra.live(), expected, "nothing else is left in Astra");
}

#[test]
fn what_waited_is_no_fault_of_the_servers_rollback_calls() {
    let mount = with_all_due();
    mount.set_read_only(true);
    mount.host.clock.advance(Duration::from_secs(3600));
    let answer = mount.send(Operation::Read, &format!("config/{ORG_A}/check"), Value::Null).data();
    for item in ["pending_wal", "rotation", "static_roles", "tidy"] {
        assert_eq!(answer[item]["ok"], "unknown", "{item}: {}", answer[item]);
        assert!(answer[item]["message"].as_str().unwrap().contains("--astra-read-only"), "{item}");
    }
    assert_eq!(answer["healthy"], true);
}

#[test]
fn the_first_call_afterwards_ends_no_more_than_any_other() {
    let mount = Mount::new();
    let bound = ENDED_PER_ROLLBACK_MAX;
    for _ in 0..bound + 5 {
        Leased::of(mount.creds());
    }
    mount.set_read_only(true);
    mount.host.clock.advance(DAY);
    mount.rollback().unwrap();
    assert_eq!(mount.recorded().len(), bound + 5);
    let line = mount.host.log.text();
    assert!(line.contains(r#"("ended_tokens", "55")"#), "{line}");
    mount.set_read_only(false);
    mount.rollback().unwrap();
    mount.assert_settled(5);
    mount.rollback().unwrap();
    mount.assert_settled(0);
}

#[test]
fn a_call_with_nothing_due_says_nothing() {
    let mount = Mount::new();
    Leased::of(mount.creds());
    mount.set_read_only(true);
    mount.rollback().unwrap();
    assert_eq!(mount.host.log.lines(), []);
}

#[test]
fn a_mount_that_is_disabled_says_what_it_leaves_behind() {
    let mount = with_all_due();
    let live = mount.astra.live();
    mount.set_read_only(true);
    let text = BACKEND.handle(&mount.host, &rollback_request(true)).unwrap_err().to_string();
    assert!(text.contains("1 write-ahead entries and 1 ended tokens") && text.contains("--astra-read-only"), "{text}");
    assert_eq!((mount.open_entries(), mount.astra.live()), (1, live));
}

#[test]
fn a_replaced_admin_token_of_the_mount_waits_for_its_end() {
    let mount = Mount::new();
    let config = format!("config/{ORG_A}");
    mount.write(&config, json!({ "rotation_grace_period": 0 })).done();
    mount.write(&format!("{config}/rotate-root"), json!({})).data();
    let own = mount.admin_client_id();
    mount.set_read_only(true);
    let other = "AstraCS:Operators:canary";
    mount.astra.make_admin(other);
    mount.write(&config, json!({ "astra_token": other, "verify": false })).done();
    mount.host.clock.advance(DAY);
    mount.rollback().unwrap();
    assert!(mount.astra.is_live(&own));
    mount.set_read_only(false);
    mount.rollback().unwrap();
    assert!(!mount.astra.is_live(&own));
}
