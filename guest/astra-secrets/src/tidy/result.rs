//! What came of the last tidy: one entry for the run, one for each
//! organization, so that scheduled runs of one do not hide the others. A run
//! is noted when it begins, which is also how a node that cannot write finds out.

use std::collections::BTreeMap;

use secrets_framework::host::StorageEntry;
use secrets_framework::{Context, Error};
use serde::{Deserialize, Serialize};

use super::round::Round;
use super::{Order, Pace};
use crate::limits::{CONFIGS_MAX, TIDY_GO_ON_WITHIN, TIDY_MESSAGES_MAX, TIDY_SAME_CALL};
use crate::names::OrgId;
use crate::storage::key::{TIDY_RESULT_PREFIX, TIDY_RUN_KEY, from_segment, segment};
use crate::storage::{keys_below, read_one};

/// The last run.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub(crate) struct Run {
    /// When it began, in seconds since 1970-01-01T00:00:00Z.
    pub(crate) began: u64,
    /// When it ended; 0 = it has not, or died.
    pub(crate) ended: u64,
    /// Was nothing to be changed?
    pub(crate) dry_run: bool,
    /// Tokens of Astra's lists that its request had read when it ended.
    pub(super) listed: usize,
    /// The last round of all organizations.
    pub(super) round: Round,
}

impl Run {
    /// How many listed tokens the request that runs at `now` has read already, where it may
    /// be the one of this run: one rollback call tidies several organizations.
    pub(super) fn listed_before(&self, now: u64) -> usize {
        if now < self.began + TIDY_SAME_CALL.as_secs() { self.listed } else { 0 }
    }
}

/// The last result of one organization.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub(crate) struct OrgResult {
    /// When its run began, in seconds since 1970-01-01T00:00:00Z.
    pub(crate) at: u64,
    /// Was nothing to be changed?
    pub(crate) dry_run: bool,
    /// Did rollback do it, by the config's `tidy_period`?
    pub(crate) scheduled: bool,
    /// Is there nothing more that limits kept it from?
    pub(crate) complete: bool,
    /// Tokens in Astra with this mount's mark and no record.
    pub(crate) orphans: Vec<String>,
    /// Records whose token is not in Astra.
    pub(crate) gone: Vec<String>,
    /// Records whose end has passed.
    pub(crate) expired: Vec<String>,
    /// Admin tokens near their expiry.
    pub(crate) warnings: Vec<String>,
    /// What was removed of the first three.
    pub(crate) removed: Vec<String>,
    /// What an operator should know.
    pub(crate) messages: Vec<String>,
    /// Why it could not be compared, or not as a whole.
    pub(crate) failed: Option<String>,
    /// Scheduled runs that failed since the last that did not.
    pub(crate) failures: u32,
    /// The name in the index by client ID after which the next tidy goes on; empty = from the first.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) after: String,
    /// Is there a part, after that name, that the next tidy is to go on with?
    #[serde(skip_serializing_if = "is_false")]
    pub(super) unfinished: bool,
    /// Was something left undone before that name, which only a tidy from the first does?
    #[serde(skip_serializing_if = "is_false")]
    pub(super) skipped: bool,
    /// Did the last tidy fail at the same part?
    #[serde(skip)]
    pub(super) is_retry: bool,
    /// The number of the round that it belongs to; 0 = to none.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) round: u64,
    /// When the Astra roles of the organization were noted, in seconds since 1970-01-01T00:00:00Z; 0 = never.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) roles_noted: u64,
}

impl OrgResult {
    /// An empty result.
    pub(super) fn new(order: &Order, at: u64) -> Self {
        let scheduled = order.pace == Pace::Scheduled;
        Self { at, dry_run: order.dry_run, scheduled, complete: true, ..Self::default() }
    }

    /// As [`Self::new`], for a tidy that goes on where `last` stopped, if `last` is of the same kind and not too old.
    pub(super) fn after(order: &Order, at: u64, last: Option<&Self>) -> Self {
        let goes_on = |last: &&Self| last.dry_run == order.dry_run && at < last.at + TIDY_GO_ON_WITHIN.as_secs();
        let roles_noted = last.map_or(0, |last| last.roles_noted);
        let Some(last) = last.filter(goes_on) else { return Self { roles_noted, ..Self::new(order, at) } };
        Self {
            after: last.after.clone(),
            unfinished: !last.after.is_empty(),
            skipped: last.skipped && !last.after.is_empty(),
            is_retry: last.failed.is_some(),
            roles_noted,
            ..Self::new(order, at)
        }
    }

