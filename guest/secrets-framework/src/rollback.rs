//! The rollback operation: write-ahead entries that were left behind, then the
//! engine's periodic work. A failure of one never keeps the others from their
//! turn, and no call does more than its limits allow. An entry that cannot be
//! undone at all is kept and logged once, and fails no call.

use std::ops::ControlFlow;
use std::time::Duration;

use serde_json::Value;

use crate::host::{Replication, SystemViewError};
use crate::limits::{ROLLBACK_FAILURES_SHOWN_MAX, WAL_ENTRIES_IMMEDIATE_MAX, WAL_ENTRIES_PER_CALL_MAX, WAL_TIME_MAX};
use crate::passed_over::{self, PassedOver, own_error};
use crate::turns::take_turns;
use crate::wal::{self, WalId};
use crate::{Backend, Context, Error, Undo, UndoEntry};

/// Does one rollback call. All failures come back as one error, which the server logs.
pub(crate) fn handle(backend: &Backend, context: &Context<'_>) -> Result<(), Error> {
    if !stores_here(context)? {
        return Ok(());
    }
    let immediate = is_immediate(context);
    let mut failures = Vec::new();
    // An entry undoes what was done upstream: where that is read-only, it stays.
    let may_undo = !context.host.system_view().is_upstream_read_only();
    if let Some(undo) = backend.rollback.filter(|_| may_undo) {
        undo_entries(context, undo, immediate, &mut failures);
    }
    if let Some(periodic) = backend.periodic {
        failures.extend(periodic(context, immediate).err());
    }
    failures_as_error(failures)
}

/// Can this node store what a rollback does? A secondary has a replicated copy of the entries, which may be stale, and would
/// change the upstream before its own write fails. The primary does the work.
fn stores_here(context: &Context<'_>) -> Result<bool, Error> {
    let system_view = context.host.system_view();
    let replication = match system_view.replication() {
        // A server that cannot answer does not replicate.
        Err(SystemViewError::Unsupported(_)) => Replication::default(),
        answer => answer.map_err(not_known)?,
    };
    if replication.is_dr_secondary || replication.is_performance_standby {
        return Ok(false);
    }
    Ok(!replication.is_performance_secondary || system_view.is_local_mount().map_err(not_known)?)
}

fn not_known(error: SystemViewError) -> Error {
    Error::Plain(format!("nothing was rolled back, because the part of this node in replication is not known: {error}"))
}

/// The server sets `immediate` when the mount is being disabled.
fn is_immediate(context: &Context<'_>) -> bool {
    context.request.data.get("immediate").is_some_and(|value| *value != Value::Bool(false))
}

/// Entries made at this time or later may still be in use.
fn in_use_since(context: &Context<'_>) -> Duration {
    context.now().saturating_sub(context.host.system_view().wal_minimum_age())
}

/// Visits the entries from a random one, so that each has its turn without anything to remember. Those of one group, which
/// are undone at one upstream, follow each other.
fn undo_entries(context: &Context<'_>, undo: UndoEntry, immediate: bool, failures: &mut Vec<Error>) {
    let mut left = if immediate { WAL_ENTRIES_IMMEDIATE_MAX } else { WAL_ENTRIES_PER_CALL_MAX };
    let ids = match wal::ids_from_random(context) {
        Ok(ids) => ids,
        Err(error) => return failures.push(error),
    };
    let in_use_since = if immediate { Duration::MAX } else { in_use_since(context) };
    let end = context.now() + WAL_TIME_MAX;
    let mut passed_over = Vec::new();
    let undo_next = |id: &WalId| {
        match undo_entry(context, undo, id, in_use_since) {
            Ok(Undo::Done) => {}
            Ok(Undo::Impossible(reason)) => passed_over.push(PassedOver { key: wal::key(id), reason }),
            Err(error) => failures.push(error),
        }
        left -= 1;
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    take_turns(context, &ids, |id| id.group(), end, undo_next);
    failures.extend(passed_over::log_new(context, PASSED_OVER, &passed_over).err());
}

fn undo_entry(context: &Context<'_>, undo: UndoEntry, id: &WalId, in_use_since: Duration) -> Result<Undo, Error> {
    // The second read tells a failure that passes from one that stays.
    let entry = match wal::read(context, id).or_else(|_| wal::read(context, id)) {
        Ok(Some(entry)) => entry,
        Ok(None) => return Ok(Undo::Done),
        Err(error) => return own_error(context.storage(), error).map(|error| Undo::Impossible(error.to_string())),
    };
    let created_at = Duration::from_secs(entry.created_at);
    // An entry of the future is of a clock that was set back since, and would wait for as long as that was ahead.
    if (in_use_since..=context.now()).contains(&created_at) {
        return Ok(Undo::Done);
    }
    let undone = undo(context, &entry.kind, &entry.data)
        .map_err(|error| Error::Plain(format!("error rolling back {:?} entry: {error}", entry.kind)))?;
    if undone == Undo::Done {
        wal::delete(context, id)?;
    }
    Ok(undone)
}

const PASSED_OVER: &str = "a write-ahead entry cannot be undone and is kept: what the entry stands for may live on";

fn failures_as_error(failures: Vec<Error>) -> Result<(), Error> {
    let count = failures.len();
    if count <= 1 {
        return failures.into_iter().next().map_or(Ok(()), Err);
    }
    let mut texts: Vec<String> = failures.iter().take(ROLLBACK_FAILURES_SHOWN_MAX).map(ToString::to_string).collect();
    if count > texts.len() {
        texts.push(format!("and {} more", count - texts.len()));
    }
    // Plain, so that the server still finds its own read-only text in it.
    Err(Error::Plain(format!("{count} failures: {}", texts.join("; "))))
}
