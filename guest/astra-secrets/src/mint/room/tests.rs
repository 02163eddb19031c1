//! `max_tokens` of roles and configs.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::thread;

use secrets_framework::testing::StorageCall;
use serde_json::json;

use crate::limits::LIMITED_TOKENS_SEEN_MAX;
use crate::testing::{Fault, Leased, Mount, ORG_A, On, ROLE_ID};

/// A mount whose role `reader` may have so many tokens.
fn limited(mount: Mount, max_tokens: u32) -> Mount {
    mount.write_role(ORG_A, "reader", json!({ "max_tokens": max_tokens }));
    mount
}

#[test]
fn a_role_has_no_more_tokens_than_it_may_and_one_that_ends_makes_room() {
    for mount in [Mount::new(), Mount::on_vault()] {
        let mount = limited(mount, 2);
        let first = Leased::of(mount.creds());
        Leased::of(mount.org_token(json!({ "logical_name": "app" })));
        for refused in [mount.creds(), mount.org_token(json!({ "logical_name": "other" })), mount.org_token(json!({}))]
        {
            let text = refused.mistake();
            assert!(text.contains("`reader`") && text.contains("2 of 2 tokens alive"), "{text}");
        }
        assert_eq!(mount.astra.live().len(), 2);
        assert_eq!(mount.open_entries(), 0, "what is refused leaves no write-ahead entry");
        let lease = mount.lease(first.secret);
        mount.revoke(lease).done();
        Leased::of(mount.creds());
        mount.creds().mistake();
        mount.write_role(ORG_A, "reader", json!({ "max_tokens": 0 }));
        Leased::of(mount.creds());
        mount.assert_settled(3);
    }
}

#[test]
fn an_organization_has_no_more_leased_tokens_than_it_may() {
    let mount = Mount::new();
    mount.configure(ORG_A, crate::testing::ADMIN_A, json!({ "max_tokens": 2 }));
    mount.write_role(ORG_A, "other", json!({ "role_id": ROLE_ID }));
    mount.write(&format!("static-roles/{ORG_A}/app"), json!({ "role_ids": ROLE_ID, "rotation_period": "24h" })).done();
    Leased::of(mount.creds());
    Leased::of(mount.write(&format!("creds/{ORG_A}/other"), json!({})));
    let text = mount.creds().mistake();
    assert!(text.contains(ORG_A) && text.contains("2 of 2 tokens alive"), "held tokens do not count: {text}");
    mount.write(&format!("rotate-role/{ORG_A}/app"), json!({})).data();
}

#[test]
fn requests_at_the_same_time_get_no_more_tokens_than_there_is_room() {
    for mount in [Mount::new(), Mount::on_vault()] {
        let mount = limited(mount, 3);
        let made: Vec<bool> = thread::scope(|scope| {
            let threads = [(); 8].map(|()| scope.spawn(|| mount.creds().0.unwrap().unwrap().secret.is_some()));
            threads.map(|thread| thread.join().unwrap()).to_vec()
        });
        assert_eq!(made.iter().filter(|made| **made).count(), 3);
        mount.assert_settled(3);
    }
}

#[test]
fn a_token_that_may_have_been_made_takes_a_place_until_it_is_settled() {
    let mount = limited(Mount::new(), 1);
    mount.astra.fail(On::Make, Fault::DoneThenStatus(504, "{}"));
    mount.astra.fail(On::List, Fault::Status(404, "{}"));
    mount.creds().failed();
    assert_eq!(mount.open_entries(), 1);
    mount.creds().mistake();
    mount.rollback_later();
    Leased::of(mount.creds());
    mount.assert_settled(1);
}

#[test]
fn without_a_limit_nothing_is_counted() {
    let mount = Mount::new();
    mount.host.storage.clear_calls();
    Leased::of(mount.creds());
    assert_eq!(mount.host.storage.calls(StorageCall::List), 0);
}

#[test]
fn a_limit_is_a_number_from_zero_to_its_own_limit() {
    let mount = Mount::new();
    for (path, field) in [(format!("roles/{ORG_A}/reader"), "max_tokens"), (format!("config/{ORG_A}"), "max_tokens")] {
        for bad in [json!(-1), json!(10_001), json!("many"), json!(1.5)] {
            let text = mount.write(&path, json!({ field: bad })).mistake();
            assert!(text.contains("max_tokens"), "{text}");
        }
        mount.write(&path, json!({ field: 10_000 })).done();
    }
}

#[test]
fn a_damaged_record_takes_a_place_of_its_organization() {
    let mount = Mount::new();
    mount.configure(ORG_A, crate::testing::ADMIN_A, json!({ "max_tokens": 1 }));
    let client_id = Leased::of(mount.creds()).client_id();
    mount.host.storage.seed(&format!("token/{client_id}"), "no JSON");
    let text = mount.creds().mistake();
    assert!(text.contains("1 of 1"), "its token may be alive: {text}");
    assert_eq!(mount.astra.live(), BTreeSet::from([client_id]));
}

#[test]
fn an_organization_with_too_many_tokens_to_count_is_told_what_to_do() {
    let mount = limited(Mount::new(), 1);
    for number in 0..=LIMITED_TOKENS_SEEN_MAX {
        mount.host.storage.seed(&format!("client-index/{ORG_A}/C{number:06}"), "{}");
    }
    let (code, text) = mount.creds().failed();
    assert_eq!(code, Some(503), "{text}");
    assert!(text.contains(&LIMITED_TOKENS_SEEN_MAX.to_string()) && text.contains("`max_tokens`"), "{text}");
    assert!(mount.astra.live().is_empty() && mount.open_entries() == 0);
}
