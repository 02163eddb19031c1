//! Where a controller's modules come from.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{Candidate, LoadedModule, ModuleRegistry, RejectedFile, Rejection};

/// What a controller needs of a [`ModuleRegistry`].
#[async_trait]
pub trait Source: Send + Sync {
    /// Is there anything beside the embedded module? If not, no state is kept, and nothing is asked of storage.
    fn has_directory(&self) -> bool;
    /// See [`ModuleRegistry::embedded`].
    async fn embedded(&self) -> Result<Arc<LoadedModule>, Rejection>;
    /// See [`ModuleRegistry::candidates`].
    async fn candidates(&self) -> Result<Vec<Candidate>, Rejection>;
    /// See [`ModuleRegistry::refused_files`].
    fn rejected_files(&self) -> Vec<RejectedFile>;
    /// See [`ModuleRegistry::forget_failures`].
    fn forget_failures(&self);
    /// See [`ModuleRegistry::load`].
    async fn load(&self, candidate: &Candidate) -> Result<Arc<LoadedModule>, Rejection>;
}

#[async_trait]
impl Source for ModuleRegistry {
    fn has_directory(&self) -> bool {
        Self::has_directory(self)
    }
    async fn embedded(&self) -> Result<Arc<LoadedModule>, Rejection> {
        Self::embedded(self).await
    }
    async fn candidates(&self) -> Result<Vec<Candidate>, Rejection> {
        Self::candidates(self).await
    }
    fn rejected_files(&self) -> Vec<RejectedFile> {
        Self::rejected_files(self)
    }
    fn forget_failures(&self) {
        Self::forget_failures(self);
    }
    async fn load(&self, candidate: &Candidate) -> Result<Arc<LoadedModule>, Rejection> {
        Self::load(self, candidate).await
    }
}
