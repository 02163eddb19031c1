//! The modules that this process may run.

use std::sync::Arc;

use component_runtime::Runtime;
use semver::Version;
use tokio::sync::OnceCell;

use crate::{Approval, Candidate, Digest, LoadedModule, ModuleId, Origin, Refusal};

/// The module that the binary carries.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    /// The component.
    pub wasm: &'static [u8],
    /// The same, compiled by `Runtime::precompile`.
    pub precompiled: &'static [u8],
}

/// See the module's head. One in a process; all mounts share what it has loaded.
pub struct Library {
    runtime: Runtime,
    embedded: Embedded,
    embedded_module: OnceCell<Arc<LoadedModule>>,
}

impl Library {
    /// Nothing is read or loaded yet.
    #[must_use]
    pub fn new(runtime: Runtime, embedded: Embedded) -> Arc<Self> {
        Arc::new(Self { runtime, embedded, embedded_module: OnceCell::new() })
    }

    /// The embedded module, loaded when first asked for.
    ///
    /// # Errors
    /// When it cannot run on this machine.
    pub async fn embedded(&self) -> Result<Arc<LoadedModule>, Refusal> {
        let loaded = self.embedded_module.get_or_try_init(|| self.load_embedded()).await?;
        Ok(Arc::clone(loaded))
    }

    /// All that is there now, the embedded module among them, also what may not run.
    ///
    /// # Errors
    /// When the directory cannot be read; what is loaded goes on serving.
    pub async fn candidates(&self) -> Result<Vec<Candidate>, Refusal> {
        let embedded = self.embedded().await?;
        Ok(vec![Candidate {
            id: embedded.id.clone(),
            digest: embedded.digest,
            origin: embedded.origin.clone(),
            approval: Ok(embedded.approval.clone()),
        }])
    }

    /// Reads a candidate's bytes, checks that they are the ones it was listed with and may run, and makes them
    /// able to serve: compiled, linked, described.
    ///
    /// # Errors
    /// Why it cannot serve.
    pub async fn load(&self, candidate: &Candidate) -> Result<Arc<LoadedModule>, Refusal> {
        match &candidate.origin {
            Origin::Embedded => self.embedded().await,
            Origin::File(name) => Err(Refusal(format!("`{name}` is not there"))),
        }
    }

    async fn load_embedded(&self) -> Result<Arc<LoadedModule>, Refusal> {
        let Embedded { wasm, precompiled } = self.embedded;
        let loaded = self.runtime.load_embedded(precompiled, wasm).await;
        let module = loaded.map_err(|error| Refusal(error.to_string()))?;
        let description = module.description();
        let version = Version::parse(&description.version);
        let version = version.map_err(|error| Refusal(format!("version `{}`: {error}", description.version)))?;
        let id = ModuleId { engine: description.name.clone(), version };
        let digest = Digest::of(wasm);
        Ok(Arc::new(LoadedModule { id, digest, origin: Origin::Embedded, approval: Approval::Embedded, module }))
    }
}
