//! Asks for a gigabyte of random bytes.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::wasi::random::random::get_random_bytes;
use rogue_components::{Answer, result};

rogue_components::guest!(crate::handle);

fn handle(_: Request) -> Answer {
    result(get_random_bytes(1 << 30).len())
}
