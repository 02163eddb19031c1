//! One candidate on its way to serve a mount: load, judge, probe, store, switch.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::active::Active;
use super::facts::Facts;
use super::judge::{Terms, judge};
use super::probe::probe;
use super::select::{Ranked, Verdict, is_embedded};
use super::state::{Ran, State};
use super::{Binding, Work};
use crate::limits::TRIAL_TIME;
use crate::{Candidate, Failure, LoadedModule, Refusal};

/// Where a candidate would come to serve.
pub(super) struct Place {
    /// As it was when the look began.
    pub(super) state: State,
    /// What the candidate is compared with.
    pub(super) before: Option<Facts>,
    /// Is all known that is there? If not, what serves only stands in for what may be there.
    pub(super) is_listed: bool,
}

impl Binding {
    pub(super) async fn try_candidate(&self, work: &mut Work, next: &Ranked, place: &Place) -> Result<(), Failure> {
        let candidate = &next.candidate;
        if let Some(failure) = work.tried.failure(candidate) {
            return Err(failure);
        }
        let loaded = self.unless_somebody_goes_back(self.source.load(candidate)).await??;
        let facts = Facts::of(&loaded);
        // What runs by the state was judged where it went live, here or on another node.
        let runs = place.state.runs(candidate.digest);
        if !runs {
            let said = place.state.said_of(candidate.digest);
            let accepted: BTreeSet<_> = said.map(|held| held.accepted.iter().cloned().collect()).unwrap_or_default();
            let force = said.is_some_and(|held| held.force);
            let terms = Terms { force, accepted: &accepted, embedded: is_embedded(candidate) };
            judge(&facts, place.before.as_ref(), terms).map_err(Failure::Lasting)?;
        }
        self.check_told(&loaded)?;
        let is_as_before = place.before.as_ref().is_some_and(|before| before.digest.0 == candidate.digest);
        if self.active.load().is_none() && (runs || is_as_before) {
            return self.go_on(loaded, &place.state);
        }
        self.probe(&loaded).await?;
        if runs {
            return self.switch(work, Active::on_trial(loaded, SystemTime::now()));
        }
        if !place.is_listed || next.verdict != Verdict::Eligible {
            return self.switch(work, Active::proven(loaded, SystemTime::now()));
        }
        let next =
            place.state.with_running(facts.clone(), self.ran_before(&place.state, &facts, place.before.as_ref()));
        // Stored first: if this process ends in between, the next one knows what may have run.
        self.save_or_keep(work, next).await.map_err(Failure::Passing)?;
        self.switch(work, Active::on_trial(loaded, SystemTime::now()))
    }

    /// What stood in, or went live while another node wrote the state, is what runs if it may be.
    pub(super) async fn record_serving(&self, work: &mut Work, serving: &Active, place: &Place) -> Result<(), Refusal> {
        let is_known = place.state.running.is_none() || place.state.runs(serving.loaded.digest);
        if is_known || !place.is_listed {
            return Ok(());
        }
        let before = self.ran_before(&place.state, &serving.facts, place.before.as_ref());
        self.save_or_keep(work, place.state.with_running(serving.facts.clone(), before)).await
    }

    pub(super) async fn probe(&self, loaded: &LoadedModule) -> Result<(), Failure> {
        let scratch = self.runtime.scratch(&self.mount);
        self.unless_somebody_goes_back(probe(&loaded.module, &scratch)).await?
    }

    /// All requests from here on go to this module.
    pub(super) fn switch(&self, work: &mut Work, next: Arc<Active>) -> Result<(), Failure> {
        let loaded = Arc::clone(&next.loaded);
        let replaced = self.put_live(next)?;
        work.tried.forget_what_lasts();
        work.previous = replaced.map(|replaced| Arc::clone(&replaced.loaded));
        let before = work.previous.as_ref().map_or_else(|| "none".to_owned(), |before| before.id.to_string());
        let (module, digest, origin) = (loaded.id.to_string(), loaded.digest.to_string(), loaded.origin.to_string());
        tracing::info!(mount = self.name(), module, digest, origin, before, "a module goes live");
        Ok(())
    }

    /// At a start: what ran before goes on.
    fn go_on(&self, loaded: Arc<LoadedModule>, state: &State) -> Result<(), Failure> {
        let ran = state.running.as_ref().filter(|ran| ran.facts.digest.0 == loaded.digest);
        let since = ran.map_or_else(SystemTime::now, Ran::since);
        let is_new = ran.is_some() && since.elapsed().is_ok_and(|elapsed| elapsed < TRIAL_TIME);
        let active = if is_new { Active::on_trial(loaded, since) } else { Active::proven(loaded, since) };
        self.put_live(active).map(drop)
    }

    /// What a new module is compared with: what ran last, else what serves, else the embedded module. Also where the
    /// mount is of another engine, if something is stored: who else should have stored it?
    pub(super) async fn before(
        &self,
        state: &State,
        embedded: &LoadedModule,
        engine: &str,
    ) -> Result<Option<Facts>, Refusal> {
        if let Some(ran) = &state.running {
            return Ok(Some(ran.facts.clone()));
        }
        if let Some(active) = self.active.load_full() {
            return Ok(Some(active.facts.clone()));
        }
        let is_embeddeds = embedded.id.engine == engine || self.has_data().await?;
        Ok(is_embeddeds.then(|| Facts::of(embedded)))
    }

    /// What one could go back to, as it is stored: what serves until then, else what the new one is compared with.
    pub(super) fn ran_before(&self, state: &State, new: &Facts, before: Option<&Facts>) -> Option<Ran> {
        let serving = self.active.load_full().filter(|active| active.facts.digest != new.digest);
        let facts = serving.as_ref().map(|active| &active.facts).or(before)?;
        let known =
            [&state.running, &state.previous].into_iter().flatten().find(|ran| ran.facts.digest == facts.digest);
        let ran = known.cloned().unwrap_or_else(|| Ran::new(facts.clone()));
        let is_way_back =
            facts.engine == new.engine && facts.digest != new.digest && state.refusal(facts.digest.0).is_none();
        is_way_back.then_some(ran)
    }

    /// For log lines.
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

impl Ran {
    /// As a time.
    pub(super) fn since(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.since)
    }
}
