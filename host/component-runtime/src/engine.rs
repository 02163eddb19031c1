//! The engine's configuration: pool, copy-on-write memories, epochs, stacks.
//!
//! Running and precompiling share one function for their settings, because an engine refuses code with other settings.
//! Measure each change with `examples/invoke_cost.rs`, and with `strace -c` (a request makes no memory system call).

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Strategy};

use crate::LoadError;
use crate::limits::{CORE_INSTANCES_PER_REQUEST_MAX, Limits, MEMORIES_PER_REQUEST_MAX, TABLES_PER_REQUEST_MAX};

/// Initial memory of a guest (link argument `--initial-memory`), which is reset by copying instead of `madvise`.
const MEMORY_KEEP_RESIDENT_BYTES: usize = 320 * 1024;
/// Bytes of tables that are reset in the same way: 8,192 elements.
const TABLE_KEEP_RESIDENT_BYTES: usize = 64 * 1024;
/// Stack of a fiber: the wasm stack and room for host calls. Zeroed after each request.
const STACK_BYTES: usize = 256 * 1024;
/// Bytes of the stack that are zeroed by writing and stay resident: more than an ordinary request needs. Deeper bytes
/// are returned to the system.
const STACK_KEEP_RESIDENT_BYTES: usize = 64 * 1024;
/// The part of a fiber's stack that wasm may use.
const WASM_STACK_BYTES: usize = 128 * 1024;
/// Address space of a memory: all that 32 bits can address, so that an access beyond the memory faults and compiled
/// code needs no checks. With 64 MiB, the limit of a guest, code was a quarter larger and took a quarter longer to
/// compile. Reserved address space costs no memory.
const MEMORY_RESERVATION_BYTES: u64 = 4 << 30;
/// Address space after a memory, for accesses with an offset.
const MEMORY_GUARD_BYTES: u64 = 64 * 1024;
/// Minimum of requests at once. The plugin does not start on a machine with less room.
const REQUESTS_MIN: usize = 4;
/// Slots beyond the permits: for `describe`, and for instances that are being dropped.
const SPARE_SLOTS: usize = 24;
/// Slots that stay warm. More are busy at once only for moments.
const UNUSED_WARM_SLOTS_MAX: u32 = 100;
/// Bytes of the functions, globals and imports of a core instance in the host's memory.
const CORE_INSTANCE_BYTES_MAX: usize = 1024 * 1024;

/// Memory mappings of a waiting request: memory, stack and their guards.
const MAPPINGS_PER_REQUEST: usize = 6;
/// Mappings for the rest of the process.
const MAPPINGS_OF_PROCESS: usize = 5_000;

/// What one instance of a component may take of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlotSize {
    /// The core module, adapters and shims.
    core_instances: usize,
    memories: usize,
    /// Its own and those of shims.
    tables: usize,
    /// Bytes that all its core instances take of the host's memory, linear memory and tables apart.
    bytes: usize,
}

impl SlotSize {
    /// For one core module, as Rust, C and Go make components.
    pub(crate) const ORDINARY: Self =
        Self { core_instances: 4, memories: 1, tables: 3, bytes: CORE_INSTANCE_BYTES_MAX };

    /// For an interpreter with its libraries, and for components that are composed of several.
    pub(crate) const LARGE: Self = Self {
        core_instances: CORE_INSTANCES_PER_REQUEST_MAX,
        memories: MEMORIES_PER_REQUEST_MAX,
        tables: TABLES_PER_REQUEST_MAX,
        bytes: 4 * CORE_INSTANCE_BYTES_MAX,
    };
}

/// An engine for running guests.
pub(crate) struct Started {
    pub(crate) engine: Engine,
    /// Requests at once: the limit, or fewer if the machine has less room. A further request would fail halfway.
    pub(crate) requests_max: usize,
}

/// Starts an engine for so many requests at once, with fewer slots if address space is scarce (39 bits on some small
/// machines).
///
/// # Errors
/// When there is no address space for the pool.
pub(crate) fn start(wanted: usize, size: SlotSize, limits: &Limits) -> Result<Started, LoadError> {
    let started = with_at_most(wanted.min(mappings_allow()).max(1), size, limits)?;
    if started.requests_max < wanted {
        tracing::warn!(
            possible = started.requests_max,
            wanted,
            "the machine allows fewer requests at once than the limit: `vm.max_map_count` is low, or address space is scarce"
        );
    }
    Ok(started)
}

