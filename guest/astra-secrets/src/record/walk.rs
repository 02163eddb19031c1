//! Finding records: one by its client ID, and visiting those of an organization, or all.

use std::collections::BTreeMap;

use secrets_framework::host::{LogLevel, StorageError};
use secrets_framework::{Context, Error};

use super::fill::is_filled;
use super::index::{client_entry, client_folder, client_key, record_of_client};
use super::key::{TOKEN_PREFIX, from_segment};
use super::listing::{Page, in_org};
use super::{Record, RecordId, TokenKind, stored};
use crate::limits::{LIST_PAGE, TOKENS_COUNTED_MAX, TOKENS_DESCRIBED_MAX};
use crate::names::OrgId;

/// Finds an organization's record by client ID: two reads where the index
/// has it. A missing or wrong entry of the index is put right.
pub(crate) fn find(context: &Context<'_>, org_id: &OrgId, client_id: &str) -> Result<Option<Record>, Error> {
    let storage = context.host.storage();
    let is_it = |record: &Record| record.org_id == *org_id && record.client_id == client_id;
    let indexed = record_of_client(storage, org_id, client_id)?;
    if let Some(id) = &indexed
        && let Some(record) = load_readable(context, id)?.filter(is_it)
    {
        return Ok(Some(record));
    }
    let found = find_without_index(context, client_id, is_it)?;
    match &found {
        Some(record) => repair(context, || storage.put(client_entry(record))),
        None => {
            // An entry whose record is damaged stays: by it alone the token is known to be ours.
            let is_damaged = |id| {
                Ok::<_, Error>(storage.get(&RecordId::key(id))?.is_some() && load_readable(context, id)?.is_none())
            };
            if let Some(id) = &indexed
                && !is_damaged(id)?
            {
                repair(context, || storage.delete(&client_key(org_id, client_id)));
            }
        }
    }
    Ok(found)
}

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
    if !is_filled(context)? {
        let mut any = false;
        visit_all(context, |record| {
            any = record.org_id == *org_id && is_it(&record);
            !any
        })?;
        return Ok(any);
    }
    let (mut after, mut limit) = (String::new(), 2);
    loop {
        let listing = in_org(context, org_id, &Page { after: &after, limit: Some(limit) })?;
        if listing.records.iter().any(&is_it) {
            return Ok(true);
        }
        match listing.client_ids.last() {
            Some(last) if listing.client_ids.len() >= limit => after.clone_from(last),
            _ => return Ok(false),
        }
        limit = (8 * limit).min(LIST_PAGE as usize);
    }
}

/// How many records each of the organizations has; none = more than one request may count.
pub(crate) fn counts(context: &Context<'_>, org_ids: &[OrgId]) -> Result<Vec<Option<usize>>, Error> {
    if !is_filled(context)? {
        return counts_without_index(context, org_ids);
    }
    let mut left = TOKENS_COUNTED_MAX;
    let count = |org_id: &OrgId| {
        // Each further list would cost a page of names.
        if left == 0 {
            return Ok(None);
        }
        let mut count = 0;
        // The names alone: a count may be off by a crash's left-over, a list not.
        visit_names(context, &client_folder(org_id), |_| {
            count += 1;
            Ok(count <= left)
        })?;
        let counted = (count <= left).then_some(count);
        left -= counted.unwrap_or(left);
        Ok(counted)
    };
    org_ids.iter().map(count).collect()
}

/// Each record is read, once for all.
fn counts_without_index(context: &Context<'_>, org_ids: &[OrgId]) -> Result<Vec<Option<usize>>, Error> {
    let mut by_org: BTreeMap<OrgId, usize> = BTreeMap::new();
    let mut looked_at = 0;
    visit_all(context, |record| {
        *by_org.entry(record.org_id).or_default() += 1;
        looked_at += 1;
        looked_at < TOKENS_DESCRIBED_MAX
    })?;
    let all = looked_at < TOKENS_DESCRIBED_MAX;
    Ok(org_ids.iter().map(|org_id| all.then(|| by_org.get(org_id).copied().unwrap_or_default())).collect())
}

/// The organization's client IDs, sorted, as the index has them, which must be filled:
/// one list for each thousand, no reads. None = there are more than `max`.
pub(crate) fn client_ids(context: &Context<'_>, org_id: &OrgId, max: usize) -> Result<Option<Vec<String>>, Error> {
    let mut client_ids = Vec::new();
    let mut too_many = false;
    visit_names(context, &client_folder(org_id), |name| {
        too_many = client_ids.len() >= max;
        client_ids.extend(from_segment(name));
        Ok(!too_many)
    })?;
    // Segments sort otherwise than what they stand for.
    client_ids.sort();
    Ok((!too_many).then_some(client_ids))
}

/// A record without a logical name stands under its client ID; one with is
/// looked for among all, but only while the index is not yet filled.
fn find_without_index(
    context: &Context<'_>,
    client_id: &str,
    is_it: impl Fn(&Record) -> bool,
) -> Result<Option<Record>, Error> {
    let direct = load_readable(context, &RecordId::of_client(client_id))?.filter(&is_it);
    if direct.is_some() || is_filled(context)? {
        return Ok(direct);
    }
    let mut found = None;
    visit_all(context, |record| {
        if is_it(&record) {
            found = Some(record);
        }
        found.is_none()
    })?;
    Ok(found)
}

/// Visits all records until told to stop.
pub(super) fn visit_all(context: &Context<'_>, mut visit: impl FnMut(Record) -> bool) -> Result<(), Error> {
    visit_names(context, TOKEN_PREFIX, |name| {
        Ok(match load_readable(context, &RecordId::stored(name))? {
            Some(record) => visit(record),
            None => true,
        })
    })
}

/// Visits the names below a prefix, page by page.
pub(super) fn visit_names(
    context: &Context<'_>,
    prefix: &str,
    mut visit: impl FnMut(&str) -> Result<bool, Error>,
) -> Result<(), Error> {
    let mut after = String::new();
    loop {
        let page = context.host.storage().list_page(prefix, &after, LIST_PAGE)?;
        for name in &page {
            if !visit(name)? {
                return Ok(());
            }
        }
        match page.last() {
            Some(last) if page.len() >= LIST_PAGE as usize => after.clone_from(last),
            _ => return Ok(()),
        }
    }
}

/// One unreadable record must not hide all others, so it is logged and passed over.
pub(crate) fn load_readable(context: &Context<'_>, id: &RecordId) -> Result<Option<Record>, Error> {
    let Some(entry) = context.host.storage().get(&id.key())? else { return Ok(None) };
    match stored::decode(&entry, id) {
        Ok(record) => Ok(Some(record)),
        Err(error) => {
            context.host.log().log(
                LogLevel::Error,
                "a token's record was passed over",
                &[("error", &error.to_string())],
            );
            Ok(None)
        }
    }
}

/// The index is a cache: where it cannot be written (a read-only node), the
/// answer is right all the same.
fn repair(context: &Context<'_>, write: impl FnOnce() -> Result<(), StorageError>) {
    if let Err(error) = write() {
        context.host.log().log(LogLevel::Debug, "the index was not repaired", &[("error", &error.to_string())]);
    }
}
