//! Good, and slow on its way to serve: says where it is, then waits there.

use rogue_components::Answer;
use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::secrets_engine::host::logging::{Level, log};
use rogue_components::bindings::wasi::clocks::monotonic_clock::subscribe_duration;
use toy_engines::{TOY, Toy};

toy_engines::toy!(Toy { in_describe: crate::in_describe, first: crate::first, ..TOY });

fn in_describe() {
    pause("describes itself");
}

fn first(request: &Request) -> Option<Answer> {
    if request.id == "module-probe" && request.path == "version" {
        pause("is probed");
    }
    None
}

fn pause(at: &str) {
    log(Level::Warn, &format!("{} {at}", toy_engines::version()), &[]);
    subscribe_duration(A_SECOND).block();
}

const A_SECOND: u64 = 1_000_000_000;
