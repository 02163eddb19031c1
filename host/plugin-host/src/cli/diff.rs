//! `module diff OLD NEW`: the changes that an operator should know before an update.

mod compare;
mod report;
mod surface;

use std::collections::BTreeSet;
use std::process::ExitCode;

use component_runtime::{Capability, Declaration, Description, Runtime};
use modules::controller::ModuleManifest;
use modules::{Digest, ModuleId};

use self::report::Difference;
use self::surface::Surface;
use super::module_file::ModuleFile;
use super::output::Output;
use super::run::help_document;
use super::sandbox;
use crate::failure::Failure;

/// `module diff OLD NEW`
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The module that runs now; `embedded` is the module in this program.
    old: ModuleFile,
    /// The module that would replace the old one.
    new: ModuleFile,
    #[command(flatten)]
    output: Output,
}

/// One of two modules that are compared.
pub(super) struct Side {
    file: String,
    id: ModuleId,
    digest: Digest,
    description: Description,
    capabilities: BTreeSet<Capability>,
    /// What the host keeps from it.
    secrets: Declaration,
    /// The paths, or why they are unknown.
    surface: Result<Surface, String>,
}

impl Arguments {
    /// Exit 1 only if one of the modules cannot serve.
    pub(crate) fn execute(&self) -> Result<ExitCode, Failure> {
        let difference = sandbox::closed(async |runtime| {
            let (old, new) = (Side::read(runtime, &self.old).await?, Side::read(runtime, &self.new).await?);
            Ok(Difference::between(&old, &new))
        })?;
        self.output.print(&difference)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Side {
    /// Asks the module for its OpenAPI document. The module has an empty storage and reaches nothing outside.
    async fn read(runtime: &Runtime, file: &ModuleFile) -> Result<Self, Failure> {
        let wasm = file.read()?;
        let module = file.load(runtime, &wasm).await?;
        let description = module.description().clone();
        let id = ModuleId::new(&description.name, &description.version);
        let id = id.map_err(|error| Failure::Failed(format!("`{file}` describes itself wrongly: {error}")))?;
        let document = help_document(runtime, &module).await;
        let surface = document.map(|document| Surface::of(&document));
        let surface = surface.map_err(|text| format!("`{file}` has no OpenAPI document: {text}"));
        let (digest, capabilities) = (Digest::of(&wasm), module.capabilities().clone());
        let secrets = module.declaration().clone();
        Ok(Self { file: file.to_string(), id, digest, description, capabilities, secrets, surface })
    }

    fn manifest(&self) -> ModuleManifest {
        ModuleManifest::new(&self.id, self.digest, &self.description, &self.capabilities, &self.secrets)
    }
}
