//! Takes resources and gives none back.

use rogue_components::Answer;
use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::wasi::clocks::monotonic_clock::subscribe_duration;

rogue_components::guest!(crate::handle);

fn handle(_: Request) -> Answer {
    loop {
        std::mem::forget(subscribe_duration(0));
    }
}
