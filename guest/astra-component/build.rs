//! Lays out the guest's memory so that a request needs no memory system call:
//! a small stack, and an initial memory that the host keeps resident.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../../wit");
    // Only the wasm linker knows these; a native build of this crate is for its unit tests.
    #[expect(clippy::disallowed_methods, reason = "a build script learns its target from the environment")]
    let is_wasm = std::env::var_os("CARGO_CFG_TARGET_ARCH").is_some_and(|arch| arch == "wasm32");
    if is_wasm {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size={STACK_BYTES}");
        println!("cargo::rustc-link-arg-cdylib=--initial-memory={INITIAL_MEMORY_BYTES}");
    }
}

/// Handlers are shallow, and JSON is parsed to a bounded depth.
const STACK_BYTES: u32 = 64 * 1024;

/// Stack, data and the heap of an ordinary request. The host keeps as much
/// resident for each slot of its pool (`component-runtime`): change both.
const INITIAL_MEMORY_BYTES: u32 = 256 * 1024;
