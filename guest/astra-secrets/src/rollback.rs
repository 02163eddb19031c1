//! What the server's rollback call, each minute, puts right: mints that did
//! not come to an end, tokens whose lease has ended without anybody revoking
//! them, what the agenda has for now, and the index of a mount from the Go
//! plugin. Bounded work per call; nothing is repeated within one, for the next
//! call comes soon.

mod retired;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use secrets_framework::host::LogLevel;
use secrets_framework::{Context, Error, Undo};
use serde_json::Value;

use crate::agenda;
use crate::astra_token::{Patience, Target, config_for_ending, end_token};
use crate::client::{AstraClient, upstream};
use crate::error::Failure;
use crate::held_tokens;
use crate::history::{self, End};
use crate::holder;
use crate::lease::lock_token;
use crate::limits::{ENDED_PER_ROLLBACK_MAX, ENDED_RETRY_PAUSE, LEASE_END_MARGIN, ROLLBACK_BUDGET};
use crate::mint::{self, INTENT_KIND, IntentData};
use crate::names::{OrgId, shown};
use crate::read_only;
use crate::record::{self, Ended, Record, TokenKind};
use crate::storage::key;

/// Undoes one write-ahead entry. An entry of another kind may be of a newer version of this engine, which can undo it.
pub(crate) fn rollback(context: &Context<'_>, kind: &str, data: &Value) -> Result<Undo, Error> {
    if kind != INTENT_KIND {
        return Ok(Undo::Impossible(format!(
            "this version of the engine knows no entries of the kind {}",
            shown(kind)
        )));
    }
    let Some(data) = IntentData::read(data) else {
        return Ok(Undo::Impossible("the data of the entry is not that of a mint".to_owned()));
    };
    undo_mint(context, &data).map_err(Failure::into_error)?;
    Ok(Undo::Done)
}

/// The periodic work; `immediate` = the mount is being disabled.
pub(crate) fn periodic(context: &Context<'_>, immediate: bool) -> Result<(), Error> {
    // Each has its turn, whatever becomes of the others.
    let changed = match read_only::is_read_only(context) {
        true => read_only::keep_due(context, immediate),
        false => change_astra(context, immediate),
    };
    let forgotten = if immediate { Ok(()) } else { history::forget_old(context, deadline(context)) };
    let filled = record::fill_index(context);
    let dropped = retired::drop_unused(context);
    changed.and(forgotten).and(filled).and(dropped)
}

/// What is due in Astra: tokens to be ended, and tasks of the agenda.
fn change_astra(context: &Context<'_>, immediate: bool) -> Result<(), Error> {
    let ended = end_ended(context, immediate);
    // A mount that goes makes nothing new.
    let until = deadline(context);
    let worked = if immediate { Ok(()) } else { agenda::work(context, until) };
    let looked = if immediate { Ok(()) } else { look_at_held(context, until) };
    ended.and(worked).and(looked)
}

/// Looks for dead tokens; the agenda replaces those that were found, in this call if there is time.
fn look_at_held(context: &Context<'_>, until: Duration) -> Result<(), Error> {
    if held_tokens::look(context, until)? { agenda::work(context, until) } else { Ok(()) }
}

fn deadline(context: &Context<'_>) -> Duration {
    context.host.clock().now() + ROLLBACK_BUDGET
}

/// Removes what a mint left: the token with its mark, and its record.
fn undo_mint(context: &Context<'_>, data: &IntentData) -> Result<(), Failure> {
    // A mint that is still going on holds this lock, and settles itself.
    let _guard = mint::lock(context, &data.mark)?;
    let org_id = data.org_id();
    let origin = data.origin();
    let config = config_for_ending(context, &org_id, Some(&origin))?;
    let client = Patience::Rollback.client(context, &config.config);
    let mut marked = BTreeSet::new();
    let scanned = client.scan_tokens(&mut |token| {
        if token.has_mark(&data.mark) {
            marked.insert(token.client_id);
        }
        ControlFlow::Continue(())
    });
    scanned.map_err(|error| upstream(&org_id, &error))?;
    for client_id in &marked {
        remove_marked(context, &client, data, client_id)?;
    }
    remove_record_without_token(context, data)?;
    Ok(())
}

