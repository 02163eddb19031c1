//! The activation of one candidate: load, check the update, probe, store, activate.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::active::Active;
use super::manifest::ModuleManifest;
use super::probe::probe;
use super::select::{Ranked, Verdict, is_embedded};
use super::state::{ActivationRecord, State};
use super::update_check::{Terms, check_update};
use super::{ModuleController, Work};
use crate::limits::TRIAL_TIME;
use crate::{Approval, Candidate, Digest, LoadedModule, ModuleId, Rejection};

/// The knowledge of one reconcile pass.
pub(super) struct Pass {
    /// The state when the pass began.
    pub(super) state: State,
    /// The module that candidates are compared with.
    pub(super) baseline: Option<ModuleManifest>,
    /// If false, the directory could not be listed, and the serving module is a fallback.
    pub(super) is_listed: bool,
    /// The candidates that could serve, if only as a fallback.
    pub(super) choices: BTreeSet<(ModuleId, Digest)>,
}

impl ModuleController {
    pub(super) async fn try_candidate(&self, work: &mut Work, next: &Ranked, pass: &Pass) -> Result<(), Rejection> {
        let candidate = &next.candidate;
        if let Some(rejection) = work.failed_attempts.rejection(candidate) {
            return Err(rejection);
        }
        let is_another = |key: &(ModuleId, Digest)| *key != candidate.key() && !work.failed_attempts.has(key);
        let is_patient = self.active.load().is_some() || !pass.choices.iter().any(is_another);
        let loaded = self.mailbox.unless_revert_pending(self.load(candidate, is_patient)).await??;
        let manifest = ModuleManifest::of(&loaded);
        // The last active module passed its checks when it was activated, on this node or on another one.
        let is_last_active = pass.state.is_last_active(candidate.digest);
        if !is_last_active {
            let pin = pass.state.pin_of(candidate.digest);
            let accepted: BTreeSet<_> = pin.map(|pin| pin.accepted.iter().cloned().collect()).unwrap_or_default();
            let force = pin.is_some_and(|pin| pin.force);
            let terms = Terms { force, accepted: &accepted, embedded: is_embedded(candidate) };
            check_update(&manifest, pass.baseline.as_ref(), terms).map_err(Rejection::into_permanent)?;
        }
        self.check_advertised(&loaded)?;
        let is_as_before = pass.baseline.as_ref().is_some_and(|baseline| baseline.digest.0 == candidate.digest);
        if self.active.load().is_none() && (is_last_active || is_as_before) {
            return self.resume(loaded, &pass.state);
        }
        self.probe(&loaded).await?;
        if is_last_active {
            return self.activate(work, Active::on_trial(loaded, SystemTime::now()));
        }
        if !pass.is_listed || next.verdict != Verdict::Eligible {
            return self.activate(work, Active::proven(loaded, SystemTime::now()));
        }
        let previous = self.previous_record(&pass.state, &manifest, pass.baseline.as_ref());
        let next = pass.state.with_active(manifest.clone(), previous);
        let next = self.holding_secrets(next, &loaded, pass.baseline.as_ref());
        // Store before activating: after a crash in between, the next process knows which module may have run.
        self.save_or_keep(work, next).await.map_err(Rejection::into_transient)?;
        self.activate(work, Active::on_trial(loaded, SystemTime::now()))
    }

    /// If a fallback is serving, or another node wrote the state during the activation, records the serving module as
    /// the active one when the state allows it.
    pub(super) async fn record_serving(&self, work: &mut Work, serving: &Active, pass: &Pass) -> Result<(), Rejection> {
        let is_known = pass.state.last_active.is_none() || pass.state.is_last_active(serving.loaded.digest);
        if is_known || !pass.is_listed {
            return Ok(());
        }
        let previous = self.previous_record(&pass.state, &serving.manifest, pass.baseline.as_ref());
        let next = pass.state.with_active(serving.manifest.clone(), previous);
        self.save_or_keep(work, self.holding_secrets(next, &serving.loaded, pass.baseline.as_ref())).await
    }

