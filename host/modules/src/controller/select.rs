//! Selects the module that should serve a mount. All functions are pure, so that tables can show each selection and its
//! reason.
//!
//! Selection has two steps, because a loaded module reveals more than a listed file. [`rank`] orders the candidates to
//! load; [`check_update`](super::update_check::check_update) decides whether a loaded module may replace the active
//! one.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use semver::Version;

use super::state::{ActivationRecord, State};
use crate::{Approval, Candidate, Digest, ModuleId, Rejection};

/// The input of the selection beside the state.
#[derive(Clone, Debug)]
pub(super) struct Criteria<'a> {
    /// Engine of the mount.
    pub engine: &'a str,
    /// The version that the mount's option `module_version` names.
    pub version: Option<&'a Version>,
    /// The active module; `None` at a start.
    pub serving: Option<(&'a ModuleId, Digest)>,
}

/// The outcome of the selection for a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The candidate may be activated.
    Eligible,
    /// Another module should serve, for this reason. The candidate is a fallback where no other module can serve, and
    /// is not recorded as the active module.
    Fallback(String),
    /// Another module should serve, for this reason, and the candidate is no fallback.
    NotWanted(String),
    /// The module must not run, or an attempt to run it failed.
    Rejected(Rejection),
}

/// A candidate of the mount's engine.
#[derive(Clone, Debug)]
pub(super) struct Ranked {
    pub candidate: Candidate,
    pub verdict: Verdict,
}

/// The candidates of this engine, best first.
pub(super) fn rank(candidates: Vec<Candidate>, state: &State, criteria: &Criteria<'_>) -> Vec<Ranked> {
    let current = current(state, criteria);
    let is_current = |candidate: &Candidate| current.as_ref().is_some_and(|(_, digest)| *digest == candidate.digest);
    let is_there = candidates.iter().any(is_current);
    let mut of_engine: Vec<_> =
        candidates.into_iter().filter(|candidate| candidate.id.engine == criteria.engine).collect();
    of_engine.sort_by_key(|candidate| {
        (Reverse(candidate.id.version.clone()), !is_current(candidate), !is_embedded(candidate))
    });
    // Bytes that are in the binary and in a file are one module. Bytes under another name are another module.
    let mut seen = BTreeSet::new();
    of_engine.retain(|candidate| seen.insert(candidate.key()));
    let ranked = |candidate: Candidate| {
        let others = current.as_ref().filter(|_| !is_current(&candidate)).map(|(id, _)| id);
        Ranked { verdict: verdict(&candidate, state, criteria, others, is_there), candidate }
    };
    of_engine.into_iter().map(ranked).collect()
}

/// `current` is the module that continues to serve while there is no better one, unless it is the candidate itself.
fn verdict(
    candidate: &Candidate,
    state: &State,
    criteria: &Criteria<'_>,
    current: Option<&ModuleId>,
    current_is_there: bool,
) -> Verdict {
    let (version, digest) = (&candidate.id.version, candidate.digest);
    let approval = match &candidate.approval {
        Ok(approval) => approval,
        Err(rejection) => return Verdict::Rejected(rejection.clone().into_permanent()),
    };
    if let Some(reason) = state.rejection(digest) {
        let text = format!("it was rejected on this mount: {reason}; `module/use` with its `digest` tries it again");
        return Verdict::Rejected(Rejection::Permanent(text));
    }
    let is =
        |record: &Option<ActivationRecord>| record.as_ref().is_some_and(|record| record.manifest.digest.0 == digest);
    let has_run = is(&state.last_active) || is(&state.previous);
    let instead = |may: bool, text: String| if may { Verdict::Fallback(text) } else { Verdict::NotWanted(text) };
    if let Some(pin) = criteria.version.filter(|pin| *pin != version) {
        return instead(is(&state.last_active), format!("the mount's option `module_version` selects {pin}"));
    }
    let pin = state.pin_of(digest).is_some();
    if let (Some(pin), false) = (state.exclusive_pin(), pin) {
        let text = format!("`module/use` selects {} with SHA-256 {}", pin.version.0, pin.digest.0);
        return instead(has_run || is_embedded(candidate), text);
    }
    let floor = state.floors.get(criteria.engine).filter(|floor| *version < floor.0);
    let may_be_old = has_run || is_embedded(candidate) || *approval == Approval::AllowListed;
    let current = current.filter(|_| !pin);
    let lower = current.filter(|current| *version < current.version && criteria.version.is_none());
    if let (Some(current), Some(_)) = (lower, criteria.serving) {
        return instead(floor.is_none() || may_be_old, format!("{} runs", current.version));
    }
    if let Some(floor) = floor.filter(|_| !may_be_old) {
        let text = format!("it is older than {}, which has run here; `--module-sha256` pins it", floor.0);
        return Verdict::Rejected(Rejection::Permanent(text));
    }
    match current {
        None => Verdict::Eligible,
        Some(current) if *version == current.version => match criteria.serving {
            // At a start, a new binary may embed other bytes of the same version.
            None if is_embedded(candidate) && !current_is_there => Verdict::Eligible,
            None if is_embedded(candidate) => {
                Verdict::Fallback("the last active module has other bytes of this version".to_owned())
            }
            _ => Verdict::Rejected(same_version(version)),
        },
        Some(current) if lower.is_some() => Verdict::Fallback(format!("the last active module is {}", current.version)),
        // An allow-list entry lifts the rejection but selects no module: otherwise a revert would not last.
        Some(_) if floor.is_some() && !has_run && criteria.version.is_none() => {
            Verdict::Fallback("it is older than a module that has run here; `module/use` activates it".to_owned())
        }
        Some(_) => Verdict::Eligible,
    }
}

/// The module that continues to serve while there is no better one: the last active module, also if its file is gone,
/// else the module that serves.
fn current(state: &State, criteria: &Criteria<'_>) -> Option<(ModuleId, Digest)> {
    let last_active = state.last_active.as_ref().map(|record| (record.manifest.id(), record.manifest.digest.0));
    let serving = criteria.serving.map(|(id, digest)| (id.clone(), digest));
    let stays = |(id, digest): &(ModuleId, Digest)| id.engine == criteria.engine && state.rejection(*digest).is_none();
    last_active.filter(stays).or(serving.filter(stays))
}

fn same_version(version: &Version) -> Rejection {
    Rejection::Permanent(format!(
        "it has version {version} like the one that runs, and other bytes, which is no update: give it a version of \
         its own, or name it by `module/use` with its `digest`"
    ))
}

pub(super) fn is_embedded(candidate: &Candidate) -> bool {
    matches!(candidate.approval, Ok(Approval::Embedded))
}

#[cfg(test)]
mod tests;
