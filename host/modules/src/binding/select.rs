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

/// What becomes of a candidate before it is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may be tried.
    Eligible,
    /// Nothing is wrong with it, but another one is wanted: why.
    NotWanted(String),
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
    let mut of_engine: Vec<_> = candidates.into_iter().filter(|candidate| candidate.id.engine == wish.engine).collect();
    let serves = |candidate: &Candidate| wish.serving.is_some_and(|(_, digest)| digest == candidate.digest);
    of_engine
        .sort_by_key(|candidate| (Reverse(candidate.id.version.clone()), !serves(candidate), !is_embedded(candidate)));
    // The same bytes twice, in the binary and in a file, are one module.
    let mut seen = BTreeSet::new();
    of_engine.retain(|candidate| seen.insert(candidate.digest));
    let ranked = |candidate: Candidate| Ranked { verdict: verdict(&candidate, state, wish), candidate };
    of_engine.into_iter().map(ranked).collect()
}

fn verdict(candidate: &Candidate, state: &State, wish: &Wish<'_>) -> Verdict {
    let (version, digest) = (&candidate.id.version, candidate.digest);
    let approval = match &candidate.approval {
        Ok(approval) => approval,
        Err(refusal) => return Verdict::Refused(refusal.clone()),
    };
    if let Some(reason) = state.refusal(digest) {
        let text = format!("it went wrong here: {reason}; `module/use` with its `digest` tries it again");
        return Verdict::Refused(Refusal(text));
    }
    if let Some(held) = wish.version.filter(|held| *held != version) {
        return Verdict::NotWanted(format!("the mount's option `module_version` holds {held}"));
    }
    let said = state.said_of(digest);
    if let (Some(held), None) = (state.held.as_ref().filter(|held| held.holds), said) {
        return Verdict::NotWanted(format!("`module/use` holds {} with SHA-256 {}", held.version.0, held.digest.0));
    }
    if let Some((id, _)) = wish.serving.filter(|(id, _)| *version < id.version)
        && said.is_none()
        && may_stay(state, wish)
    {
        return Verdict::NotWanted(format!("{} runs", id.version));
    }
    let ran = [&state.running, &state.previous].into_iter().flatten().any(|ran| ran.facts.digest.0 == digest);
    let floor = state.floors.get(wish.engine).filter(|floor| *version < floor.0);
    if let Some(floor) = floor
        && !(ran || is_embedded(candidate) || *approval == Approval::Pinned)
    {
        let text = format!("it is older than {}, which has run here; `--module-sha256` pins it", floor.0);
        return Verdict::Refused(Refusal(text));
    }
    if said.is_some() {
        return Verdict::Eligible;
    }
    match wish.serving {
        Some((_, serving)) if serving == digest => Verdict::Eligible,
        Some((id, _)) if *version == id.version => Verdict::Refused(same_version(version)),
        // A pin lifts the refusal; it does not choose, or going back would not last.
        Some(_) if floor.is_some() && !ran && may_stay(state, wish) => {
            Verdict::NotWanted("it is older than what has run here; `module/use` takes it".to_owned())
        }
        // At a start the module of the binary may have other bytes than with the binary of before.
        None if !is_embedded(candidate) && same_but_other(state, candidate) => Verdict::Refused(same_version(version)),
        _ => Verdict::Eligible,
    }
}

/// May what serves go on, also if its file is gone?
fn may_stay(state: &State, wish: &Wish<'_>) -> bool {
    let Some((id, digest)) = wish.serving else { return false };
    let held_away = state.held.as_ref().is_some_and(|held| held.holds && held.digest.0 != digest);
    !held_away && state.refusal(digest).is_none() && wish.version.is_none_or(|version| *version == id.version)
}

fn same_but_other(state: &State, candidate: &Candidate) -> bool {
    let same = |ran: &Ran| ran.facts.id() == candidate.id && ran.facts.digest.0 != candidate.digest;
    state.running.as_ref().is_some_and(same)
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
