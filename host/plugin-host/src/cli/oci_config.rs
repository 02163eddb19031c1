//! `module oci-config`: the config of a module as an artifact of a registry, which `oras push` takes.
//!
//! Registries that know WebAssembly read the interfaces of a component there. The form is the CNCF's, version 0, which
//! `wkg` writes, too.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use component_runtime::Inspection;
use component_runtime::limits::WASM_BYTES_MAX;
use modules::Digest;
use serde::Serialize;

use super::output::print_json;
use super::sandbox;
use crate::failure::Failure;
use crate::files;

/// `module oci-config MODULE`
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The module.
    file: PathBuf,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    created: String,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [String; 1],
    component: Component,
}

#[derive(Debug, Serialize)]
struct Component {
    exports: Vec<String>,
    imports: Vec<String>,
    target: Option<String>,
}

impl Arguments {
    /// Prints the config. Exit 1 if the module cannot serve, so that nobody pushes such a module.
    pub(crate) fn execute(&self) -> Result<ExitCode, Failure> {
        let named = |error: &dyn std::fmt::Display| Failure::Failed(format!("`{}`: {error}", self.file.display()));
        let wasm = files::read(&self.file, WASM_BYTES_MAX)?;
        let inspection = sandbox::closed(async |runtime| Ok(sandbox::inspect(runtime, &wasm).await))?;
        let Inspection { imports, exports, module } = inspection.map_err(|error| named(&error))?;
        module.map_err(|error| named(&error))?;
        let created = modified(&self.file).map_err(|error| named(&error))?;
        let config = Config {
            created: humantime::format_rfc3339_seconds(created).to_string(),
            architecture: "wasm",
            os: "wasip2",
            layer_digests: [format!("sha256:{}", Digest::of(&wasm))],
            component: Component { exports, imports, target: None },
        };
        print_json(&config)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The time of the build, so that the same file has the same config.
fn modified(path: &Path) -> std::io::Result<SystemTime> {
    std::fs::metadata(path)?.modified()
}
