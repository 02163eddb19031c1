//! The plugin binary that Vault or OpenBao starts: joins the protocol and the runtime.
//!
//! [`bridge`] takes each request of the server to a fresh instance of the component, and its answer back. This crate
//! knows Astra only by the embedded component and by the three origins that the component may reach by default.

mod bridge;
mod cache_key;
mod cli;
mod code_slot;
mod component;
mod config;
mod egress_args;
mod failure;
mod files;
mod host_paths;
mod limits;
mod metrics;
mod module_args;
mod network_args;

use std::process::ExitCode;
use std::sync::Arc;

use component_runtime::{Runtime, harden_process};
use plugin_protocol::{ServeOptions, serve};

use crate::bridge::{Mounts, Prepared};
pub use crate::cli::{Command, CommandLine, ModuleCommand, Stop, execute};
pub use crate::code_slot::code_of as precompiled_code_of;
pub use crate::component::fill_code_slot;
pub use crate::config::Config;
pub use crate::egress_args::EgressArgs;

pub use crate::cache_key::CACHE_KEY_VARIABLE;
pub use crate::module_args::ModuleArgs;
pub use crate::network_args::NetworkArgs;

/// The program's name, as operators register it.
pub const PROGRAM: &str = "vault-plugin-secrets-datastax-astra";

/// The version that the server is told. Without the `v` it could not mount what it registered.
pub const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

/// The arguments with which this program starts itself to compile a module.
pub const COMPILE: [&str; 1] = ["compile-for-parent"];

/// The first of two arguments with which the build starts this program to write a copy of itself, the second argument,
/// whose slot holds the precompiled code.
pub const FILL_CODE_SLOT: &str = "fill-code-slot";

/// Serves until the server stops the plugin or goes away.
pub fn run(config: Config) -> ExitCode {
    let not_hardened = harden_process();
    let prepared = config.modules.take_settings().and_then(|modules| {
        let egress = config.egress.settings()?;
        Ok(Prepared { egress, modules, not_hardened })
    });
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(reason) => return failure::fail_usage(&reason),
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().event_interval(Runtime::EVENT_INTERVAL).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return failure::fail(&format!("failed to start worker threads: {error}")),
    };
    let options = ServeOptions { program: PROGRAM, log_level: config.log_level };
    let code = runtime.block_on(serve(options, move || Mounts::new(&config, prepared).map(Arc::new)));
    // Calls may still be running, and the server waits for our exit only two seconds.
    runtime.shutdown_background();
    code
}
