//! What lists of tokens show: the names of a page from the index, and their
//! records. It costs what it returns, however many other tokens there are.

use secrets_framework::{Context, Error};

use super::Record;
use super::fill::is_filled;
use super::index::{CLIENT_INDEX_PREFIX, client_folder};
use super::key::{from_segment, segment};
use super::walk::{find, visit_all, visit_names};
use crate::limits::{
    LIST_PAGE, TOKEN_DESCRIBED_BYTES, TOKENS_DESCRIBED_BYTES_MAX, TOKENS_DESCRIBED_MAX, TOKENS_LISTED_MAX,
};
use crate::names::OrgId;

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Page<'a> {
    /// The client ID after which it begins; empty = from the first.
    pub(crate) after: &'a str,
    /// How many client IDs; none = all.
    pub(crate) limit: Option<usize>,
}

/// What a list shows.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The client IDs, in the index's order, which is theirs but for odd ones.
    pub(crate) client_ids: Vec<String>,
    /// The records of the first of them.
    pub(crate) records: Vec<Record>,
    /// Why there is less than was asked for.
    pub(crate) cut: Option<Cut>,
    /// Bytes of all records looked at, as far as clients make them long.
    bytes: usize,
}

impl Listing {
    /// Can no further record be looked at?
    fn is_full(&self, looked_at: usize) -> bool {
        looked_at >= TOKENS_DESCRIBED_MAX || self.bytes >= TOKENS_DESCRIBED_BYTES_MAX
    }

    fn weigh(&mut self, record: &Record) {
        let noted = record.metadata.iter().map(|(key, value)| key.len() + value.len());
        let role_ids = record.role_ids.iter().map(String::len);
        self.bytes += TOKEN_DESCRIBED_BYTES + record.logical_name.len() + noted.chain(role_ids).sum::<usize>();
    }
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
    if !is_filled(context)? {
        return without_index(context, page, |record| record.org_id == *org_id);
    }
    let mut listing = Listing::default();
    add_org(context, org_id, page, &mut listing)?;
    Ok(listing)
}

/// All tokens of the mount.
pub(crate) fn all(context: &Context<'_>) -> Result<Listing, Error> {
    let page = Page::default();
    if !is_filled(context)? {
        return without_index(context, &page, |_| true);
    }
    let mut listing = Listing::default();
    visit_names(context, CLIENT_INDEX_PREFIX, |folder| {
        if let Some(org_id) = folder.strip_suffix('/').and_then(from_segment) {
            add_org(context, &OrgId::stored(org_id), &page, &mut listing)?;
        }
        Ok(listing.cut.is_none())
    })?;
    listing.client_ids.sort();
    Ok(listing)
}

/// Adds an organization's tokens: beyond the limit the names alone, which cost no reads.
fn add_org(context: &Context<'_>, org_id: &OrgId, page: &Page<'_>, listing: &mut Listing) -> Result<(), Error> {
    let storage = context.host.storage();
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
    let Some(client_id) = from_segment(name) else { return Ok(()) };
    if listing.is_full(listing.records.len()) {
        listing.client_ids.push(client_id);
    } else if let Some(record) = find(context, org_id, &client_id)? {
        listing.client_ids.push(client_id);
        listing.weigh(&record);
        listing.records.push(record);
    }
    Ok(())
}

/// The tokens that `wanted` takes, on a mount whose index is not filled yet.
fn without_index(context: &Context<'_>, page: &Page<'_>, wanted: impl Fn(&Record) -> bool) -> Result<Listing, Error> {
    let mut listing = Listing::default();
    let mut looked_at = 0;
    let after = segment(page.after);
    visit_all(context, |record| {
        listing.weigh(&record);
        if wanted(&record) && segment(&record.client_id) > after {
            listing.records.push(record);
        }
        looked_at += 1;
        listing.cut = listing.is_full(looked_at).then_some(Cut::NotFilled);
        listing.cut.is_none()
    })?;
    listing.records.sort_by_cached_key(|record| segment(&record.client_id));
    listing.records.truncate(page.limit.unwrap_or(usize::MAX));
    listing.client_ids = listing.records.iter().map(|record| record.client_id.clone()).collect();
    Ok(listing)
}
