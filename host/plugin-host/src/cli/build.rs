//! `module build`: the last step of a build, from the core wasm file or the component that a toolchain wrote to a module.

use std::path::PathBuf;
use std::process::ExitCode;

use component_runtime::limits::WASM_BYTES_MAX;
use modules::ModuleId;
use serde::Serialize;

use super::output::{Output, Report};
use super::sandbox;
use crate::failure::Failure;
use crate::files;

/// `module build FILE`
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The core wasm file of an engine on the framework, or a component. A module is the component without imports of sockets: a call
    /// of one is refused within the module.
    file: PathBuf,
    /// The folder that gets the module, named `<engine>-<version>.wasm`.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    out: PathBuf,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Serialize)]
struct Built {
    file: String,
    engine: String,
    version: String,
    bytes: usize,
}

impl Arguments {
    /// Writes the module, if this program can load it.
    pub(crate) fn execute(&self) -> Result<ExitCode, Failure> {
        let named = |error: &dyn std::fmt::Display| Failure::Failed(format!("`{}`: {error}", self.file.display()));
        let wasm = componentize::component(&files::read(&self.file, WASM_BYTES_MAX)?);
        let wasm = wasm.map_err(|error| named(&format!("no module can be made of the file: {error:#}")))?;
        let id = sandbox::closed(async |runtime| {
            let module = sandbox::load(runtime, &wasm).await.map_err(|error| named(&error))?;
            let description = module.description();
            ModuleId::new(&description.name, &description.version).map_err(|error| named(&error))
        })?;
        let file = self.out.join(id.file_name());
        files::replace(&file, &wasm)?;
        let ModuleId { engine, version } = id;
        let built = Built { file: file.display().to_string(), engine, version: version.to_string(), bytes: wasm.len() };
        self.output.print(&built)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Report for Built {
    fn text(&self) -> String {
        let Self { file, engine, version, bytes } = self;
        format!("{file}: {engine} {version}, {bytes} bytes\n")
    }
}
