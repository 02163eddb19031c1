//! Tokens that a mount keeps, and a weaker principal who may write configs but
//! read no token: wherever that principal moves a config to, no kept token follows.

use std::collections::BTreeSet;

use secrets_framework::host::{HttpError, Loss};
use secrets_framework::{Lease, Operation};
use serde_json::{Value, json};

use crate::testing::{ADMIN_A, ASTRA, Fault, LATER, Leased, Mount, ORG_A, On, ROLE_ID};

const ELSEWHERE: &str = "https://elsewhere.example";
const OTHER_PATH: &str = "https://api.astra.datastax.com/elsewhere";
/// The weaker principal's own token, good at both places.
const WEAK: &str = "AstraCS:Weak:canary-weak";

/// A mount that keeps every kind of token: an admin token of its own, the one
/// before it in its grace period, a static role's, leased ones, and one of a
/// mint that is not settled.
struct Busy {
    mount: Mount,
    leases: Vec<Lease>,
    kept: BTreeSet<String>,
}

impl Busy {
    fn new() -> Self {
        let mount = Mount::new();
        mount.astra.add_org(WEAK, ORG_A, ELSEWHERE);
        mount.write(&path(), json!({ "max_retries": 0, "logical_name": "prod" })).done();
        mount.write_static("app", json!({ "role_ids": [ROLE_ID], "rotation_period": "24h" })).0.unwrap();
        let made = [mount.creds(), mount.org_token(json!({})), mount.org_token(json!({ "logical_name": "shared" }))];
        let leases = made.map(|answered| mount.lease(Leased::of(answered).secret)).into();
        mount.send(Operation::Update, &format!("{}/rotate-root", path()), Value::Null).data();
        mount.astra.set_lag(1);
        mount.astra.fail(On::Make, Fault::DoneThenFails(HttpError::Lost(Loss::Closed)));
        mount.creds().0.unwrap_err();
        mount.astra.set_lag(0);
        let made = mount.astra.live().into_iter().filter(|id| id != "Weak");
        let kept: BTreeSet<String> =
            made.map(|id| format!("AstraCS:{id}:canary")).chain([ADMIN_A.to_owned()]).collect();
        assert_eq!(kept.len(), 7, "{kept:?}");
        assert!(mount.open_entries() > 0);
        Self { mount, leases, kept }
    }

    /// All that the mount does with tokens, again and again, whatever comes of it.
    fn live_on(&self) {
        let Self { mount, leases, .. } = self;
        let update = |path: &str, data: Value| drop(mount.send(Operation::Update, path, data));
        for round in 0..3 {
            drop(mount.send(Operation::Read, &format!("{}/check", path()), json!({ "deep": true })));
            update(&format!("{}/sync-roles", path()), json!({}));
            update("sync-roles", json!({}));
            update(&format!("rotate-role/{ORG_A}/app"), json!({}));
            update("tidy", json!({ "dry_run": false }));
            drop(mount.creds());
            if let Some(lease) = leases.get(round) {
                drop(mount.renew(copy(lease)));
                drop(mount.revoke(copy(lease)));
            }
            mount.host.clock.advance(LATER);
            drop(mount.rollback());
            update(&format!("{}/rotate-root", path()), json!({}));
        }
        drop(mount.send(Operation::Delete, &format!("static-roles/{ORG_A}/app"), Value::Null));
        drop(mount.send(Operation::Delete, &path(), json!({ "force": true })));
        for _ in 0..3 {
            mount.host.clock.advance(LATER);
            drop(mount.rollback());
        }
    }

    /// The admin token that the config holds, which nobody has seen.
    fn current(&self) -> String {
        let config = self.mount.host.storage.json(&path());
        config["astra_token"].as_str().unwrap().split(':').nth(1).unwrap().to_owned()
    }
}

fn copy(lease: &Lease) -> Lease {
    Lease { id: lease.id.clone(), internal_data: lease.internal_data.clone(), ..*lease }
}

fn path() -> String {
    format!("config/{ORG_A}")
}

