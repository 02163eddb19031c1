//! Reads an answer, which earns processor time, and then never returns.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::{Answer, argument, get, read, result};

rogue_components::guest!(crate::handle);

fn handle(request: Request) -> Answer {
    match get(argument(&request)) {
        Ok(answer) if read(&answer).is_ok() => {
            let mut turns = 0_u64;
            loop {
                turns = std::hint::black_box(turns.wrapping_add(1));
            }
        }
        Ok(answer) => result(answer.status()),
        Err(code) => result(code),
    }
}
