//! Answers what is no JSON.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::{Answer, data};

rogue_components::guest!(crate::handle);

fn handle(_: Request) -> Answer {
    data("{\"token\": canary-in-bad-json")
}
