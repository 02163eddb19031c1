//! Forgets histories of tokens that ended long ago. Each history stands once
//! in a queue of hours, from its first entry on, so that none is kept for
//! ever, whatever fails. A rollback call reads which hour is next and lists
//! that hour alone: it costs what is due, also on a server that has no pages,
//! and however many wait, nothing else waits for them.

use std::time::Duration;

use secrets_framework::host::{LogLevel, StorageEntry};
use secrets_framework::{Context, Error};
use serde::{Deserialize, Serialize};

use super::quarantine;
use super::stored::{self, History};
use crate::limits::{HISTORIES_PER_ROLLBACK_MAX, HISTORIES_PER_WRITE, HISTORY_HOURS_PER_ROLLBACK_MAX, HISTORY_KEPT};
use crate::names::OrgId;
use crate::storage::key::{HISTORY_END_PREFIX, HISTORY_STATE_KEY, from_segment, segment};
use crate::storage::{self, Write, key, write_batch};

/// Of an hour's number: sorted by time, also when somebody looks at storage by hand.
const HOUR_DIGITS: usize = 8;

#[derive(Deserialize, Serialize)]
struct State {
    /// The first hour of the queue that is not done.
    hour: u64,
}

/// The entry of the queue by which a history is looked at once [`HISTORY_KEPT`] has passed since `from` seconds.
pub(super) fn queued(org_id: &OrgId, client_id: &str, from: u64) -> StorageEntry {
    let name = format!("{}.{}", segment(org_id.as_str()), segment(client_id));
    let key = format!("{}{name}", folder(hour_of(forget_at(from))));
    // The key says it all.
    StorageEntry { key, value: b"{}".to_vec(), seal_wrap: false }
}

