//! The answer of the path `module`, from the report of a controller.

use modules::controller::{CandidateReport, Condition, Report};
use modules::{Approval, RejectedFile};
use serde_json::{Value, json};

/// The answer to a read of `module`.
pub(super) fn of(report: &Report) -> Value {
    let serving = report.serving.as_ref();
    let (approval, signers) = match serving.map(|serving| &serving.approval) {
        Some(Approval::Embedded) => (Some("embedded"), &[][..]),
        Some(Approval::AllowListed) => (Some("pinned"), &[][..]),
        Some(Approval::Signed(keys)) => (Some("signed"), keys.as_slice()),
        None => (None, &[][..]),
    };
    let module = |version: String, digest: String| json!({ "version": version, "digest": digest });
    let previous = report.previous.as_ref().map(|(id, digest)| module(id.version.to_string(), digest.to_string()));
    let pin = report.pin.as_ref().map(|(version, digest)| module(version.clone(), digest.to_string()));
    json!({
        "state": state(report.condition),
        "engine": serving.map(|serving| serving.id.engine.clone()),
        "version": serving.map(|serving| serving.id.version.to_string()),
        "digest": serving.map(|serving| serving.digest.to_string()),
        "origin": serving.map(|serving| serving.origin.to_string()),
        "approval": approval,
        "signers": signers,
        "since": serving.map(|serving| humantime::format_rfc3339_seconds(serving.since).to_string()),
        "previous": previous,
        "held": pin,
        "candidates": report.candidates.iter().map(candidate).collect::<Vec<_>>(),
        "refused_files": report.rejected_files.iter().map(refused_file).collect::<Vec<_>>(),
        "sealed_secrets": report.sealed_secrets,
        "problem": report.problem,
        "node_local": report.unsaved,
    })
}

/// The word for it.
pub(super) fn state(condition: Condition) -> &'static str {
    match condition {
        Condition::Starting => "starting",
        Condition::NothingServes => "nothing serves",
        Condition::OnTrial => "on trial",
        Condition::Serves => "serves",
    }
}

fn refused_file(file: &RejectedFile) -> Value {
    json!({ "file": file.name, "reason": file.reason.text() })
}

fn candidate(candidate: &CandidateReport) -> Value {
    json!({
        "version": candidate.id.version.to_string(),
        "digest": candidate.digest.to_string(),
        "origin": candidate.origin.to_string(),
        "acceptable": candidate.acceptable,
        "reason": candidate.reason,
    })
}
