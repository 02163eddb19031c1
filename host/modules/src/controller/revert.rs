//! Reverts to the module that served before: for an operator, or automatically when a module fails its trial.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use super::active::Active;
use super::mailbox::UnreadableStorage;
use super::manifest::ModuleManifest;
use super::outcome::{CallError, Done};
use super::state::{ActivationRecord, Pin, State};
use super::store::SaveError;
use super::{ModuleController, Work};
use crate::limits::{TRIAL_FAULTS_MAX, TRIAL_REQUESTS};
use crate::{Digest, LoadedModule, Rejection};

/// The module to leave, the module to activate, and the state to store.
struct RevertPlan {
    from: Arc<Active>,
    to: Arc<LoadedModule>,
    next: State,
}

impl ModuleController {
    /// An operator asks for a revert. The module that is reverted is activated again only when an operator selects it.
    pub(super) async fn revert_for_operator(
        &self,
        work: &mut Work,
        unreadable: UnreadableStorage,
    ) -> Result<Done, CallError> {
        let plan = self.plan_revert(work, "an operator reverted it", unreadable).await?;
        self.save(work, plan.next).await?;
        let to = plan.to.id.clone();
        let is_live = self.swap_back(work, &plan.from, plan.to).is_ok();
        // The revert is done. If this pass fails, the log and the report say so.
        let _ = self.reconcile_and_report(work).await;
        // The pass may have activated a higher version.
        let serving = self.active.load_full().filter(|_| is_live);
        Ok(serving.map_or(Done::NeedsReload(to), |active| Done::Serves(active.loaded.id.clone())))
    }

    /// The trial of a module failed. Requests go to the module until the revert is done.
    pub(super) async fn revert_automatically(&self, work: &mut Work, failed: &Arc<Active>) {
        let reason = format!(
            "it trapped, broke its contract or used up its processor time more than {TRIAL_FAULTS_MAX} times in \
             its trial of {TRIAL_REQUESTS} requests"
        );
        let is_active = self.active.load_full().is_some_and(|active| Arc::ptr_eq(&active, failed));
        if !is_active {
            return self.reject_replaced(work, failed, &reason).await;
        }
        match self.try_revert(work, &reason).await {
            Ok(()) => {
                self.automatic_reverts.fetch_add(1, Ordering::Relaxed);
            }
            Err(rejection) => {
                let module = failed.loaded.id.to_string();
                tracing::error!(mount = self.name(), module, reason, %rejection, "automatic revert failed, the module stays active");
                // The next pass begins a new trial: the revert may be possible by then.
                self.report_problem(format!("{module} fails and goes on serving: {rejection}"));
                self.schedule_retry(work);
            }
        }
    }

    /// Another module has replaced the failed one: the failed module is no longer a candidate or the target of a
    /// revert.
    async fn reject_replaced(&self, work: &mut Work, failed: &Active, reason: &str) {
        let digest = failed.loaded.digest;
        if self.active.load().as_ref().is_some_and(|active| active.loaded.digest == digest) {
            // An operator selected the module again.
            return;
        }
        if let Err(rejection) = self.reject_failed(work, digest, reason).await {
            let module = failed.loaded.id.to_string();
            tracing::warn!(mount = self.name(), module, %rejection, "cannot store that a module failed its trial");
        }
        // The report names the rejected module.
        let _ = self.reconcile_and_report(work).await;
    }

    async fn reject_failed(&self, work: &mut Work, digest: Digest, reason: &str) -> Result<(), Rejection> {
        let state = self.state(work).await?;
        if state.rejection(digest).is_some() {
            return Ok(());
        }
        let mut next = state.with_rejected(digest, reason);
        next.previous = next.previous.filter(|record| record.manifest.digest.0 != digest);
        self.save_or_keep(work, next).await
    }

