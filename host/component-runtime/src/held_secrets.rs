//! What was ever declared of the secrets of one mount. It holds for every module that serves the mount, also for one that
//! declares less.

use std::sync::{Arc, Mutex, PoisonError};

use sealed_secrets::{Declaration, Rules};

use crate::limits::MODULES_WITH_RULES_MAX;

/// The declarations that a mount keeps, beside that of the embedded engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldSecrets {
    /// Those whose additional exits an operator accepted, the newest first: they precede that of the embedded engine.
    pub accepted: Vec<Declaration>,
    /// All others: they add sources.
    pub others: Vec<Declaration>,
}

impl HeldSecrets {
    /// The rules for a module, which declares this itself. A module keeps the exits that an operator accepted for it, and the
    /// embedded one those of the binary; no module has others.
    pub(crate) fn rules(&self, embedded: Option<&Declaration>, own: &Declaration) -> Rules {
        let is_first = embedded == Some(own) || self.accepted.contains(own);
        let first = is_first.then_some(own);
        let held = self.accepted.iter().filter(|_| !is_first).chain(embedded).chain(&self.others);
        // Nobody's acceptance widens what the embedded module may do, and what is held of the rest stays sealed.
        let rest = self.accepted.iter().filter(|_| is_first);
        Rules::new(first.into_iter().chain(held).chain(rest).chain([own]))
    }
}

/// The declarations of one mount, and the rules for the modules that serve it.
#[derive(Default)]
pub(crate) struct MountSecrets(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    held: HeldSecrets,
    /// By the number of the module, the newest last.
    rules: Vec<(u64, Arc<Rules>)>,
}

impl MountSecrets {
    /// Holds these declarations from now on.
    pub(crate) fn hold(&self, held: HeldSecrets) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.held != held {
            *kept = Kept { held, rules: Vec::new() };
        }
    }

    /// The rules for a module; none if nothing is held, so that the module's own count.
    pub(crate) fn rules(&self, module: u64, make: impl FnOnce(&HeldSecrets) -> Rules) -> Option<Arc<Rules>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.held == HeldSecrets::default() {
            return None;
        }
        if let Some((_, rules)) = kept.rules.iter().find(|(number, _)| *number == module) {
            return Some(Arc::clone(rules));
        }
        let rules = Arc::new(make(&kept.held));
        if kept.rules.len() >= MODULES_WITH_RULES_MAX {
            kept.rules.remove(0);
        }
        kept.rules.push((module, Arc::clone(&rules)));
        Some(rules)
    }
}
