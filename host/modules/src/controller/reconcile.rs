//! A reconcile pass: ranks the modules that are there and activates the best one that may serve.

use std::sync::Arc;

use semver::Version;

use super::activate::Pass;
use super::mailbox::Lifecycle;
use super::report::Report;
use super::select::{Criteria, Ranked, Verdict, rank};
use super::state::State;
use super::{ModuleController, Work};
use crate::{Digest, ModuleId, Rejection};

impl ModuleController {
    pub(super) async fn reconcile(&self, work: &mut Work) -> Result<(), Rejection> {
        let state = self.state(work).await?;
        self.save_kept(work).await;
        let embedded = self.source.embedded().await?;
        self.assume_advertised(&state, &embedded);
        let serving = self.active.load_full();
        serving.iter().for_each(|active| active.resume_trial());
        let (candidates, unlisted) = match self.mailbox.unless_revert_pending(self.source.candidates()).await? {
            Ok(candidates) => (candidates, None),
            Err(rejection) if serving.is_some() => return Err(rejection),
            // At a start, the embedded module can serve a mount although the directory is missing.
            Err(rejection) => (vec![embedded.candidate()], Some(rejection)),
        };
        let engine = self.options.engine.as_ref().unwrap_or(&embedded.id.engine);
        let criteria = Criteria {
            engine,
            version: self.options.version.as_ref(),
            serving: serving.as_ref().map(|active| (&active.loaded.id, active.loaded.digest)),
        };
        let mut ranked = rank(candidates, &state, &criteria);
        work.failed_attempts.retain(&ranked);
        let baseline = self.baseline(&state, &embedded, engine).await?;
        let may_serve = |ranked: &&Ranked| matches!(ranked.verdict, Verdict::Eligible | Verdict::Fallback(_));
        let choices = ranked.iter().filter(may_serve).map(|ranked| ranked.candidate.key()).collect();
        let pass = Pass { state, baseline, is_listed: unlisted.is_none(), choices };
        self.resume_last_active(work, &ranked, &pass).await;
        self.try_in_order(work, &mut ranked, &pass).await?;
        let state = work.state.clone().unwrap_or_default();
        self.settle_advertised();
        let with_advertised = self.with_advertised(state.clone());
        if with_advertised != state {
            // If the write fails, the next pass tries again; meanwhile the mount is served.
            let _ = self.save_or_keep(work, with_advertised).await;
        }
        let problem = self.missing_module(&state, &ranked, unlisted.as_ref());
        let problem = problem.or_else(|| unlisted.as_ref().map(Rejection::to_string));
        self.finish_pass(work, ranked, problem);
        Ok(())
    }

    /// At a start, activates the last active module first: loading a new candidate may take long, and may fail.
    async fn resume_last_active(&self, work: &mut Work, ranked: &[Ranked], pass: &Pass) {
        let is_last_active =
            |next: &&Ranked| next.verdict == Verdict::Eligible && pass.state.is_last_active(next.candidate.digest);
        if let (None, Some(next)) = (self.active.load_full(), ranked.iter().find(is_last_active)) {
            // The attempt is recorded, so that this pass does not make it twice.
            if let Err(rejection) = self.try_candidate(work, next, pass).await
                && !self.mailbox.has_revert()
            {
                work.failed_attempts.record(&next.candidate, rejection);
            }
        }
    }

    /// Tries the candidates in order until one serves.
    async fn try_in_order(&self, work: &mut Work, ranked: &mut [Ranked], pass: &Pass) -> Result<(), Rejection> {
        for at in self.order(ranked, &pass.state) {
            let Some(next) = ranked.get_mut(at) else { continue };
            let serving = self.active.load_full();
            if let Some(serving) = serving.filter(|active| active.loaded.is(&next.candidate)) {
                return self.record_serving(work, &serving, pass).await;
            }
            let rejection = match self.try_candidate(work, next, pass).await {
                Ok(()) => break,
                Err(rejection) => rejection,
            };
            if self.mailbox.has_revert() {
                return Err(rejection);
            }
            work.failed_attempts.record(&next.candidate, rejection.clone());
            next.verdict = Verdict::Rejected(rejection);
        }
        Ok(())
    }