fn remove_marked(
    context: &Context<'_>,
    client: &AstraClient<'_>,
    data: &IntentData,
    client_id: &str,
) -> Result<(), Failure> {
    let org_id = client.org_id();
    // What bears a mark of ours is in the index from the start.
    let found = record::find_indexed(context, org_id, client_id)?;
    let _guard = found.as_ref().map(|record| lock_token(context, &record.id)).transpose()?;
    // Again, now that nobody else changes it.
    let current = found.map(|record| record::load(context, &record.id)).transpose()?.flatten();
    let record = current.filter(|record| record.client_id == client_id);
    // The mint came to its end while we waited for the lock: the token is given out.
    if record.is_some() && !mint::is_open(context, &data.mark)? {
        return Ok(());
    }
    // All was stored but that the entry is dropped: a server without transactions died in between.
    if is_held(context, org_id, client_id, record.as_ref())? {
        return Ok(());
    }
    client.delete_token(client_id).map_err(|error| upstream(org_id, &error))?;
    if let Some(record) = &record {
        record::remove(context, record, End::Undone)?;
    }
    let fields = [("org", org_id.as_str()), ("client_id", client_id), ("mark", &data.mark)];
    context.host.log().log(LogLevel::Warn, "a token that a failed request left in Astra was removed", &fields);
    Ok(())
}

fn is_held(context: &Context<'_>, org_id: &OrgId, client_id: &str, record: Option<&Record>) -> Result<bool, Error> {
    match record {
        // It was held, and lives on until the end that its holder then gave it.
        Some(record) if is_replaceable(record) && record.lease_end != 0 => Ok(true),
        Some(record) => holder::is_held(context, record),
        None => holder::is_admin_token(context, org_id, client_id),
    }
}

/// The token has gone, but its record may have stayed and would hold its
/// logical name: a server without transactions died in between.
fn remove_record_without_token(context: &Context<'_>, data: &IntentData) -> Result<(), Failure> {
    let Some(id) = data.record_id() else { return Ok(()) };
    let _guard = lock_token(context, &id)?;
    let record = record::load(context, &id)?.filter(|record| record.mark == data.mark);
    match record {
        Some(record) if holder::is_held(context, &record)? => Ok(()),
        Some(record) if mint::is_open(context, &data.mark)? => Ok(record::remove(context, &record, End::Undone)?),
        _ => Ok(()),
    }
}

/// Ends tokens whose lease has ended for certain, and which nobody revoked: the
/// server died before it stored the lease, or gave up on revoking it.
fn end_ended(context: &Context<'_>, immediate: bool) -> Result<(), Error> {
    let start = context.host.clock().now();
    // When the mount goes, the leases that have ended are not waited for.
    let due_by = if immediate { start + LEASE_END_MARGIN } else { start };
    let mut result = Ok(());
    let (mut needed, mut looked_at) = (Vec::new(), 0);
    record::visit_ended(context, due_by.as_secs(), ENDED_PER_ROLLBACK_MAX, |ended| {
        if context.host.clock().now() > start + ROLLBACK_BUDGET {
            return Ok(false);
        }
        // One record that is damaged or locked must not keep the others waiting.
        match end_one(context, &ended, immediate, Patience::Rollback).map_err(Failure::into_error) {
            // The walk of the index logs what cannot be read, and `check` names it: not a line each minute, nor a place.
            Err(Error::Internal(_)) => return Ok(true),
            Err(error) => result = Err(error),
            Ok(Ending::Settled) => {}
            Ok(Ending::StillNeeded) => needed.push(ended),
        }
        looked_at += 1;
        Ok(looked_at < ENDED_PER_ROLLBACK_MAX)
    })?;
    // Admin tokens that were to end others: perhaps those have ended now.
    for ended in needed {
        if context.host.clock().now() > start + ROLLBACK_BUDGET {
            break;
        }
        if let Err(failure) = end_or_postpone(context, &ended, immediate) {
            result = Err(failure.into_error());
        }
    }
    result
}

