//! The modules that a module controller selects from.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{Candidate, LoadedModule, RejectedFile, Rejection};

/// The modules that a process may run. [`crate::ModuleRegistry`] has the real ones.
#[async_trait]
pub trait Source: Send + Sync {
    /// Is there a source beside the embedded module? If not, no state is stored or read.
    fn has_directory(&self) -> bool;
    /// The embedded module, loaded when first asked for.
    ///
    /// # Errors
    /// When the module cannot run on this machine.
    async fn embedded(&self) -> Result<Arc<LoadedModule>, Rejection>;
    /// All available modules, the embedded one first. Includes those that may not run.
    ///
    /// # Errors
    /// When the directory cannot be read; loaded modules continue to serve.
    async fn candidates(&self) -> Result<Vec<Candidate>, Rejection>;
    /// Files of the directory that are no candidates, as the last call of `candidates` saw them: badly named, too
    /// large, not readable.
    fn rejected_files(&self) -> Vec<RejectedFile>;
    /// Reads the bytes of a candidate, checks that they are the listed ones and may run, and compiles, links and
    /// describes the module.
    ///
    /// # Errors
    /// Why the candidate cannot serve, and whether another attempt may succeed.
    async fn load(&self, candidate: &Candidate) -> Result<Arc<LoadedModule>, Rejection>;
    /// Permits new attempts for failed modules, because an operator wants it.
    fn forget_failures(&self);
}
