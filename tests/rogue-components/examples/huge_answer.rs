//! Answers more than a response may hold.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::{Answer, data};

rogue_components::guest!(crate::handle);

fn handle(_: Request) -> Answer {
    data(&format!("{{\"a\":\"{}\"}}", "x".repeat(9 * 1024 * 1024)))
}
