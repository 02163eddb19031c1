//! The ground of the scenarios: drivers, stages, servers.
//!
//! One suite, four drivers: `native` runs the engine in this process, `component` runs the same engine as a component
//! in the real runtime, `played_vault` runs the real plugin under a simulated server with Vault's abilities, and
//! `openbao` runs it under a real server. All but the last have a fake server: the `local-server` that also serves the
//! command `run`, with scripted faults. A difference between drivers is a bug by definition.

pub mod canary;
pub mod fake;
pub mod go_plugin;
pub mod limits;
pub mod memory;
pub mod modules;
#[cfg(feature = "component")]
pub mod network;
pub mod openbao;
pub mod password_service;

mod driver;
mod hash;
mod http_client;
mod note;
mod outcome;
mod programs;
mod rows;
mod settings;
mod stage;

pub use driver::{Ask, Driver, DriverKind};
pub use hash::sha256_hex;
pub use http_client::{HttpAnswer, HttpClient, HttpFailure};
pub use local_server::Verb;
pub use note::Note;
pub use outcome::{LeaseInfo, Outcome};
pub use programs::{place_program, place_script};
pub use rows::play_rows;
pub use settings::{
    component_wasm, examples_python, http_passwords_wasm, hvac_python, openbao_binary, oras_python, plugin_binary,
    python_wheels, rogue_wasm, simulator_binary, tool, workspace_root,
};
pub use stage::{Org, Stage, StageOptions, arguments, play, start_astra};

// As in the plugin; linked for the names of its functions.
#[cfg(target_env = "musl")]
use memory_functions as _;

/// As in the plugin: the allocator of the static C library is slow where threads share it.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<mimalloc::MiMalloc> = zeroizing_alloc::ZeroAlloc(mimalloc::MiMalloc);
