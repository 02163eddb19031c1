//! Which module should serve a mount: pure, so that tables can show what is chosen and why not.
//!
//! In two steps, since some is known of a file that is listed and more of a module that is loaded: [`rank`] says
//! which to load, [`judge`](super::judge::judge) whether it may take the place of the one that runs.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use semver::Version;

use super::state::{Ran, State};
use crate::{Approval, Candidate, Digest, ModuleId, Refusal};

/// What the mount's options and this process say.
#[derive(Clone, Debug)]
pub(super) struct Wish<'a> {
    /// The engine that the mount is of.
    pub engine: &'a str,
    /// The version that the mount's options hold.
    pub version: Option<&'a Version>,
    /// What serves now; none at a start.
    pub serving: Option<(&'a ModuleId, Digest)>,
}

/// What becomes of a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may be tried.
    Eligible,
    /// Another one is wanted: why. It serves only where none else can, and is not stored as what runs.
    StandsIn(String),
    /// Another one is wanted, and nothing else: why.
    NotWanted(String),
    /// It could not be had just now, and is tried again: why.
    NotNow(Refusal),
    /// It must not run.
    Refused(Refusal),
}

/// A candidate of the mount's engine.
#[derive(Clone, Debug)]
pub(super) struct Ranked {
    /// Which.
    pub candidate: Candidate,
    /// See there.
    pub verdict: Verdict,
}

/// The candidates of this engine, best first.
pub(super) fn rank(candidates: Vec<Candidate>, state: &State, wish: &Wish<'_>) -> Vec<Ranked> {
    let current = current(state, wish);
    let is_current = |candidate: &Candidate| current.as_ref().is_some_and(|(_, digest)| *digest == candidate.digest);
    let is_there = candidates.iter().any(is_current);
    let mut of_engine: Vec<_> = candidates.into_iter().filter(|candidate| candidate.id.engine == wish.engine).collect();
    of_engine.sort_by_key(|candidate| {
        (Reverse(candidate.id.version.clone()), !is_current(candidate), !is_embedded(candidate))
    });
    // The same bytes twice, in the binary and in a file, are one module. Under another name they are none.
    let mut seen = BTreeSet::new();
    of_engine.retain(|candidate| seen.insert(candidate.key()));
    let ranked = |candidate: Candidate| {
        let others = current.as_ref().filter(|_| !is_current(&candidate)).map(|(id, _)| id);
        Ranked { verdict: verdict(&candidate, state, wish, others, is_there), candidate }
    };
    of_engine.into_iter().map(ranked).collect()
}

/// `current` is what goes on as long as nothing better is there, unless that is the candidate itself.
fn verdict(
    candidate: &Candidate,
    state: &State,
    wish: &Wish<'_>,
    current: Option<&ModuleId>,
    current_is_there: bool,
) -> Verdict {
    let (version, digest) = (&candidate.id.version, candidate.digest);
    let approval = match &candidate.approval {
        Ok(approval) => approval,
        Err(refusal) => return Verdict::Refused(refusal.clone()),
    };
    if let Some(reason) = state.refusal(digest) {
        let text = format!("it went wrong here: {reason}; `module/use` with its `digest` tries it again");
        return Verdict::Refused(Refusal(text));
    }
    let is = |ran: &Option<Ran>| ran.as_ref().is_some_and(|ran| ran.facts.digest.0 == digest);
    let ran = is(&state.running) || is(&state.previous);
    let instead = |may: bool, text: String| if may { Verdict::StandsIn(text) } else { Verdict::NotWanted(text) };
    if let Some(held) = wish.version.filter(|held| *held != version) {
        return instead(is(&state.running), format!("the mount's option `module_version` holds {held}"));
    }
    let said = state.said_of(digest).is_some();
    if let (Some(held), false) = (state.holding(), said) {
        let text = format!("`module/use` holds {} with SHA-256 {}", held.version.0, held.digest.0);
        return instead(ran || is_embedded(candidate), text);
    }
    let floor = state.floors.get(wish.engine).filter(|floor| *version < floor.0);
    let may_be_old = ran || is_embedded(candidate) || *approval == Approval::Pinned;
    let current = current.filter(|_| !said);
    let lower = current.filter(|current| *version < current.version && wish.version.is_none());
    if let (Some(current), Some(_)) = (lower, wish.serving) {
        return instead(floor.is_none() || may_be_old, format!("{} runs", current.version));
    }
    if let Some(floor) = floor.filter(|_| !may_be_old) {
        let text = format!("it is older than {}, which has run here; `--module-sha256` pins it", floor.0);
        return Verdict::Refused(Refusal(text));
    }
    match current {
        None => Verdict::Eligible,
        Some(current) if *version == current.version => match wish.serving {
            // At a start the module of the binary may have other bytes than with the binary of before.
            None if is_embedded(candidate) && !current_is_there => Verdict::Eligible,
            None if is_embedded(candidate) => Verdict::StandsIn("other bytes of this version ran last".to_owned()),
            _ => Verdict::Refused(same_version(version)),
        },
        Some(current) if lower.is_some() => Verdict::StandsIn(format!("{} ran last", current.version)),
        // A pin lifts the refusal; it does not choose, or going back would not last.
        Some(_) if floor.is_some() && !ran && wish.version.is_none() => {
            Verdict::StandsIn("it is older than what has run here; `module/use` takes it".to_owned())
        }
        Some(_) => Verdict::Eligible,
    }
}

/// What goes on as long as nothing better is there: what ran last, also if its file is gone, else what serves.
fn current(state: &State, wish: &Wish<'_>) -> Option<(ModuleId, Digest)> {
    let ran = state.running.as_ref().map(|ran| (ran.facts.id(), ran.facts.digest.0));
    let serving = wish.serving.map(|(id, digest)| (id.clone(), digest));
    let stays = |(id, digest): &(ModuleId, Digest)| id.engine == wish.engine && state.refusal(*digest).is_none();
    ran.filter(stays).or(serving.filter(stays))
}

fn same_version(version: &Version) -> Refusal {
    Refusal(format!(
        "it has version {version} like the one that runs, and other bytes, which is no update: give it a version of \
         its own, or name it by `module/use` with its `digest`"
    ))
}

pub(super) fn is_embedded(candidate: &Candidate) -> bool {
    matches!(candidate.approval, Ok(Approval::Embedded))
}

#[cfg(test)]
#[path = "select_tests.rs"]
mod tests;
