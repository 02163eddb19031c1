//! What lists of tokens show: the names of a page from the index, and their
//! records. It costs what it returns, however many other tokens there are.

use secrets_framework::{Context, Error};

use super::Record;
use super::backfill::{being_indexed, is_complete};
use super::find::{Indexed, look_in_index};
use super::index::{client_folder, org_ids};
use super::walk::{Walked, Weight, log_unreadable, visit_records};
use crate::history::History;
use crate::limits::{LIST_PAGE, TOKENS_LISTED_MAX};
use crate::names::{ClientId, OrgId};
use crate::page::Page;
use crate::storage::key::{from_segment, segment};
use crate::storage::own_error;

/// What a list shows.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The client IDs, in the index's order, which is theirs but for odd ones.
    pub(crate) client_ids: Vec<ClientId>,
    /// The records of the first of them.
    pub(crate) records: Vec<Record>,
    /// Why there is less than was asked for.
    pub(crate) cut: Option<Cut>,
    /// Why records that the index has cannot be read: those are not listed.
    pub(super) unreadable: Vec<Error>,
    /// All records looked at.
    weight: Weight,
}

/// Why a list does not show all that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// There are more tokens than one answer holds.
    Long,
    /// Records of the Go plugin are not all in the index yet.
    NotFilled,
}

/// The tokens of an organization.
pub(crate) fn in_org(context: &Context<'_>, org_id: &OrgId, page: &Page<'_>) -> Result<Listing, Error> {
    if is_complete(context)? {
        let listing = in_index(context, org_id, page)?;
        log_unreadable(context, &listing.unreadable);
        return Ok(listing);
    }
    let listing = without_index(context, page, |record| record.org_id == *org_id)?;
    if listing.cut.is_some() && listing.client_ids.is_empty() {
        // What is missing would look like the end of the list.
        return Err(being_indexed());
    }
    Ok(listing)
}

/// Those of an organization that the index has.
pub(super) fn in_index(context: &Context<'_>, org_id: &OrgId, page: &Page<'_>) -> Result<Listing, Error> {
    let mut listing = Listing::default();
    add_org(context, org_id, page, &mut listing)?;
    Ok(listing)
}

/// Those of all organizations of the mount.
pub(crate) fn all(context: &Context<'_>, page: &Page<'_>) -> Result<Listing, Error> {
    if !is_complete(context)? {
        return without_index(context, page, |_| true);
    }
    let mut listing = Listing::default();
    let org_ids = org_ids(context.storage())?;
    if page.is_whole() {
        for org_id in &org_ids {
            add_org(context, org_id, page, &mut listing)?;
        }
    } else {
        add_page_of_all(context, &org_ids, page, &mut listing)?;
    }
    listing.client_ids.sort();
    log_unreadable(context, &listing.unreadable);
    Ok(listing)
}

/// Adds a page of the tokens of these organizations. Of each, the names that would fit are listed; of these, the first
/// are the page, and only their records are read.
fn add_page_of_all(
    context: &Context<'_>,
    org_ids: &[OrgId],
    page: &Page<'_>,
    listing: &mut Listing,
) -> Result<(), Error> {
    let max = page.limit.unwrap_or(TOKENS_LISTED_MAX).min(TOKENS_LISTED_MAX);
    let mut after = segment(page.after);
    while listing.client_ids.len() < max {
        let size = LIST_PAGE.min(u32::try_from(max - listing.client_ids.len()).unwrap_or(u32::MAX));
        let mut names = Vec::new();
        for org_id in org_ids {
            let listed = context.storage().list_page(&client_folder(org_id), &after, size)?;
            names.extend(listed.into_iter().map(|name| (name, org_id)));
        }
        names.sort();
        names.truncate(size as usize);
        let Some((last, _)) = names.last() else { return Ok(()) };
        // Entries that a crash left in the index are none: further ones take their place.
        after.clone_from(last);
        for (name, org_id) in &names {
            add(context, org_id, name, listing)?;
        }
    }
    listing.cut = page.limit.is_none().then_some(Cut::Long);
    Ok(())
}

/// Adds an organization's tokens: beyond the limit the names alone, which cost no reads.
fn add_org(context: &Context<'_>, org_id: &OrgId, page: &Page<'_>, listing: &mut Listing) -> Result<(), Error> {
    let storage = context.storage();
    let folder = client_folder(org_id);
    let mut after = segment(page.after);
    loop {
        let listed = listing.client_ids.len();
        let asked = page.limit.unwrap_or(usize::MAX).saturating_sub(listed);
        let room = TOKENS_LISTED_MAX.saturating_sub(listed);
        if asked == 0 {
            return Ok(());
        }
        if room == 0 {
            let more = !storage.list_page(&folder, &after, 1)?.is_empty();
            listing.cut = more.then_some(Cut::Long);
            return Ok(());
        }
        let size = LIST_PAGE.min(u32::try_from(asked.min(room)).unwrap_or(u32::MAX));
        let names = storage.list_page(&folder, &after, size)?;
        for name in &names {
            add(context, org_id, name, listing)?;
        }
        match names.last() {
            // Entries that a crash left in the index are none: further ones take their place.
            Some(last) if names.len() >= size as usize => after.clone_from(last),
            _ => return Ok(()),
        }
    }
}

fn add(context: &Context<'_>, org_id: &OrgId, name: &str, listing: &mut Listing) -> Result<(), Error> {
    let Some(client_id) = from_segment(name).map(ClientId::stored) else { return Ok(()) };
    if listing.weight.is_full() {
        listing.client_ids.push(client_id);
        return Ok(());
    }
    let indexed = match look_in_index(context, org_id, &client_id) {
        Err(error) => Indexed::Unreadable(own_error(context.storage(), error)?),
        indexed => indexed?,
    };
    match indexed {
        Indexed::Record(mut record) => {
            listing.client_ids.push(client_id);
            listing.weight.records += 1;
            listing.weight.add_bytes(&record);
            // No list shows histories, and thousands of them would not fit into memory.
            record.history = History::default();
            listing.records.push(*record);
        }
        Indexed::Unknown => {}
        Indexed::Unreadable(error) => listing.unreadable.push(error),
    }
    Ok(())
}

/// The tokens that `wanted` takes, on a mount whose index is not filled yet.
fn without_index(context: &Context<'_>, page: &Page<'_>, wanted: impl Fn(&Record) -> bool) -> Result<Listing, Error> {
    let mut listing = Listing::default();
    let after = segment(page.after);
    let scan_end = visit_records(context, "", |record| {
        if wanted(&record) && segment(&record.client_id) > after {
            listing.records.push(Record { history: History::default(), ..record });
        }
        true
    })?;
    listing.cut = (scan_end == Walked::Far).then_some(Cut::NotFilled);
    if listing.cut.is_some() && !page.is_whole() {
        // What is missing would look like the end of the list.
        return Err(being_indexed());
    }
    listing.records.sort_by_cached_key(|record| segment(&record.client_id));
    listing.records.truncate(page.limit.unwrap_or(usize::MAX));
    listing.client_ids = listing.records.iter().map(|record| record.client_id.clone()).collect();
    Ok(listing)
}
