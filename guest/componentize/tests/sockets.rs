//! A component whose toolchain imports sockets becomes one that imports all else.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use componentize::{component, imports};
use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection, MemorySection,
    MemoryType, Module, TypeSection, ValType,
};
use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const WIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit");

/// Functions of sockets, with imports of other interfaces before, between and after them, as CPython has them.
const IMPORTS: [(&str, &str, usize, bool); 7] = [
    ("wasi:io/poll@0.2.12", "poll", 3, false),
    ("wasi:sockets/instance-network@0.2.12", "instance-network", 0, true),
    ("wasi:sockets/udp-create-socket@0.2.12", "create-udp-socket", 2, false),
    ("wasi:clocks/monotonic-clock@0.2.12", "subscribe-duration", 0, true),
    ("wasi:sockets/tcp-create-socket@0.2.12", "create-tcp-socket", 2, false),
    ("wasi:sockets/ip-name-lookup@0.2.12", "resolve-addresses", 4, false),
    ("secrets-engine:host/system-view@0.1.0", "backend-uuid", 1, false),
];

/// A component that imports these functions and exports what the WIT says.
fn with_sockets(export: &str, core_export: &str) -> Vec<u8> {
    let (mut types, mut import_section) = (TypeSection::new(), ImportSection::new());
    for (index, (interface, function, params, has_result)) in (0..).zip(IMPORTS) {
        let duration = (function == "subscribe-duration").then_some(ValType::I64);
        let params: Vec<ValType> = duration.into_iter().chain(std::iter::repeat_n(ValType::I32, params)).collect();
        types.ty().function(params, has_result.then_some(ValType::I32));
        import_section.import(interface, function, EntityType::Function(index));
    }
    let imported = u32::try_from(IMPORTS.len()).unwrap();
    types.ty().function([], [ValType::I32]);
    types.ty().function([ValType::I32; 4], [ValType::I32]);
    let (mut functions, mut code, mut exports) = (FunctionSection::new(), CodeSection::new(), ExportSection::new());
    for (index, name) in (imported..).zip([core_export, "cabi_realloc"]) {
        functions.function(index);
        exports.export(name, ExportKind::Func, index);
        let mut body = Function::new([]);
        body.instructions().unreachable().end();
        code.function(&body);
    }
    exports.export("memory", ExportKind::Memory, 0);
    let (mut module, mut memories) = (Module::new(), MemorySection::new());
    memories.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
    module.section(&types).section(&import_section).section(&functions).section(&memories).section(&exports);
    module.section(&code);
    let mut wasm = module.finish();

    let mut resolve = Resolve::default();
    resolve.push_dir(WIT).unwrap();
    let interfaces: BTreeSet<&str> = IMPORTS.iter().map(|(interface, ..)| *interface).collect();
    let imports: String = interfaces.iter().map(|name| format!("import {name};")).collect();
    let package = resolve.push_str("test.wit", &format!("package test:test; world w {{ {imports} export {export}; }}"));
    let world = resolve.select_world(&[package.unwrap()], Some("w")).unwrap();
    embed_component_metadata(&mut wasm, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&wasm).unwrap().validate(true).encode().unwrap()
}

fn exports(component: &[u8]) -> Vec<String> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component).unwrap() else { unreachable!() };
    resolve.worlds[world].exports.keys().map(|key| resolve.name_world_key(key)).collect()
}

const EXISTENCE: &str = "secrets-engine:paths/existence@0.2.0";

#[test]
fn sockets_are_refused_within_the_component_and_all_else_is_imported_as_before() {
    let given = with_sockets(EXISTENCE, &format!("{EXISTENCE}#checked-paths"));
    let is_socket = |name: &String| name.starts_with("wasi:sockets/");
    let (sockets, others): (Vec<String>, Vec<String>) = imports(&given).unwrap().into_iter().partition(is_socket);
    assert!(sockets.len() >= 6, "what the functions need is imported, too: {sockets:?}");

    let module = component(&given).unwrap();
    assert_eq!(imports(&module).unwrap(), others);
    assert_eq!(exports(&module), exports(&given));
    assert_eq!(component(&given).unwrap(), module, "the same input gives the same bytes");
    assert_eq!(component(&module).unwrap(), module, "nothing is left to do");
}

#[test]
fn a_component_in_a_form_that_is_not_known_is_told_why() {
    let error = component(&with_sockets("run: func() -> u32", "run")).unwrap_err();
    assert_eq!(error.to_string(), "the export `run` is no interface");
    assert!(component(b"\0asm\x0d\0\x01\0\xff").is_err());
}
