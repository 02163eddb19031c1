//! The operator names a module: to run exactly it, to say yes to what it asks for, or to try it again.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use semver::Version;

use super::call::{CallError, Done};
use super::facts::Facts;
use super::judge::{Terms, judge};
use super::select::{Ranked, Verdict, Wish, is_embedded, rank};
use super::state::{Held, ReadError, State, Text};
use super::{Binding, Work};
use crate::{Candidate, Digest, LoadedModule, Refusal};

/// Which version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// The highest that may run, now and later.
    Latest,
    /// This one until another is named.
    Exactly(Version),
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("module that may run"),
            Self::Exactly(version) => write!(f, "version {version}"),
        }
    }
}

/// What an operator says.
#[derive(Clone, Debug)]
pub struct Naming {
    /// See there.
    pub version: Named,
    /// Needed where several modules have this version. With `Latest` exactly this one, which a higher one may follow.
    pub digest: Option<Digest>,
    /// Also when there is no way back.
    pub force: bool,
    /// All that it may ask for more than the one before it.
    pub accepted: BTreeSet<String>,
}

impl Binding {
    /// Goes live with the module that is named.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn use_module(self: &Arc<Self>, naming: Naming) -> Result<Done, CallError> {
        self.alone(move |this, mut work| async move { this.use_named(&mut work, naming).await }).await
    }

    async fn use_named(&self, work: &mut Work, naming: Naming) -> Result<Done, CallError> {
        let state = match self.state(work).await {
            Ok(state) => state,
            // The one way out of a state that nobody can read.
            Err(ReadError::Damaged(refusal)) if naming.force => {
                tracing::warn!(mount = self.name(), %refusal, "the state of modules begins anew");
                State::default()
            }
            Err(error) => return Err(error.into()),
        };
        let embedded = self.source.embedded().await?;
        let engine = self.options.engine.as_ref().unwrap_or(&embedded.id.engine).clone();
        let serving = self.active.load_full();
        let before = self.before(&state, serving.as_deref(), &embedded, &engine);
        let (candidate, next) = self.find(&state, &naming, &engine).await?;
        let loaded = self.source.load(&candidate).await.map_err(Refusal::from)?;
        let facts = Facts::of(&loaded);
        check_accepted(&facts, before.as_ref(), &naming.accepted)?;
        let (force, accepted, embedded) = (naming.force, &naming.accepted, is_embedded(&candidate));
        judge(&facts, before.as_ref(), Terms { force, accepted, embedded })?;
        if self.check_told(&loaded).is_err() {
            self.save(work, next).await?;
            work.tried.clear();
            // It is done; a failure of this look is in log and status.
            let _ = self.choose_and_tell(work).await;
            return Ok(Done::TakesReload(candidate.id));
        }
        let serves = serving.is_some_and(|active| active.loaded.digest == candidate.digest);
        self.take(work, loaded, next, before.filter(|_| !serves), serves).await?;
        let _ = self.choose_and_tell(work).await;
        // What is not held may have given way to a higher one already.
        let serving = self.active.load_full();
        Ok(Done::Serves(serving.map_or(candidate.id, |active| active.loaded.id.clone())))
    }

    async fn take(
        &self,
        work: &mut Work,
        loaded: Arc<LoadedModule>,
        next: State,
        before: Option<Facts>,
        serves: bool,
    ) -> Result<(), CallError> {
        if serves {
            return Ok(self.save(work, next).await?);
        }
        self.probe(&loaded).await.map_err(Refusal::from)?;
        let before = self.ran_before(&next, before.as_ref());
        let next = next.with_running(Facts::of(&loaded), before);
        self.save(work, next).await?;
        self.switch(work, loaded);
        Ok(())
    }

    /// The candidate, and the state with what was said of it.
    async fn find(&self, state: &State, naming: &Naming, engine: &str) -> Result<(Candidate, State), Refusal> {
        let mut candidates = self.source.candidates().await?;
        candidates.retain(|candidate| candidate.id.engine == engine);
        candidates.retain(|candidate| naming.digest.is_none_or(|digest| digest == candidate.digest));
        let candidates = match &naming.version {
            Named::Latest if naming.digest.is_none() => self.latest(state, candidates, engine),
            Named::Latest => candidates,
            Named::Exactly(version) => {
                candidates.retain(|candidate| candidate.id.version == *version);
                candidates
            }
        };
        let candidate = only(candidates, engine, &naming.version)?;
        let next = with_said(state, naming, &candidate);
        // As at a start: that another one serves is no reason against one that was named.
        let wish = Wish { engine, version: self.options.version.as_ref(), serving: None };
        match rank(vec![candidate.clone()], &next, &wish).pop().map(|ranked| ranked.verdict) {
            Some(Verdict::Refused(refusal)) => Err(refusal),
            Some(Verdict::NotWanted(reason)) => Err(Refusal(reason)),
            _ => Ok((candidate, next)),
        }
    }

    /// The highest that may run when nothing is held.
    fn latest(&self, state: &State, candidates: Vec<Candidate>, engine: &str) -> Vec<Candidate> {
        let mut free = state.clone();
        free.held = None;
        let wish = Wish { engine, version: self.options.version.as_ref(), serving: None };
        let eligible = |ranked: &Ranked| ranked.verdict == Verdict::Eligible;
        rank(candidates, &free, &wish).into_iter().find(eligible).map(|ranked| ranked.candidate).into_iter().collect()
    }
}

/// Exactly one module must be meant.
fn only(mut candidates: Vec<Candidate>, engine: &str, named: &Named) -> Result<Candidate, Refusal> {
    candidates.sort_by_key(|candidate| candidate.digest);
    candidates.dedup_by_key(|candidate| candidate.digest);
    let digests = || candidates.iter().map(|candidate| candidate.digest.to_string()).collect::<Vec<_>>().join(", ");
    match candidates.as_slice() {
        [candidate] => Ok(candidate.clone()),
        [] => Err(Refusal(format!("there is no {named} of the engine `{engine}`: read `module` to see what is there"))),
        _ => Err(Refusal(format!("several modules have this version; `digest` tells which: {}", digests()))),
    }
}

fn with_said(state: &State, naming: &Naming, candidate: &Candidate) -> State {
    let mut next = state.clone();
    next.refused.retain(|refused| refused.digest.0 != candidate.digest);
    next.held = Some(Held {
        digest: Text(candidate.digest),
        version: Text(candidate.id.version.clone()),
        holds: naming.version != Named::Latest,
        force: naming.force,
        accepted: naming.accepted.iter().cloned().collect(),
    });
    next
}

/// An operator who accepts must know what: exactly the difference, no less and no more.
fn check_accepted(new: &Facts, before: Option<&Facts>, accepted: &BTreeSet<String>) -> Result<(), Refusal> {
    let more = before.map(|before| new.asks_more_than(before)).unwrap_or_default();
    if accepted.is_empty() || more == *accepted {
        return Ok(());
    }
    let list = more.into_iter().collect::<Vec<_>>().join(",");
    let text = if list.is_empty() {
        "it asks for nothing more than the one that runs: leave `accept_capabilities` out".to_owned()
    } else {
        format!("`accept_capabilities` must name exactly what it asks for more: {list}")
    };
    Err(Refusal(text))
}
