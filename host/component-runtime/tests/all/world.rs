//! The components that can be loaded.

#![expect(clippy::unwrap_used, reason = "tests")]

use component_runtime::{LoadError, Runtime};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::support::{limits, on_each_scheduler, runtime, wasm};

/// A component of a world with one function, `f`, without parameters and result.
fn component(wit: &str, import: Option<&str>) -> Vec<u8> {
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    let section = |id: u8, content: &[u8]| [&[id, content.len().try_into().unwrap()], content].concat();
    let text = |text: &str| [&[text.len().try_into().unwrap()], text.as_bytes()].concat();
    module.extend(section(1, b"\x01\x60\0\0"));
    if let Some(interface) = import {
        module.extend(section(2, &[b"\x01", &*text(interface), &*text("f"), b"\0\0"].concat()));
    } else {
        module.extend(section(3, b"\x01\0"));
        module.extend(section(7, &[b"\x01", &*text("f"), b"\0\0"].concat()));
        module.extend(section(10, b"\x01\x02\0\x0b"));
    }
    let mut resolve = Resolve::default();
    let package = resolve.push_str("test.wit", wit).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// The error of a component that cannot be loaded.
async fn refused(runtime: &Runtime, wasm: &[u8]) -> LoadError {
    runtime.load(wasm).await.err().unwrap()
}

#[test]
fn imports_beyond_the_world_are_refused_by_name() {
    on_each_scheduler(|| async {
        let runtime = runtime(limits(), &[]);
        for (package, interface) in [
            ("wasi:filesystem", "preopens"),
            ("wasi:sockets", "tcp"),
            ("wasi:cli", "environment"),
            ("wasi:cli", "stdout"),
        ] {
            let wit = format!(
                "package {package}@0.2.12; interface {interface} {{ f: func(); }} world w {{ import {interface}; }}"
            );
            let name = format!("{package}/{interface}@0.2.12");
            let error = refused(&runtime, &component(&wit, Some(&name))).await;
            assert!(matches!(&error, LoadError::World(text) if text.contains(&name)), "{name}: {error}");
        }
    });
}

#[test]
fn a_component_without_a_backend_is_refused() {
    on_each_scheduler(|| async {
        let runtime = runtime(limits(), &[]);
        let error = refused(&runtime, &component("package a:b; world other { export f: func(); }", None)).await;
        assert!(matches!(&error, LoadError::World(text) if text.contains("secrets-engine:backend/backend")), "{error}");
    });
}

#[test]
fn bytes_that_are_not_a_component_are_refused() {
    on_each_scheduler(|| async {
        let runtime = runtime(limits(), &[]);
        let core_module = b"\0asm\x01\0\0\0";
        let rows: [&[u8]; 4] = [b"", b"nonsense", core_module, &wasm("good")[..1000]];
        for bytes in rows {
            let error = refused(&runtime, bytes).await;
            assert!(matches!(error, LoadError::Invalid(_)), "{error}");
        }
    });
}

#[test]
fn a_component_has_a_size() {
    on_each_scheduler(|| async {
        let limits = component_runtime::Limits { wasm_bytes_max: 1024, ..limits() };
        let error = refused(&runtime(limits, &[]), &vec![0; 1025]).await;
        assert!(matches!(&error, LoadError::Invalid(text) if text == "it has 1025 bytes; at most 1 KiB"), "{error}");
    });
}

#[test]
fn precompiled_code_is_the_same_component_and_damaged_code_is_compiled_anew() {
    on_each_scheduler(|| async {
        let runtime = runtime(component_runtime::Limits::default(), &[]);
        let wasm = wasm("good");
        let precompiled: &'static [u8] = Runtime::precompile(&wasm).unwrap().leak();
        // Without wasm to fall back to, only the precompiled code can be loaded.
        let module = runtime.load_embedded(precompiled, b"").await.unwrap();
        assert_eq!(module.description().name, "good");
        let module = runtime.load_embedded(b"of another version", &wasm).await.unwrap();
        assert_eq!(module.description().name, "good");
    });
}
