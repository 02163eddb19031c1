//! The controllers of all mounts, so that a change of the directory reaches each of them.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::watch;

use super::{ModuleController, task};

/// The controllers that have not been dropped.
#[derive(Default)]
pub struct ModuleControllers {
    living: Mutex<Vec<Weak<ModuleController>>>,
}

impl ModuleControllers {
    /// Adds a controller for as long as it lives.
    pub fn add(&self, controller: &Arc<ModuleController>) {
        let mut living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        living.retain(|controller| controller.strong_count() > 0);
        living.push(Arc::downgrade(controller));
    }

    /// Makes all controllers reconcile at each change, until this value or the sender of changes is dropped.
    pub fn follow(self: &Arc<Self>, mut changes: watch::Receiver<u64>) {
        let all = Arc::downgrade(self);
        drop(task::spawn(async move {
            while changes.changed().await.is_ok() {
                let Some(all) = all.upgrade() else { return };
                all.trigger();
            }
        }));
    }

    /// Makes all controllers reconcile, without waiting for them.
    pub fn trigger(&self) {
        let living = self.living.lock().unwrap_or_else(PoisonError::into_inner).clone();
        living.iter().filter_map(Weak::upgrade).for_each(|controller| controller.trigger());
    }

    /// Number of controllers.
    #[must_use]
    pub fn len(&self) -> usize {
        let living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        living.iter().filter(|controller| controller.strong_count() > 0).count()
    }

    /// True if there is no controller.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
