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

use secrets_framework::host::{LockGuard, StorageEntry};
use secrets_framework::{Context, Error};
use serde::{Deserialize, Serialize};

use super::counts::KeptCounts;
use super::index::{client_entry, client_key, names_record};
use super::role_counts::CountTurn;
use super::walk::load_own;
use super::{Record, RecordId, stored, write};
use crate::config::{self, Origin};
use crate::events;
use crate::history::End;
use crate::limits::{INDEX_WALK_PAUSE, INDEXED_PER_ROLLBACK_MAX, UNREADABLE_KEPT_MAX};
use crate::names::OrgId;
use crate::storage::key::{INDEX_STATE_KEY, TOKEN_PREFIX};
use crate::storage::{self, Write, key};

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
    /// Keys of records that the walk that is under way could not read or index, at most [`UNREADABLE_KEPT_MAX`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    found: Vec<String>,
    /// The same of the last whole walk.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    passed_over: Vec<String>,
    /// How many tokens the large organizations have.
    pub(super) counts: KeptCounts,
    /// How far the count of tokens by role came.
    #[serde(skip_serializing_if = "is_default")]
    role_count: CountTurn,
}

fn is_default(turn: &CountTurn) -> bool {
    *turn == CountTurn::default()
}

impl State {
    /// Is there nothing to do yet? A clock that was set back is no reason to wait.
    fn rests(&self, now: u64) -> bool {
        let again = self.walked.saturating_add(INDEX_WALK_PAUSE.as_secs());
        self.complete && self.after.is_empty() && (self.walked..again).contains(&now)
    }

    /// Keeps what could not be read or indexed for `check`, and logs what the last walk had not found already.
    fn pass_over(&mut self, context: &Context<'_>, passed_over: Vec<(String, Error)>) {
        for (key, error) in passed_over {
            if !self.passed_over.contains(&key) && !self.found.contains(&key) {
                let error = error.to_string();
                let fields = [("key", key.as_str()), ("error", &error)];
                events::RECORD_PASSED_OVER.log(context, &fields);
            }
            if self.found.len() < UNREADABLE_KEPT_MAX {
                self.found.push(key);
            }
        }
    }

    fn end_walk(&mut self, now: u64) {
        *self = Self {
            complete: true,
            walked: now,
            passed_over: std::mem::take(&mut self.found),
            counts: std::mem::take(&mut self.counts),
            role_count: std::mem::take(&mut self.role_count),
            ..Self::default()
        };
    }

    fn entry(&self) -> Result<StorageEntry, Error> {
        StorageEntry::json(INDEX_STATE_KEY, self)
    }
}

/// Does the index have every record?
pub(crate) fn is_complete(context: &Context<'_>) -> Result<bool, Error> {
    Ok(load(context)?.complete)
}

/// What is told where only a filled index would know.
pub(crate) fn being_indexed() -> Error {
    let sentence = "the Go plugin's tokens are still being indexed, some hundreds a minute: try again in some minutes";
    Error::coded(503, sentence)
}

/// Takes the next steps of the walk and of the count of tokens by role, if it is time for one.
pub(crate) fn backfill_index(context: &Context<'_>) -> Result<(), Error> {
    let mut state = load(context)?;
    let now = context.now().as_secs();
    let is_due = !state.rests(now);
    if is_due {
        walk_on(context, &mut state, now)?;
    }
    let has_counted = state.role_count.step(context, state.walked, now)?;
    if is_due || has_counted {
        context.storage().put(state.entry()?)?;
    }
    Ok(())
}

fn walk_on(context: &Context<'_>, state: &mut State, now: u64) -> Result<(), Error> {
    let names = context.storage().list_page(TOKEN_PREFIX, &state.after, INDEXED_PER_ROLLBACK_MAX)?;
    // No record of ours or the Go plugin's stands in a folder.
    let ids = names.iter().filter(|name| !name.ends_with('/')).map(RecordId::stored).collect();
    let mut step = Step { context, origins: BTreeMap::new(), passed_over: Vec::new(), was_busy: false };
    let missing = if state.complete { step.not_taken_over(ids)? } else { ids };
    for id in &missing {
        step.take_over(id)?;
    }
    state.pass_over(context, step.passed_over);
    match names.last() {
        Some(last) if names.len() >= INDEXED_PER_ROLLBACK_MAX as usize => state.after.clone_from(last),
        _ => state.end_walk(now),
    }
    if state.complete {
        state.counts.refresh(context, now)?;
    }
    Ok(())
}

/// The change that makes the index of a mount complete which has no record yet: all that comes is put into the index
/// as it is made. None where there are records, or the index has a state already.
pub(crate) fn write_of_empty_mount(context: &Context<'_>) -> Result<Option<Write>, Error> {
    let storage = context.storage();
    if storage.get(INDEX_STATE_KEY)?.is_some() || !storage.list_page(TOKEN_PREFIX, "", 1)?.is_empty() {
        return Ok(None);
    }
    let mut state = State::default();
    state.end_walk(context.now().as_secs());
    Ok(Some(Write::Put(state.entry()?)))
}

/// Keys of records that the walks passed over and that still cannot be read, or not put into the index.
pub(crate) fn passed_over(context: &Context<'_>) -> Result<Vec<String>, Error> {
    let State { found, passed_over, .. } = load(context)?;
    let mut keys = passed_over;
    keys.extend(found);
    keys.sort();
    keys.dedup();
    let mut left = Vec::new();
    for key in keys {
        // Only a list tells whether an entry under the prefix itself is still there.
        if key == TOKEN_PREFIX && context.storage().list_page(&key, "", 1)?.first().is_none_or(|name| !name.is_empty())
        {
            continue;
        }
        let id = RecordId::stored(key.strip_prefix(TOKEN_PREFIX).unwrap_or(&key));
        let is_well = match load_own(context, &id)? {
            Ok(record) => record.is_none_or(|record| record.names_no_token() || is_indexable(&record)),
            Err(_) => false,
        };
        if !is_well {
            left.push(key);
        }
    }
    Ok(left)
}

