//! How often an operation waits for the server, one call after the other, besides its calls to Astra. Counted at the
//! protocol, with the calls of storage and of the system view.

use std::sync::Arc;

use harness::fake::PlayedVault;
use harness::{Outcome, Stage, StageOptions, arguments, start_astra};
use serde_json::{Value, json};

/// Name, what is done with a fresh lease, and how often the plugin waits: with transactions, and without.
type Row = (&'static str, fn(&Stage, &Outcome) -> Outcome, [usize; 2]);

const ROWS: [Row; 7] = [
    ("mint by `creds`", |stage, _| stage.mint(&stage.alpha, "reader"), [5, 6]),
    ("mint by `org/token`", |stage, _| stage.write("org/token", named(stage, "")), [5, 6]),
    // The place of the record is looked at in the transaction, or the index entry after it.
    ("mint by `org/token`, named", |stage, made| stage.write("org/token", named(stage, &made.lease_id())), [6, 7]),
    ("renew", |stage, made| stage.renew(&made.lease_id(), None), [2, 2]),
    // A read; then begin, writes and commit of one transaction, which needs one write to a disk, or three writes.
    ("revoke", |stage, made| stage.revoke(&made.lease_id()), [4, 4]),
    ("read `config`", |stage, _| stage.read(&format!("config/{}", stage.alpha.id), Value::Null), [1, 1]),
    ("read `roles`", |stage, _| stage.read(&format!("roles/{}/reader", stage.alpha.id), Value::Null), [1, 1]),
];

/// A machine that is busy may let calls that were sent together arrive apart, and never the other way round.
const ATTEMPTS: usize = 3;

#[test]
fn an_operation_waits_for_the_server_so_often() {
    for (column, transactional) in [true, false].into_iter().enumerate() {
        let options = StageOptions::default();
        let astra = start_astra(&options);
        let origin = Some(astra.url().to_owned());
        let (driver, waits) = PlayedVault::count_waits(transactional, &arguments(&options, origin));
        let stage = Stage::with_driver(Arc::clone(&driver), astra);
        stage.ready();
        for (name, act, expected) in ROWS {
            let least = (0..ATTEMPTS).map(|_| {
                // What the host keeps for some seconds, such as the mount's longest time to live, is known from here on.
                let made = stage.mint(&stage.alpha, "reader").expect(200);
                waits.take();
                let outcome = act(&stage, &made);
                assert!((200..300).contains(&outcome.status), "{name}: {}", outcome.messages());
                waits.take()
            });
            let least = least.min_by_key(Vec::len).unwrap();
            assert_eq!(least.len(), expected[column], "{name}, transactions: {transactional}: {least:?}");
        }
    }
}

fn named(stage: &Stage, logical_name: &str) -> Value {
    let name = logical_name.replace('/', "-");
    json!({ "org_id": stage.alpha.id, "role_name": "reader", "logical_name": name })
}
