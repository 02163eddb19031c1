//! Tries to read what other mounts keep, by keys that climb out of its own storage.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::secrets_engine::host::storage::{get, list};
use rogue_components::{Answer, result};

rogue_components::guest!(crate::handle);

const KEYS: [&str; 5] = ["../other/secret", "/secret", "a/../../other/secret", "..", ""];
const PREFIXES: [&str; 4] = ["../", "/", "a/../", "other"];

fn handle(_: Request) -> Answer {
    let read = KEYS.iter().filter(|key| get(key).is_ok()).count();
    let listed = PREFIXES.iter().filter(|prefix| list(prefix).is_ok()).count();
    // Its own storage has no `secret`, whatever another mount's has.
    result((read, listed, get("secret").map(|found| found.map(|entry| entry.value))))
}
