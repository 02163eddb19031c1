//! What happened to a token, and who had it happen: mint, read, renew, rotate,
//! revoke. Kept for each token, at most [`HISTORY_EVENTS_MAX`] events, and for
//! [`HISTORY_KEPT`] after the token ended, then with what the token was.
//!
//! For those who do things with tokens, each under the token's lock:
//! * who shows a secret calls `record::note_read` first, which takes the lock itself,
//!   and shows nothing if that fails: no access goes unrecorded;
//! * who does something else calls [`note`], which never fails, or
//!   [`write_with`], which writes event and change together;
//! * who ends a token calls `record::remove`, and that [`end_with`]. A renewal
//!   or an end never fails for its history.
//!
//! [`HISTORY_EVENTS_MAX`]: crate::limits::HISTORY_EVENTS_MAX
//! [`HISTORY_KEPT`]: crate::limits::HISTORY_KEPT

mod forget;
mod quarantine;
mod stored;

use secrets_framework::host::{LogLevel, StorageEntry};
use secrets_framework::{Context, Error};

use crate::who::Who;
pub(crate) use forget::{Keeping, forget_at, keep_or_forget};
pub(crate) use quarantine::warning;
pub(crate) use stored::{Ended, Facts, Happened, History, Whereabouts, load};

use crate::names::OrgId;
use crate::storage::{TokenRef, Write, write_batch};

/// The token whose history is meant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    /// Its organization.
    pub(crate) org_id: &'a OrgId,
    /// Its ID in Astra.
    pub(crate) client_id: &'a str,
}

impl Subject<'_> {
    /// The key of its history.
    pub(crate) fn key(self) -> String {
        stored::key(self.org_id, self.client_id)
    }
}

/// The key of a token's history.
pub(crate) fn key(token: &TokenRef) -> String {
    stored::key(&token.org_id, &token.client_id)
}

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

/// Records an event. It has happened already, so a failure is only logged.
pub(crate) fn note(context: &Context<'_>, subject: Subject<'_>, event: Event) {
    let noted = load_of(context, subject)
        .and_then(|history| event_writes(context, subject, history, event))
        .and_then(|writes| write_batch(context, &writes));
    if let Err(error) = noted {
        log_unrecorded(context, subject, event, &error);
    }
}

/// Makes `writes` and records the event, together where the server can.
pub(crate) fn write_with(
    context: &Context<'_>,
    subject: Subject<'_>,
    event: Event,
    writes: Vec<Write>,
) -> Result<(), Error> {
    let history = load_of(context, subject).and_then(|history| event_writes(context, subject, history, event));
    write_both(context, subject, event, history, writes)
}

/// Makes `writes`, which forget a record, and keeps of the token what its history needs.
pub(crate) fn end_with(
    context: &Context<'_>,
    subject: Subject<'_>,
    facts: Facts,
    how: End,
    whereabouts: Whereabouts,
    writes: Vec<Write>,
) -> Result<(), Error> {
    let history =
        load_of(context, subject).and_then(|history| end_writes(context, subject, history, facts, how, whereabouts));
    write_both(context, subject, Event::Revoke, history, writes)
}

/// The history's writes first, for without the record they could not be had again.
fn write_both(
    context: &Context<'_>,
    subject: Subject<'_>,
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
    log_unrecorded(context, subject, event, &error);
    Ok(())
}

/// Is it on record that the token has ended in Astra? Only where its own record
/// has gone: that goes after this is noted.
pub(crate) fn has_ended(context: &Context<'_>, org_id: &OrgId, client_id: &str) -> Result<bool, Error> {
    Ok(load(context, org_id, client_id)?.is_some_and(|history| history.ended.is_some()))
}

/// What is on record of the token so far.
fn load_of(context: &Context<'_>, subject: Subject<'_>) -> Result<Option<History>, Error> {
    load(context, subject.org_id, subject.client_id)
}

/// The changes that record an event, where `entry` holds what is on record so far.
pub(crate) fn writes_of_event(
    context: &Context<'_>,
    subject: Subject<'_>,
    entry: Option<StorageEntry>,
    event: Event,
) -> Result<Vec<Write>, Error> {
    event_writes(context, subject, entry.map(|entry| stored::decode(context, entry)), event)
}

fn event_writes(
    context: &Context<'_>,
    subject: Subject<'_>,
    history: Option<History>,
    event: Event,
) -> Result<Vec<Write>, Error> {
    changed(context, subject, history, |history, now| {
        history.add(Happened::new(now, event, Who::of(context.request)));
        // An end that did not come to its end: the token lives.
        history.ended = None;
    })
}

fn end_writes(
    context: &Context<'_>,
    subject: Subject<'_>,
    history: Option<History>,
    facts: Facts,
    how: End,
    whereabouts: Whereabouts,
) -> Result<Vec<Write>, Error> {
    changed(context, subject, history, |history, now| {
        history.add(Happened::new(now, Event::Revoke, Who::of(context.request)));
        history.ended = Some(Ended { at: now, how: how.as_str().into(), facts, whereabouts });
    })
}

/// The writes of a history that `change` changes.
fn changed(
    context: &Context<'_>,
    subject: Subject<'_>,
    history: Option<History>,
    change: impl FnOnce(&mut History, u64),
) -> Result<Vec<Write>, Error> {
    let Subject { org_id, client_id } = subject;
    let now = context.now().as_secs();
    let mut history = history.unwrap_or_default();
    let mut writes: Vec<Write> = quarantine::quarantine(context, org_id, client_id, &mut history).into_iter().collect();
    change(&mut history, now);
    writes.push(Write::Put(history.to_entry(org_id, client_id)?));
    Ok(writes)
}

fn log_unrecorded(context: &Context<'_>, subject: Subject<'_>, event: Event, error: &Error) {
    let error = error.to_string();
    let fields = [
        ("org", subject.org_id.as_str()),
        ("client_id", subject.client_id),
        ("event", event.as_str()),
        ("error", &error),
    ];
    context.log(LogLevel::Warn, "an event is missing in a token's history", &fields);
}

#[cfg(test)]
mod tests;
