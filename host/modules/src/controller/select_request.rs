//! The selection of a module by an operator: pins a module, accepts its additional requests, or tries a rejected one
//! again.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use semver::Version;

use super::active::Active;
use super::manifest::ModuleManifest;
use super::outcome::{CallError, Done};
use super::select::{Criteria, Ranked, Verdict, is_embedded, rank};
use super::state::{Pin, State};
use super::text::Text;
use super::update_check::{Terms, check_update};
use super::{ModuleController, Work};
use crate::{Candidate, Digest, LoadedModule, Rejection};

/// The version that an operator selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionSelector {
    /// The highest version that may run, now and later.
    Latest,
    /// Exactly this version, until an operator selects another one.
    Exactly(Version),
}

impl fmt::Display for VersionSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("module that may run"),
            Self::Exactly(version) => write!(f, "version {version}"),
        }
    }
}

/// A request to `module/use`.
#[derive(Clone, Debug)]
pub struct SelectRequest {
    /// Selected version.
    pub version: VersionSelector,
    /// Needed if several modules have this version. With `Latest`, a higher version may replace this module.
    pub digest: Option<Digest>,
    /// Activate the module also where no revert is possible.
    pub force: bool,
    /// The additional capabilities, paths and destinations of secrets that the operator accepts.
    pub accepted: BTreeSet<String>,
}

impl ModuleController {
    pub(super) async fn select(&self, work: &mut Work, request: SelectRequest) -> Result<Done, CallError> {
        let state = self.state_to_change(work, request.force).await?;
        self.source.forget_failures();
        if request.version != VersionSelector::Latest || request.digest.is_some() {
            return self.use_selected(work, state, request).await;
        }
        self.use_latest(work, state, request).await
    }

    async fn state_to_change(&self, work: &mut Work, force: bool) -> Result<State, CallError> {
        match self.state(work).await {
            // The state is unreadable for good: only `force` can replace it.
            Err(Rejection::Permanent(rejection)) if force => {
                tracing::warn!(mount = self.name(), %rejection, "the unreadable state of modules is replaced by an empty one");
                Ok(State::default())
            }
            state => Ok(state?),
        }
    }

    /// Removes the pin first, because that must not depend on the outcome of the pass.
    async fn use_latest(&self, work: &mut Work, mut state: State, request: SelectRequest) -> Result<Done, CallError> {
        let was_pinned = state.exclusive_pin().is_some();
        if state.pin.take().is_some() {
            self.save(work, state.clone()).await?;
        }
        let outcome = if request.force || !request.accepted.is_empty() {
            let selected = self.use_selected(work, state, request).await;
            if selected.is_err() && was_pinned {
                // The report names the module that serves without the pin.
                let _ = self.reconcile_and_report(work).await;
            }
            selected
        } else {
            self.follow_highest(work).await
        };
        outcome.map_err(|error| match error {
            CallError::Rejected(rejection) if was_pinned => {
                rejection.map(|text| format!("no module is pinned any more, but {text}")).into()
            }
            error => error,
        })
    }

    async fn follow_highest(&self, work: &mut Work) -> Result<Done, CallError> {
        work.failed_attempts.clear();
        self.reconcile_and_report(work).await?;
        let serving = self.active.load_full();
        let passed_over = self.report.load().passed_over(serving.as_ref().map(|active| active.loaded.digest));
        Ok(Done::Unpinned { serves: serving.map(|active| active.loaded.id.clone()), passed_over })
    }

    async fn use_selected(&self, work: &mut Work, state: State, request: SelectRequest) -> Result<Done, CallError> {
        let embedded = self.source.embedded().await?;
        // This process may not have served the mount yet.
        self.assume_advertised(&state, &embedded);
        let engine = self.options.engine.as_ref().unwrap_or(&embedded.id.engine).clone();
        let baseline = self.baseline(&state, &embedded, &engine).await?;
        let (candidate, next) = self.find(&state, &request, &engine).await?;
        let loaded = self.mailbox.unless_revert_pending(self.load(&candidate, true)).await.flatten()?;
        let manifest = ModuleManifest::of(&loaded);
        check_accepted(&manifest, baseline.as_ref(), &request.accepted)?;
        let (force, accepted, embedded) = (request.force, &request.accepted, is_embedded(&candidate));
        check_update(&manifest, baseline.as_ref(), Terms { force, accepted, embedded })?;
        let is_free = self.check_advertised(&loaded).is_ok();
        if is_free {
            self.activate_selected(work, loaded, next, baseline.as_ref()).await?;
        } else {
            self.save(work, next).await?;
        }
        // The module is selected. If this pass fails, the log and the report say so.
        let _ = self.reconcile_and_report(work).await;
        // The pass may have activated a higher version.
        let serving = self.active.load_full().filter(|_| is_free);
        Ok(serving.map_or(Done::NeedsReload(candidate.id), |active| Done::Serves(active.loaded.id.clone())))
    }

