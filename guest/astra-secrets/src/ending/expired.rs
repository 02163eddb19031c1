//! Ends tokens whose lease or grace period has ended: those that are due in a rollback call, and at once the token that
//! a rotation without a grace period replaced.

use std::time::Duration;

use secrets_framework::host::LogLevel;
use secrets_framework::{Context, Error};

use super::{Patience, Target, end_token};
use crate::history::End;
use crate::in_use;
use crate::limits::{ENDED_PER_ROLLBACK_MAX, ENDED_RETRY_PAUSE, LEASE_END_MARGIN, ROLLBACK_BUDGET};
use crate::read_only;
use crate::record::{self, Ended, Record};
use crate::storage::key;

/// Ends tokens whose lease has ended for certain, and which nobody revoked: the
/// server died before it stored the lease, or gave up on revoking it.
pub(crate) fn end_expired(context: &Context<'_>, immediate: bool) -> Result<(), Error> {
    let start = context.now();
    // When the mount goes, the leases that have ended are not waited for.
    let due_by = if immediate { start + LEASE_END_MARGIN } else { start };
    let mut result = Ok(());
    let (mut needed, mut looked_at) = (Vec::new(), 0);
    record::visit_ended(context, due_by.as_secs(), ENDED_PER_ROLLBACK_MAX, |ended| {
        if context.now() > start + ROLLBACK_BUDGET {
            return Ok(false);
        }
        // One record that is damaged or locked must not keep the others waiting.
        match end_one(context, &ended, immediate, Patience::Rollback) {
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
        if context.now() > start + ROLLBACK_BUDGET {
            break;
        }
        if let Err(error) = end_or_postpone(context, &ended, immediate) {
            result = Err(error);
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

fn end_or_postpone(context: &Context<'_>, ended: &Ended, immediate: bool) -> Result<(), Error> {
    if end_one(context, ended, immediate, Patience::Rollback)? == Ending::StillNeeded {
        let _guard = record::lock(context, &ended.id)?;
        if let Some(mut record) = record::load(context, &ended.id)?.filter(|record| record.due == ended.due) {
            postpone(context, &mut record, context.now())?;
        }
    }
    Ok(())
}

/// Ends a token that was just replaced, if it has no grace period. What fails
/// is done by the next rollback call.
pub(crate) fn end_at_once(context: &Context<'_>, replaced: &Ended) {
    if replaced.due > context.now().as_secs() || read_only::is_read_only(context) {
        return;
    }
    if let Err(error) = end_one(context, replaced, false, Patience::Once) {
        let error = error.to_string();
        context.log(LogLevel::Warn, "a replaced token was left to rollback", &[("error", &error)]);
    }
}

fn end_one(context: &Context<'_>, ended: &Ended, immediate: bool, patience: Patience) -> Result<Ending, Error> {
    let _guard = record::lock(context, &ended.id)?;
    let current = match key::is_key(&ended.id.key()) {
        true => record::load_own(context, &ended.id)??.filter(|record| record.due == ended.due),
        false => None,
    };
    let Some(mut record) = current else {
        // Renewed, removed or made anew since; the record's own entry is another one.
        record::drop_due(context, ended)?;
        return Ok(Ending::Settled);
    };
    let now = context.now();
    // No lease of a mount that goes ends a replaced token.
    let in_grace = immediate && record.kind.is_replaceable();
    if record.lease_end > now.as_secs() && !in_grace {
        return Ok(Ending::Settled);
    }
    // Of a holder that cannot be read nobody knows: looked at again later.
    let held = in_use::is_held(context, &record);
    if matches!(held, Ok(true)) {
        in_use::keep(context, &mut record)?;
        return Ok(Ending::Settled);
    }
    let target = Target {
        org_id: &record.org_id,
        client_id: &record.client_id,
        origin: record.origin.as_ref(),
        record: Some(&record),
        leased: None,
        how: if record.kind.is_replaceable() { End::Rotated } else { End::LeaseEnded },
        patience,
    };
    let ended = match held.and_then(|_| in_use::is_still_needed(context, &record)) {
        Ok(true) => return Ok(Ending::StillNeeded),
        Ok(false) => end_token(context, &target),
        Err(error) => Err(error),
    };
    match ended {
        Ok(()) => log_ended(context, LogLevel::Info, "a token whose lease had ended was removed", &record, ""),
        Err(failure) if patience == Patience::Once => return Err(failure),
        Err(error) => {
            let error = error.to_string();
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

fn postpone(context: &Context<'_>, record: &mut Record, now: Duration) -> Result<(), Error> {
    record::postpone(context, record, (now + ENDED_RETRY_PAUSE).as_secs())
}

fn log_ended(context: &Context<'_>, level: LogLevel, message: &str, record: &Record, error: &str) {
    let fields = [("org", record.org_id.as_str()), ("client_id", &record.client_id), ("error", error)];
    context.log(level, message, &fields);
}
