//! Goes back to the module that served before: by hand, or by itself when a new one fails.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use super::active::Active;
use super::call::{CallError, Done};
use super::manifest::ModuleManifest;
use super::state::{ActivationRecord, Pin, State};
use super::store::SaveError;
use super::{ModuleController, Work, task};
use crate::limits::{AUTO_ROLLBACK_FAULTS, TRIAL_REQUESTS};
use crate::{Digest, LoadedModule, Rejection};

/// The one that goes and the one that comes.
struct RevertPlan {
    from: Arc<Active>,
    to: Arc<LoadedModule>,
    /// As it will be stored.
    next: State,
}

impl ModuleController {
    /// Goes back to the module that served before. The one that goes is not taken again unless it is named.
    ///
    /// # Errors
    /// When there is no way back, or none without `force`.
    pub async fn revert(self: &Arc<Self>, force: bool) -> Result<Done, CallError> {
        // It may be the first that this process hears of the mount. What comes of the look is in log and status.
        if !self.started.load(Ordering::Acquire) && self.storage.is_some() {
            let _ = self.start().await;
        }
        self.run_exclusive(Arc::clone(self).turn_to_go_back(), move |this, mut work| async move {
            let plan = this.plan_revert(&mut work, "an operator went back from it", force).await?;
            this.save(&mut work, plan.next).await?;
            let to = plan.to.id.clone();
            let is_live = this.swap_back(&mut work, &plan.from, plan.to).is_ok();
            // It is done; a failure of this look is in log and status.
            let _ = this.reconcile_and_report(&mut work).await;
            // Something better may serve by now.
            let serving = this.active.load_full().filter(|_| is_live);
            Ok(serving.map_or(Done::NeedsReload(to), |active| Done::Serves(active.loaded.id.clone())))
        })
        .await
    }

    /// The module that serves failed its trial. Its requests go on meanwhile.
    pub(super) fn auto_revert(self: &Arc<Self>, failed: Arc<Active>) {
        let this = Arc::clone(self);
        drop(task::spawn(async move {
            let mut work = Arc::clone(&this).turn_to_go_back().await;
            let reason = format!(
                "it trapped, broke its contract or used up its processor time more than {AUTO_ROLLBACK_FAULTS} times \
                 in its trial of {TRIAL_REQUESTS} requests"
            );
            let serves = this.active.load_full().is_some_and(|active| Arc::ptr_eq(&active, &failed));
            if !serves {
                return this.reject_replaced(&mut work, &failed, &reason).await;
            }
            if let Err(rejection) = this.try_revert(&mut work, &reason).await {
                let module = failed.loaded.id.to_string();
                tracing::error!(mount = this.name(), module, reason, %rejection, "a failing module goes on serving");
                // Its trial begins anew with the next look: the way back may be free by then.
                this.report_problem(format!("{module} fails and goes on serving: {rejection}"));
                this.schedule_retry(&mut work);
            }
        }));
    }

    /// Another one has taken its place meanwhile: it must not come back, nor be gone back to.
    async fn reject_replaced(self: &Arc<Self>, work: &mut Work, failed: &Active, reason: &str) {
        let digest = failed.loaded.digest;
        if self.active.load().as_ref().is_some_and(|active| active.loaded.digest == digest) {
            // It was named again.
            return;
        }
        if let Err(rejection) = self.reject_failed(work, digest, reason).await {
            tracing::warn!(mount = self.name(), %rejection, "that a module failed is not on record");
        }
        // For the report.
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

    async fn try_revert(self: &Arc<Self>, work: &mut Work, reason: &str) -> Result<(), Rejection> {
        let plan = self.plan_revert(work, reason, false).await?;
        let to = plan.to.id.clone();
        // First the switch: requests fail meanwhile. A process that ends in between finds out anew.
        let switched = self.swap_back(work, &plan.from, plan.to);
        // Kept here until it is written: storage may have the old state or this one.
        work.adopt(plan.next.clone(), true);
        if let Err(SaveError::Failed(rejection)) = self.save(work, plan.next).await {
            tracing::warn!(mount = self.name(), %rejection, "going back is not on record");
        }
        // For the report: it is done, whatever comes of the look.
        let _ = self.reconcile_and_report(work).await;
        switched.map_err(|failure| Rejection::Permanent(format!("{to}: {failure}")))
    }

    async fn plan_revert(&self, work: &mut Work, reason: &str, force: bool) -> Result<RevertPlan, Rejection> {
        let state = self.state(work).await?;
        let from = self.active.load_full().ok_or_else(|| Rejection::Permanent("no module serves".to_owned()))?;
        let to = self.revert_target(work, &state, from.loaded.digest).await?;
        let manifest = ModuleManifest::of(&to);
        if !manifest.reads_what_is_written_by(&from.manifest) && !force {
            let (version, written) = (&from.manifest.version.0, from.manifest.storage_written);
            let text = format!("{version} writes storage of version {written}, which {} cannot read", to.id.version);
            return Err(Rejection::Permanent(format!("{text}; `force` goes back all the same")));
        }
        let mut next = state.with_rejected(from.loaded.digest, reason);
        if state.exclusive_pin().is_some_and(|pin| pin.digest.0 == from.loaded.digest) {
            // Who holds one wants no higher one: nor instead of the one that it goes back to.
            next.pin = Some(Pin::of(&to));
        }
        next.last_active = Some(ActivationRecord::new(manifest));
        next.previous =
            next.previous.filter(|record| ![from.loaded.digest, to.digest].contains(&record.manifest.digest.0));
        Ok(RevertPlan { from, to, next })
    }

    /// What served before, or what ran last where another one stands in for it or another node went back to it. It is
    /// loaded still where this process made the switch, else found again.
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
        self.source.load(&found.ok_or_else(gone)?).await
    }

    fn swap_back(&self, work: &mut Work, from: &Active, to: Arc<LoadedModule>) -> Result<(), Rejection> {
        let (module, left) = (to.id.to_string(), from.loaded.id.to_string());
        let digest = to.digest.to_string();
        self.swap_active(Active::proven(to, SystemTime::now()))?;
        work.previous = None;
        work.failed_attempts.forget_permanent();
        tracing::info!(mount = self.name(), module, digest, left, "a module goes live again");
        Ok(())
    }
}
