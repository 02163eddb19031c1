//! Looks at what is there and goes live with the best of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use component_runtime::SpecialPaths;
use tokio::time::timeout;

use super::active::Active;
use super::facts::{Facts, same_special_paths};
use super::judge::{Terms, judge};
use super::probe::{ProbeError, probe};
use super::report::Report;
use super::select::{Ranked, Verdict, Wish, is_embedded, rank};
use super::state::{Ran, State};
use super::{Binding, Work, task};
use crate::limits::{START_WAIT, TRIAL_TIME};
use crate::{Candidate, Digest, Failure, LoadedModule, Refusal};

impl Binding {
    /// Looks again, soon and once, however often it is told to meanwhile. Nobody waits for it. The first look is for
    /// the first request to take: before, storage may not answer yet.
    pub fn trigger(self: &Arc<Self>) {
        let may_look = self.storage.is_some() && self.started.load(Ordering::Acquire);
        if !may_look || self.triggered.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = Arc::clone(self);
        drop(task::spawn(async move {
            let mut work = Arc::clone(&this.work).lock_owned().await;
            this.triggered.store(false, Ordering::Release);
            // Its failure is in log and status; nobody waits for it.
            let _ = this.choose_and_tell(&mut work).await;
        }));
    }

    /// The first look, with the first request.
    pub(super) async fn start(self: &Arc<Self>) -> Result<(), Refusal> {
        let late = |_| Refusal(format!("the mount had no module after {START_WAIT:?}: try again"));
        let start = async {
            let mut work = Arc::clone(&self.work).lock_owned().await;
            if self.started.load(Ordering::Acquire) {
                return Ok(());
            }
            let this = Arc::clone(self);
            let started = task::spawn(async move { this.choose_and_tell(&mut work).await });
            started.await.unwrap_or_else(|stopped| Err(Refusal(format!("choosing a module did not end: {stopped}"))))
        };
        timeout(START_WAIT, start).await.map_err(late)?
    }

    /// `choose`, and its failure in log and status.
    pub(super) async fn choose_and_tell(&self, work: &mut Work) -> Result<(), Refusal> {
        let chosen = self.choose(work).await;
        if let Err(refusal) = &chosen {
            self.tell_problem(refusal);
            let report = Report { problem: Some(refusal.0.clone()), ..Report::clone(&self.report.load()) };
            self.report.store(Arc::new(report));
        }
        chosen
    }

    /// Once, for as long as it is the same.
    fn tell_problem(&self, problem: &Refusal) {
        if self.report.load().problem.as_ref() != Some(&problem.0) {
            tracing::warn!(mount = self.name(), reason = %problem, "the mount's modules cannot be looked at");
        }
    }

    async fn choose(&self, work: &mut Work) -> Result<(), Refusal> {
        let state = self.state(work).await?;
        self.save_kept(work).await;
        let embedded = self.source.embedded().await?;
        let serving = self.active.load_full();
        let listed = self.source.candidates().await;
        let problem = listed.as_ref().err().cloned();
        let candidates = match listed {
            Ok(candidates) => candidates,
            Err(refusal) if serving.is_some() => return Err(refusal),
            // At a start without its directory a mount may still have the embedded module.
            Err(_) => vec![candidate(&embedded)],
        };
        let engine = self.options.engine.as_ref().unwrap_or(&embedded.id.engine);
        let before = self.before(&state, serving.as_deref(), &embedded, engine);
        let wish = Wish {
            engine,
            version: self.options.version.as_ref(),
            serving: serving.as_ref().map(|active| (&active.loaded.id, active.loaded.digest)),
        };
        let mut ranked = rank(candidates, &state, &wish);
        work.tried.retain(|digest, _| ranked.iter().any(|ranked| ranked.candidate.digest == *digest));
        let ran = state.running.as_ref().map(|ran| ran.facts.digest.0);
        self.go_through(work, &mut ranked, before.as_ref(), ran).await?;
        self.finish_look(work, ranked, problem);
        Ok(())
    }

