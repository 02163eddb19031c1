//! Takes a lock that it holds already.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::secrets_engine::host::locks::acquire;
use rogue_components::{Answer, result};

rogue_components::guest!(crate::handle);

fn handle(_: Request) -> Answer {
    let _held = acquire("mine");
    result(acquire("mine").map(drop))
}
