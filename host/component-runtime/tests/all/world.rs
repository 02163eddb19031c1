//! Which components are loaded at all.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use component_runtime::{LoadError, Runtime};
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{ManglingAndAbi, Resolve};

use crate::support::{limits, on_each_scheduler, runtime, wasm};

/// A component of a world, whose functions all trap.
fn component(world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit")).unwrap();
    let package = resolve.push_str("test.wit", &format!("package test:test;\n{world}")).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let abi = ManglingAndAbi::Legacy(wit_parser::LiftLowerAbi::Sync);
    let mut module = dummy_module(&resolve, world, abi);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// Why a component is not loaded.
async fn refused(runtime: &Runtime, wasm: &[u8]) -> LoadError {
    runtime.load(wasm).await.err().unwrap()
}

#[test]
fn imports_beyond_the_world_are_refused_by_name() {
    on_each_scheduler(|| async {
        let runtime = runtime(limits(), &[]);
        for import in [
            "wasi:filesystem/preopens@0.2.12",
            "wasi:sockets/tcp@0.2.12",
            "wasi:cli/environment@0.2.12",
            "wasi:cli/stdout@0.2.12",
        ] {
            let world = format!("world rogue {{ import {import}; export secrets-engine:backend/backend@0.1.0; }}");
            let error = refused(&runtime, &component(&world)).await;
            let name = import.split_once('/').unwrap().0;
            assert!(matches!(&error, LoadError::World(text) if text.contains(name)), "{import}: {error}");
        }
    });
}

#[test]
fn a_component_without_a_backend_is_refused() {
    on_each_scheduler(|| async {
        let runtime = runtime(limits(), &[]);
        let error = refused(&runtime, &component("world other { export run: func(); }")).await;
        assert!(matches!(&error, LoadError::World(text) if text.contains("secrets-engine:backend/backend")), "{error}");
    });
}

#[test]
fn a_backend_that_cannot_describe_itself_is_refused() {
    on_each_scheduler(|| async {
        let world = "world trapping { export secrets-engine:backend/backend@0.1.0; }";
        let error = refused(&runtime(limits(), &[]), &component(world)).await;
        assert!(matches!(error, LoadError::Describe(_)), "{error}");
    });
}

#[test]
fn what_is_no_component_is_refused() {
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
        // Without the wasm to fall back to, so that it is the precompiled code that is loaded.
        let module = runtime.load_embedded(precompiled, b"").await.unwrap();
        assert_eq!(module.description().name, "good");
        let module = runtime.load_embedded(b"of another version", &wasm).await.unwrap();
        assert_eq!(module.description().name, "good");
    });
}
