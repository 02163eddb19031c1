//! Walking through records: those of an organization, or all, as far as one request may.

use secrets_framework::{Context, Error};

use super::backfill::{self, being_indexed};
use super::index::client_folder;
use super::listing::in_index;
use super::{Record, RecordId, TokenKind, stored};
use crate::events;
use crate::limits::{LIST_PAGE, TOKENS_DESCRIBED_BYTES_MAX, TOKENS_DESCRIBED_HISTORY_BYTES_MAX, TOKENS_DESCRIBED_MAX};
use crate::names::OrgId;
use crate::page::Page;
use crate::storage::key::TOKEN_PREFIX;
use crate::storage::{self, visit_names};

/// Has the organization a token that was given out, admin tokens apart?
pub(crate) fn any_given_out(context: &Context<'_>, org_id: &OrgId) -> Result<bool, Error> {
    any_in_org_where(context, org_id, |record| record.kind != TokenKind::Admin)
}

/// Has the organization a record that `is_it` takes? Stops at the first, which
/// mostly is among the few looked at first.
pub(crate) fn any_in_org_where(
    context: &Context<'_>,
    org_id: &OrgId,
    is_it: impl Fn(&Record) -> bool,
) -> Result<bool, Error> {
    if any_indexed_where(context, org_id, &is_it)? {
        return Ok(true);
    }
    let state = backfill::load(context)?;
    if state.complete {
        return Ok(false);
    }
    let mut any = false;
    let scan_end = visit_records(context, &state.after, |record| {
        any = record.org_id == *org_id && is_it(&record);
        !any
    })?;
    match scan_end {
        Walked::Far if !any => Err(being_indexed()),
        _ => Ok(any),
    }
}

fn any_indexed_where(context: &Context<'_>, org_id: &OrgId, is_it: impl Fn(&Record) -> bool) -> Result<bool, Error> {
    let (mut after, mut limit) = (String::new(), 2);
    loop {
        let listing = in_index(context, org_id, &Page { after: &after, limit: Some(limit) })?;
        // A record that cannot be read may be the one: its token may be alive.
        if listing.records.iter().any(&is_it) || !listing.unreadable.is_empty() {
            return Ok(true);
        }
        // The records of a page are not all there where they are too large together.
        let (looked_at, listed) = (listing.records.len(), listing.client_ids.len());
        let last = listing.client_ids.get(looked_at.saturating_sub(1));
        match last.filter(|_| looked_at < listed || listed >= limit) {
            Some(last) => last.as_str().clone_into(&mut after),
            None => return Ok(false),
        }
        limit = (8 * limit).min(LIST_PAGE as usize);
    }
}

/// A part of an organization's index by client ID.
#[derive(Debug, Default)]
pub(crate) struct IndexSlice {
    /// The names of its entries, sorted: client IDs as segments of a key.
    pub(crate) names: Vec<String>,
    /// Does the index go on after the last of the names?
    pub(crate) more: bool,
}

/// The part of the organization's index that follows the name `after`, at most `max` entries: one list for each
/// thousand, and no reads. The index must be filled.
pub(crate) fn index_slice(context: &Context<'_>, org_id: &OrgId, after: &str, max: usize) -> Result<IndexSlice, Error> {
    let mut slice = IndexSlice::default();
    visit_names(context.storage(), &client_folder(org_id), after, LIST_PAGE, |name| {
        slice.more = slice.names.len() >= max;
        if !slice.more {
            slice.names.push(name.to_owned());
        }
        Ok(!slice.more)
    })?;
    slice.names.sort_unstable();
    Ok(slice)
}

/// How far a walk through the records came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walked {
    /// Past all of them, or to where it was told to stop.
    All,
    /// As far as one request may go.
    Far,
}

/// Visits the records of tokens after this name until told to stop, as far as one request may go.
pub(super) fn visit_records(
    context: &Context<'_>,
    after: &str,
    mut visit: impl FnMut(Record) -> bool,
) -> Result<Walked, Error> {
    let mut weight = Weight::default();
    let mut walked = Walked::All;
    let mut unreadable = Vec::new();
    visit_names(context.storage(), TOKEN_PREFIX, after, LIST_PAGE, |name| {
        if name.ends_with('/') {
            return Ok(true);
        }
        weight.records += 1;
        match load_own(context, &RecordId::stored(name))? {
            Ok(Some(record)) if !record.names_no_token() => {
                weight.add_bytes(&record);
                if !visit(record) {
                    return Ok(false);
                }
            }
            Ok(_) => {}
            Err(error) => unreadable.push(error),
        }
        if weight.is_full() {
            walked = Walked::Far;
        }
        Ok(!weight.is_full())
    })?;
    log_unreadable(context, &unreadable);
    Ok(walked)
}

/// What the records that one request looks at weigh.
#[derive(Debug, Default)]
pub(super) struct Weight {
    /// The number of records.
    pub(super) records: usize,
    /// Their bytes, as far as clients make them long.
    bytes: usize,
    /// The bytes of their histories, which are read and not kept.
    history_bytes: usize,
}

impl Weight {
    /// Can no further record be looked at?
    pub(super) fn is_full(&self) -> bool {
        self.records >= TOKENS_DESCRIBED_MAX
            || self.bytes >= TOKENS_DESCRIBED_BYTES_MAX
            || self.history_bytes >= TOKENS_DESCRIBED_HISTORY_BYTES_MAX
    }

    pub(super) fn add_bytes(&mut self, record: &Record) {
        self.bytes += record.described_bytes();
        self.history_bytes += record.history.bytes();
    }
}

/// Loads a record, for those who look at many: the outer error is a failure of storage as a whole, the inner one is of
/// this record alone.
pub(crate) fn load_own(context: &Context<'_>, id: &RecordId) -> Result<Result<Option<Record>, Error>, Error> {
    let read = storage::read_one(context.storage(), &id.key())?;
    Ok(read.and_then(|found| found.map(|found| stored::decode(&found, id)).transpose()))
}

/// Logs, in one line, the records that one request passed over.
pub(crate) fn log_unreadable(context: &Context<'_>, errors: &[Error]) {
    let Some(first) = errors.first() else { return };
    let (count, first) = (errors.len().to_string(), first.to_string());
    let fields = [("records", count.as_str()), ("error", &first)];
    events::RECORDS_UNREADABLE.log(context, &fields);
}
