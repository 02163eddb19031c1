//! Panics, with a hook that tells the log, as well-behaved guests have one.

use rogue_components::Answer;
use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::secrets_engine::host::logging::{Level, log};

rogue_components::guest!(crate::handle);

#[expect(clippy::panic, reason = "that is the misbehaviour")]
fn handle(_: Request) -> Answer {
    std::panic::set_hook(Box::new(|info| log(Level::Error, &info.to_string(), &[])));
    panic!("canary-panic-message")
}
