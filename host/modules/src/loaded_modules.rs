//! Modules that are loaded, so that mounts share one: it is loaded by one of them at a time, and gone with its last
//! user. What cannot be loaded is known as well, so that a bad file costs its compiling once and not once a mount.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use component_runtime::Module;
use tokio::sync::OwnedMutexGuard;

use crate::Rejection;
use crate::limits::KNOWN_FAILURES_MAX;
use crate::signature::Statement;

/// Whoever holds it loads; the others wait and find it loaded.
type Slot = Arc<tokio::sync::Mutex<Weak<Module>>>;

/// Loaded modules and known failures, by statement.
#[derive(Default)]
pub(crate) struct LoadedModules {
    slots: Mutex<BTreeMap<Statement, Slot>>,
    /// The oldest first.
    failures: Mutex<VecDeque<(Statement, Rejection)>>,
}

/// The place of one module, and the turn at it.
pub(crate) struct LoadSlot(OwnedMutexGuard<Weak<Module>>);

impl LoadSlot {
    /// The module, if it is in use.
    pub(crate) fn module(&self) -> Option<Arc<Module>> {
        self.0.upgrade()
    }

    /// For as long as somebody uses it.
    pub(crate) fn put(&mut self, module: &Arc<Module>) {
        *self.0 = Arc::downgrade(module);
    }
}

impl LoadedModules {
    /// Waits for the turn at the module that is called this.
    pub(crate) async fn slot(&self, module: &Statement) -> LoadSlot {
        LoadSlot(self.slot_of(module).lock_owned().await)
    }

    /// Why the module cannot be loaded, if that is known.
    pub(crate) fn failure(&self, module: &Statement) -> Option<Rejection> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.iter().find(|(failed, _)| failed == module).map(|(_, rejection)| rejection.clone())
    }

    /// The module cannot be loaded, and will not be however often it is tried.
    pub(crate) fn keep_failure(&self, module: Statement, rejection: Rejection) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= KNOWN_FAILURES_MAX {
            failures.pop_front();
        }
        failures.push_back((module, rejection));
    }

    /// What could not be loaded may be tried again.
    pub(crate) fn forget_failures(&self) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Forgets those that nobody uses any more on the way.
    fn slot_of(&self, module: &Statement) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|_, slot_of| {
            Arc::strong_count(slot_of) > 1 || slot_of.try_lock().is_ok_and(|held| held.strong_count() > 0)
        });
        Arc::clone(slots.entry(module.clone()).or_default())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::{Digest, ModuleId};

    fn statement(number: usize) -> Statement {
        Statement { id: ModuleId::new("astra", "1.2.3").unwrap(), digest: Digest::of(&number.to_le_bytes()) }
    }

    #[tokio::test]
    async fn one_at_a_time_has_the_turn_at_a_module_and_those_at_others_do_not_wait() {
        let modules = LoadedModules::default();
        let held = modules.slot(&statement(1)).await;
        let other = modules.slot(&statement(2)).await;
        assert!(modules.slot_of(&statement(1)).try_lock().is_err());
        drop((held, other));
        assert!(modules.slot_of(&statement(1)).try_lock().is_ok());
        modules.slot_of(&statement(3));
        assert_eq!(modules.slots.lock().unwrap().len(), 1, "places that nobody needs are gone");
    }

    #[test]
    fn failures_are_known_by_bytes_and_name_and_the_oldest_make_room() {
        let modules = LoadedModules::default();
        for number in 0..=KNOWN_FAILURES_MAX {
            modules.keep_failure(statement(number), Rejection::Permanent(format!("reason {number}")));
        }
        assert_eq!(modules.failure(&statement(0)), None);
        assert_eq!(modules.failure(&statement(1)), Some(Rejection::Permanent("reason 1".to_owned())));
        let renamed = Statement { id: ModuleId::new("astra", "1.2.4").unwrap(), ..statement(1) };
        assert_eq!(modules.failure(&renamed), None);
        assert_eq!(modules.failures.lock().unwrap().len(), KNOWN_FAILURES_MAX);
        modules.forget_failures();
        assert_eq!(modules.failure(&statement(1)), None);
    }
}
