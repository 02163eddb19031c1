//! Never tells what it is.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::{Answer, data};

rogue_components::guest!(crate::handle, crate::spin);

fn handle(_: Request) -> Answer {
    data("{}")
}

fn spin((): ()) {
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}
