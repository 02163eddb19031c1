//! The engine's configuration: pool, copy-on-write memories, epochs, stacks.
//!
//! One function makes the settings for running and for precompiling, since an engine refuses code with other settings.
//! Measure each change: `examples/invoke_cost.rs`, and `strace -c` (no memory system call for a request).

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Strategy};

use crate::LoadError;
use crate::limits::Limits;

/// Initial memory of a guest (link argument `--initial-memory`) that is reset by copying instead of `madvise`.
const MEMORY_KEEP_RESIDENT_BYTES: usize = 320 * 1024;
/// Bytes of tables that are reset in the same way: 8,192 elements.
const TABLE_KEEP_RESIDENT_BYTES: usize = 64 * 1024;
/// Stack of a fiber: the wasm stack and room for host calls. Zeroed after each request.
const STACK_BYTES: usize = 256 * 1024;
/// The part of it that is zeroed by writing, and stays resident: more than an ordinary request needs. What lies deeper is
/// given back.
const STACK_KEEP_RESIDENT_BYTES: usize = 64 * 1024;
/// The part of a fiber's stack that wasm may use.
const WASM_STACK_BYTES: usize = 128 * 1024;
/// Address space of a memory: all that 32 bits can name, so that an access beyond its bytes faults and compiled code
/// need not check each. With the 64 MiB that a guest may use, code was a quarter larger and took as much longer to
/// compile. What is reserved costs no memory.
const MEMORY_RESERVATION_BYTES: u64 = 4 << 30;
/// Address space after a memory, for accesses with an offset.
const MEMORY_GUARD_BYTES: u64 = 64 * 1024;
/// The plugin does not start on a machine without room for so many requests at once.
const REQUESTS_MIN: usize = 4;
/// Slots beyond the permits: for `describe`, and for instances that are being dropped.
const SPARE_SLOTS: usize = 24;
/// Core instances of a component: the core module, adapters and shims.
const CORE_INSTANCES_PER_COMPONENT: usize = 4;
/// Tables of a component: its own and those of shims.
const TABLES_PER_COMPONENT: usize = 3;
/// Slots that stay warm. More are busy at once only for moments.
const UNUSED_WARM_SLOTS_MAX: u32 = 100;
/// Bytes of the functions, globals and imports of an instance in the host's memory.
const INSTANCE_BYTES_MAX: usize = 1024 * 1024;

/// Memory mappings of a request that waits: memory, stack and their guards.
const MAPPINGS_PER_REQUEST: usize = 6;
/// Mappings left to the rest of the process.
const MAPPINGS_OF_PROCESS: usize = 5_000;

/// An engine for running guests.
pub(crate) struct Started {
    pub(crate) engine: Engine,
    /// Requests at once: the limit, or less if the machine has less room. More would fail in the middle of a request.
    pub(crate) requests_max: usize,
}

/// Starts an engine, with fewer slots if address space is scarce (39 bits on some small machines).
///
/// # Errors
/// When there is no address space for the pool.
pub(crate) fn start(limits: &Limits) -> Result<Started, LoadError> {
    let wanted = limits.requests_in_flight_max;
    let started = with_at_most(wanted.min(mappings_allow()).max(1), limits)?;
    if started.requests_max < wanted {
        tracing::warn!(
            possible = started.requests_max,
            wanted,
            "the machine allows fewer requests at once than the limit: `vm.max_map_count` is low, or address space is scarce"
        );
    }
    Ok(started)
}

fn with_at_most(requests_max: usize, limits: &Limits) -> Result<Started, LoadError> {
    match Engine::new(&config(limits, requests_max)) {
        Ok(engine) => Ok(Started { engine, requests_max }),
        Err(error) if requests_max <= REQUESTS_MIN => Err(LoadError::Engine(format!("{error:#}"))),
        Err(_) => with_at_most(requests_max / 2, limits),
    }
}

/// Requests at once for which this machine allows memory mappings.
fn mappings_allow() -> usize {
    mappings_max().map_or(usize::MAX, |max| max.saturating_sub(MAPPINGS_OF_PROCESS) / MAPPINGS_PER_REQUEST)
}

/// `None` if the kernel has no such limit.
#[expect(clippy::disallowed_methods, reason = "the kernel says it in a file")]
fn mappings_max() -> Option<usize> {
    std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
}