    /// Adds the module's declaration of secrets, and the previous module's, to the state. The update check has already
    /// accepted any new place where the module sends secrets; for the embedded module, the operator accepted the
    /// binary.
    pub(super) fn holding_secrets(
        &self,
        next: State,
        loaded: &LoadedModule,
        baseline: Option<&ModuleManifest>,
    ) -> State {
        let manifest = ModuleManifest::of(loaded);
        let accepted = loaded.approval != Approval::Embedded && !manifest.secret_exits_beyond(baseline).is_empty();
        let before = self.active.load_full().map(|active| active.manifest.clone());
        let next = baseline.into_iter().chain(before.as_ref()).fold(next, |next, before| next.holding(before, false));
        next.holding(&manifest, accepted)
    }

    pub(super) async fn probe(&self, loaded: &LoadedModule) -> Result<(), Rejection> {
        let scratch = self.runtime.scratch(&self.mount);
        self.mailbox.unless_revert_pending(probe(&loaded.module, &scratch)).await?
    }

    /// Makes a module the active one and logs the change.
    pub(super) fn activate(&self, work: &mut Work, next: Arc<Active>) -> Result<(), Rejection> {
        let loaded = Arc::clone(&next.loaded);
        let replaced = self.swap_active(next)?;
        work.failed_attempts.forget_permanent();
        work.previous = replaced.map(|replaced| Arc::clone(&replaced.loaded));
        let replaced = work.previous.as_ref().map_or_else(|| "none".to_owned(), |replaced| replaced.id.to_string());
        let (module, digest, origin) = (loaded.id.to_string(), loaded.digest.to_string(), loaded.origin.to_string());
        tracing::info!(mount = self.name(), module, digest, origin, replaced, "module activated");
        Ok(())
    }

    /// At a start: the last active module serves again, without a probe.
    fn resume(&self, loaded: Arc<LoadedModule>, state: &State) -> Result<(), Rejection> {
        let record = state.last_active.as_ref().filter(|record| record.manifest.digest.0 == loaded.digest);
        let since = record.map_or_else(SystemTime::now, ActivationRecord::since);
        let is_new = record.is_some() && since.elapsed().is_ok_and(|elapsed| elapsed < TRIAL_TIME);
        let active = if is_new { Active::on_trial(loaded, since) } else { Active::proven(loaded, since) };
        self.swap_active(active).map(drop)
    }

    /// The module that candidates are compared with: the last active module, else the serving one, else the embedded
    /// one. The embedded module counts on a mount of another engine too, if the mount has data: no other engine can
    /// have written the data.
    pub(super) async fn baseline(
        &self,
        state: &State,
        embedded: &LoadedModule,
        engine: &str,
    ) -> Result<Option<ModuleManifest>, Rejection> {
        if let Some(record) = &state.last_active {
            return Ok(Some(record.manifest.clone()));
        }
        if let Some(active) = self.active.load_full() {
            return Ok(Some(active.manifest.clone()));
        }
        let is_embeddeds = embedded.id.engine == engine || self.has_data().await?;
        Ok(is_embeddeds.then(|| ModuleManifest::of(embedded)))
    }

    /// The record of the module to revert to: the serving module, else the baseline.
    pub(super) fn previous_record(
        &self,
        state: &State,
        new: &ModuleManifest,
        baseline: Option<&ModuleManifest>,
    ) -> Option<ActivationRecord> {
        let serving = self.active.load_full().filter(|active| active.manifest.digest != new.digest);
        let manifest = serving.as_ref().map(|active| &active.manifest).or(baseline)?;
        let known = [&state.last_active, &state.previous]
            .into_iter()
            .flatten()
            .find(|record| record.manifest.digest == manifest.digest);
        let record = known.cloned().unwrap_or_else(|| ActivationRecord::new(manifest.clone()));
        let is_way_back = manifest.engine == new.engine
            && manifest.digest != new.digest
            && state.rejection(manifest.digest.0).is_none();
        is_way_back.then_some(record)
    }

    /// Name of the mount for log lines.
    pub(super) fn name(&self) -> &str {
        self.mount.name()
    }
}

impl LoadedModule {
    pub(super) fn is(&self, candidate: &Candidate) -> bool {
        self.digest == candidate.digest && self.id == candidate.id
    }

    pub(super) fn candidate(&self) -> Candidate {
        Candidate {
            id: self.id.clone(),
            digest: self.digest,
            origin: self.origin.clone(),
            approval: Ok(self.approval.clone()),
        }
    }
}

impl ActivationRecord {
    /// Time of the activation.
    pub(super) fn since(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.since)
    }
}
