//! The binary that Vault or OpenBao starts as a plugin: arguments in, serve, exit code out.

use std::process::ExitCode;

use plugin_host::{Config, run};

fn main() -> ExitCode {
    match Config::parse_args(std::env::args_os()) {
        Ok(config) => run(config),
        Err(stop) => plugin_host::stop(&stop),
    }
}
