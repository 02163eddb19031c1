//! Calls itself until its stack ends.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::{Answer, result};

rogue_components::guest!(crate::handle);

fn handle(_: Request) -> Answer {
    result(deeper(1))
}

#[expect(unconditional_recursion, reason = "that is the misbehaviour")]
fn deeper(depth: u64) -> u64 {
    let on_the_stack = std::hint::black_box([depth; 16]);
    deeper(depth + 1) + on_the_stack[3]
}
