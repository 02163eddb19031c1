//! The binary that Vault or OpenBao starts as a plugin: arguments in, serve, exit code out.

use std::process::ExitCode;

use component_runtime::compile_for_parent;
use plugin_host::{COMPILE, CommandLine, execute, run};

fn main() -> ExitCode {
    if std::env::args_os().skip(1).eq(COMPILE) {
        return compile_for_parent();
    }
    match CommandLine::parse_args(std::env::args_os()) {
        Ok(CommandLine { command: Some(command), .. }) => execute(command),
        Ok(CommandLine { serving, command: None }) => run(serving),
        Err(stop) => stop.end(),
    }
}
