//! Runs secrets engines as sandboxed components: a fresh instance for each request, with a limit on everything that it
//! can use or make the host use.
//!
//! The crate knows nothing of gRPC or of the server's processes: storage and system view come in through the traits
//! of [`envelope`].

pub mod capability;
pub mod egress;
pub mod limits;

mod aot;
mod bindings;
mod budget;
mod compiler;
mod compiler_process;
mod compiler_progress;
mod compiler_sandbox;
mod description;
mod engine;
mod epoch;
mod error;
mod fault;
mod hardening;
mod header;
mod held_secrets;
mod http_types;
mod imports;
mod inspect;
mod invoke;
mod lane;
mod linker;
mod loader;
mod memory_account;
mod memory_ceiling;
mod message_share;
mod module;
mod mount;
mod output;
mod permits;
mod pool;
mod processor_share;
mod runtime;
mod sealed;
mod shared;
mod storage_share;
mod store_state;
mod surrogates;
mod ticker;
mod turns;
mod weight;

pub use capability::{CountedSeries, HOST_METRIC_PREFIX, METRICS_PATH, RESERVED_PATH, RESERVED_PREFIX, is_metric_name};
pub use compiler::CompilePriority;
pub use compiler_process::{CompilerProgram, compile_for_parent};
pub use description::{Description, StorageVersions};
pub use error::{InvokeError, LoadError};
pub use hardening::harden_process;
pub use held_secrets::HeldSecrets;
pub use imports::{Capability, is_inert};
pub use inspect::Inspection;
pub use limits::{EgressLimits, Limits, MEMORY_CEILING_BYTES_MIN};
pub use memory_account::MemoryLimit;
pub use module::Module;
pub use mount::{Mount, MountSettings};
pub use runtime::{Runtime, RuntimeSettings};
pub use sealed::{SealError, SealKey};
pub use sealed_secrets::Declaration;
pub use weight::request_weight;
