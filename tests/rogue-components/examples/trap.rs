//! Traps.

use rogue_components::Answer;
use rogue_components::bindings::secrets_engine::backend::types::Request;

rogue_components::guest!(crate::handle);

fn handle(_: Request) -> Answer {
    std::process::abort()
}
