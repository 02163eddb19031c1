//! A mint that ends while another request looks for tokens, at any moment of the look.

use secrets_framework::testing::{StorageCall, request};
use secrets_framework::{Context, Operation};
use serde_json::{Value, json};

use crate::mint::{INTENT_KIND, any_made_or_being_made};
use crate::names::OrgId;
use crate::testing::{Leased, Mount, ORG_A};

/// The two lists of a look: before which of them does the mint end?
const LOOKS: [&str; 2] = ["wal/", "client-index/"];

/// A mount in which a token is being made. It is stored, and its entry goes, right before the next list of this prefix.
fn with_a_mint_that_ends_before(look: &str) -> Mount {
    let mount = Mount::on_vault();
    let client_id = Leased::of(mount.creds()).client_id();
    let storage = &mount.host.storage;
    let record = storage.snapshot().remove(&format!("token/{client_id}")).unwrap();
    let index = storage.snapshot().remove(&format!("client-index/{ORG_A}/{client_id}")).unwrap();
    let mark = &storage.json(&record.key)["mark"];
    let key = Mount::entry_key(ORG_A, "made");
    let data = json!({ "orgId": ORG_A, "origin": "", "mark": mark, "roles": [], "roleName": "reader" });
    storage.seed(&key, json!({ "type": INTENT_KIND, "data": data, "created_at": 0 }).to_string());
    storage.remove(&record.key);
    storage.remove(&index.key);
    let other = mount.clone();
    storage.before_next(StorageCall::List, look, move || {
        other.host.storage.seed(&index.key, index.value.clone());
        other.host.storage.seed(&record.key, record.value.clone());
        other.host.storage.remove(&key);
    });
    mount
}

#[test]
fn it_takes_one_place_for_max_tokens() {
    for look in LOOKS {
        let mount = with_a_mint_that_ends_before(look);
        mount.write_role(ORG_A, "reader", json!({ "max_tokens": 1 }));
        mount.creds().mistake();
        mount.assert_settled(1);

        let mount = with_a_mint_that_ends_before(look);
        mount.write_role(ORG_A, "reader", json!({ "max_tokens": 2 }));
        Leased::of(mount.creds());
        mount.assert_settled(2);
    }
}

#[test]
fn its_config_is_still_needed() {
    for look in LOOKS {
        let mount = with_a_mint_that_ends_before(look);
        let request = request(Operation::Read, "config", Value::Null);
        let context = Context { host: &mount.host, request: &request };
        assert_eq!(any_made_or_being_made(&context, &OrgId::stored(ORG_A), |_| true), Ok(true), "before {look}");
    }
}