/// What became of a record whose end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Its token has ended, or it is not to end now.
    Settled,
    /// Its token ends last, after others that it is to end.
    StillNeeded,
}

fn end_or_postpone(context: &Context<'_>, ended: &Ended, immediate: bool) -> Result<(), Failure> {
    if end_one(context, ended, immediate, Patience::Rollback)? == Ending::StillNeeded {
        let _guard = lock_token(context, &ended.id)?;
        if let Some(mut record) = record::load(context, &ended.id)?.filter(|record| record.due == ended.due) {
            postpone(context, &mut record, context.host.clock().now())?;
        }
    }
    Ok(())
}

/// Ends a token that was just replaced, if it has no grace period. What fails
/// is done by the next rollback call.
pub(crate) fn end_at_once(context: &Context<'_>, replaced: &Ended) {
    if replaced.due > context.host.clock().now().as_secs() || read_only::is_read_only(context) {
        return;
    }
    if let Err(failure) = end_one(context, replaced, false, Patience::Once) {
        let error = failure.into_error().to_string();
        context.host.log().log(LogLevel::Warn, "a replaced token was left to rollback", &[("error", &error)]);
    }
}

fn end_one(context: &Context<'_>, ended: &Ended, immediate: bool, patience: Patience) -> Result<Ending, Failure> {
    let _guard = lock_token(context, &ended.id)?;
    let current = match key::is_key(&ended.id.key()) {
        true => record::load_own(context, &ended.id)??.filter(|record| record.due == ended.due),
        false => None,
    };
    let Some(mut record) = current else {
        // Renewed, removed or made anew since; the record's own entry is another one.
        record::drop_due(context, ended)?;
        return Ok(Ending::Settled);
    };
    let now = context.host.clock().now();
    // No lease of a mount that goes ends a replaced token.
    let in_grace = immediate && is_replaceable(&record);
    if record.lease_end > now.as_secs() && !in_grace {
        return Ok(Ending::Settled);
    }
    // Of a holder that cannot be read nobody knows: looked at again later.
    let held = holder::is_held(context, &record).map_err(Failure::from);
    if matches!(held, Ok(true)) {
        holder::keep(context, &mut record)?;
        return Ok(Ending::Settled);
    }
    let target = Target {
        org_id: &record.org_id,
        client_id: &record.client_id,
        origin: record.origin.as_ref(),
        record: Some(&record),
        leased: None,
        how: if is_replaceable(&record) { End::Rotated } else { End::LeaseEnded },
        patience,
    };
    let ended = match held.and_then(|_| holder::is_still_needed(context, &record)) {
        Ok(true) => return Ok(Ending::StillNeeded),
        Ok(false) => end_token(context, &target),
        Err(failure) => Err(failure),
    };
    match ended {
        Ok(()) => log_ended(context, LogLevel::Info, "a token whose lease had ended was removed", &record, ""),
        Err(failure) if patience == Patience::Once => return Err(failure),
        Err(failure) => {
            let error = failure.into_error().to_string();
            log_ended(
                context,
                LogLevel::Warn,
                "a token whose lease has ended could not be removed yet",
                &record,
                &error,
            );
            // Later, so that one organization that fails does not keep others waiting.
            postpone(context, &mut record, now)?;
        }
    }
    Ok(Ending::Settled)
}

/// Is it of a kind that is held, and lives on for a grace period when another took its place?
fn is_replaceable(record: &Record) -> bool {
    matches!(record.kind, TokenKind::Admin | TokenKind::Static)
}

fn postpone(context: &Context<'_>, record: &mut Record, now: Duration) -> Result<(), Error> {
    record::postpone(context, record, (now + ENDED_RETRY_PAUSE).as_secs())
}

fn log_ended(context: &Context<'_>, level: LogLevel, message: &str, record: &Record, error: &str) {
    let fields = [("org", record.org_id.as_str()), ("client_id", &record.client_id), ("error", error)];
    context.host.log().log(level, message, &fields);
}

#[cfg(test)]
mod tests;
