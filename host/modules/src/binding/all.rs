//! The bindings that live, so that a change of the directory reaches each of them.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::Binding;

/// See the module's head.
#[derive(Default)]
pub struct Bindings {
    living: Mutex<Vec<Weak<Binding>>>,
}

impl Bindings {
    /// One more, for as long as it lives.
    pub fn add(&self, binding: &Arc<Binding>) {
        let mut living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        living.retain(|binding| binding.strong_count() > 0);
        living.push(Arc::downgrade(binding));
    }

    /// Each looks again what is there. Nobody waits for it.
    pub fn trigger(&self) {
        let living = self.living.lock().unwrap_or_else(PoisonError::into_inner).clone();
        living.iter().filter_map(Weak::upgrade).for_each(|binding| binding.trigger());
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        living.iter().filter(|binding| binding.strong_count() > 0).count()
    }

    /// None?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