fn with_at_most(requests_max: usize, size: SlotSize, limits: &Limits) -> Result<Started, LoadError> {
    match Engine::new(&config(limits, requests_max, size)) {
        Ok(engine) => Ok(Started { engine, requests_max }),
        Err(error) if requests_max <= REQUESTS_MIN => Err(LoadError::Engine(format!("{error:#}"))),
        Err(_) => with_at_most(requests_max / 2, size, limits),
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
/// When the architecture is unknown.
pub(crate) fn for_precompiling() -> Result<Engine, LoadError> {
    // Slots are no part of the code, and an emulator of another processor may have little address space for them.
    let mut config = config(&Limits::default(), REQUESTS_MIN, SlotSize::ORDINARY);
    let engine = config.target(&baseline_target()).and_then(|config| Engine::new(config));
    engine.map_err(|error| LoadError::Engine(format!("{error:#}")))
}

/// An engine that compiles for this machine, with the settings of one that runs.
///
/// # Errors
/// As `start`.
pub(crate) fn for_compiling() -> Result<Engine, LoadError> {
    Ok(with_at_most(REQUESTS_MIN, SlotSize::ORDINARY, &Limits::default())?.engine)
}

/// Naming a target, even this machine's own, switches off features that only the builder's processor has.
fn baseline_target() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

fn config(limits: &Limits, requests_max: usize, size: SlotSize) -> Config {
    let mut config = Config::new();
    config.strategy(Strategy::Cranelift).cranelift_opt_level(OptLevel::Speed).parallel_compilation(true);
    config.wasm_component_model(true).concurrency_support(false);
    // A component that is composed of two needs an adapter with the memories of both.
    config.wasm_memory64(false).wasm_multi_memory(true).wasm_relaxed_simd(false);
    config.shared_memory(false);
    config.epoch_interruption(true);
    config.max_wasm_stack(WASM_STACK_BYTES).async_stack_size(STACK_BYTES).async_stack_zeroing(true);
    config.memory_init_cow(true);
    config.memory_reservation(MEMORY_RESERVATION_BYTES).memory_guard_size(MEMORY_GUARD_BYTES);
    // The map from code to offsets in the component, an eighth of its size, is left out: traps name functions.
    config.generate_address_map(false);
    // Only tools of the system unwind the stack by these tables. When a module is dropped, the libunwind of a static program
    // searches all tables of the process once for each function of the module.
    config.native_unwind_info(false);
    // Threads, garbage collection, and core dumps, which would hold secrets, are not compiled in.
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(limits, requests_max, size)));
    config
}

fn pool(limits: &Limits, requests_max: usize, size: SlotSize) -> PoolingAllocationConfig {
    let slots = requests_max + SPARE_SLOTS;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(count(slots))
        .total_core_instances(count(slots * size.core_instances))
        .total_memories(count(slots * size.memories))
        .total_tables(count(slots * size.tables))
        .total_stacks(count(slots))
        .max_core_instances_per_component(count(size.core_instances))
        .max_memories_per_component(count(size.memories))
        .max_tables_per_component(count(size.tables))
        .max_component_instance_size(size.bytes)
        .max_core_instance_size(CORE_INSTANCE_BYTES_MAX)
        .max_memory_size(limits.memory_bytes_max)
        .table_elements(limits.table_elements_max)
        .max_unused_warm_slots(UNUSED_WARM_SLOTS_MAX)
        .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT_BYTES)
        .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES)
        .async_stack_keep_resident(STACK_KEEP_RESIDENT_BYTES);
    // Both are off in version 48: with `pagemap_scan` the next guest sees a dirty page that was swapped out
    // (wasmtime#14357); with batches, freed memory stays dirty for a while. Memory protection keys are not compiled in.
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
    fn engine_features_that_leak_between_guests_are_off() {
        let pool = pool(&Limits::default(), 1, SlotSize::ORDINARY);
        assert!(matches!(pool.get_pagemap_scan(), Enabled::No));
        assert_eq!(pool.get_decommit_batch_size(), 1);
        assert_eq!(pool.get_async_stack_keep_resident(), STACK_KEEP_RESIDENT_BYTES);
    }

    #[test]
    fn every_permit_has_its_slot() {
        let limits = Limits::default();
        let pool = pool(&limits, limits.requests_in_flight_max, SlotSize::ORDINARY);
        for slots in [pool.get_total_component_instances(), pool.get_total_memories(), pool.get_total_stacks()] {
            assert!(slots as usize > limits.requests_in_flight_max);
        }
        assert_eq!(pool.get_max_memory_size(), limits.memory_bytes_max);
    }

    #[test]
    fn scarce_address_space_lowers_the_number_of_requests() {
        // Twice the number that 47 bits can address.
        let wanted = usize::try_from((1_u64 << 48) / MEMORY_RESERVATION_BYTES).unwrap();
        let few = with_at_most(wanted, SlotSize::ORDINARY, &Limits::default()).unwrap();
        assert!((1..wanted).contains(&few.requests_max), "{}", few.requests_max);
        let some = start(8, SlotSize::ORDINARY, &Limits::default()).unwrap();
        assert_eq!(some.requests_max, 8);
    }
}
