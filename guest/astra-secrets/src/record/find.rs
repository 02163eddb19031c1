//! Finding one record by its client ID.

use secrets_framework::host::StorageError;
use secrets_framework::{Context, Error};

use super::backfill::{self, being_indexed};
use super::index::{client_entry, client_key, record_of_client};
use super::walk::{Walked, load_own, log_unreadable, visit_records};
use super::{Record, RecordId};
use crate::events;
use crate::names::{ClientId, OrgId};

/// Finds an organization's record by client ID: two reads where the index
/// has it. A missing or wrong entry of the index is put right. Where only a
/// filled index would know, that is the error.
pub(crate) fn find(context: &Context<'_>, org_id: &OrgId, client_id: &ClientId) -> Result<Option<Record>, Error> {
    match look_up(context, org_id, client_id)? {
        (None, false) => Err(being_indexed()),
        (record, _) => Ok(record),
    }
}

/// As [`find`], for those who cannot wait for the index: none is also what is not in it yet.
pub(crate) fn find_so_far(
    context: &Context<'_>,
    org_id: &OrgId,
    client_id: &ClientId,
) -> Result<Option<Record>, Error> {
    Ok(look_up(context, org_id, client_id)?.0)
}

/// As [`find`], among what the index has and what stands under its client ID,
/// as a record without a logical name does. Few reads, whatever else there is.
pub(crate) fn find_indexed(
    context: &Context<'_>,
    org_id: &OrgId,
    client_id: &ClientId,
) -> Result<Option<Record>, Error> {
    match look_in_index(context, org_id, client_id)? {
        Indexed::Record(record) => Ok(Some(*record)),
        Indexed::Unknown => Ok(None),
        Indexed::Unreadable(error) => {
            log_unreadable(context, &[error]);
            Ok(None)
        }
    }
}

/// Why the record of a token that the index has cannot be read; none if the record can be read, or there is none.
pub(crate) fn unreadable(context: &Context<'_>, org_id: &OrgId, client_id: &ClientId) -> Result<Option<Error>, Error> {
    match look_in_index(context, org_id, client_id)? {
        Indexed::Unreadable(error) => Ok(Some(error)),
        Indexed::Record(_) | Indexed::Unknown => Ok(None),
    }
}

/// What the index tells of a client ID.
pub(super) enum Indexed {
    Record(Box<Record>),
    Unknown,
    /// The index has it, but its record cannot be read.
    Unreadable(Error),
}

/// As [`find_indexed`], for those who look at many.
pub(super) fn look_in_index(context: &Context<'_>, org_id: &OrgId, client_id: &ClientId) -> Result<Indexed, Error> {
    let storage = context.storage();
    let is_it = |record: &Record| record.org_id == *org_id && record.client_id == *client_id;
    let indexed = record_of_client(storage, org_id, client_id)?;
    let mut unreadable = None;
    if let Some(id) = &indexed {
        match load_own(context, id)? {
            Ok(record) => {
                if let Some(record) = record.filter(is_it) {
                    return Ok(Indexed::Record(Box::new(record)));
                }
            }
            Err(error) => unreadable = Some(error),
        }
    }
    if let Ok(Some(record)) = load_own(context, &RecordId::of_client(client_id))?
        && is_it(&record)
    {
        repair(context, || storage.put(client_entry(&record)));
        return Ok(Indexed::Record(Box::new(record)));
    }
    match (indexed, unreadable) {
        // An entry whose record is damaged stays: by it alone the token is known to be ours.
        (Some(_), Some(error)) => Ok(Indexed::Unreadable(error)),
        (Some(id), None) => drop_if_stale(context, org_id, client_id, &id),
        (None, _) => Ok(Indexed::Unknown),
    }
}

/// Has the index this client ID, whatever has become of its record? One read.
pub(crate) fn is_indexed(context: &Context<'_>, org_id: &OrgId, client_id: &ClientId) -> Result<bool, Error> {
    Ok(record_of_client(context.storage(), org_id, client_id)?.is_some())
}

/// Drops an entry of the index whose record is not that client ID's; answers the record if it is all the same.
fn drop_if_stale(context: &Context<'_>, org_id: &OrgId, client_id: &ClientId, id: &RecordId) -> Result<Indexed, Error> {
    let storage = context.storage();
    repair(context, || storage.delete(&client_key(org_id, client_id)));
    // Without transactions a mint puts its entry here before its record, and then looks whether the entry is there
    // still. If it looked before this delete, its record is there by now.
    let is_it = |record: &Record| record.org_id == *org_id && record.client_id == *client_id;
    let record = match load_own(context, id)? {
        Ok(record) => record.filter(is_it),
        Err(error) => return Ok(Indexed::Unreadable(error)),
    };
    let Some(record) = record else { return Ok(Indexed::Unknown) };
    repair(context, || storage.put(client_entry(&record)));
    Ok(Indexed::Record(Box::new(record)))
}

/// Looks beyond the index, too, where it is not filled yet: among the records after those that are in it. Answers with the
/// record whether the answer is certain: the record may be one of the Go plugin's that is not in the index yet.
fn look_up(context: &Context<'_>, org_id: &OrgId, client_id: &ClientId) -> Result<(Option<Record>, bool), Error> {
    if let Some(record) = find_indexed(context, org_id, client_id)? {
        return Ok((Some(record), true));
    }
    let state = backfill::load(context)?;
    if state.complete {
        return Ok((None, true));
    }
    let mut found = None;
    let walked = visit_records(context, &state.after, |record| {
        if record.org_id == *org_id && record.client_id == *client_id {
            found = Some(record);
        }
        found.is_none()
    })?;
    if let Some(record) = &found {
        repair(context, || context.storage().put(client_entry(record)));
    }
    Ok((found, walked == Walked::All))
}

/// The index is a cache: where it cannot be written (a read-only node), the
/// answer is right all the same.
fn repair(context: &Context<'_>, write: impl FnOnce() -> Result<(), StorageError>) {
    if let Err(error) = write() {
        events::INDEX_NOT_REPAIRED.log(context, &[("error", &error.to_string())]);
    }
}
