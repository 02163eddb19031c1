//! Takes over the records that the Go plugin left, a bounded step with each
//! rollback call: fills the index by client ID, and notes where each token was
//! made while that is still where its organization's config points. How far it
//! got is kept in one entry; once that says `complete`, a client ID that the
//! index does not have is unknown.

use std::collections::BTreeMap;

use secrets_framework::host::StorageEntry;
use secrets_framework::{Context, Error};
use serde::{Deserialize, Serialize};

use super::index::client_entry;
use super::key::TOKEN_PREFIX;
use super::walk::load_readable;
use super::{RecordId, stored};
use crate::config::{self, Origin};
use crate::error::Failure;
use crate::lease::lock_token;
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
pub(crate) fn is_filled(context: &Context<'_>) -> Result<bool, Error> {
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
    let mut origins = BTreeMap::new();
    for name in &names {
        take_over(context, &RecordId::stored(name), &mut origins)?;
    }
    let complete = names.len() < INDEXED_PER_ROLLBACK_MAX as usize;
    let after = names.last().cloned().unwrap_or(state.after);
    let value = serde_json::to_vec(&State { after, complete })
        .map_err(|_| Error::Internal("the index's state could not be written as JSON".to_owned()))?;
    Ok(storage.put(StorageEntry { key: STATE_KEY.to_owned(), value, seal_wrap: false })?)
}

fn take_over(
    context: &Context<'_>,
    id: &RecordId,
    origins: &mut BTreeMap<String, Option<Origin>>,
) -> Result<(), Error> {
    // A revocation meanwhile must not find its record written again.
    let _guard = lock_token(context, id).map_err(Failure::into_error)?;
    let Some(mut record) = load_readable(context, id)? else { return Ok(()) };
    let storage = context.host.storage();
    storage.put(client_entry(&record))?;
    if record.origin.is_some() {
        return Ok(());
    }
    let known = origins.get(record.org_id.as_str()).cloned();
    let origin = match known {
        Some(origin) => origin,
        None => config::load(context, &record.org_id)?.map(|config| config.url.origin().clone()),
    };
    origins.insert(record.org_id.as_str().to_owned(), origin.clone());
    if origin.is_some() {
        record.origin = origin;
        storage.put(stored::encode(&record)?)?;
    }
    Ok(())
}

fn load(context: &Context<'_>) -> Result<State, Error> {
    let entry = context.host.storage().get(STATE_KEY)?;
    Ok(entry.and_then(|entry| serde_json::from_slice(&entry.value).ok()).unwrap_or_default())
}
