//! Takes 50 MiB of memory, holds them until the host ends the request.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::wasi::clocks::monotonic_clock::subscribe_duration;
use rogue_components::{Answer, result};

rogue_components::guest!(crate::handle);

fn handle(_: Request) -> Answer {
    let held: Vec<_> = (0..50).map(|_| std::hint::black_box(vec![1_u8; 1024 * 1024])).collect();
    subscribe_duration(u64::MAX / 2).block();
    result(held.len())
}
