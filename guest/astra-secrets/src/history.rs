//! What happened to a token, and who had it happen: mint, read, renew, rotate,
//! revoke. Kept for each token, at most [`HISTORY_EVENTS_MAX`] events, and for
//! [`HISTORY_KEPT`] after the token ended, then with what the token was.
//!
//! For those who do things with tokens, each under the token's lock:
//! * who shows a secret calls [`note_read`] first, which takes the lock itself,
//!   and shows nothing if that fails: no access goes unrecorded;
//! * who does something else calls [`note`], which never fails, or
//!   [`write_with`], which writes event and change together;
//! * who ends a token calls `record::remove`, and that [`end_with`]. A renewal
//!   or an end never fails for its history.
//!
//! [`HISTORY_EVENTS_MAX`]: crate::limits::HISTORY_EVENTS_MAX
//! [`HISTORY_KEPT`]: crate::limits::HISTORY_KEPT

mod aside;
mod forget;
mod stored;

use secrets_framework::host::LogLevel;
use secrets_framework::{Context, Error};

use crate::who::Who;
pub(crate) use aside::warning;
pub(crate) use forget::forget_old;
pub(crate) use stored::{Ended, Facts, Happened, History, Whereabouts, load};

use crate::error::Failure;
use crate::lease::lock_token;
use crate::names::OrgId;
use crate::record::{self, Record};
use crate::storage::{self, Write, write_batch};

/// What can happen to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It was made.
    Mint,
    /// Its secret was shown again.
    Read,
    /// Its lease goes on.
    Renew,
    /// Another took its place; it lives on for a grace period.
    Rotate,
    /// It was ended.
    Revoke,
}

/// How a token ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Its lease was revoked, or ended and the server revoked it.
    Revoked,
    /// Somebody deleted it, or the static role that held it.
    Deleted,
    /// Its lease had ended, nobody had revoked it, and rollback did.
    LeaseEnded,
    /// Another had taken its place, and its grace period was over.
    Rotated,
    /// It was found gone from Astra, or left over, and tidied away.
    Tidied,
    /// Its making did not come to its end; nobody ever had it.
    Undone,
}

impl Event {
    /// Its word in storage and answers.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Mint => "mint",
            Self::Read => "read",
            Self::Renew => "renew",
            Self::Rotate => "rotate",
            Self::Revoke => "revoke",
        }
    }
}

impl End {
    /// Its word in storage and answers.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Deleted => "deleted",
            Self::LeaseEnded => "lease-ended",
            Self::Rotated => "rotated",
            Self::Tidied => "tidied",
            Self::Undone => "undone",
        }
    }
}

/// Records that a token's secret is about to be shown, unless the organization
/// wants no such records, and logs it. False if the token ended meanwhile: it
/// must not be shown. Takes the token's lock.
pub(crate) fn note_read(context: &Context<'_>, record_reads: bool, record: &Record) -> Result<bool, Failure> {
    if record_reads {
        let _guard = lock_token(context, &record.id)?;
        let history_key = stored::key(&record.org_id, &record.client_id);
        let [current, history] = storage::entries(context, [Some(&record.id.key()), Some(&history_key)])?;
        let current = current.map(|entry| record::decode(&entry, &record.id)).transpose()?;
        if current.is_none_or(|current| current.client_id != record.client_id) {
            return Ok(false);
        }
        let history = history.map(|entry| stored::decode(context, entry));
        write_batch(context, &event_writes(context, record, history, Event::Read)?)?;
    }
    log_read(context, record);
    Ok(true)
}

/// Records an event. It has happened already, so a failure is only logged.
pub(crate) fn note(context: &Context<'_>, record: &Record, event: Event) {
    let noted = load_of(context, record)
        .and_then(|history| event_writes(context, record, history, event))
        .and_then(|writes| write_batch(context, &writes));
    if let Err(error) = noted {
        log_unrecorded(context, record, event, &error);
    }
}

/// Makes `writes` and records the event, together where the server can.
pub(crate) fn write_with(
    context: &Context<'_>,
    record: &Record,
    event: Event,
    writes: Vec<Write>,
) -> Result<(), Error> {
    let history = load_of(context, record).and_then(|history| event_writes(context, record, history, event));
    write_both(context, record, event, history, writes)
}

