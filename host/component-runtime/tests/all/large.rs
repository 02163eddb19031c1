//! Components with more core instances, memories or tables than one core module needs: their slots are others, few and
//! bounded, and ordinary components do not feel them.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use component_runtime::{InvokeError, Limits, LoadError};
use wasm_encoder::{
    ComponentSection, InstanceSection, MemorySection, MemoryType, Module, ModuleArg, ModuleSection, RefType,
    TableSection, TableType,
};
use wasmparser::{Parser, Payload};

use crate::support::{answer, first_refusal, limits, load, mount, on_each_scheduler, runtime, two_requests, wasm};

/// How many core modules a component has at its outermost level.
fn core_modules(component: &[u8]) -> u32 {
    let (mut depth, mut modules) = (0, 0);
    for payload in Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } => {
                modules += u32::from(depth == 0);
                depth += 1;
            }
            Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            _ => {}
        }
    }
    modules
}

fn empty() -> Module {
    Module::new()
}

fn with_memories(memories: u32) -> Module {
    let (mut module, mut section) = (Module::new(), MemorySection::new());
    for _ in 0..memories {
        section.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
    }
    module.section(&section);
    module
}

fn with_a_table() -> Module {
    let (mut module, mut section) = (Module::new(), TableSection::new());
    let element_type = RefType::FUNCREF;
    section.table(TableType { element_type, table64: false, minimum: 1, maximum: None, shared: false });
    module.section(&section);
    module
}

/// The guest with so many further core instances of this module, which does nothing.
fn with_core_instances(name: &str, instances: u32, module: &Module) -> Vec<u8> {
    let mut component = wasm(name);
    let index = core_modules(&component);
    ModuleSection(module).append_to_component(&mut component);
    let mut section = InstanceSection::new();
    for _ in 0..instances {
        section.instantiate::<[(&str, ModuleArg); 0], &str>(index, []);
    }
    section.append_to_component(&mut component);
    component
}

#[test]
fn a_component_of_many_core_instances_memories_or_tables_serves_beside_ordinary_ones() {
    on_each_scheduler(|| async {
        let runtime = runtime(limits(), &[]);
        let (good, neighbour) = (load(&runtime, "good").await, mount(&runtime, "neighbour", &Arc::default()));
        for (instances, module) in [(100, empty()), (3, with_memories(1)), (40, with_a_table())] {
            let module = runtime.load(&with_core_instances("good", instances, &module)).await.unwrap();
            let large = mount(&runtime, "large", &Arc::default());
            let own = answer(&good, &neighbour, "").await.unwrap();
            assert_eq!(answer(&module, &large, "").await.unwrap(), own);
        }
    });
}

#[test]
fn a_component_of_too_many_core_instances_memories_or_tables_says_which() {
    on_each_scheduler(|| async {
        let runtime = runtime(limits(), &[]);
        let too_many = [
            (200, empty(), "core module instances"),
            (6, with_memories(1), "linear memories"),
            (1, with_memories(6), "defined memories"),
            (65, with_a_table(), "tables"),
        ];
        for (instances, module, what) in too_many {
            let refused = runtime.load(&with_core_instances("good", instances, &module)).await.err().unwrap();
            let LoadError::Invalid(reason) = refused else { panic!("{refused:?}") };
            assert!(reason.contains(what), "{reason}");
        }
    });
}

#[test]
fn requests_to_large_components_wait_for_their_own_slots_and_delay_no_ordinary_one() {
    on_each_scheduler(|| async {
        let limits = Limits {
            large_requests_in_flight_max: 4,
            requests_guaranteed_per_mount: 1,
            permit_wait: Duration::from_millis(50),
            ..limits()
        };
        let runtime = runtime(limits, &[]);
        let sleeper = runtime.load(&with_core_instances("sleep", 40, &empty())).await.unwrap();
        let large = runtime.load(&with_core_instances("good", 40, &empty())).await.unwrap();
        let (good, flooded) = (load(&runtime, "good").await, mount(&runtime, "flooded", &Arc::default()));
        let mut sleeping = two_requests(&sleeper, &flooded);
        let busy = first_refusal(&large, &flooded).await;
        assert_eq!(busy, InvokeError::Busy("requests in flight to this mount"));
        // The same mount, another module; and another mount, a large module.
        assert!(answer(&good, &flooded, "").await.is_ok());
        let other = mount(&runtime, "other", &Arc::default());
        assert!(answer(&large, &other, "").await.is_ok());
        sleeping.shutdown().await;
        assert!(answer(&large, &flooded, "").await.is_ok());
    });
}
