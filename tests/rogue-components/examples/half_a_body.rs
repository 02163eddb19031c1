//! Begins a request and traps (or sleeps, as the path says) before its body is whole.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::wasi::clocks::monotonic_clock::subscribe_duration;
use rogue_components::bindings::wasi::http::outgoing_handler::handle as send;
use rogue_components::bindings::wasi::http::types::Method;
use rogue_components::{Answer, argument, outgoing, result};

rogue_components::guest!(crate::handle);

fn handle(request: Request) -> Answer {
    let outgoing = outgoing(&Method::Post, argument(&request), &[]);
    let Ok(body) = outgoing.body() else { return result("no body") };
    let Ok(_future) = send(outgoing, None) else { return result("not sent") };
    let Ok(stream) = body.write() else { return result("no stream") };
    let _ = stream.blocking_write_and_flush(b"{\"half\":");
    if request.path.starts_with("sleep/") {
        subscribe_duration(365 * 24 * 3600 * 1_000_000_000).block();
    }
    std::process::abort()
}
