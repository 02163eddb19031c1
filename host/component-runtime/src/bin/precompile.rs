//! `precompile COMPONENT.wasm COMPONENT.cwasm`: a build tool. Compiles a component for the baseline of this
//! architecture, with the settings of the engine that will run it. Without arguments it compiles for a parent, as the
//! plugin does in processes of its own: for tests.

#![expect(clippy::disallowed_methods, reason = "a build tool has files")]

use std::ffi::OsString;
use std::process::ExitCode;

use component_runtime::Runtime;

#[expect(clippy::print_stderr, reason = "a command line tool tells its user what failed")]
fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if arguments.is_empty() {
        return component_runtime::compile_for_parent();
    }
    let [wasm_path, code_path] = arguments.as_slice() else {
        eprintln!("usage: precompile COMPONENT.wasm COMPONENT.cwasm");
        return ExitCode::FAILURE;
    };
    let written = std::fs::read(wasm_path)
        .map_err(|error| error.to_string())
        .and_then(|wasm| Runtime::precompile(&wasm).map_err(|error| error.to_string()))
        .and_then(|code| std::fs::write(code_path, code).map_err(|error| error.to_string()));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("precompile: failed on `{}`: {error}", wasm_path.display());
            ExitCode::FAILURE
        }
    }
}
