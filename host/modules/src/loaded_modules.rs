//! Loaded modules, which all mounts share: the first mount that needs a module loads it, and the module is dropped with
//! its last user. Known failures are kept as well, so that a bad file is compiled once and not once for each mount.
//!
//! The registry loads one module of each engine at a time, so that many modules of one engine delay the module of
//! another engine by one load at most.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use component_runtime::Module;
use tokio::sync::OwnedMutexGuard;

use crate::limits::KNOWN_FAILURES_MAX;
use crate::signature::Statement;
use crate::{Approval, Rejection};

/// Its holder loads the module; the others wait and then find the module loaded.
type Slot = Arc<tokio::sync::Mutex<Weak<Module>>>;

/// Loaded modules and known failures, by statement.
#[derive(Default)]
pub(crate) struct LoadedModules {
    slots: Mutex<BTreeMap<Statement, Slot>>,
    /// One lock for each engine of which a module is loading or waiting.
    engine_turns: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// The oldest first.
    failures: Mutex<VecDeque<Failure>>,
}

/// A failed attempt. It counts while the approval is the same.
struct Failure {
    module: Statement,
    approval: Approval,
    rejection: Rejection,
    /// Is another attempt useless? If not, the next failure is final.
    is_final: bool,
}

/// The place of one module, with the exclusive right to load it.
pub(crate) struct LoadSlot(OwnedMutexGuard<Weak<Module>>);

impl LoadSlot {
    /// The module, if a mount uses it.
    pub(crate) fn module(&self) -> Option<Arc<Module>> {
        self.0.upgrade()
    }

    /// Keeps the module as long as a mount uses it.
    pub(crate) fn put(&mut self, module: &Arc<Module>) {
        *self.0 = Arc::downgrade(module);
    }
}

impl LoadedModules {
    /// Waits for the place of this module.
    pub(crate) async fn slot(&self, module: &Statement) -> LoadSlot {
        LoadSlot(self.slot_of(module).lock_owned().await)
    }

    /// Waits for the turn of an engine.
    pub(crate) async fn engine_turn(&self, engine: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.engine_turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(engine.to_owned()).or_default())
        };
        turn.lock_owned().await
    }

    /// Reason why the module cannot be loaded, if that is known.
    pub(crate) fn failure(&self, module: &Statement, approval: &Approval) -> Option<Rejection> {
        let failures = self.failures();
        let known = failures.iter().find(|failure| failure.is_final && failure.is_of(module, approval));
        known.map(|failure| failure.rejection.clone())
    }

    /// Records that the module cannot be loaded in any attempt.
    pub(crate) fn keep_failure(&self, module: Statement, approval: Approval, rejection: Rejection) {
        self.keep(Failure { module, approval, rejection, is_final: true });
    }

    /// Records that the module exceeded a limit while it loaded. The first time the machine may be the cause. The
    /// second excess is final, so that the machine does not repeat the work.
    pub(crate) fn keep_excess(&self, module: Statement, approval: Approval, text: &str) -> Rejection {
        let is_final = self.failures().iter().any(|failure| failure.is_of(&module, &approval));
        let rejection = if is_final {
            Rejection::Permanent(format!("{text}, twice"))
        } else {
            Rejection::Transient(text.to_owned())
        };
        self.keep(Failure { module, approval, rejection: rejection.clone(), is_final });
        rejection
    }

    fn keep(&self, failure: Failure) {
        let mut failures = self.failures();
        failures.retain(|known| !known.is_of(&failure.module, &failure.approval));
        if failures.len() >= KNOWN_FAILURES_MAX {
            failures.pop_front();
        }
        failures.push_back(failure);
    }

    fn failures(&self) -> MutexGuard<'_, VecDeque<Failure>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Permits new attempts for all failed modules.
    pub(crate) fn forget_failures(&self) {
        self.failures().clear();
    }

    /// The place of a module. Drops the places that have no user.
    fn slot_of(&self, module: &Statement) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|_, slot_of| {
            Arc::strong_count(slot_of) > 1 || slot_of.try_lock().is_ok_and(|held| held.strong_count() > 0)
        });
        Arc::clone(slots.entry(module.clone()).or_default())
    }
}

impl Failure {
    fn is_of(&self, module: &Statement, approval: &Approval) -> bool {
        self.module == *module && self.approval == *approval
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
    async fn one_mount_at_a_time_loads_a_module_and_other_modules_do_not_wait() {
        let modules = LoadedModules::default();
        let held = modules.slot(&statement(1)).await;
        let other = modules.slot(&statement(2)).await;
        assert!(modules.slot_of(&statement(1)).try_lock().is_err());
        drop((held, other));
        assert!(modules.slot_of(&statement(1)).try_lock().is_ok());
        modules.slot_of(&statement(3));
        assert_eq!(modules.slots.lock().unwrap().len(), 1, "places that nobody needs are gone");
    }

    #[tokio::test(start_paused = true)]
    async fn one_load_of_an_engine_at_a_time_delays_no_other_engine() {
        let modules = LoadedModules::default();
        let held = modules.engine_turn("toy").await;
        let wait = std::time::Duration::from_secs(60);
        assert!(tokio::time::timeout(wait, modules.engine_turn("toy")).await.is_err());
        let other = modules.engine_turn("astra").await;
        drop((held, other));
        drop(modules.engine_turn("toy").await);
        assert_eq!(modules.engine_turns.lock().unwrap().len(), 1, "turns that nobody needs are gone");
    }

    const SIGNED: fn(&str) -> Approval = |key| Approval::Signed(vec![key.to_owned()]);

    #[test]
    fn failures_are_known_by_bytes_name_and_approval_and_the_oldest_make_room() {
        let modules = LoadedModules::default();
        for number in 0..=KNOWN_FAILURES_MAX {
            let rejection = Rejection::Permanent(format!("reason {number}"));
            modules.keep_failure(statement(number), SIGNED("a"), rejection);
        }
        assert_eq!(modules.failure(&statement(0), &SIGNED("a")), None);
        let known = Some(Rejection::Permanent("reason 1".to_owned()));
        assert_eq!(modules.failure(&statement(1), &SIGNED("a")), known);
        assert_eq!(modules.failure(&statement(1), &SIGNED("b")), None);
        let renamed = Statement { id: ModuleId::new("astra", "1.2.4").unwrap(), ..statement(1) };
        assert_eq!(modules.failure(&renamed, &SIGNED("a")), None);
        assert_eq!(modules.failures().len(), KNOWN_FAILURES_MAX);
        modules.forget_failures();
        assert_eq!(modules.failure(&statement(1), &SIGNED("a")), None);
    }

    #[test]
    fn an_excess_is_transient_once_and_permanent_the_second_time() {
        let modules = LoadedModules::default();
        let exceed = |key| modules.keep_excess(statement(1), SIGNED(key), "it took too much");
        assert_eq!(exceed("a"), Rejection::Transient("it took too much".to_owned()));
        assert_eq!(modules.failure(&statement(1), &SIGNED("a")), None);
        assert!(matches!(exceed("b"), Rejection::Transient(_)), "signed anew, it begins anew");
        let twice = Rejection::Permanent("it took too much, twice".to_owned());
        assert_eq!(exceed("a"), twice);
        assert_eq!(modules.failure(&statement(1), &SIGNED("a")), Some(twice));
        modules.forget_failures();
        assert!(matches!(exceed("a"), Rejection::Transient(_)), "an operator named it");
    }
}
