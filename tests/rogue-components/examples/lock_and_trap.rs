//! Takes a lock and ends in the way that the path names: by a trap, by waiting for ever, or well.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::secrets_engine::host::locks::acquire;
use rogue_components::bindings::wasi::clocks::monotonic_clock::subscribe_duration;
use rogue_components::{Answer, argument, result};

rogue_components::guest!(crate::handle);

fn handle(request: Request) -> Answer {
    let held = acquire("the lock");
    match argument(&request) {
        "trap" => std::process::abort(),
        "sleep" => subscribe_duration(365 * 24 * 3600 * 1_000_000_000).block(),
        // The guard is never dropped by the guest.
        _ => std::mem::forget(held),
    }
    result("returned")
}