/// An engine that compiles for any machine of this architecture, with the settings of one that runs.
///
/// # Errors
/// When this architecture is not known.
pub(crate) fn for_precompiling() -> Result<Engine, LoadError> {
    // Slots are no part of the code, and an emulator of another processor may have little address space for them.
    let mut config = config(&Limits::default(), REQUESTS_MIN);
    let engine = config.target(&baseline_target()).and_then(|config| Engine::new(config));
    engine.map_err(|error| LoadError::Engine(format!("{error:#}")))
}

/// An engine that compiles for this machine, with the settings of one that runs.
///
/// # Errors
/// As `start`.
pub(crate) fn for_compiling() -> Result<Engine, LoadError> {
    Ok(with_at_most(REQUESTS_MIN, &Limits::default())?.engine)
}

/// Naming a target, even this machine's own, switches off what only the builder's processor has.
fn baseline_target() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

fn config(limits: &Limits, requests_max: usize) -> Config {
    let mut config = Config::new();
    config.strategy(Strategy::Cranelift).cranelift_opt_level(OptLevel::Speed).parallel_compilation(true);
    config.wasm_component_model(true).concurrency_support(false);
    config.wasm_memory64(false).wasm_multi_memory(false).wasm_relaxed_simd(false);
    config.shared_memory(false);
    config.epoch_interruption(true);
    config.max_wasm_stack(WASM_STACK_BYTES).async_stack_size(STACK_BYTES).async_stack_zeroing(true);
    config.memory_init_cow(true);
    config.memory_reservation(MEMORY_RESERVATION_BYTES).memory_guard_size(MEMORY_GUARD_BYTES);
    // No map from code to offsets in the component, an eighth of its size: traps name functions.
    config.generate_address_map(false);
    // Threads, garbage collection, and core dumps, which would hold secrets, are not compiled in.
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(limits, requests_max)));
    config
}

fn pool(limits: &Limits, requests_max: usize) -> PoolingAllocationConfig {
    let slots = requests_max + SPARE_SLOTS;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(count(slots))
        .total_core_instances(count(slots * CORE_INSTANCES_PER_COMPONENT))
        .total_memories(count(slots))
        .total_tables(count(slots * TABLES_PER_COMPONENT))
        .total_stacks(count(slots))
        .max_component_instance_size(INSTANCE_BYTES_MAX)
        .max_core_instance_size(INSTANCE_BYTES_MAX)
        .max_memory_size(limits.memory_bytes_max)
        .table_elements(limits.table_elements_max)
        .max_unused_warm_slots(UNUSED_WARM_SLOTS_MAX)
        .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT_BYTES)
        .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES)
        .async_stack_keep_resident(STACK_KEEP_RESIDENT_BYTES);
    // Not in the 48 line: with `pagemap_scan` a dirty page that was swapped out is seen by the next guest
    // (wasmtime#14357); with batches, freed memory waits dirty. Memory protection keys are not compiled in.
    pool.pagemap_scan(Enabled::No).decommit_batch_size(1);
    pool
}

fn count(slots: usize) -> u32 {
    u32::try_from(slots).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_leaks_between_guests_is_off() {
        let pool = pool(&Limits::default(), 1);
        assert!(matches!(pool.get_pagemap_scan(), Enabled::No));
        assert_eq!(pool.get_decommit_batch_size(), 1);
        assert_eq!(pool.get_async_stack_keep_resident(), STACK_KEEP_RESIDENT_BYTES);
    }

    #[test]
    fn every_permit_has_its_slot() {
        let limits = Limits::default();
        let pool = pool(&limits, limits.requests_in_flight_max);
        for slots in [pool.get_total_component_instances(), pool.get_total_memories(), pool.get_total_stacks()] {
            assert!(slots as usize > limits.requests_in_flight_max);
        }
        assert_eq!(pool.get_max_memory_size(), limits.memory_bytes_max);
    }

    #[test]
    fn scarce_address_space_lowers_the_number_of_requests() {
        // Twice what 47 bits can name.
        let wanted = usize::try_from((1_u64 << 48) / MEMORY_RESERVATION_BYTES).unwrap();
        let few = with_at_most(wanted, &Limits::default()).unwrap();
        assert!((1..wanted).contains(&few.requests_max), "{}", few.requests_max);
        let some = start(&Limits { requests_in_flight_max: 8, ..Limits::default() }).unwrap();
        assert_eq!(some.requests_max, 8);
    }
}
