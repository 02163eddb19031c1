//! Sends a body without end.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::wasi::http::outgoing_handler::handle as send;
use rogue_components::bindings::wasi::http::types::Method;
use rogue_components::{Answer, argument, outgoing, result};

rogue_components::guest!(crate::handle);

fn handle(request: Request) -> Answer {
    let outgoing = outgoing(&Method::Post, argument(&request), &[]);
    let Ok(body) = outgoing.body() else { return result("no body") };
    let future = match send(outgoing, None) {
        Ok(future) => future,
        Err(code) => return result(code),
    };
    let Ok(stream) = body.write() else { return result("no stream") };
    while stream.blocking_write_and_flush(&[b'x'; 4096]).is_ok() {}
    drop(stream);
    loop {
        match future.get() {
            Some(answer) => return result(answer.map(|answer| answer.map(|answer| answer.status()))),
            None => future.subscribe().block(),
        }
    }
}
