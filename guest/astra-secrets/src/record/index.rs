//! The index of records by client ID within an organization. It is a cache of what the records say: an entry counts only
//! if its record agrees.

use secrets_framework::Error;
use secrets_framework::host::{StorageEntry, StorageView};
use serde_json::json;

use super::{Record, RecordId};
use crate::limits::LIST_PAGE;
use crate::names::{ClientId, OrgId};
use crate::storage::key::{CLIENT_INDEX_PREFIX, from_segment, segment};
use crate::storage::visit_names;

/// The folder of an organization's client IDs.
pub(super) fn client_folder(org_id: &OrgId) -> String {
    format!("{CLIENT_INDEX_PREFIX}{}/", segment(org_id.as_str()))
}

/// The organizations of which the index has tokens.
pub(crate) fn org_ids(view: &(impl StorageView + ?Sized)) -> Result<Vec<OrgId>, Error> {
    let mut org_ids = Vec::new();
    visit_names(view, CLIENT_INDEX_PREFIX, "", LIST_PAGE, |folder| {
        org_ids.extend(folder.strip_suffix('/').and_then(from_segment).map(OrgId::stored));
        Ok(true)
    })?;
    Ok(org_ids)
}

/// The key of a client ID.
pub(super) fn client_key(org_id: &OrgId, client_id: &ClientId) -> String {
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
    client_id: &ClientId,
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
