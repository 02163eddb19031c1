//! Good, and a flood on paths of its own: each request uses as much of one thing as it gets.

use std::hint::black_box;

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::secrets_engine::host::logging::{Level, log};
use rogue_components::bindings::secrets_engine::host::storage::{Entry, get_many, put};
use rogue_components::bindings::wasi::clocks::monotonic_clock::subscribe_duration;
use rogue_components::{Answer, data, result, send_bodies};
use toy_engines::{TOY, Toy};

toy_engines::toy!(Toy { first: crate::first, ..TOY });

fn first(request: &Request) -> Option<Answer> {
    match request.path.as_str() {
        "flood/processor" => spin(),
        "flood/computation" => Some(compute()),
        "flood/answers" => Some(data(&format!("{{\"text\":\"{}\"}}", "x".repeat(ANSWER_BYTES)))),
        "flood/storage" => Some(fill_storage()),
        "flood/reads" => Some(read_storage()),
        "flood/log" => Some(fill_log()),
        "flood/texts" => Some(data("{}")),
        "flood/sleep" => Some(sleep()),
        path => path.strip_prefix("flood/bodies/").map(bodies),
    }
}

/// Until the host ends the request.
fn sleep() -> Answer {
    subscribe_duration(u64::MAX / 2).block();
    data("{}")
}

/// To a port of this machine.
fn bodies(port: &str) -> Answer {
    result(send_bodies(&format!("http://127.0.0.1:{port}")))
}

fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// The same work each time, within the processor time that the host allows.
fn compute() -> Answer {
    let mut turns = 0_u64;
    while turns < TURNS {
        turns = black_box(turns.wrapping_add(1));
    }
    data("{}")
}

/// Writes until the host refuses.
fn fill_storage() -> Answer {
    let entry = Entry { key: "flood".to_owned(), value: vec![0; 16], seal_wrap: false };
    while put(&entry).is_ok() {}
    data("{}")
}

/// As many entries as one request may ask for.
fn read_storage() -> Answer {
    let keys: Vec<String> = (0..STORAGE_CALLS).map(|number| format!("flood/{number}")).collect();
    result(get_many(&keys).map(|entries| entries.len()))
}

fn fill_log() -> Answer {
    for _ in 0..1_000 {
        log(Level::Info, &"flood ".repeat(1_000), &[]);
    }
    data("{}")
}

/// Turns of the loop of one computation: many times what a request costs besides.
const TURNS: u64 = 50_000_000;

/// A little less than the host lets through.
const ANSWER_BYTES: usize = 7 * 1024 * 1024;

/// The host's limit for a request.
const STORAGE_CALLS: usize = 10_000;
