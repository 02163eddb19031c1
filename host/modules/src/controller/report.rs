//! What is told of a mount's modules.

use std::time::SystemTime;

use super::active::Active;
use super::select::{Ranked, Verdict};
use super::state::{Pin, State};
use crate::limits::REASONS_TOLD_MAX;
use crate::{Approval, Digest, ModuleId, Origin, RejectedFile, Rejection};

/// Whether and how a mount is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// No request came yet.
    #[default]
    Starting,
    /// No module may serve it.
    NothingServes,
    /// By a module that is watched: it goes if it fails too often.
    OnTrial,
    /// By a module that has shown itself.
    Serves,
}

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// See there.
    pub condition: Condition,
    /// What serves.
    pub serving: Option<Serving>,
    /// What served before, to go back to.
    pub previous: Option<(ModuleId, Digest)>,
    /// What an operator holds by `module/use`.
    pub pin: Option<(String, Digest)>,
    /// Modules of the mount's engine, best first.
    pub candidates: Vec<CandidateReport>,
    /// Files of the directory that are no modules at all.
    pub rejected_files: Vec<RejectedFile>,
    /// Why the last look was none, or why another module serves than the one that should.
    pub problem: Option<String>,
    /// What is told here is not in storage: this node cannot write.
    pub unsaved: bool,
}

/// The module that serves.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "see `LoadedModule`")]
pub struct Serving {
    pub id: ModuleId,
    pub digest: Digest,
    pub origin: Origin,
    pub approval: Approval,
    pub since: SystemTime,
}

impl From<&Active> for Serving {
    fn from(active: &Active) -> Self {
        Self {
            id: active.loaded.id.clone(),
            digest: active.loaded.digest,
            origin: active.loaded.origin.clone(),
            approval: active.loaded.approval.clone(),
            since: active.since,
        }
    }
}

/// A module that is there.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "see `Candidate`")]
pub struct CandidateReport {
    pub id: ModuleId,
    pub digest: Digest,
    pub origin: Origin,
    /// May it serve? If not, or if another one is wanted, why.
    pub acceptable: bool,
    pub reason: Option<String>,
}

impl Report {
    pub(super) fn new(ranked: Vec<Ranked>, state: &State, unsaved: bool, problem: Option<String>) -> Self {
        Self {
            previous: state.previous.as_ref().map(|record| (record.manifest.id(), record.manifest.digest.0)),
            pin: state.exclusive_pin().map(|Pin { version, digest, .. }| (version.0.to_string(), digest.0)),
            candidates: ranked.into_iter().map(CandidateReport::from).collect(),
            problem,
            unsaved,
            ..Self::default()
        }
    }

    /// Modules that are better than the one that serves, and why they do not.
    pub(super) fn passed_over(&self, serving: Option<Digest>) -> Vec<String> {
        let better = self.candidates.iter().take_while(|candidate| Some(candidate.digest) != serving);
        better.filter_map(CandidateReport::why_not).take(REASONS_TOLD_MAX).collect()
    }

    /// One sentence for clients and log.
    pub(super) fn why_nothing_serves(&self, engine: Option<&str>) -> Rejection {
        let reasons = self.candidates.iter().filter_map(CandidateReport::why_not);
        let reasons: Vec<_> = self.problem.iter().cloned().chain(reasons).take(REASONS_TOLD_MAX).collect();
        let its_engine = engine.map_or_else(|| "its engine".to_owned(), |engine| format!("the engine `{engine}`"));
        let none = || format!("none of {its_engine} is there");
        let reasons = if reasons.is_empty() { none() } else { reasons.join("; ") };
        Rejection::Transient(format!("no module may serve this mount: {reasons}"))
    }
}

impl CandidateReport {
    fn why_not(&self) -> Option<String> {
        self.reason.as_ref().map(|reason| format!("{} ({}): {reason}", self.id, self.origin))
    }
}

impl From<Ranked> for CandidateReport {
    fn from(ranked: Ranked) -> Self {
        let Ranked { candidate, verdict } = ranked;
        let (acceptable, reason) = match verdict {
            Verdict::Eligible => (true, None),
            Verdict::Fallback(reason) | Verdict::NotWanted(reason) => (true, Some(reason)),
            Verdict::Rejected(Rejection::Transient(reason)) => {
                (true, Some(format!("not just now: {reason}; it is tried again by itself")))
            }
            Verdict::Rejected(Rejection::Permanent(reason)) => (false, Some(reason)),
        };
        Self { id: candidate.id, digest: candidate.digest, origin: candidate.origin, acceptable, reason }
    }
}