    async fn try_revert(&self, work: &mut Work, reason: &str) -> Result<(), Rejection> {
        let plan = self.plan_revert(work, reason, UnreadableStorage::Refuse).await?;
        let to = plan.to.id.clone();
        // Activate before storing, because requests fail until then. After a crash in between, the next process runs
        // the trial again.
        let switched = self.swap_back(work, &plan.from, plan.to);
        // Until the write succeeds, storage may have the old state or this one.
        work.adopt_unsaved(plan.next.clone());
        if let Err(SaveError::Failed(rejection)) = self.save(work, plan.next).await {
            tracing::warn!(mount = self.name(), %rejection, "cannot store an automatic revert");
        }
        // The report names the serving module, also if this pass fails.
        let _ = self.reconcile_and_report(work).await;
        switched.map_err(|failure| Rejection::Permanent(format!("{to}: {failure}")))
    }

    async fn plan_revert(
        &self,
        work: &mut Work,
        reason: &str,
        unreadable: UnreadableStorage,
    ) -> Result<RevertPlan, Rejection> {
        let state = self.state(work).await?;
        let from = self.active.load_full().ok_or_else(|| Rejection::Permanent("no module serves".to_owned()))?;
        let to = self.revert_target(work, &state, from.loaded.digest).await?;
        let manifest = ModuleManifest::of(&to);
        if !manifest.reads_what_is_written_by(&from.manifest) && unreadable == UnreadableStorage::Refuse {
            let (version, written) = (&from.manifest.version.0, from.manifest.storage_written);
            let text = format!("{version} writes storage of version {written}, which {} cannot read", to.id.version);
            return Err(Rejection::Permanent(format!("{text}; `force` reverts anyway")));
        }
        let mut next = state.with_rejected(from.loaded.digest, reason);
        if state.exclusive_pin().is_some_and(|pin| pin.digest.0 == from.loaded.digest) {
            // The operator had pinned the module: no higher version may replace the one that is reverted to.
            next.pin = Some(Pin::of(&to));
        }
        next.last_active = Some(ActivationRecord::new(manifest));
        next.previous =
            next.previous.filter(|record| ![from.loaded.digest, to.digest].contains(&record.manifest.digest.0));
        Ok(RevertPlan { from, to, next })
    }

    /// The previous module. If a fallback serves in place of the last active module, or if another node reverted to
    /// that module, the last active module. A module that this process replaced is still loaded; another one is loaded
    /// now.
    async fn revert_target(&self, work: &Work, state: &State, from: Digest) -> Result<Arc<LoadedModule>, Rejection> {
        let revert_target =
            state.last_active.as_ref().filter(|record| record.manifest.digest.0 != from).or(state.previous.as_ref());
        let revert_target = revert_target.filter(|record| state.rejection(record.manifest.digest.0).is_none());
        let record =
            revert_target.ok_or_else(|| Rejection::Permanent("no module served before this one".to_owned()))?;
        let (id, digest) = (record.manifest.id(), record.manifest.digest.0);
        if let Some(kept) = work.previous.as_ref().filter(|kept| kept.digest == digest) {
            return Ok(Arc::clone(kept));
        }
        let candidates = self.source.candidates().await?;
        let found = candidates.into_iter().find(|candidate| candidate.digest == digest && candidate.id == id);
        let gone =
            || Rejection::Permanent(format!("{id} with SHA-256 {digest}, which served before, is not there any more"));
        self.load(&found.ok_or_else(gone)?, true).await
    }

    fn swap_back(&self, work: &mut Work, from: &Active, to: Arc<LoadedModule>) -> Result<(), Rejection> {
        let (module, left) = (to.id.to_string(), from.loaded.id.to_string());
        let digest = to.digest.to_string();
        self.swap_active(Active::proven(to, SystemTime::now()))?;
        work.previous = None;
        work.failed_attempts.forget_permanent();
        tracing::info!(mount = self.name(), module, digest, left, "module reverted");
        Ok(())
    }
}
