//! Compiles a component for the process that started this program, as the plugin does in processes of its own. Only the
//! tests of this crate start it.

use std::process::ExitCode;

fn main() -> ExitCode {
    component_runtime::compile_for_parent()
}