    /// Tries the candidates until one serves. What ran last is the last resort of a start: it is known to work.
    async fn go_through(
        &self,
        work: &mut Work,
        ranked: &mut [Ranked],
        before: Option<&Facts>,
        ran: Option<Digest>,
    ) -> Result<(), Refusal> {
        let eligible = |ranked: &Ranked| ranked.verdict == Verdict::Eligible;
        let last_resort =
            |ranked: &Ranked| matches!(ranked.verdict, Verdict::NotWanted(_)) && Some(ranked.candidate.digest) == ran;
        let first = (0..ranked.len()).filter(|&at| ranked.get(at).is_some_and(eligible));
        let mut order: Vec<_> = first.collect();
        if self.active.load().is_none() {
            order.extend((0..ranked.len()).filter(|&at| ranked.get(at).is_some_and(last_resort)));
        }
        for at in order {
            let Some(next) = ranked.get_mut(at) else { continue };
            if self.active.load().as_ref().is_some_and(|active| active.loaded.digest == next.candidate.digest) {
                break;
            }
            match self.try_candidate(work, &next.candidate, before).await {
                Ok(()) => break,
                Err(Failure::Lasting(refusal)) => {
                    work.tried.insert(next.candidate.digest, refusal.clone());
                    next.verdict = Verdict::Refused(refusal);
                }
                // A lower one instead would be a step back for want of a free moment.
                Err(Failure::Passing(refusal)) => return Err(refusal),
            }
        }
        Ok(())
    }

    fn finish_look(&self, work: &mut Work, ranked: Vec<Ranked>, problem: Option<Refusal>) {
        for Ranked { candidate, verdict } in &ranked {
            if let Verdict::Refused(reason) = verdict
                && work.logged.insert((candidate.digest, reason.0.clone()))
            {
                let (module, origin) = (candidate.id.to_string(), candidate.origin.to_string());
                tracing::warn!(mount = self.name(), module, origin, %reason, "a module does not go live");
            }
        }
        work.logged.retain(|(digest, _)| ranked.iter().any(|ranked| ranked.candidate.digest == *digest));
        let state = work.state.clone().unwrap_or_default();
        if let Some(problem) = &problem {
            self.tell_problem(problem);
        }
        let mut report = Report::new(ranked, &state, work.unsaved, problem);
        report.refused_files = self.source.refused_files();
        let serving = self.active.load_full();
        if serving.is_none() && !self.started.load(Ordering::Acquire) {
            let reason = report.why_nothing_serves(self.options.engine.as_deref());
            tracing::error!(mount = self.name(), %reason, "no module serves the mount");
        }
        self.report.store(Arc::new(report));
        self.started.store(true, Ordering::Release);
    }

    /// Load, judge, probe, store, switch.
    async fn try_candidate(
        &self,
        work: &mut Work,
        candidate: &Candidate,
        before: Option<&Facts>,
    ) -> Result<(), Failure> {
        if let Some(refusal) = work.tried.get(&candidate.digest) {
            return Err(Failure::Lasting(refusal.clone()));
        }
        let loaded = self.source.load(candidate).await?;
        let state = work.state.clone().unwrap_or_default();
        let said = state.said_of(candidate.digest);
        let accepted: BTreeSet<_> = said.map(|held| held.accepted.iter().cloned().collect()).unwrap_or_default();
        let force = said.is_some_and(|held| held.force);
        let facts = Facts::of(&loaded);
        // What runs by the state is what another node took, or went back to: it was judged there.
        let runs_elsewhere = is_same(state.running.as_ref().map(|ran| &ran.facts), candidate.digest);
        if !runs_elsewhere {
            let terms = Terms { force, accepted: &accepted, embedded: is_embedded(candidate) };
            judge(&facts, before, terms).map_err(Failure::Lasting)?;
        }
        self.check_told(&loaded).map_err(Failure::Lasting)?;
        if is_same(before, candidate.digest) {
            self.serve_proven(loaded, &state);
            return Ok(());
        }
        self.probe(&loaded).await?;
        if runs_elsewhere {
            self.switch(work, loaded);
            return Ok(());
        }
        self.go_live(work, loaded, state.with_running(facts, self.ran_before(&state, before))).await
    }