type Way = (&'static str, fn(&Busy) -> Vec<Value>);

/// How such a principal could try; each is one or more writes, and null is a forced delete.
const WAYS: [Way; 7] = [
    ("by force, with a token of their own", |_| vec![elsewhere(json!({ "astra_token": WEAK }))]),
    ("by force, unchecked", |_| vec![elsewhere(json!({ "astra_token": WEAK, "verify": false }))]),
    ("without a token", |_| vec![elsewhere(json!({ "verify": false })), elsewhere(json!({}))]),
    ("by a forced delete, and a config anew", |_| vec![Value::Null, elsewhere(json!({ "astra_token": WEAK }))]),
    ("by the client ID that a read shows", |busy| {
        let guess = format!("AstraCS:{}:guess", busy.current());
        vec![elsewhere(json!({ "astra_token": guess, "verify": false })), elsewhere(json!({ "astra_token": WEAK }))]
    }),
    ("there, back, and there again", |_| {
        let back = json!({ "astra_token": WEAK, "url": "", "force": true, "verify": false });
        vec![
            elsewhere(json!({ "astra_token": WEAK })),
            back,
            elsewhere(json!({})),
            elsewhere(json!({ "astra_token": WEAK })),
        ]
    }),
    ("to another path of the same origin", |_| {
        let moved = json!({ "astra_token": WEAK, "url": OTHER_PATH, "verify": false });
        vec![json!({ "url": OTHER_PATH, "force": true, "verify": false }), moved]
    }),
];

fn elsewhere(more: Value) -> Value {
    let mut data = json!({ "url": ELSEWHERE, "force": true });
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    data
}

#[test]
fn no_kept_token_is_sent_where_a_weaker_principal_moves_a_config_to() {
    for transactional in [true, false] {
        for (name, writes) in WAYS {
            for by_path in [true, false] {
                let busy = Busy::new();
                busy.mount.host.storage.set_transactional(transactional);
                for data in writes(&busy) {
                    write(&busy.mount, data, by_path);
                    drop(busy.mount.rollback());
                }
                busy.live_on();
                for place in [ELSEWHERE, OTHER_PATH] {
                    let sent = busy.mount.astra.bearers_at(place);
                    let leaked: Vec<_> = sent.intersection(&busy.kept).collect();
                    assert!(leaked.is_empty(), "{name}: {leaked:?} went to {place}");
                }
                busy.mount.assert_no_secret_logged();
            }
        }
    }
}

/// Whatever becomes of the write.
fn write(mount: &Mount, data: Value, by_path: bool) {
    if data.is_null() {
        drop(mount.send(Operation::Delete, &path(), json!({ "force": true })));
    } else if by_path {
        drop(mount.write(&path(), data));
    } else {
        let mut data = data;
        data["org_id"] = json!(ORG_A);
        drop(mount.write("config", data));
    }
}

#[test]
fn a_forced_move_leaves_every_kept_token_to_be_ended_where_it_was_made() {
    for (name, writes) in [WAYS[0], WAYS[3]] {
        let busy = Busy::new();
        for data in writes(&busy) {
            write(&busy.mount, data, true);
        }
        busy.live_on();
        for _ in 0..30 {
            busy.mount.host.clock.advance(LATER);
            drop(busy.mount.rollback());
        }
        let live = busy.mount.astra.live();
        let left: Vec<_> = busy.kept.iter().filter(|token| live.contains(token.split(':').nth(1).unwrap())).collect();
        assert!(left.is_empty(), "{name}: {left:?}");
        assert!(busy.mount.astra.bearers_at(ELSEWHERE).contains(WEAK));
        assert!(busy.mount.astra.bearers_at(ASTRA).contains(ADMIN_A));
    }
}

/// Its end is asked for where it was made, although the config holds its client ID elsewhere.
#[test]
fn an_admin_token_of_ours_does_not_follow_its_client_id() {
    let busy = Busy::new();
    let ours = busy.current();
    let guess = format!("AstraCS:{ours}:guess");
    write(&busy.mount, elsewhere(json!({ "astra_token": guess, "verify": false })), true);
    assert_eq!(busy.mount.host.storage.json(&format!("token/{ours}"))["origin"], ASTRA);
}

#[test]
fn a_token_that_this_mount_has_ended_is_not_sent_to_be_checked() {
    let mount = Mount::new();
    mount.send(Operation::Update, &format!("{}/rotate-root", path()), Value::Null).data();
    mount.rollback_later();
    assert!(!mount.astra.is_live("AdminOfA"));
    mount.host.http.clear();
    let (code, text) = mount.write(&path(), json!({ "astra_token": ADMIN_A })).failed();
    assert_eq!(code, Some(409), "{text}");
    assert!(mount.host.http.requests().is_empty());
}
