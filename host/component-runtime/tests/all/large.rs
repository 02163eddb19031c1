//! Components with more core instances, memories or tables than one core module needs: their slots are others, few and
//! bounded, and ordinary components do not feel them.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use component_runtime::{InvokeError, Limits, LoadError};
use tokio::task::JoinSet;
use wasm_encoder::{ComponentSection, InstanceSection, MemorySection, MemoryType, Module, ModuleArg, ModuleSection};
use wasmparser::{Parser, Payload};

use crate::support::{answer, limits, load, mount, on_each_scheduler, runtime, wasm};

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

/// The guest with so many further core instances, each with so many memories, which do nothing.
fn with_core_instances(name: &str, instances: u32, memories: u32) -> Vec<u8> {
    let mut component = wasm(name);
    let (mut module, mut section) = (Module::new(), MemorySection::new());
    for _ in 0..memories {
        section.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
    }
    module.section(&section);
    let index = core_modules(&component);
    ModuleSection(&module).append_to_component(&mut component);
    let mut section = InstanceSection::new();
    for _ in 0..instances {
        section.instantiate::<[(&str, ModuleArg); 0], &str>(index, []);
    }
    section.append_to_component(&mut component);
    component
}

#[test]
fn a_component_of_many_core_instances_or_several_memories_serves_beside_ordinary_ones() {
    on_each_scheduler(|| async {
        let runtime = runtime(limits(), &[]);
        let (good, neighbour) = (load(&runtime, "good").await, mount(&runtime, "neighbour", &Arc::default()));
        for large in [with_core_instances("good", 100, 0), with_core_instances("good", 3, 1)] {
            let module = runtime.load(&large).await.unwrap();
            let large = mount(&runtime, "large", &Arc::default());
            let own = answer(&good, &neighbour, "").await.unwrap();
            assert_eq!(answer(&module, &large, "").await.unwrap(), own);
        }
    });
}

#[test]
fn a_component_of_too_many_core_instances_or_memories_says_which() {
    on_each_scheduler(|| async {
        let runtime = runtime(limits(), &[]);
        let too_many = [(200, 0, "core module instances"), (6, 1, "linear memories"), (1, 6, "defined memories")];
        for (instances, memories, what) in too_many {
            let refused = runtime.load(&with_core_instances("good", instances, memories)).await.err().unwrap();
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
        let sleeper = runtime.load(&with_core_instances("sleep", 40, 0)).await.unwrap();
        let large = runtime.load(&with_core_instances("good", 40, 0)).await.unwrap();
        let (good, flooded) = (load(&runtime, "good").await, mount(&runtime, "flooded", &Arc::default()));
        let mut sleeping = JoinSet::new();
        for _ in 0..2 {
            let (sleeper, flooded) = (Arc::clone(&sleeper), Arc::clone(&flooded));
            sleeping.spawn(async move { drop(answer(&sleeper, &flooded, "").await) });
        }
        let busy = loop {
            match answer(&large, &flooded, "").await {
                Ok(_) => tokio::task::yield_now().await,
                Err(error) => break error,
            }
        };
        assert_eq!(busy, InvokeError::Busy("requests in flight to this mount"));
        // The same mount, another module; and another mount, a large module.
        assert!(answer(&good, &flooded, "").await.is_ok());
        let other = mount(&runtime, "other", &Arc::default());
        assert!(answer(&large, &other, "").await.is_ok());
        sleeping.shutdown().await;
        assert!(answer(&large, &flooded, "").await.is_ok());
    });
}
