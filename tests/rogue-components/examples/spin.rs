//! Never returns and never calls the host.

use rogue_components::Answer;
use rogue_components::bindings::secrets_engine::backend::types::Request;

rogue_components::guest!(crate::handle);

fn handle(_: Request) -> Answer {
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}
