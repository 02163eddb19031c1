//! Waits for a year before it tells what it is.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::wasi::clocks::monotonic_clock::subscribe_duration;
use rogue_components::{Answer, data};

rogue_components::guest!(crate::handle, crate::sleep);

fn handle(_: Request) -> Answer {
    data("{}")
}

fn sleep((): ()) {
    subscribe_duration(365 * 24 * 3600 * 1_000_000_000).block();
}
