//! A next version that asks for random bytes, which the one before did not.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::wasi::random::random::get_random_bytes;

rogue_components::engine! {
    version: "2.0.0",
    storage: (1, 1),
    secret_kinds: ["token"],
    root: [],
    before: crate::take
}

fn take(_: &Request) {
    let _ = get_random_bytes(1);
}