/// Makes `writes`, which forget a record, and keeps of the token what its history needs.
pub(crate) fn end_with(
    context: &Context<'_>,
    record: &Record,
    how: End,
    whereabouts: Whereabouts,
    writes: Vec<Write>,
) -> Result<(), Error> {
    let history = load_of(context, record).and_then(|history| end_writes(context, record, history, how, whereabouts));
    write_both(context, record, Event::Revoke, history, writes)
}

/// The history's writes first, for without the record they could not be had again.
fn write_both(
    context: &Context<'_>,
    record: &Record,
    event: Event,
    history: Result<Vec<Write>, Error>,
    writes: Vec<Write>,
) -> Result<(), Error> {
    let (error, writes) = match history {
        Ok(mut all) => {
            let own = all.len();
            all.extend(writes);
            match write_batch(context, &all) {
                Ok(()) => return Ok(()),
                Err(error) => (error, all.split_off(own)),
            }
        }
        Err(error) => (error, writes),
    };
    write_batch(context, &writes)?;
    log_unrecorded(context, record, event, &error);
    Ok(())
}

/// Is it on record that the token has ended in Astra? Only where its own record
/// has gone: that goes after this is noted.
pub(crate) fn has_ended(context: &Context<'_>, org_id: &OrgId, client_id: &str) -> Result<bool, Error> {
    Ok(load(context, org_id, client_id)?.is_some_and(|history| history.ended.is_some()))
}

/// What is on record of the token so far.
fn load_of(context: &Context<'_>, record: &Record) -> Result<Option<History>, Error> {
    load(context, &record.org_id, &record.client_id)
}

fn event_writes(
    context: &Context<'_>,
    record: &Record,
    history: Option<History>,
    event: Event,
) -> Result<Vec<Write>, Error> {
    changed(context, record, history, |history, now| {
        history.add(Happened::new(now, event, Who::of(context.request)));
        // An end that did not come to its end: the token lives.
        history.ended = None;
    })
}

fn end_writes(
    context: &Context<'_>,
    record: &Record,
    history: Option<History>,
    how: End,
    whereabouts: Whereabouts,
) -> Result<Vec<Write>, Error> {
    changed(context, record, history, |history, now| {
        history.add(Happened::new(now, Event::Revoke, Who::of(context.request)));
        history.ended = Some(Ended { at: now, how: how.as_str().into(), facts: Facts::of(record), whereabouts });
    })
}

/// The writes of a history that `change` changes; a new one is queued, so that it is forgotten some day.
fn changed(
    context: &Context<'_>,
    record: &Record,
    history: Option<History>,
    change: impl FnOnce(&mut History, u64),
) -> Result<Vec<Write>, Error> {
    let (org_id, client_id) = (&record.org_id, record.client_id.as_str());
    let now = context.host.clock().now().as_secs();
    let mut writes = Vec::new();
    let mut history = history.unwrap_or_else(|| {
        writes.push(Write::Put(forget::queued(org_id, client_id, now)));
        History::default()
    });
    writes.extend(aside::set_aside(context, org_id, client_id, &mut history));
    change(&mut history, now);
    writes.push(Write::Put(history.to_entry(org_id, client_id)?));
    Ok(writes)
}

fn log_read(context: &Context<'_>, record: &Record) {
    let identity = &context.request.identity;
    context.host.log().log(
        LogLevel::Info,
        "a token was read",
        &[
            ("org", record.org_id.as_str()),
            ("role", record.role_name.as_str()),
            ("client_id", &record.client_id),
            ("display_name", &identity.display_name),
            ("entity_id", &identity.entity_id),
            ("request_id", &context.request.id),
        ],
    );
}

fn log_unrecorded(context: &Context<'_>, record: &Record, event: Event, error: &Error) {
    let error = error.to_string();
    let fields = [
        ("org", record.org_id.as_str()),
        ("client_id", &record.client_id),
        ("event", event.as_str()),
        ("error", &error),
    ];
    context.host.log().log(LogLevel::Warn, "an event is missing in a token's history", &fields);
}

#[cfg(test)]
mod tests;
