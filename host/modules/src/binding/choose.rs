//! Looks at what is there and goes live with the best of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use semver::Version;

use super::report::Report;
use super::select::{Ranked, Verdict, Wish, rank};
use super::state::State;
use super::take::Place;
use super::{Binding, Work};
use crate::{Digest, Failure, ModuleId, Refusal};

impl Binding {
    pub(super) async fn choose(&self, work: &mut Work) -> Result<(), Refusal> {
        let state = self.state(work).await?;
        self.save_kept(work).await;
        let embedded = self.source.embedded().await?;
        self.assume_told(&state, &embedded);
        let serving = self.active.load_full();
        serving.iter().for_each(|active| active.resume_trial());
        let (candidates, unlisted) = match self.unless_somebody_goes_back(self.source.candidates()).await? {
            Ok(candidates) => (candidates, None),
            Err(refusal) if serving.is_some() => return Err(refusal),
            // At a start without its directory a mount may still have the embedded module.
            Err(refusal) => (vec![embedded.candidate()], Some(refusal)),
        };
        let engine = self.options.engine.as_ref().unwrap_or(&embedded.id.engine);
        let wish = Wish {
            engine,
            version: self.options.version.as_ref(),
            serving: serving.as_ref().map(|active| (&active.loaded.id, active.loaded.digest)),
        };
        let mut ranked = rank(candidates, &state, &wish);
        work.tried.retain(&ranked);
        let before = self.before(&state, &embedded, engine).await?;
        let place = Place { state, before, is_listed: unlisted.is_none() };
        self.go_on_with_what_ran(work, &ranked, &place).await;
        self.go_through(work, &mut ranked, &place).await?;
        let state = work.state.clone().unwrap_or_default();
        self.tell();
        let with_told = self.with_told(state.clone());
        if with_told != state {
            // If it cannot be stored, the next look tries again; the mount serves meanwhile.
            let _ = self.save_or_keep(work, with_told).await;
        }
        let problem = self.missing(&state, &ranked, unlisted.as_ref()).or(unlisted);
        self.finish_look(work, ranked, problem);
        Ok(())
    }

    /// At a start requests do not wait for what is new: that may take long, and may fail.
    async fn go_on_with_what_ran(&self, work: &mut Work, ranked: &[Ranked], place: &Place) {
        let ran = |next: &&Ranked| next.verdict == Verdict::Eligible && place.state.runs(next.candidate.digest);
        if let (None, Some(next)) = (self.active.load_full(), ranked.iter().find(ran)) {
            // If it cannot, that is told in its turn, and not found out once more.
            if let Err(failure) = self.try_candidate(work, next, place).await
                && !self.somebody_goes_back()
            {
                work.tried.keep(&next.candidate, failure);
            }
        }
    }

    /// Tries the candidates until one serves.
    async fn go_through(&self, work: &mut Work, ranked: &mut [Ranked], place: &Place) -> Result<(), Refusal> {
        for at in self.order(ranked, &place.state) {
            let Some(next) = ranked.get_mut(at) else { continue };
            let serving = self.active.load_full();
            if let Some(serving) = serving.filter(|active| active.loaded.is(&next.candidate)) {
                return self.record_serving(work, &serving, place).await;
            }
            let failure = match self.try_candidate(work, next, place).await {
                Ok(()) => break,
                Err(failure) => failure,
            };
            if self.somebody_goes_back() {
                return Err(failure.into());
            }
            work.tried.keep(&next.candidate, failure.clone());
            next.verdict = match failure {
                Failure::Lasting(refusal) => Verdict::Refused(refusal),
                Failure::Passing(refusal) => Verdict::NotNow(refusal),
            };
        }
        Ok(())
    }

    /// Those that may serve; where nothing does, then those that stand in, first of all what ran last: it is known
    /// to work.
    fn order(&self, ranked: &[Ranked], state: &State) -> Vec<usize> {
        let ran = state.running.as_ref().map(|ran| ran.facts.digest.0);
        let is_there = ranked.iter().any(|ranked| Some(ranked.candidate.digest) == ran);
        let stays = |digest: Digest| state.refusal(digest).is_none() || is_there;
        let has_none = !self.active.load().as_ref().is_some_and(|active| stays(active.loaded.digest));
        let of = |may: fn(&Verdict) -> bool| {
            let found = ranked.iter().enumerate().filter(move |(_, ranked)| may(&ranked.verdict));
            found.map(|(at, ranked)| (at, Some(ranked.candidate.digest) == ran))
        };
        let mut order: Vec<_> = of(|verdict| *verdict == Verdict::Eligible).map(|(at, _)| at).collect();
        if has_none {
            let mut others: Vec<_> = of(|verdict| matches!(verdict, Verdict::StandsIn(_))).collect();
            others.sort_by_key(|(_, is_ran)| !is_ran);
            order.extend(others.into_iter().map(|(at, _)| at));
        }
        order
    }

    /// What should serve and does not: the mount goes on without it, and says so.
    fn missing(&self, state: &State, ranked: &[Ranked], unlisted: Option<&Refusal>) -> Option<Refusal> {
        let (who, version, digest) = self.wanted(state)?;
        let is_it = |id: &ModuleId, of: Digest| id.version == version && digest.is_none_or(|digest| digest == of);
        let serving = self.active.load_full();
        if serving.as_ref().is_some_and(|active| is_it(&active.loaded.id, active.loaded.digest)) {
            return None;
        }
        let found = ranked.iter().find(|ranked| is_it(&ranked.candidate.id, ranked.candidate.digest));
        let why = match found.map(|found| &found.verdict) {
            // Something better serves.
            Some(Verdict::Eligible) => return None,
            Some(Verdict::StandsIn(reason) | Verdict::NotWanted(reason)) => reason.clone(),
            Some(Verdict::NotNow(refusal) | Verdict::Refused(refusal)) => refusal.0.clone(),
            None => unlisted.map_or_else(|| "it is not there".to_owned(), |refusal| refusal.0.clone()),
        };
        let bytes = digest.map(|digest| format!(" with SHA-256 {digest}")).unwrap_or_default();
        let instead = serving.map(|active| format!("; {} serves in its place", active.loaded.id.version));
        Some(Refusal(format!("{who} {version}{bytes}: {why}{}", instead.unwrap_or_default())))
    }

    /// Who says which module should serve; none of a mount without a past.
    fn wanted(&self, state: &State) -> Option<(&'static str, Version, Option<Digest>)> {
        if let Some(version) = &self.options.version {
            return Some(("the mount's option `module_version` holds", version.clone(), None));
        }
        if let Some(held) = state.holding() {
            return Some(("`module/use` holds", held.version.0.clone(), Some(held.digest.0)));
        }
        let facts = &state.running.as_ref()?.facts;
        let is_own = self.options.engine.as_ref().is_none_or(|engine| *engine == facts.engine);
        is_own.then(|| ("what ran last is", facts.version.0.clone(), Some(facts.digest.0)))
    }

    fn finish_look(&self, work: &mut Work, ranked: Vec<Ranked>, problem: Option<Refusal>) {
        for Ranked { candidate, verdict } in &ranked {
            if let Verdict::Refused(reason) | Verdict::NotNow(reason) = verdict
                && work.logged.insert(candidate.key(), reason.0.clone()).as_ref() != Some(&reason.0)
            {
                let (module, origin) = (candidate.id.to_string(), candidate.origin.to_string());
                tracing::warn!(mount = self.name(), module, origin, %reason, "a module does not go live");
            }
        }
        work.logged.retain(|key, _| ranked.iter().any(|ranked| ranked.candidate.key() == *key));
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
}