    /// Adds a sentence; beyond the limit it is known already that much is wrong.
    pub(super) fn tell(&mut self, sentence: impl Into<String>) {
        if self.messages.len() < TIDY_MESSAGES_MAX {
            self.messages.push(sentence.into());
        }
    }

    /// Something is left undone.
    pub(super) fn stop(&mut self, sentence: &str) {
        self.complete = false;
        if !self.messages.iter().any(|told| told == sentence) {
            self.tell(sentence);
        }
    }

    /// As [`Self::stop`], where going on does not make up for it.
    pub(super) fn skip(&mut self, sentence: &str) {
        self.skipped = true;
        self.stop(sentence);
    }

    /// It could not be compared; the first reason counts.
    pub(super) fn fail(&mut self, sentence: String) {
        self.complete = false;
        self.failed.get_or_insert(sentence);
    }
}

/// The last run; none before the first.
pub(crate) fn load_run(context: &Context<'_>) -> Result<Option<Run>, Error> {
    load(context, TIDY_RUN_KEY)
}

/// Notes a run.
pub(super) fn store_run(context: &Context<'_>, run: &Run) -> Result<(), Error> {
    store(context, TIDY_RUN_KEY.to_owned(), run)
}

/// An organization's last result; none before the first.
pub(crate) fn load_result(context: &Context<'_>, org_id: &OrgId) -> Result<Option<OrgResult>, Error> {
    load(context, &key(org_id))
}

/// Stores an organization's result. Scheduled failures are counted on from the `last` result.
pub(super) fn store_result(
    context: &Context<'_>,
    org_id: &OrgId,
    last: Option<&OrgResult>,
    result: &mut OrgResult,
) -> Result<(), Error> {
    let before = last.map_or(0, |last| last.failures);
    result.failures = match (&result.failed, result.scheduled) {
        (None, _) => 0,
        (Some(_), true) => before.saturating_add(1),
        (Some(_), false) => before,
    };
    store(context, key(org_id), result)
}

/// The last results of all organizations.
pub(crate) fn results(context: &Context<'_>) -> Result<BTreeMap<OrgId, OrgResult>, Error> {
    let mut results = BTreeMap::new();
    for org_id in org_ids(context)? {
        let read = read_one(context.storage(), &key(&org_id))?.unwrap_or_default();
        if let Some(result) = read.and_then(|entry| entry.parsed()) {
            results.insert(org_id, result);
        }
    }
    Ok(results)
}

/// Forgets the results of organizations that are not there any more.
pub(super) fn drop_results(context: &Context<'_>, is_there: impl Fn(&OrgId) -> bool) -> Result<(), Error> {
    for org_id in org_ids(context)?.into_iter().filter(|org_id| !is_there(org_id)) {
        context.storage().delete(&key(&org_id))?;
    }
    Ok(())
}

fn org_ids(context: &Context<'_>) -> Result<Vec<OrgId>, Error> {
    // Configured and retired organizations have each their own limit.
    let names = keys_below(context.storage(), TIDY_RESULT_PREFIX, "", 2 * CONFIGS_MAX)?;
    Ok(names.iter().filter_map(|name| from_segment(name)).map(OrgId::stored).collect())
}

fn key(org_id: &OrgId) -> String {
    format!("{TIDY_RESULT_PREFIX}{}", segment(org_id.as_str()))
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A result that cannot be read is as good as none: the next run writes it anew.
fn load<T: for<'de> Deserialize<'de>>(context: &Context<'_>, key: &str) -> Result<Option<T>, Error> {
    let entry = context.storage().get(key)?;
    Ok(entry.and_then(|entry| entry.parsed()))
}

fn store(context: &Context<'_>, key: String, value: &impl Serialize) -> Result<(), Error> {
    Ok(context.storage().put(StorageEntry::json(key, value)?)?)
}
