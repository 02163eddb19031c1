//! Two indexes of records: by client ID within an organization, and by the
//! time at which a token's lease has ended for certain. Both are caches of what
//! the records say: an entry counts only if its record agrees.

use secrets_framework::host::{StorageEntry, StorageView};
use secrets_framework::{Context, Error};
use serde_json::json;

use super::{Record, RecordId};
use crate::limits::{LIST_PAGE, QUEUE_PAGES_MAX};
use crate::names::OrgId;
use crate::storage::key::{CLIENT_INDEX_PREFIX, DUE_INDEX_PREFIX, from_segment, segment};

const DUE_DIGITS: usize = 12;

/// A record whose lease has ended, as the index says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Which.
    pub(crate) id: RecordId,
    /// The time under which the index has it.
    pub(crate) due: u64,
}

/// The folder of an organization's client IDs.
pub(super) fn client_folder(org_id: &OrgId) -> String {
    format!("{CLIENT_INDEX_PREFIX}{}/", segment(org_id.as_str()))
}

/// The key of a client ID.
pub(super) fn client_key(org_id: &OrgId, client_id: &str) -> String {
    format!("{}{}", client_folder(org_id), segment(client_id))
}

/// The entry by client ID.
pub(super) fn client_entry(record: &Record) -> StorageEntry {
    let value = json!({ "id": record.id.as_str() }).to_string().into_bytes();
    StorageEntry { key: client_key(&record.org_id, &record.client_id), value, seal_wrap: false }
}

/// The record that an entry by client ID names.
pub(super) fn record_of_client(
    view: &(impl StorageView + ?Sized),
    org_id: &OrgId,
    client_id: &str,
) -> Result<Option<RecordId>, Error> {
    Ok(view.get(&client_key(org_id, client_id))?.as_ref().and_then(record_of_entry))
}

/// Does an entry by client ID name this record?
pub(super) fn names_record(entry: &StorageEntry, id: &RecordId) -> bool {
    record_of_entry(entry).as_ref() == Some(id)
}

/// The record that an entry by client ID names; none where the entry is damaged.
pub(super) fn record_of_entry(entry: &StorageEntry) -> Option<RecordId> {
    let value: serde_json::Value = serde_json::from_slice(&entry.value).ok()?;
    value.get("id")?.as_str().map(RecordId::stored)
}

/// The key of a record in the index of ends.
pub(super) fn due_key(id: &RecordId, due: u64) -> String {
    format!("{DUE_INDEX_PREFIX}{due:0DUE_DIGITS$}-{}", segment(id.as_str()))
}

/// The entry in the index of ends.
pub(super) fn due_entry(id: &RecordId, due: u64) -> StorageEntry {
    // The key says it all; the value is there for whoever looks at storage by hand.
    let value = json!({ "id": id.as_str() }).to_string().into_bytes();
    StorageEntry { key: due_key(id, due), value, seal_wrap: false }
}

/// Records that are due at `now` seconds, the earliest first, at most `limit`:
/// mostly one list, however many others there are.
pub(crate) fn ended(context: &Context<'_>, now: u64, limit: u32) -> Result<Vec<Ended>, Error> {
    let mut all = Vec::new();
    visit_ended(context, now, limit, |ended| {
        all.push(ended);
        Ok(all.len() < limit as usize)
    })?;
    Ok(all)
}

/// Visits the records that are due at `now` seconds, the earliest first, until `visit` answers that it has enough.
/// `first` names are listed at first: as many as are mostly enough.
pub(crate) fn visit_ended(
    context: &Context<'_>,
    now: u64,
    first: u32,
    mut visit: impl FnMut(Ended) -> Result<bool, Error>,
) -> Result<(), Error> {
    let (mut after, mut size) = (String::new(), first);
    for _ in 0..QUEUE_PAGES_MAX {
        let names = context.storage().list_page(DUE_INDEX_PREFIX, &after, size)?;
        // Names that are not ours take no place from others.
        for ended in names.iter().filter_map(|name| of_due_name(name)) {
            if ended.due > now || !visit(ended)? {
                return Ok(());
            }
        }
        match names.last() {
            Some(last) if names.len() >= size as usize => after.clone_from(last),
            _ => return Ok(()),
        }
        size = LIST_PAGE;
    }
    Ok(())
}

/// Keys among the first `limit` of the index of ends that are not of its form.
pub(crate) fn unknown_due_keys(context: &Context<'_>, limit: u32) -> Result<Vec<String>, Error> {
    let names = context.storage().list_page(DUE_INDEX_PREFIX, "", limit)?;
    let unknown = names.iter().filter(|name| of_due_name(name).is_none());
    Ok(unknown.map(|name| format!("{DUE_INDEX_PREFIX}{name}")).collect())
}

fn of_due_name(name: &str) -> Option<Ended> {
    let (due, id) = name.split_once('-')?;
    Some(Ended { id: RecordId::stored(from_segment(id)?), due: due.parse().ok()? })
}

/// Drops an entry of the index of ends that no longer tells the truth.
pub(crate) fn drop_due(context: &Context<'_>, ended: &Ended) -> Result<(), Error> {
    Ok(context.storage().delete(&due_key(&ended.id, ended.due))?)
}
