//! Follows a redirect wherever it leads.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::{Answer, argument, get, result};

rogue_components::guest!(crate::handle);

fn handle(request: Request) -> Answer {
    let first = match get(argument(&request)) {
        Ok(answer) => answer,
        Err(code) => return result(code),
    };
    let location = first.headers().get("location").into_iter().next().unwrap_or_default();
    let location = String::from_utf8_lossy(&location).into_owned();
    result((first.status(), get(&location).map(|answer| answer.status())))
}
