//! The Astra component imports exactly what its world names, and componentize refuses a guest that imports more.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "runs natively and reads what the build wrote")]

use componentize::{allowed_imports, componentize, imports};
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

#[test]
fn the_astra_component_imports_only_what_its_world_names() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/component/astra.wasm");
    let component = std::fs::read(path);
    let component = component.unwrap_or_else(|_| panic!("{path} is not built yet: run `make component` first"));
    assert_eq!(imports(&component).unwrap(), allowed_imports().unwrap());
}

#[test]
fn a_guest_that_reaches_further_is_refused() {
    let foreign = core_wasm("package wasi:sockets; interface tcp { f: func(); } world w { import tcp; }");
    let error = componentize(&foreign).unwrap_err().to_string();
    assert_eq!(error, "the component imports what no guest may: wasi:sockets/tcp");
}

#[test]
fn what_is_no_core_wasm_is_refused() {
    assert!(componentize(b"not wasm").is_err());
    assert!(imports(b"not wasm").is_err());
}

/// A core module that imports the function `f` of the interface `wasi:sockets/tcp`.
fn core_wasm(wit: &str) -> Vec<u8> {
    let mut wasm = b"\0asm\x01\0\0\0".to_vec();
    wasm.extend(b"\x01\x04\x01\x60\0\0");
    wasm.extend(b"\x02\x16\x01\x10wasi:sockets/tcp\x01f\0\0");
    let mut resolve = Resolve::default();
    let package = resolve.push_str("test.wit", wit).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    embed_component_metadata(&mut wasm, &resolve, world, StringEncoding::UTF8).unwrap();
    wasm
}