/// Answers whether the mount certainly has no record of a token.
pub(crate) type IsUnknown = fn(&Context<'_>, &OrgId, &str) -> Result<bool, Error>;

/// Forgets what is due, until `deadline` has passed; the next call goes on.
pub(crate) fn forget_old(context: &Context<'_>, deadline: Duration, is_unknown: IsUnknown) -> Result<(), Error> {
    let this_hour = hour_of(context.now().as_secs());
    let state = load_state(context)?;
    // Nothing stands before the first call's hour. A clock that had run ahead is followed back.
    let mut hour = state.map_or(this_hour, |hour| hour.min(this_hour));
    for _ in 0..HISTORY_HOURS_PER_ROLLBACK_MAX {
        // Of the hour that runs not all is due yet.
        if hour >= this_hour || !forget_hour(context, hour, deadline, is_unknown)? {
            break;
        }
        hour += 1;
    }
    if state != Some(hour) {
        store_state(context, hour)?;
    }
    Ok(())
}

/// Goes through one hour of the queue; is it done?
fn forget_hour(context: &Context<'_>, hour: u64, deadline: Duration, is_unknown: IsUnknown) -> Result<bool, Error> {
    let folder = folder(hour);
    let names = context.storage().list_page(&folder, "", HISTORIES_PER_ROLLBACK_MAX)?;
    for chunk in names.chunks(HISTORIES_PER_WRITE) {
        if context.now() > deadline {
            return Ok(false);
        }
        if forget_together(context, &folder, chunk, is_unknown).is_err() {
            forget_singly(context, &folder, chunk, is_unknown)?;
        }
    }
    Ok(names.len() < HISTORIES_PER_ROLLBACK_MAX as usize)
}

/// Does what is to be done with these entries of the queue, in one write.
fn forget_together(context: &Context<'_>, folder: &str, names: &[String], is_unknown: IsUnknown) -> Result<(), Error> {
    let mut writes = Vec::new();
    // A name that is no key is nobody's, and cannot be deleted.
    for name in names.iter().filter(|name| key::is_key(name)) {
        add_writes(context, folder, name, is_unknown, &mut writes)?;
    }
    write_batch(context, &writes)
}

/// One of the entries cannot be dealt with: the others are, and that one moves on in the queue.
fn forget_singly(context: &Context<'_>, folder: &str, names: &[String], is_unknown: IsUnknown) -> Result<(), Error> {
    for name in names {
        let Err(error) = forget_together(context, folder, std::slice::from_ref(name), is_unknown) else { continue };
        let error = storage::own_error(context.storage(), error)?;
        let mut writes = Vec::new();
        if let Some((org_id, client_id)) = of_name(name) {
            writes.push(Write::Put(queued(&org_id, &client_id, context.now().as_secs())));
        }
        writes.push(Write::Delete(format!("{folder}{name}")));
        // On a server that takes no write at all, this fails, too.
        write_batch(context, &writes)?;
        let (key, error) = (format!("{folder}{name}"), error.to_string());
        let message = "a token's history could not be looked at and is kept for another 90 days";
        context.log(LogLevel::Error, message, &[("key", key.as_str()), ("error", &error)]);
    }
    Ok(())
}

/// What is to be done with one entry of the queue: its history is forgotten, or it moves on.
fn add_writes(
    context: &Context<'_>,
    folder: &str,
    name: &str,
    is_unknown: IsUnknown,
    writes: &mut Vec<Write>,
) -> Result<(), Error> {
    if let Some((org_id, client_id)) = of_name(name)
        && let Some(history) = stored::load(context, &org_id, &client_id)?
    {
        let from = next_look(context, &org_id, &client_id, &history, is_unknown)?;
        writes.extend(from.map(|from| Write::Put(queued(&org_id, &client_id, from))));
        add_writes_of(context, &org_id, &client_id, history, from.is_none(), writes)?;
    }
    writes.push(Write::Delete(format!("{folder}{name}")));
    Ok(())
}

/// Of one that cannot be read nobody knows when its token ended: it is set aside, and its turn comes once more.
fn add_writes_of(
    context: &Context<'_>,
    org_id: &OrgId,
    client_id: &str,
    mut history: History,
    goes: bool,
    writes: &mut Vec<Write>,
) -> Result<(), Error> {
    if let Some(aside) = quarantine::quarantine(context, org_id, client_id, &mut history) {
        writes.extend([aside, Write::Put(history.to_entry(org_id, client_id)?)]);
    } else if goes {
        writes.extend(quarantine::forget(context, org_id, client_id, &history)?);
        writes.push(Write::Delete(stored::key(org_id, client_id)));
    }
    Ok(())
}

/// From when on the history is to be kept on; none = it is to be forgotten.
fn next_look(
    context: &Context<'_>,
    org_id: &OrgId,
    client_id: &str,
    history: &History,
    is_unknown: IsUnknown,
) -> Result<Option<u64>, Error> {
    let now = context.now().as_secs();
    Ok(match &history.ended {
        Some(ended) => Some(ended.at).filter(|at| forget_at(*at) > now),
        None if history.unreadable.is_some() => Some(now),
        None => (!is_unknown(context, org_id, client_id)?).then_some(now),
    })
}

fn of_name(name: &str) -> Option<(OrgId, String)> {
    let (org_id, client_id) = name.split_once('.')?;
    Some((OrgId::stored(from_segment(org_id)?), from_segment(client_id)?))
}

fn forget_at(from: u64) -> u64 {
    from.saturating_add(HISTORY_KEPT.as_secs())
}

fn hour_of(seconds: u64) -> u64 {
    seconds / 3600
}

fn folder(hour: u64) -> String {
    format!("{HISTORY_END_PREFIX}{hour:0HOUR_DIGITS$}/")
}

fn load_state(context: &Context<'_>) -> Result<Option<u64>, Error> {
    let entry = context.storage().get(HISTORY_STATE_KEY)?;
    Ok(entry.and_then(|entry| entry.parsed::<State>()).map(|state| state.hour))
}

fn store_state(context: &Context<'_>, hour: u64) -> Result<(), Error> {
    Ok(context.storage().put(StorageEntry::json(HISTORY_STATE_KEY, &State { hour })?)?)
}
