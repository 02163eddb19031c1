//! The order of loads.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::time::Duration;

use component_runtime::egress::EgressSettings;
use component_runtime::{CompilePriority, Limits, RuntimeSettings};

use super::*;

fn registry() -> Arc<ModuleRegistry> {
    registry_with(None)
}

fn registry_with(cache: Option<CacheSettings>) -> Arc<ModuleRegistry> {
    let limits = Limits { requests_in_flight_max: 16, requests_guaranteed_per_mount: 2, ..Limits::default() };
    let settings = RuntimeSettings {
        egress: EgressSettings::default(),
        upstream_read_only: false,
        wal_minimum_age: Duration::from_secs(600),
        compile_priority: CompilePriority::Background,
        memory_limit: None,
        limits,
    };
    let directory = Some(PathBuf::from("/nowhere"));
    let nothing = Embedded { wasm: b"", precompiled: b"" };
    ModuleRegistry::new(
        Runtime::new(settings).unwrap(),
        nothing,
        RegistrySettings { directory, cache, ..RegistrySettings::default() },
    )
}

async fn refused(registry: &ModuleRegistry, content: &[u8]) -> Rejection {
    refused_of("astra", registry, content).await
}

async fn refused_of(engine: &str, registry: &ModuleRegistry, content: &[u8]) -> Rejection {
    let candidate = Candidate {
        id: ModuleId::new(engine, "1.2.3").unwrap(),
        digest: Digest::of(content),
        origin: Origin::File(format!("{engine}-1.2.3.wasm")),
        approval: Ok(Approval::AllowListed),
    };
    registry.load(&candidate).await.err().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_number_of_loads_at_once_is_limited_and_a_late_load_fails() {
    let registry = registry();
    let others = registry.loads.acquire_many(u32::try_from(LOADS_AT_ONCE).unwrap()).await.unwrap();
    let reason = refused(&registry, b"").await;
    assert_eq!(reason.to_string(), "it waited for its turn to be loaded for longer than 180s");
    drop(others);
    let reason = refused(&registry, b"").await;
    assert!(reason.to_string().contains("cannot be read"), "it had its turn: {reason}");
}

#[tokio::test(start_paused = true)]
async fn a_mount_waits_for_another_only_if_both_load_the_same_module() {
    let registry = registry();
    let statement = Statement { id: ModuleId::new("astra", "1.2.3").unwrap(), digest: Digest::of(b"one") };
    let held = registry.loaded_modules.slot(&statement).await;
    let reason = refused(&registry, b"one").await;
    assert_eq!(reason.to_string(), "it waited for its turn to be loaded for longer than 180s");
    let reason = refused(&registry, b"another").await;
    assert!(reason.to_string().contains("cannot be read"), "it had its turn: {reason}");
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn many_modules_of_one_engine_do_not_delay_another_engine() {
    let registry = registry();
    let held = registry.loaded_modules.engine_turn("toy").await;
    let waits = "it waited for its turn to be loaded for longer than 180s";
    assert_eq!(refused_of("toy", &registry, b"one").await.to_string(), waits);
    let reason = refused_of("astra", &registry, b"two").await;
    assert!(reason.to_string().contains("cannot be read"), "it had its turn: {reason}");
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn modules_that_wait_for_the_compiler_do_not_delay_one_that_is_compiled_already() {
    let directory = tempfile::tempdir().unwrap();
    let key = component_runtime::SealKey::new([7; 32]);
    let registry = registry_with(Some(CacheSettings { directory: directory.path().to_owned(), key }));
    let name = format!("{}-{:016x}.sealed", Digest::of(b"compiled"), registry.runtime.compatibility());
    std::fs::write(directory.path().join(name), b"").unwrap();
    // As many as may be loaded at once, each of another engine.
    let mut waiting = Vec::new();
    for engine in ["one", "two", "three", "four"] {
        let statement =
            Statement { id: ModuleId::new(engine, "1.2.3").unwrap(), digest: Digest::of(engine.as_bytes()) };
        waiting.push(timeout(LOAD_WAIT, registry.turn(&statement)).await);
    }
    assert!(waiting.pop().unwrap().is_err(), "the fourth waits for one of the three");
    assert!(waiting.iter().all(|turn| turn.as_ref().is_ok_and(Result::is_ok)));
    let reason = refused_of("five", &registry, b"compiled").await;
    assert!(reason.to_string().contains("cannot be read"), "it had its turn: {reason}");
}
