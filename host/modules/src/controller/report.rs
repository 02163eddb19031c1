//! The report on a mount's modules, for operators.

use std::time::SystemTime;

use super::active::Active;
use super::select::{Ranked, Verdict};
use super::state::{Pin, State};
use crate::limits::REASONS_TOLD_MAX;
use crate::{Approval, Digest, ModuleId, Origin, RejectedFile, Rejection};

/// Begin of the reason why no module serves a mount.
pub(super) const NO_MODULE: &str = "no module may serve this mount";

/// State of a mount: which kind of module serves it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// There has been no request yet.
    #[default]
    Starting,
    /// No module may serve the mount.
    NothingServes,
    /// A module on trial serves: too many faults cause an automatic revert.
    OnTrial,
    /// A module without a trial serves.
    Serves,
}

/// The report on a mount's modules.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// State of the mount.
    pub condition: Condition,
    /// The active module.
    pub serving: Option<Serving>,
    /// The module that served before, to revert to.
    pub previous: Option<(ModuleId, Digest)>,
    /// The module that an operator pinned by `module/use`.
    pub pin: Option<(String, Digest)>,
    /// Modules of the mount's engine, best first.
    pub candidates: Vec<CandidateReport>,
    /// Files of the directory that are not modules.
    pub rejected_files: Vec<RejectedFile>,
    /// Reason why the last pass failed, why another module serves than the desired one, or why none serves yet.
    pub problem: Option<String>,
    /// The secrets that the host keeps from the active module: one line for each class.
    pub sealed_secrets: Vec<String>,
    /// This node cannot write: the state is not stored.
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

/// A module that is available.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "see `Candidate`")]
pub struct CandidateReport {
    pub id: ModuleId,
    pub digest: Digest,
    pub origin: Origin,
    /// May the module serve?
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

    /// Modules that rank above the active one, and why they do not serve.
    pub(super) fn passed_over(&self, serving: Option<Digest>) -> Vec<String> {
        let better = self.candidates.iter().take_while(|candidate| Some(candidate.digest) != serving);
        better.filter_map(CandidateReport::why_not).take(REASONS_TOLD_MAX).collect()
    }

    /// One sentence for clients and the log.
    pub(super) fn why_nothing_serves(&self, engine: Option<&str>) -> Rejection {
        let reasons = self.candidates.iter().filter_map(CandidateReport::why_not);
        let reasons: Vec<_> = self.problem.iter().cloned().chain(reasons).take(REASONS_TOLD_MAX).collect();
        let its_engine = engine.map_or_else(|| "its engine".to_owned(), |engine| format!("the engine `{engine}`"));
        let none = || format!("none of {its_engine} is there");
        let reasons = if reasons.is_empty() { none() } else { reasons.join("; ") };
        Rejection::Transient(format!("{NO_MODULE}: {reasons}"))
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
                (true, Some(format!("not just now: {reason}; the plugin tries again automatically")))
            }
            Verdict::Rejected(Rejection::Permanent(reason)) => (false, Some(reason)),
        };
        Self { id: candidate.id, digest: candidate.digest, origin: candidate.origin, acceptable, reason }
    }
}
