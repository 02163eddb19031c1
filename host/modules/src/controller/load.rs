//! The load of one candidate, and what the mount tells meanwhile: a machine that is busy may compile a module for minutes.

use std::fmt;
use std::sync::{Arc, PoisonError};

use tokio::time::{Instant, timeout};

use super::ModuleController;
use crate::limits::LOAD_WHILE_NOTHING_SERVES;
use crate::{Candidate, LoadedModule, Rejection};

/// A load that has not ended.
#[derive(Debug)]
pub(super) struct Load {
    /// Engine, version and file.
    module: String,
    began: Instant,
}

impl fmt::Display for Load {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.began.elapsed().as_secs();
        write!(
            out,
            "{} has been loading for {seconds}s: a module that is not in the cache is compiled first, at the lowest priority: \
             on a busy machine this takes minutes",
            self.module
        )
    }
}

impl ModuleController {
    /// Loads a candidate. Where clients wait and another candidate could serve them, the wait for this one is short.
    pub(super) async fn load(&self, candidate: &Candidate, is_patient: bool) -> Result<Arc<LoadedModule>, Rejection> {
        let module = format!("{} ({})", candidate.id, candidate.origin);
        // It is told as long as this call owns it.
        let told = Arc::new(Load { module, began: Instant::now() });
        *self.loading.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&told);
        let load = self.source.load(candidate);
        if is_patient {
            return load.await;
        }
        let wait = LOAD_WHILE_NOTHING_SERVES;
        let late = |_| Err(Rejection::Transient(format!("loading it took longer than {wait:?} while nothing serves")));
        timeout(wait, load).await.unwrap_or_else(late)
    }

    /// The load that has not ended, if there is one.
    pub(super) fn loading(&self) -> Option<Arc<Load>> {
        self.loading.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }
}