    /// Indexes of the candidates to try: eligible ones, then fallbacks, if no module serves, or a rejected one serves and
    /// the last active module is absent. Among fallbacks the last active module comes first, because it is known to work.
    fn order(&self, ranked: &[Ranked], state: &State) -> Vec<usize> {
        let last_active = state.last_active.as_ref().map(|record| record.manifest.digest.0);
        let is_there = ranked.iter().any(|ranked| Some(ranked.candidate.digest) == last_active);
        let stays = |digest: Digest| state.rejection(digest).is_none() || is_there;
        let needs_fallback = !self.active.load().as_ref().is_some_and(|active| stays(active.loaded.digest));
        let of = |may: fn(&Verdict) -> bool| {
            let found = ranked.iter().enumerate().filter(move |(_, ranked)| may(&ranked.verdict));
            found.map(|(at, ranked)| (at, Some(ranked.candidate.digest) == last_active))
        };
        let mut order: Vec<_> = of(|verdict| *verdict == Verdict::Eligible).map(|(at, _)| at).collect();
        if needs_fallback {
            let mut others: Vec<_> = of(|verdict| matches!(verdict, Verdict::Fallback(_))).collect();
            others.sort_by_key(|(_, is_last_active)| !is_last_active);
            order.extend(others.into_iter().map(|(at, _)| at));
        }
        order
    }

    /// The problem to report if the module that should serve does not.
    fn missing_module(&self, state: &State, ranked: &[Ranked], unlisted: Option<&Rejection>) -> Option<String> {
        let (who, version, digest) = self.desired(state)?;
        let is_it = |id: &ModuleId, of: Digest| id.version == version && digest.is_none_or(|digest| digest == of);
        let serving = self.active.load_full();
        if serving.as_ref().is_some_and(|active| is_it(&active.loaded.id, active.loaded.digest)) {
            return None;
        }
        let found = ranked.iter().find(|ranked| is_it(&ranked.candidate.id, ranked.candidate.digest));
        let why = match found.map(|found| &found.verdict) {
            // A better module serves.
            Some(Verdict::Eligible) => return None,
            Some(Verdict::Fallback(reason) | Verdict::NotWanted(reason)) => reason.clone(),
            Some(Verdict::Rejected(rejection)) => rejection.to_string(),
            None => unlisted.map_or_else(|| "it is not there".to_owned(), Rejection::to_string),
        };
        let bytes = digest.map(|digest| format!(" with SHA-256 {digest}")).unwrap_or_default();
        let instead = serving.map(|active| format!("; {} serves in its place", active.loaded.id.version));
        Some(format!("{who} {version}{bytes}: {why}{}", instead.unwrap_or_default()))
    }

    /// The module that should serve, and where that is said; none for a mount without a state.
    fn desired(&self, state: &State) -> Option<(&'static str, Version, Option<Digest>)> {
        if let Some(version) = &self.options.version {
            return Some(("the mount's option `module_version` selects", version.clone(), None));
        }
        if let Some(pin) = state.exclusive_pin() {
            return Some(("`module/use` selects", pin.version.0.clone(), Some(pin.digest.0)));
        }
        let manifest = &state.last_active.as_ref()?.manifest;
        let is_own = self.options.engine.as_ref().is_none_or(|engine| *engine == manifest.engine);
        is_own.then(|| ("the last active module is", manifest.version.0.clone(), Some(manifest.digest.0)))
    }

    fn finish_pass(&self, work: &mut Work, ranked: Vec<Ranked>, problem: Option<String>) {
        for Ranked { candidate, verdict } in &ranked {
            if let Verdict::Rejected(reason) = verdict
                && work.logged.insert(candidate.key(), reason.to_string()).as_deref() != Some(reason.text())
            {
                let (module, origin) = (candidate.id.to_string(), candidate.origin.to_string());
                tracing::warn!(mount = self.name(), module, origin, %reason, "module rejected");
            }
        }
        work.logged.retain(|key, _| ranked.iter().any(|ranked| ranked.candidate.key() == *key));
        let state = work.state.clone().unwrap_or_default();
        if let Some(problem) = &problem {
            self.log_problem(problem);
        }
        let mut report = Report::new(ranked, &state, work.unsaved, problem);
        report.rejected_files = self.source.rejected_files();
        let serving = self.active.load_full();
        if serving.is_none() && self.mailbox.lifecycle() == Lifecycle::Starting {
            let reason = report.why_nothing_serves(self.options.engine.as_deref());
            tracing::error!(mount = self.name(), %reason, "no module serves the mount");
        }
        self.report.store(Arc::new(report));
        self.mailbox.set_started();
    }
}
