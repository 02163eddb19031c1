//! Looks through all of its memory, grown as far as it goes, for what an earlier request of anybody left there.

#![cfg_attr(target_arch = "wasm32", expect(unsafe_code, reason = "that is the misbehaviour"))]

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::{Answer, result};

rogue_components::guest!(crate::handle);

/// Fills the memory with a pattern, counts how often it is found, or does both.
fn handle(request: Request) -> Answer {
    let pieces = if request.path == "search" { 0 } else { 40_000 };
    let filled: Vec<_> = (0..pieces).map(|_| b"canary-left-behind".repeat(32)).collect();
    let filled = std::hint::black_box(filled);
    let found = if request.path == "fill" { 0 } else { found() };
    result((filled.len(), found))
}

#[cfg(target_arch = "wasm32")]
fn found() -> usize {
    // Put together here, so that the pattern itself is not in the data.
    let mut pattern = std::hint::black_box(b"dbobsz.mfgu.cfijoe".to_vec());
    for byte in &mut pattern {
        *byte = if *byte == b'.' { b'-' } else { *byte - 1 };
    }
    let (first, own) = (pattern.clone(), pattern.as_ptr());
    while std::arch::wasm32::memory_grow::<0>(64) != usize::MAX {}
    let end = std::arch::wasm32::memory_size::<0>() * 65536;
    // SAFETY: all of it, from address 1 on, is this guest's memory; nothing is written meanwhile.
    let memory = unsafe { std::slice::from_raw_parts(std::ptr::dangling(), end - 1) };
    let mine = [first.as_ptr(), own];
    memory.windows(pattern.len()).filter(|part| *part == pattern && !mine.contains(&part.as_ptr())).count()
}

#[cfg(not(target_arch = "wasm32"))]
fn found() -> usize {
    0
}
