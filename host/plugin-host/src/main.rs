//! The binary that Vault or OpenBao starts as a plugin: arguments in, serve, exit code out.

use std::process::ExitCode;

use plugin_host::{CommandLine, execute, run};

fn main() -> ExitCode {
    match CommandLine::parse_args(std::env::args_os()) {
        Ok(CommandLine { command: Some(command), .. }) => execute(command),
        Ok(CommandLine { serving, command: None }) => run(serving),
        Err(stop) => stop.end(),
    }
}
