//! Goes back to the module that served before: by hand, or by itself when a new one fails.

use std::sync::Arc;
use std::time::SystemTime;

use super::active::Active;
use super::call::{CallError, Done};
use super::choose::TAKES_RELOAD;
use super::facts::Facts;
use super::state::{Ran, State};
use super::store::SaveError;
use super::{Binding, Work, task};
use crate::limits::{AUTO_ROLLBACK_FAULTS, TRIAL_REQUESTS};
use crate::{Digest, Failure, LoadedModule, Refusal};

/// The one that goes and the one that comes.
struct Way {
    from: Arc<Active>,
    to: Arc<LoadedModule>,
    /// As it will be stored.
    next: State,
}

impl Binding {
    /// Goes back to the module that served before. The one that goes is not taken again unless it is named.
    ///
    /// # Errors
    /// When there is no way back, or none without `force`.
    pub async fn roll_back(self: &Arc<Self>, force: bool) -> Result<Done, CallError> {
        self.alone(move |this, mut work| async move {
            let way = this.way_back(&mut work, "an operator went back from it", force).await.map_err(Refusal::from)?;
            let to = way.to.id.clone();
            if this.check_told(&way.to).is_err() {
                this.save(&mut work, way.next).await?;
                return Ok(Done::TakesReload(to));
            }
            this.save(&mut work, way.next).await?;
            this.return_to(&mut work, &way.from, way.to);
            // It is done; a failure of this look is in log and status.
            let _ = this.choose_and_tell(&mut work).await;
            Ok(Done::Serves(to))
        })
        .await
    }

    /// The module that serves failed its trial. Its requests go on meanwhile.
    pub(super) fn go_back_by_itself(self: &Arc<Self>, failed: Arc<Active>) {
        let this = Arc::clone(self);
        drop(task::spawn(async move {
            let mut work = Arc::clone(&this.work).lock_owned().await;
            let reason = format!(
                "it trapped, broke its contract or used up its processor time more than {AUTO_ROLLBACK_FAULTS} times \
                 in its trial of {TRIAL_REQUESTS} requests"
            );
            let serves = this.active.load_full().is_some_and(|active| Arc::ptr_eq(&active, &failed));
            if !serves {
                return this.remember_failed(&mut work, &failed, &reason).await;
            }
            if let Err(refusal) = this.try_to_go_back(&mut work, &failed, &reason).await {
                let module = failed.loaded.id.to_string();
                tracing::error!(mount = this.name(), module, reason, %refusal, "a failing module goes on serving");
            }
        }));
    }

    /// Another one has taken its place meanwhile: it must not come back, nor be gone back to.
    async fn remember_failed(&self, work: &mut Work, failed: &Active, reason: &str) {
        let digest = failed.loaded.digest;
        if self.active.load().as_ref().is_some_and(|active| active.loaded.digest == digest) {
            // It was named again.
            return;
        }
        work.previous = work.previous.take().filter(|previous| previous.digest != digest);
        if let Err(refusal) = self.record_failed(work, digest, reason).await {
            tracing::warn!(mount = self.name(), %refusal, "that a module failed is not on record");
        }
        // For the report.
        let _ = self.choose_and_tell(work).await;
    }

    async fn record_failed(&self, work: &mut Work, digest: Digest, reason: &str) -> Result<(), Refusal> {
        let state = self.state(work).await?;
        if state.refusal(digest).is_some() {
            return Ok(());
        }
        let mut next = state.with_refused(digest, reason);
        next.previous = next.previous.filter(|ran| ran.facts.digest.0 != digest);
        self.save_or_keep(work, next).await
    }

    async fn try_to_go_back(&self, work: &mut Work, failed: &Active, reason: &str) -> Result<(), Refusal> {
        let way = self.way_back(work, reason, false).await.map_err(|failure| {
            if let Failure::Passing(_) = failure {
                failed.resume_trial();
            }
            Refusal::from(failure)
        })?;
        let way_is_free = self.check_told(&way.to);
        let to = way.to.id.clone();
        // First the switch: requests fail meanwhile. A process that ends in between finds out anew.
        if way_is_free.is_ok() {
            self.return_to(work, &way.from, way.to);
        }
        // Kept here until it is written: storage may have the old state or this one.
        work.state = Some(way.next.clone());
        work.unsaved = true;
        if let Err(SaveError::Failed(refusal)) = self.save(work, way.next).await {
            tracing::warn!(mount = self.name(), %refusal, "going back is not on record");
        }
        way_is_free.map_err(|_| Refusal(format!("{to}: {TAKES_RELOAD}")))?;
        // For the report.
        self.choose_and_tell(work).await
    }

    async fn way_back(&self, work: &mut Work, reason: &str, force: bool) -> Result<Way, Failure> {
        let lasting = |text: String| Failure::Lasting(Refusal(text));
        let state = self.state(work).await.map_err(|error| Failure::Passing(error.into()))?;
        let from = self.active.load_full().ok_or_else(|| lasting("no module serves".to_owned()))?;
        let to = self.previous(work, &state).await?;
        let facts = Facts::of(&to);
        if !facts.reads_what_is_written_by(&from.facts) && !force {
            let (version, written) = (&from.facts.version.0, from.facts.storage_written);
            let text = format!("{version} writes storage of version {written}, which {} cannot read", to.id.version);
            return Err(lasting(format!("{text}; `force` goes back all the same")));
        }
        let mut next = state.with_refused(from.loaded.digest, reason);
        next.running = Some(Ran::new(facts));
        next.previous = None;
        Ok(Way { from, to, next })
    }

    /// Loaded still where this process made the switch, else found again.
    async fn previous(&self, work: &Work, state: &State) -> Result<Arc<LoadedModule>, Failure> {
        let lasting = |text: String| Failure::Lasting(Refusal(text));
        let kept = work.previous.as_ref().filter(|previous| state.refusal(previous.digest).is_none());
        if let Some(previous) = kept {
            return Ok(Arc::clone(previous));
        }
        let ran = state.previous.as_ref().ok_or_else(|| lasting("no module served before this one".to_owned()))?;
        let (id, digest) = (ran.facts.id(), ran.facts.digest.0);
        let candidates = self.source.candidates().await.map_err(Failure::Passing)?;
        let found = candidates.into_iter().find(|candidate| candidate.digest == digest);
        let gone = || lasting(format!("{id} with SHA-256 {digest}, which served before, is not there any more"));
        self.source.load(&found.ok_or_else(gone)?).await
    }

    fn return_to(&self, work: &mut Work, from: &Active, to: Arc<LoadedModule>) {
        let (module, left) = (to.id.to_string(), from.loaded.id.to_string());
        let digest = to.digest.to_string();
        self.active.store(Some(Active::proven(to, SystemTime::now())));
        work.previous = None;
        work.tried.clear();
        tracing::info!(mount = self.name(), module, digest, left, "a module goes live again");
    }
}
