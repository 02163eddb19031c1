//! Modules that are loaded, by digest, so that mounts share one: it is compiled once, and gone with its last user.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use component_runtime::Module;

use crate::{Digest, Failure};

/// Whoever holds it loads; the others wait and find it loaded.
type Slot = Arc<tokio::sync::Mutex<Weak<Module>>>;

/// See the module's head.
#[derive(Default)]
pub(crate) struct Shelf(Mutex<BTreeMap<Digest, Slot>>);

impl Shelf {
    /// The module with this digest, loaded now if it is not there.
    ///
    /// # Errors
    /// As `load`.
    pub(crate) async fn get(
        &self,
        digest: Digest,
        load: impl Future<Output = Result<Arc<Module>, Failure>>,
    ) -> Result<Arc<Module>, Failure> {
        let slot = self.slot(digest);
        let mut slot = slot.lock().await;
        if let Some(module) = slot.upgrade() {
            return Ok(module);
        }
        let module = load.await?;
        *slot = Arc::downgrade(&module);
        Ok(module)
    }

    /// Forgets those that nobody uses any more on the way.
    fn slot(&self, digest: Digest) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots
            .retain(|_, slot| Arc::strong_count(slot) > 1 || slot.try_lock().is_ok_and(|held| held.strong_count() > 0));
        Arc::clone(slots.entry(digest).or_default())
    }
}
