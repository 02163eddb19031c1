//! Where a binding's modules come from.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{Candidate, Failure, Library, LoadedModule, Refusal, RefusedFile};

/// What a binding needs of a [`Library`].
#[async_trait]
pub trait Source: Send + Sync {
    /// Is there anything beside the embedded module? If not, no state is kept, and nothing is asked of storage.
    fn has_directory(&self) -> bool;
    /// See [`Library::embedded`].
    async fn embedded(&self) -> Result<Arc<LoadedModule>, Refusal>;
    /// See [`Library::candidates`].
    async fn candidates(&self) -> Result<Vec<Candidate>, Refusal>;
    /// See [`Library::refused_files`].
    fn refused_files(&self) -> Vec<RefusedFile>;
    /// See [`Library::forget_failures`].
    fn forget_failures(&self);
    /// See [`Library::load`].
    async fn load(&self, candidate: &Candidate) -> Result<Arc<LoadedModule>, Failure>;
}

#[async_trait]
impl Source for Library {
    fn has_directory(&self) -> bool {
        Self::has_directory(self)
    }
    async fn embedded(&self) -> Result<Arc<LoadedModule>, Refusal> {
        Self::embedded(self).await
    }
    async fn candidates(&self) -> Result<Vec<Candidate>, Refusal> {
        Self::candidates(self).await
    }
    fn refused_files(&self) -> Vec<RefusedFile> {
        Self::refused_files(self)
    }
    fn forget_failures(&self) {
        Self::forget_failures(self);
    }
    async fn load(&self, candidate: &Candidate) -> Result<Arc<LoadedModule>, Failure> {
        Self::load(self, candidate).await
    }
}
