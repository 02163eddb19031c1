//! How often each operation waits for storage, the server being a call away.
//! That is most of what a request takes besides Astra, so none of these
//! numbers may grow unnoticed.

#![expect(clippy::unwrap_used, reason = "tests")]

use secrets_framework::{Lease, Operation, Secret};
use serde_json::{Value, json};

use crate::config::test_mount::Answered;
use crate::testing::{Leased, Mount, ORG_A, ROLE_ID};

/// Name, what is done, and how often it waits: with transactions, which cost a
/// begin and a commit, and without, where a begin tells that there are none.
type Row = (&'static str, fn(&Mount, &Leased), [u64; 2]);

const ROWS: [Row; 12] = [
    ("mint by `creds`", |mount, _| well(mount.creds()), [8, 7]),
    ("mint by `org/token`", |mount, _| well(mount.org_token(json!({}))), [8, 7]),
    ("mint by `org/token`, named", |mount, _| well(mount.org_token(json!({ "logical_name": "other" }))), [9, 8]),
    ("renew", |mount, made| well(mount.renew(lease(mount, made))), [2, 2]),
    ("renew again", renew_again, [2, 2]),
    ("revoke", |mount, made| well(mount.revoke(lease(mount, made))), [6, 5]),
    ("read `org/token` by name", |mount, _| read(mount, "org/token", named()), [2, 2]),
    ("read `org/token` by client ID", |mount, made| read(mount, "org/token", by_client_id(made)), [4, 4]),
    ("read `static-creds`", |mount, _| read(mount, &format!("static-creds/{ORG_A}/app"), Value::Null), [3, 3]),
    ("read `tokens`", |mount, made| read(mount, &format!("tokens/{ORG_A}/{}", made.client_id()), Value::Null), [5, 5]),
    ("read `config`", |mount, _| read(mount, &format!("config/{ORG_A}"), Value::Null), [1, 1]),
    ("read `roles`", |mount, _| read(mount, &format!("roles/{ORG_A}/reader"), Value::Null), [1, 1]),
];

#[test]
fn an_operation_waits_for_storage_so_often() {
    let counted = ROWS.map(|(name, act, _)| (name, [true, false].map(|transactional| round_trips(act, transactional))));
    assert_eq!(counted, ROWS.map(|(name, _, expected)| (name, expected)));
}

/// On a mount with a static role and a token that has a name.
fn round_trips(act: fn(&Mount, &Leased), transactional: bool) -> u64 {
    let mount = Mount::new();
    mount.host.storage.set_transactional(transactional);
    mount.write_static("app", json!({ "role_ids": [ROLE_ID], "rotation_period": "24h" })).0.unwrap();
    let made = Leased::of(mount.write("org/token", named()));
    mount.host.storage.clear_calls();
    act(&mount, &made);
    mount.host.storage.round_trips()
}

fn named() -> Value {
    json!({ "org_id": ORG_A, "role_name": "reader", "logical_name": "shared" })
}

fn by_client_id(made: &Leased) -> Value {
    json!({ "org_id": ORG_A, "client_id": made.client_id() })
}

fn renew_again(mount: &Mount, made: &Leased) {
    well(mount.renew(lease(mount, made)));
    mount.host.storage.clear_calls();
    well(mount.renew(lease(mount, made)));
}

fn lease(mount: &Mount, made: &Leased) -> Lease {
    let Secret { ttl, max_ttl, renewable, internal_data } = &made.secret;
    mount.lease(Secret { ttl: *ttl, max_ttl: *max_ttl, renewable: *renewable, internal_data: internal_data.clone() })
}

fn read(mount: &Mount, path: &str, data: Value) {
    mount.send(Operation::Read, path, data).data();
}

fn well(answered: Answered) {
    let response = answered.0.unwrap();
    assert!(response.is_none_or(|response| !response.is_error()));
}
