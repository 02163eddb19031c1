//! The binary that Vault or OpenBao starts as a plugin: arguments in, serve, exit code out.

use std::process::ExitCode;

use plugin_host::{Config, run};

/// Bad arguments, as `sysexits.h` has it.
const EXIT_USAGE: u8 = 64;

fn main() -> ExitCode {
    let config = match Config::parse_args(std::env::args_os()) {
        Ok(config) => config,
        Err(stop) => {
            // Help and version go to stdout and are no fault; all else is a bad registration.
            let code = if stop.use_stderr() { EXIT_USAGE } else { 0 };
            return if stop.print().is_ok() { ExitCode::from(code) } else { ExitCode::FAILURE };
        }
    };
    run(&config)
}
