//! The binary that Vault or OpenBao starts as a plugin: arguments in, serve, exit code out.

use std::process::ExitCode;

use component_runtime::compile_for_parent;
use mimalloc::MiMalloc;
use plugin_host::{COMPILE, CommandLine, FILL_CODE_SLOT, execute, fill_code_slot, run};
use zeroizing_alloc::ZeroAlloc;

// Linked for its functions' names, which the compiler calls.
use memory_functions as _;

/// For the static program: the C library that it carries has an allocator that does not scale with threads. What is freed
/// is wiped, so that no secret stays in memory that nobody uses.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<MiMalloc> = ZeroAlloc(MiMalloc);

fn main() -> ExitCode {
    if std::env::args_os().skip(1).eq(COMPILE) {
        return compile_for_parent();
    }
    let arguments: Vec<_> = std::env::args_os().skip(1).take(3).collect();
    if let [command, copy] = arguments.as_slice()
        && command == FILL_CODE_SLOT
    {
        return fill_code_slot(copy.as_ref());
    }
    match CommandLine::parse_args(std::env::args_os()) {
        Ok(CommandLine { command: Some(command), .. }) => execute(command),
        Ok(CommandLine { serving, command: None }) => run(serving),
        Err(stop) => stop.end(),
    }
}