fn is_indexable(record: &Record) -> bool {
    key::is_key(&client_key(&record.org_id, &record.client_id))
}

/// One step of the walk.
struct Step<'a> {
    context: &'a Context<'a>,
    /// Of organizations that were looked at: where their tokens are made.
    origins: BTreeMap<String, Option<Origin>>,
    /// Keys of what could not be read or indexed, and why.
    passed_over: Vec<(String, Error)>,
    /// Did it wait in vain for the lock of a token?
    was_busy: bool,
}

impl<'a> Step<'a> {
    /// Those of the records that their client ID does not lead to, or whose origin is not noted: a look-up puts a
    /// record into the index, too, and no more than that.
    fn not_taken_over(&mut self, ids: Vec<RecordId>) -> Result<Vec<RecordId>, Error> {
        let storage = self.context.storage();
        let keys: Vec<String> = ids.iter().map(RecordId::key).collect();
        let (mut missing, mut to_look_up, mut index_keys) = (Vec::new(), Vec::new(), Vec::new());
        for (id, read) in ids.into_iter().zip(storage::read_many(storage, &keys)?) {
            match read.and_then(|found| found.map(|found| stored::decode(&found, &id)).transpose()) {
                Ok(Some(record)) if record.origin.is_some() && is_indexable(&record) => {
                    index_keys.push(client_key(&record.org_id, &record.client_id));
                    to_look_up.push(id);
                }
                Ok(Some(_)) => missing.push(id),
                Ok(None) => {}
                Err(error) => self.passed_over.push((id.key(), error)),
            }
        }
        for (id, read) in to_look_up.into_iter().zip(storage::read_many(storage, &index_keys)?) {
            if !read.is_ok_and(|indexed| indexed.is_some_and(|indexed| names_record(&indexed, &id))) {
                missing.push(id);
            }
        }
        Ok(missing)
    }

    fn take_over(&mut self, id: &RecordId) -> Result<(), Error> {
        let context = self.context;
        // A revocation meanwhile must not find its record written again.
        let guard = self.lock(id)?;
        let mut record = match load_own(context, id)? {
            Ok(Some(record)) => record,
            Ok(None) => return Ok(()),
            Err(error) => {
                self.passed_over.push((id.key(), error));
                return Ok(());
            }
        };
        if record.names_no_token() {
            return guard.map_or(Ok(()), |_guard| remove_without_token(context, &record));
        }
        if !is_indexable(&record) {
            let sentence = format!("the client ID in the token's record `{}` cannot be indexed", id.key());
            self.passed_over.push((id.key(), Error::Internal(sentence)));
            return Ok(());
        }
        let storage = context.storage();
        // A walk must not write the entries again of records whose origin cannot be known.
        let entry = client_entry(&record);
        let indexed = storage::read_one(storage, &entry.key)?.unwrap_or_default();
        if !indexed.is_some_and(|indexed| names_record(&indexed, id)) {
            storage.put(entry)?;
        }
        // Without the lock the record stays as it is, for the next walk. An index entry alone does no harm: if its record goes
        // meanwhile, the next look-up removes the entry.
        if record.origin.is_some() || guard.is_none() {
            return Ok(());
        }
        record.origin = self.origin_of(&record.org_id)?;
        if record.origin.is_some() {
            storage.put(stored::encode(&record)?)?;
        }
        Ok(())
    }

    /// The lock of a token; none while another request works on the token, such as a revocation of an organization whose
    /// Astra hangs. A step waits for one only: the walk must end, for requests of all organizations wait for its end.
    fn lock(&mut self, id: &RecordId) -> Result<Option<Box<dyn LockGuard + 'a>>, Error> {
        if self.was_busy {
            return Ok(None);
        }
        match super::lock(self.context, id) {
            Ok(guard) => Ok(Some(guard)),
            Err(Error::Coded { code: 503, .. }) => {
                self.was_busy = true;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Where the organization's tokens were made; none where its config is not there or cannot be read, and where a config
    /// has left its origin, at which they may have been made.
    fn origin_of(&mut self, org_id: &OrgId) -> Result<Option<Origin>, Error> {
        if let Some(known) = self.origins.get(org_id.as_str()) {
            return Ok(known.clone());
        }
        let config = config::load_own(self.context, org_id)?.unwrap_or_default();
        let has_left = config.is_some() && config::has_retired(self.context, org_id)?;
        let origin = config.filter(|_| !has_left).map(|config| config.url.origin().clone());
        self.origins.insert(org_id.as_str().to_owned(), origin.clone());
        Ok(origin)
    }
}

/// Forgets what stands for no token, so that its name is free. Its lease ends without it.
fn remove_without_token(context: &Context<'_>, record: &Record) -> Result<(), Error> {
    write::remove(context, record, End::Tidied)?;
    let key = record.id.key();
    let fields = [("org", record.org_id.as_str()), ("role", record.role_name.as_str()), ("key", &key)];
    events::EMPTY_RECORD_REMOVED.log(context, &fields);
    Ok(())
}

/// How far the walk got; a state that cannot be read is none, and it begins anew.
pub(super) fn load(context: &Context<'_>) -> Result<State, Error> {
    let entry = context.storage().get(INDEX_STATE_KEY)?;
    Ok(entry.and_then(|entry| entry.parsed()).unwrap_or_default())
}
