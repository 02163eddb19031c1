//! `module inspect`: the description of a module and its capabilities, or what is wrong with a file.

use std::process::ExitCode;

use component_runtime::{Capability, Inspection, LoadError, Module, is_inert};
use envelope::SpecialPaths;
use modules::Digest;
use serde::Serialize;

use super::module_file::ModuleFile;
use super::output::{Output, Report, columns, exit_code, listed, names, printable, words};
use super::sandbox;
use crate::failure::Failure;

/// `module inspect FILE`
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The module; `embedded` is the one in this program.
    file: ModuleFile,
    #[command(flatten)]
    output: Output,
}

/// The report about a file.
#[derive(Debug, Serialize)]
struct Inspected {
    file: String,
    size_bytes: usize,
    sha256: String,
    /// Can the module serve here?
    usable: bool,
    /// Why the module cannot serve.
    problem: Option<String>,
    #[serde(flatten)]
    description: Option<Described>,
    /// The version of the world that the module is built for.
    world: Option<String>,
    imports: Vec<String>,
    /// The imports behind which nothing stands.
    inert_imports: Vec<String>,
    exports: Vec<String>,
}

/// The description of the module.
#[derive(Debug, Serialize)]
struct Described {
    engine: String,
    version: String,
    storage_version_written: u32,
    storage_version_readable_from: u32,
    /// The capabilities that the module asks for.
    #[serde(serialize_with = "names")]
    capabilities: Vec<Capability>,
    secret_kinds: Vec<String>,
    special_paths: SpecialPaths,
    /// What the host keeps from the module: a sentence for each class of secrets.
    sealed_secrets: Vec<String>,
}

impl Arguments {
    /// Exit 1 if the module cannot serve.
    pub(crate) fn execute(&self) -> Result<ExitCode, Failure> {
        let wasm = self.file.read()?;
        let inspection = sandbox::closed(async |runtime| Ok(sandbox::inspect(runtime, &wasm).await))?;
        let inspected = Inspected::new(self.file.to_string(), &wasm, inspection);
        self.output.print(&inspected)?;
        Ok(exit_code(inspected.usable))
    }
}

impl Inspected {
    fn new(file: String, wasm: &[u8], inspection: Result<Inspection, LoadError>) -> Self {
        let (imports, exports, module) = match inspection {
            Ok(Inspection { imports, exports, module }) => (imports, exports, module),
            Err(error) => (Vec::new(), Vec::new(), Err(error)),
        };
        Self {
            file,
            size_bytes: wasm.len(),
            sha256: Digest::of(wasm).to_string(),
            usable: module.is_ok(),
            world: world(&exports),
            inert_imports: imports.iter().filter(|name| is_inert(name)).cloned().collect(),
            imports,
            exports,
            description: module.as_ref().ok().map(|module| Described::new(module)),
            problem: module.err().map(|error| error.to_string()),
        }
    }
}

/// `0.1.0` of `secrets-engine:backend/backend@0.1.0`; a component with an export of a later world is of that.
fn world(exports: &[String]) -> Option<String> {
    let version = |interface: &str| exports.iter().find_map(|name| name.strip_prefix(interface)?.strip_prefix('@'));
    let backend = version("secrets-engine:backend/backend")?;
    let later = ["secrets-engine:secrets/declaration", "secrets-engine:paths/existence"].into_iter().find_map(version);
    Some(later.unwrap_or(backend).to_owned())
}

impl Described {
    fn new(module: &Module) -> Self {
        let description = module.description();
        Self {
            engine: description.name.clone(),
            version: description.version.clone(),
            storage_version_written: description.storage_versions.written,
            storage_version_readable_from: description.storage_versions.readable_from,
            capabilities: module.capabilities().iter().copied().collect(),
            secret_kinds: description.secret_kinds.clone(),
            special_paths: description.special_paths.clone(),
            sealed_secrets: module.declaration().lines(),
        }
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let paths = &self.special_paths;
        vec![
            ("engine", self.engine.clone()),
            ("version", self.version.clone()),
            ("storage", storage_text(self.storage_version_written, self.storage_version_readable_from)),
            ("capabilities", words(&self.capabilities)),
            ("secret kinds", listed(&self.secret_kinds)),
            ("needs sudo", listed(&paths.root)),
            ("needs no token", listed(&paths.unauthenticated)),
            ("local storage", listed(&paths.local_storage)),
            ("sealed storage", listed(&paths.seal_wrap_storage)),
        ]
    }
}

fn storage_text(written: u32, readable_from: u32) -> String {
    if written == readable_from {
        format!("version {written}")
    } else {
        format!("writes version {written}, reads from version {readable_from}")
    }
}

impl Report for Inspected {
    fn text(&self) -> String {
        let mut rows = vec![
            ("file", self.file.clone()),
            ("size", format!("{} bytes", self.size_bytes)),
            ("sha256", self.sha256.clone()),
        ];
        rows.extend(self.description.iter().flat_map(Described::rows));
        rows.extend(self.world.clone().map(|world| ("world", world)));
        let mut text = columns(&rows);
        let sealed_secrets = self.description.as_ref().map(|description| description.sealed_secrets.as_slice());
        for (title, names) in [
            ("imports", self.imports.as_slice()),
            ("of these, nothing stands behind", self.inert_imports.as_slice()),
            ("exports", self.exports.as_slice()),
            ("secrets that the module never holds", sealed_secrets.unwrap_or_default()),
        ] {
            if !names.is_empty() {
                text += &format!("{title}\n  {}\n", names.join("\n  "));
            }
        }
        if let Some(problem) = &self.problem {
            text += &format!("It cannot serve: {problem}\n");
        }
        printable(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_is_the_version_of_the_exported_backend() {
        let exports = ["a:b/c@9.9.9", "secrets-engine:backend/backend@0.1.0"].map(str::to_owned);
        assert_eq!(world(&exports).as_deref(), Some("0.1.0"));
        assert_eq!(world(&exports[..1]), None);
        let exports = [&exports[..], &["secrets-engine:secrets/declaration@0.2.0".to_owned()]].concat();
        assert_eq!(world(&exports).as_deref(), Some("0.2.0"));
    }

    #[test]
    fn storage_versions_are_a_sentence() {
        assert_eq!(storage_text(2, 2), "version 2");
        assert_eq!(storage_text(3, 2), "writes version 3, reads from version 2");
    }
}
