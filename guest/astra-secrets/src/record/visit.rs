//! Reading all records of an organization, many at a time, for those who count.

use secrets_framework::{Context, Error};

use super::backfill::{being_indexed, is_complete};
use super::index::{client_folder, record_of_entry};
use super::walk::index_slice;
use super::{Record, RecordId, stored};
use crate::limits::RECORDS_READ_AT_ONCE;
use crate::names::OrgId;
use crate::storage::key::from_segment;
use crate::storage::read_many;

/// Were all records visited?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Each of them.
    All,
    /// The organization has more than were to be looked at.
    NotAll,
}

/// Visits the records that the index has of an organization, if those are at most `max`; none for a record that cannot be
/// read. Before the index is complete, nobody knows all of them, and that is the error.
pub(crate) fn visit_in_org(
    context: &Context<'_>,
    org_id: &OrgId,
    max: usize,
    mut visit: impl FnMut(Option<Record>),
) -> Result<Seen, Error> {
    if !is_complete(context)? {
        return Err(being_indexed());
    }
    let slice = index_slice(context, org_id, "", max)?;
    if slice.more {
        return Ok(Seen::NotAll);
    }
    let folder = client_folder(org_id);
    for names in slice.names.chunks(RECORDS_READ_AT_ONCE) {
        let entries: Vec<String> = names.iter().map(|name| format!("{folder}{name}")).collect();
        let mut ids = Vec::with_capacity(names.len());
        for (name, read) in names.iter().zip(read_many(context.storage(), &entries)?) {
            match read {
                Ok(Some(entry)) => ids.extend(record_of_entry(&entry).map(|id| (id, from_segment(name)))),
                // A crash's left-over that somebody has dropped since.
                Ok(None) => {}
                Err(_) => visit(None),
            }
        }
        let keys: Vec<String> = ids.iter().map(|(id, _)| RecordId::key(id)).collect();
        for ((id, client_id), read) in ids.iter().zip(read_many(context.storage(), &keys)?) {
            match read.and_then(|found| found.map(|found| stored::decode(&found, id)).transpose()) {
                // An entry counts only if its record agrees.
                Ok(Some(record)) if record.org_id == *org_id && Some(&record.client_id) == client_id.as_ref() => {
                    visit(Some(record));
                }
                Ok(_) => {}
                Err(_) => visit(None),
            }
        }
    }
    Ok(Seen::All)
}
