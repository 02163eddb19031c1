//! Sends a request to whatever URL the path names: other hosts, metadata services, odd spellings.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::{Answer, argument, get, read, result};

rogue_components::guest!(crate::handle);

fn handle(request: Request) -> Answer {
    match get(argument(&request)) {
        Ok(answer) => result((answer.status(), read(&answer))),
        Err(code) => result(code),
    }
}
