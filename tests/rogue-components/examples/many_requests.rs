//! Sends requests without waiting for any answer, more than a mount may have at once.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::wasi::http::outgoing_handler::handle as send;
use rogue_components::bindings::wasi::http::types::{ErrorCode, Method};
use rogue_components::{Answer, argument, outgoing, result};

rogue_components::guest!(crate::handle);

fn handle(request: Request) -> Answer {
    let begin = |_| send(outgoing(&Method::Get, argument(&request), &[]), None);
    let futures: Vec<_> = (0..100).filter_map(|number: u32| begin(number).ok()).collect();
    let mut limited = 0;
    for future in &futures {
        let answer = loop {
            match future.get() {
                Some(answer) => break answer,
                None => future.subscribe().block(),
            }
        };
        limited += usize::from(matches!(answer, Ok(Err(ErrorCode::ConnectionLimitReached))));
    }
    result(limited)
}