    async fn activate_selected(
        &self,
        work: &mut Work,
        loaded: Arc<LoadedModule>,
        next: State,
        baseline: Option<&ModuleManifest>,
    ) -> Result<(), CallError> {
        let serves = self.active.load().as_ref().is_some_and(|active| active.loaded.digest == loaded.digest);
        if !serves {
            self.probe(&loaded).await?;
        }
        let manifest = ModuleManifest::of(&loaded);
        let previous = self.previous_record(&next, &manifest, baseline);
        let next = match next.is_last_active(loaded.digest) {
            true => next,
            false => self.holding_secrets(next.with_active(manifest, previous), &loaded, baseline),
        };
        self.save(work, next).await?;
        if !serves {
            self.activate(work, Active::on_trial(loaded, SystemTime::now()))?;
        }
        Ok(())
    }

    /// The selected candidate, and the state with its pin.
    async fn find(
        &self,
        state: &State,
        request: &SelectRequest,
        engine: &str,
    ) -> Result<(Candidate, State), Rejection> {
        let mut candidates = self.mailbox.unless_revert_pending(self.source.candidates()).await??;
        candidates.retain(|candidate| candidate.id.engine == engine);
        candidates.retain(|candidate| request.digest.is_none_or(|digest| digest == candidate.digest));
        let candidates = match &request.version {
            VersionSelector::Latest if request.digest.is_none() => self.latest(state, candidates, engine),
            VersionSelector::Latest => candidates,
            VersionSelector::Exactly(version) => {
                candidates.retain(|candidate| candidate.id.version == *version);
                candidates
            }
        };
        let candidate = exactly_one(candidates, engine, &request.version)?;
        let next = with_pin(state, request, &candidate);
        // As at a start: an active module must not exclude the selected one.
        let criteria = Criteria { engine, version: self.options.version.as_ref(), serving: None };
        match rank(vec![candidate.clone()], &next, &criteria).pop().map(|ranked| ranked.verdict) {
            Some(Verdict::Rejected(rejection)) => Err(rejection),
            Some(Verdict::NotWanted(reason) | Verdict::Fallback(reason)) => Err(Rejection::Permanent(reason)),
            _ => Ok((candidate, next)),
        }
    }

    /// The highest version that may run without a pin.
    fn latest(&self, state: &State, candidates: Vec<Candidate>, engine: &str) -> Vec<Candidate> {
        let mut free = state.clone();
        free.pin = None;
        let criteria = Criteria { engine, version: self.options.version.as_ref(), serving: None };
        let eligible = |ranked: &Ranked| ranked.verdict == Verdict::Eligible;
        rank(candidates, &free, &criteria)
            .into_iter()
            .find(eligible)
            .map(|ranked| ranked.candidate)
            .into_iter()
            .collect()
    }
}

/// The only candidate; an error if there is none or more than one.
fn exactly_one(
    mut candidates: Vec<Candidate>,
    engine: &str,
    selected: &VersionSelector,
) -> Result<Candidate, Rejection> {
    candidates.sort_by_key(Candidate::key);
    candidates.dedup_by_key(|candidate| candidate.key());
    let all = || {
        let each = |candidate: &Candidate| format!("{} with {}", candidate.id.version, candidate.digest);
        candidates.iter().map(each).collect::<Vec<_>>().join(", ")
    };
    match candidates.as_slice() {
        [candidate] => Ok(candidate.clone()),
        [] => Err(Rejection::Permanent(format!(
            "there is no {selected} of the engine `{engine}`: read `module` to see what is there"
        ))),
        _ => Err(Rejection::Permanent(format!(
            "several modules match; name one by `version` and `digest` together: {}",
            all()
        ))),
    }
}

fn with_pin(state: &State, request: &SelectRequest, candidate: &Candidate) -> State {
    let mut next = state.clone();
    next.rejected.retain(|rejected| rejected.digest.0 != candidate.digest);
    next.pin = Some(Pin {
        digest: Text(candidate.digest),
        version: Text(candidate.id.version.clone()),
        exclusive: request.version != VersionSelector::Latest,
        force: request.force,
        accepted: request.accepted.iter().cloned().collect(),
    });
    next
}

/// The operator must accept exactly the module's additional requests, so that none is accepted unseen.
fn check_accepted(
    new: &ModuleManifest,
    baseline: Option<&ModuleManifest>,
    accepted: &BTreeSet<String>,
) -> Result<(), Rejection> {
    let more = new.asks_more_than(baseline);
    if accepted.is_empty() || more == *accepted {
        return Ok(());
    }
    let list = more.into_iter().collect::<Vec<_>>().join(",");
    let text = if list.is_empty() {
        "it asks for nothing beyond the active module: leave `accept_capabilities` out".to_owned()
    } else {
        format!("`accept_capabilities` must name exactly what it asks for beyond the active module: {list}")
    };
    Err(Rejection::Permanent(text))
}
