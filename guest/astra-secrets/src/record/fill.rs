//! Fills the index by client ID on a mount that the Go plugin left, a bounded
//! step with each rollback call. Where it got to is noted in one entry; once
//! that says `complete`, a client ID that the index does not have is unknown.

use secrets_framework::host::StorageEntry;
use secrets_framework::{Context, Error};
use serde::{Deserialize, Serialize};

use super::RecordId;
use super::index::client_entry;
use super::key::TOKEN_PREFIX;
use super::walk::load_readable;
use crate::limits::INDEXED_PER_ROLLBACK_MAX;

const STATE_KEY: &str = "index-state";

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct State {
    /// The last name below `token/` that is in the index.
    after: String,
    complete: bool,
}

/// Does the index have every record?
pub(super) fn is_filled(context: &Context<'_>) -> Result<bool, Error> {
    Ok(load(context)?.complete)
}

/// Takes the next step, if there is one left.
pub(crate) fn fill_index(context: &Context<'_>) -> Result<(), Error> {
    let state = load(context)?;
    if state.complete {
        return Ok(());
    }
    let storage = context.host.storage();
    let names = storage.list_page(TOKEN_PREFIX, &state.after, INDEXED_PER_ROLLBACK_MAX)?;
    for name in &names {
        if let Some(record) = load_readable(context, &RecordId::stored(name))? {
            storage.put(client_entry(&record))?;
        }
    }
    let complete = names.len() < INDEXED_PER_ROLLBACK_MAX as usize;
    let after = names.last().cloned().unwrap_or(state.after);
    let value = serde_json::to_vec(&State { after, complete })
        .map_err(|_| Error::Internal("the index's state could not be written as JSON".to_owned()))?;
    Ok(storage.put(StorageEntry { key: STATE_KEY.to_owned(), value, seal_wrap: false })?)
}

fn load(context: &Context<'_>) -> Result<State, Error> {
    let entry = context.host.storage().get(STATE_KEY)?;
    Ok(entry.and_then(|entry| serde_json::from_slice(&entry.value).ok()).unwrap_or_default())
}
