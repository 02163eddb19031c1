//! `componentize CORE.wasm COMPONENT.wasm`: writes the component, and leaves
//! the file alone where it would not change, so that nothing is built anew.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

#[expect(clippy::print_stderr, reason = "a command line tool tells its user what failed")]
fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("componentize: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a build tool, not a guest: it has arguments and files")]
fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [core_path, component_path] = arguments.as_slice() else {
        bail!("usage: componentize CORE.wasm COMPONENT.wasm");
    };
    let core_wasm = std::fs::read(core_path).with_context(|| format!("failed to read `{core_path}`"))?;
    let component = componentize::componentize(&core_wasm).with_context(|| format!("failed on `{core_path}`"))?;
    if std::fs::read(component_path).is_ok_and(|present| present == component) {
        return Ok(());
    }
    if let Some(folder) = Path::new(component_path).parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("failed to make `{}`", folder.display()))?;
    }
    // A killed build must not leave half a component behind.
    let unfinished = format!("{component_path}.unfinished");
    std::fs::write(&unfinished, component).with_context(|| format!("failed to write `{unfinished}`"))?;
    std::fs::rename(&unfinished, component_path).with_context(|| format!("failed to write `{component_path}`"))
}
