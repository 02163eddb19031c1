//! The bindings that live, so that a change of the directory reaches each of them.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::watch;

use super::{ModuleController, task};

/// See the module's head.
#[derive(Default)]
pub struct ModuleControllers {
    living: Mutex<Vec<Weak<ModuleController>>>,
}

impl ModuleControllers {
    /// One more, for as long as it lives.
    pub fn add(&self, controller: &Arc<ModuleController>) {
        let mut living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        living.retain(|controller| controller.strong_count() > 0);
        living.push(Arc::downgrade(controller));
    }

    /// Each looks again whenever something changed, for as long as they and what tells of changes live.
    pub fn follow(self: &Arc<Self>, mut changes: watch::Receiver<u64>) {
        let all = Arc::downgrade(self);
        drop(task::spawn(async move {
            while changes.changed().await.is_ok() {
                let Some(all) = all.upgrade() else { return };
                all.trigger();
            }
        }));
    }

    /// Each looks again what is there. Nobody waits for it.
    pub fn trigger(&self) {
        let living = self.living.lock().unwrap_or_else(PoisonError::into_inner).clone();
        living.iter().filter_map(Weak::upgrade).for_each(|controller| controller.trigger());
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        living.iter().filter(|controller| controller.strong_count() > 0).count()
    }

    /// None?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
