//! What `tidy` answers: the results of all organizations in one.

use secrets_framework::Outcome;
use std::collections::BTreeMap;

use secrets_framework::Response;
use serde::Serialize;

use crate::limits::TIDY_SHOWN_MAX;
use crate::names::OrgId;
use crate::tidy::{OrgResult, Run};
use crate::time_text;

/// The answer of a write or a read.
#[derive(Serialize)]
pub(super) struct TidyAnswer<'a> {
    orphans: Vec<&'a str>,
    gone: Vec<&'a str>,
    expired: Vec<&'a str>,
    warnings: Vec<&'a str>,
    removed: Vec<&'a str>,
    messages: Vec<&'a str>,
    failed: BTreeMap<&'a OrgId, &'a str>,
    organizations: BTreeMap<&'a OrgId, Organization>,
    complete: bool,
    dry_run: bool,
    began: Option<String>,
    ended: Option<String>,
}

#[derive(Serialize)]
struct Organization {
    at: Option<String>,
    dry_run: bool,
    scheduled: bool,
    complete: bool,
}

impl<'a> TidyAnswer<'a> {
    /// The answer that tells of a run and its results.
    pub(super) fn of(run: &Run, results: &'a BTreeMap<OrgId, OrgResult>) -> Self {
        let all = |list: fn(&OrgResult) -> &Vec<String>| -> Vec<&'a str> {
            results.values().flat_map(list).map(String::as_str).collect()
        };
        Self {
            orphans: all(|result| &result.orphans),
            gone: all(|result| &result.gone),
            expired: all(|result| &result.expired),
            warnings: all(|result| &result.warnings),
            removed: all(|result| &result.removed),
            messages: all(|result| &result.messages),
            failed: results.iter().filter_map(|(id, result)| Some((id, result.failed.as_deref()?))).collect(),
            organizations: results.iter().map(|(id, result)| (id, Organization::of(result))).collect(),
            complete: results.values().all(|result| result.complete),
            dry_run: run.dry_run,
            began: time_text::of_seconds(run.began),
            ended: time_text::of_seconds(run.ended),
        }
    }

    /// As a response. What is too long is cut, and a warning says so.
    pub(super) fn answer(mut self) -> Outcome {
        let lists = [
            &mut self.orphans,
            &mut self.gone,
            &mut self.expired,
            &mut self.warnings,
            &mut self.removed,
            &mut self.messages,
        ];
        let mut cut = false;
        for list in lists {
            cut |= list.len() > TIDY_SHOWN_MAX;
            list.truncate(TIDY_SHOWN_MAX);
        }
        let mut response = Response::json(&self)?;
        if cut {
            response =
                response.warn(format!("only {TIDY_SHOWN_MAX} of a kind are shown: name one organization by `org_id`"));
        }
        if !self.failed.is_empty() {
            response =
                response.warn(format!("{} of the organizations could not be tidied: see `failed`", self.failed.len()));
        } else if !self.complete {
            response = response.warn("not everything was done: see `messages`");
        } else if self.organizations.is_empty() {
            response = response.warn("no organization is configured yet: write `config` first");
        }
        Ok(Some(response))
    }
}

impl Organization {
    fn of(result: &OrgResult) -> Self {
        let OrgResult { at, dry_run, scheduled, complete, .. } = *result;
        Self { at: time_text::of_seconds(at), dry_run, scheduled, complete }
    }
}
