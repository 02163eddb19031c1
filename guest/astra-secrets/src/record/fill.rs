//! Keeps the index by client ID whole where the Go plugin wrote records: walks
//! through them, a bounded step with each rollback call, puts each into the
//! index, and notes where its token was made while that is still where its
//! organization's config points. How far it got is kept in one entry; once that
//! says `complete`, a client ID that the index does not have is unknown.
//!
//! The walk then begins anew each [`INDEX_WALK_PAUSE`], for nothing else tells
//! that the mount was the Go plugin's again for a while. Such a walk touches
//! only what the index lacks.

use std::collections::BTreeMap;

use secrets_framework::host::StorageEntry;
use secrets_framework::{Context, Error};
use serde::{Deserialize, Serialize};

use super::index::{client_entry, client_key, names_record};
use super::key::TOKEN_PREFIX;
use super::walk::{load_readable, readable};
use super::{RecordId, stored};
use crate::config::{self, Origin};
use crate::error::Failure;
use crate::lease::lock_token;
use crate::limits::{INDEX_WALK_PAUSE, INDEXED_PER_ROLLBACK_MAX};

const STATE_KEY: &str = "index-state";

/// How far the walk got.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct State {
    /// The last name below `token/` that was looked at; empty = the walk is at its begin.
    pub(super) after: String,
    /// Has the index every record that there was when a walk came past?
    pub(super) complete: bool,
    /// When the last walk came to its end, in seconds since 1970-01-01T00:00:00Z.
    walked: u64,
}

impl State {
    /// Is there nothing to do yet? A clock that was set back is no reason to wait.
    fn rests(&self, now: u64) -> bool {
        let again = self.walked.saturating_add(INDEX_WALK_PAUSE.as_secs());
        self.complete && self.after.is_empty() && (self.walked..again).contains(&now)
    }
}

/// Does the index have every record?
pub(crate) fn is_filled(context: &Context<'_>) -> Result<bool, Error> {
    Ok(load(context)?.complete)
}

/// What is told where only a filled index would know.
pub(crate) fn being_indexed() -> Error {
    let sentence = "the Go plugin's tokens are still being indexed, some hundreds a minute: try again in some minutes";
    Error::coded(503, sentence)
}

/// Takes the next step, if it is time for one.
pub(crate) fn fill_index(context: &Context<'_>) -> Result<(), Error> {
    let mut state = load(context)?;
    let now = context.host.clock().now().as_secs();
    if state.rests(now) {
        return Ok(());
    }
    let names = context.host.storage().list_page(TOKEN_PREFIX, &state.after, INDEXED_PER_ROLLBACK_MAX)?;
    // No record of ours or the Go plugin's stands in a folder.
    let ids = names.iter().filter(|name| !name.ends_with('/')).map(RecordId::stored);
    let missing = if state.complete { not_taken_over(context, ids)? } else { ids.collect() };
    let mut origins = BTreeMap::new();
    for id in &missing {
        take_over(context, id, &mut origins)?;
    }
    match names.last() {
        Some(last) if names.len() >= INDEXED_PER_ROLLBACK_MAX as usize => state.after.clone_from(last),
        _ => state = State { after: String::new(), complete: true, walked: now },
    }
    store(context, &state)
}

/// Those of the records that their client ID does not lead to, or whose origin is not noted: a look-up puts a record
/// into the index, too, and no more than that.
fn not_taken_over(context: &Context<'_>, ids: impl Iterator<Item = RecordId>) -> Result<Vec<RecordId>, Error> {
    let storage = context.host.storage();
    let mut ids: Vec<RecordId> = ids.collect();
    let keys: Vec<String> = ids.iter().map(RecordId::key).collect();
    let (mut index_keys, mut have_origin) = (Vec::new(), Vec::new());
    let mut entries = storage.get_many(&texts(&keys))?.into_iter();
    ids.retain(|id| {
        let record = entries.next().flatten().and_then(|entry| readable(context, &entry, id));
        have_origin.extend(record.iter().map(|record| record.origin.is_some()));
        index_keys.extend(record.iter().map(|record| client_key(&record.org_id, &record.client_id)));
        record.is_some()
    });
    let indexed = storage.get_many(&texts(&index_keys))?;
    let mut looked_at = indexed.into_iter().zip(have_origin);
    ids.retain(|id| {
        let (entry, has_origin) = looked_at.next().unwrap_or_default();
        !(has_origin && entry.is_some_and(|entry| names_record(&entry, id)))
    });
    Ok(ids)
}

fn texts(keys: &[String]) -> Vec<&str> {
    keys.iter().map(String::as_str).collect()
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
    // A walk must not write the entries again of records whose origin cannot be known.
    let entry = client_entry(&record);
    if !storage.get(&entry.key)?.is_some_and(|indexed| names_record(&indexed, id)) {
        storage.put(entry)?;
    }
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

/// How far the walk got; a state that cannot be read is none, and it begins anew.
pub(super) fn load(context: &Context<'_>) -> Result<State, Error> {
    let entry = context.host.storage().get(STATE_KEY)?;
    Ok(entry.and_then(|entry| serde_json::from_slice(&entry.value).ok()).unwrap_or_default())
}

fn store(context: &Context<'_>, state: &State) -> Result<(), Error> {
    let value = serde_json::to_vec(state)
        .map_err(|_| Error::Internal("the index's state could not be written as JSON".to_owned()))?;
    Ok(context.host.storage().put(StorageEntry { key: STATE_KEY.to_owned(), value, seal_wrap: false })?)
}
