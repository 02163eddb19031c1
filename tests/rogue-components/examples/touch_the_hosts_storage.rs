//! Tries to read, write, delete and list what the host keeps in the mount's storage, by several spellings, and
//! looks for its name in the list of the root.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::secrets_engine::host::storage::{
    Entry, Transaction, begin, delete, get, get_many, list, list_page, put,
};
use rogue_components::{Answer, result};

rogue_components::guest!(crate::handle);

const KEYS: [&str; 3] = ["secrets-engine-host/module", "./secrets-engine-host/module", "secrets-engine-host"];
const PREFIXES: [&str; 2] = ["secrets-engine-host/", ".//secrets-engine-host/"];

fn handle(_: Request) -> Answer {
    let mut done = Vec::new();
    let Ok(Some(transaction)) = begin() else { return result("no transaction") };
    for key in KEYS {
        done.extend(by_key(key, &transaction));
    }
    for prefix in PREFIXES {
        done.push(list(prefix).is_ok() || list_page(prefix, "", 1).is_ok() || transaction.list(prefix).is_ok());
    }
    let (names, page) = (list(""), list_page("", "", 2));
    result((done.contains(&true), names, page, get(KEYS[0])))
}

/// Which of all calls about a key were let through.
fn by_key(key: &str, transaction: &Transaction) -> [bool; 7] {
    let entry = Entry { key: key.to_owned(), value: b"forged".to_vec(), seal_wrap: false };
    [
        get(key).is_ok(),
        get_many(&[key.to_owned()]).is_ok(),
        put(&entry).is_ok(),
        delete(key).is_ok(),
        transaction.get(key).is_ok(),
        transaction.put(&entry).is_ok(),
        transaction.delete(key).is_ok(),
    ]
}