    /// What the server was told of the special paths holds until the mount is loaded again.
    pub(super) fn check_told(&self, loaded: &LoadedModule) -> Result<(), Refusal> {
        let same = |told: &SpecialPaths| same_special_paths(told, &loaded.module.description().special_paths);
        if self.told.get().is_none_or(same) {
            return Ok(());
        }
        Err(Refusal(TAKES_RELOAD.to_owned()))
    }

    pub(super) async fn probe(&self, loaded: &LoadedModule) -> Result<(), Failure> {
        let scratch = self.runtime.scratch(&self.mount);
        probe(&loaded.module, &scratch).await.map_err(|error| match error {
            ProbeError::Failed(refusal) => Failure::Lasting(refusal),
            ProbeError::Busy => Failure::Passing(Refusal(format!("too busy to probe {}", loaded.id))),
        })
    }

    /// Stored first: if this process ends in between, the next one knows what may have run.
    async fn go_live(&self, work: &mut Work, loaded: Arc<LoadedModule>, next: State) -> Result<(), Failure> {
        self.save_or_keep(work, next).await.map_err(Failure::Passing)?;
        self.switch(work, loaded);
        Ok(())
    }

    /// All requests from here on go to this module, on trial.
    pub(super) fn switch(&self, work: &mut Work, loaded: Arc<LoadedModule>) {
        let id = loaded.id.to_string();
        let replaced = self.active.swap(Some(Active::on_trial(Arc::clone(&loaded), SystemTime::now())));
        work.tried.clear();
        work.previous = replaced.map(|replaced| Arc::clone(&replaced.loaded));
        let before = work.previous.as_ref().map_or_else(|| "none".to_owned(), |before| before.id.to_string());
        let (digest, origin) = (loaded.digest.to_string(), loaded.origin.to_string());
        tracing::info!(mount = self.name(), module = id, digest, origin, before, "a module goes live");
    }

    /// At a start: what ran before goes on.
    fn serve_proven(&self, loaded: Arc<LoadedModule>, state: &State) {
        let ran = state.running.as_ref().filter(|ran| ran.facts.digest.0 == loaded.digest);
        let since = ran.map_or_else(SystemTime::now, Ran::since);
        let is_new = ran.is_some() && since.elapsed().is_ok_and(|elapsed| elapsed < TRIAL_TIME);
        let active = if is_new { Active::on_trial(loaded, since) } else { Active::proven(loaded, since) };
        self.active.store(Some(active));
    }

    /// What a new module is compared with: what serves, else what ran last, else the embedded module.
    pub(super) fn before(
        &self,
        state: &State,
        serving: Option<&Active>,
        embedded: &LoadedModule,
        engine: &str,
    ) -> Option<Facts> {
        let serving = serving.map(|active| active.facts.clone());
        let ran = || state.running.as_ref().map(|ran| ran.facts.clone());
        serving.or_else(ran).or_else(|| (embedded.id.engine == engine).then(|| Facts::of(embedded)))
    }

    /// The same, as it is stored.
    pub(super) fn ran_before(&self, state: &State, before: Option<&Facts>) -> Option<Ran> {
        let before = before?;
        let stored = state.running.clone().filter(|ran| ran.facts.digest == before.digest);
        Some(stored.unwrap_or_else(|| Ran::new(before.clone())))
    }

    /// For log lines.
    pub(super) fn name(&self) -> &str {
        self.mount.name()
    }
}

/// What an operator does about it.
pub(super) const TAKES_RELOAD: &str =
    "its special paths are others than the server was told when it loaded the mount: it goes live with `plugin reload`";

fn is_same(before: Option<&Facts>, digest: Digest) -> bool {
    before.is_some_and(|before| before.digest.0 == digest)
}

pub(super) fn candidate(loaded: &LoadedModule) -> Candidate {
    Candidate {
        id: loaded.id.clone(),
        digest: loaded.digest,
        origin: loaded.origin.clone(),
        approval: Ok(loaded.approval.clone()),
    }
}

impl Ran {
    /// As a time.
    pub(super) fn since(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.since)
    }
}
