//! The tasks of tokens in the schedule queue. A task whose token has a record ends the token, or moves to the deadline that
//! the record says by now. A task whose token has none waits until the history of the token can be deleted.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use secrets_framework::turns::{share, take_turns};
use secrets_framework::{Context, Error};

use super::{Patience, Target, end_token};
use crate::events;
use crate::history::{self, End};
use crate::in_use::{self, Need};
use crate::limits::{
    ENDED_PER_ROLLBACK_MAX, ENDED_RETRY_PAUSE, LEASE_END_MARGIN, QUEUED_TOKENS_PER_ROLLBACK_MAX,
    QUEUED_TOKENS_PER_WRITE, RECORDS_READ_AT_ONCE, ROLLBACK_BUDGET, TASK_ALONE,
};
use crate::read_only;
use crate::record::{self, Record};
use crate::schedule_queue::{QueuedTask, Task};
use crate::storage::{TokenRef, Write, key, own_error, read_many, write_batch};

/// Why tokens are ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// Their deadlines have come.
    Due,
    /// The mount is being disabled, or moved: leases that have ended have no margin, and grace periods that soon end are
    /// over. All other leases are the server's.
    MountGoes,
    /// They were replaced without a grace period.
    Replaced,
}

impl When {
    fn is_over(self, record: &Record, now: u64) -> bool {
        let is_past = |end: u64| end <= now;
        let lease_is_over = record.lease_end.is_some_and(is_past);
        let ends_soon = |end: u64| end <= now.saturating_add(LEASE_END_MARGIN.as_secs());
        match self {
            Self::Due => record.deadline().map_or(record.kind.is_replaceable(), is_past),
            Self::MountGoes => {
                lease_is_over || (record.kind.is_replaceable() && record.lease_end.is_none_or(ends_soon))
            }
            Self::Replaced => lease_is_over,
        }
    }

    fn patience(self) -> Patience {
        if self == Self::Replaced { Patience::Once } else { Patience::Rollback }
    }
}

/// A due task of a token.
#[derive(Clone, Copy)]
struct Due<'a> {
    token: &'a TokenRef,
    task: &'a QueuedTask,
}

/// Does the tasks of tokens among `tasks`; `immediate` = the mount is being disabled. Answers how many tokens should be
/// ended and are kept, for Astra is read-only.
pub(crate) fn run_due(context: &Context<'_>, tasks: &[QueuedTask], immediate: bool) -> Result<usize, Error> {
    let begin_until = context.now() + ROLLBACK_BUDGET;
    let when = if immediate { When::MountGoes } else { When::Due };
    let due = tasks.iter().filter_map(|task| Some(Due { token: token_of(task)?, task }));
    let due = share(context, due, |due| &due.token.org_id, QUEUED_TOKENS_PER_ROLLBACK_MAX);
    let (mut over, mut result) = (Vec::new(), Ok(0));
    for due in due.chunks(QUEUED_TOKENS_PER_WRITE) {
        if context.now() > begin_until {
            break;
        }
        match look(context, due, when) {
            Ok(some) => over.extend(some),
            Err(error) => result = Err(error),
        }
    }
    if read_only::is_read_only(context) {
        return result.map(|_| over.len());
    }
    let (mut tried, mut still_needed) = (0, Vec::new());
    take_turns(
        context,
        over,
        |due| &due.token.org_id,
        begin_until,
        |due| {
            match end_due(context, due, when, false) {
                Ok(Ending::StillNeeded(_)) => still_needed.push(due),
                Ok(_) => {}
                // One token that cannot be ended or is locked does not keep the others waiting.
                Err(error) => result = Err(error),
            }
            tried += 1;
            if tried == ENDED_PER_ROLLBACK_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        },
    );
    // An admin token that is to end others has its turn once more: perhaps those have ended by then.
    for due in still_needed {
        if context.now() > begin_until {
            break;
        }
        if let Err(error) = end_due(context, due, when, true) {
            result = Err(error);
        }
    }
    result
}

/// Looks at the records and histories of some tokens, and moves or drops their tasks. Answers those whose token is to be
/// ended.
fn look<'a>(context: &Context<'_>, due: &[Due<'a>], when: When) -> Result<Vec<Due<'a>>, Error> {
    let storage = context.storage();
    let now = context.now().as_secs();
    let (mut over, mut without_record, mut writes) = (Vec::new(), Vec::new(), Vec::new());
    let keys: Vec<String> = due.iter().map(|due| due.token.record_id.key()).collect();
    for (due, read) in due.iter().zip(read_many(storage, &keys)?) {
        let id = &due.token.record_id;
        match read.and_then(|entry| entry.map(|entry| record::decode(&entry, id)).transpose()) {
            Ok(Some(record)) if is_of(&record, due.token) => match next_of(context, &record, when)? {
                Next::End => over.push(*due),
                Next::Move(at) => writes.extend(due.task.writes_of_move(at)),
                Next::Drop => writes.push(Write::Delete(due.task.key())),
            },
            Ok(_) => without_record.push(*due),
            // No entry can have this key.
            Err(_) if !key::is_key(&id.key()) => writes.push(Write::Delete(due.task.key())),
            // The walk of the index logs what cannot be read, and `check` names it.
            Err(_) => writes.extend(due.task.writes_of_move(now + ENDED_RETRY_PAUSE.as_secs())),
        }
    }
    if when == When::MountGoes {
        return Ok(over);
    }
    let keys: Vec<String> =
        without_record.iter().map(|due| history::key(&due.token.org_id, &due.token.client_id)).collect();
    for (due, read) in without_record.iter().zip(read_many(storage, &keys)?) {
        let (look_at, change) = history::keep_or_forget(context, due.token, read)?;
        writes.extend(change);
        match look_at {
            Some(at) => writes.extend(due.task.writes_of_move(at)),
            // Without transactions a request writes the task of a token before its record, so the record may come yet.
            None if now < due.task.at + TASK_ALONE.as_secs() => {}
            None => writes.push(Write::Delete(due.task.key())),
        }
    }
    write_batch(context, &writes)?;
    Ok(over)
}

/// How many tokens of these tasks nobody ends once the mount has gone: those whose lease is over, and those that were
/// replaced. The server ends the leases that go on.
pub(crate) fn count_left(context: &Context<'_>, tasks: &[QueuedTask]) -> Result<usize, Error> {
    let now = context.now().as_secs();
    // A token that was replaced soon after it was made has two tasks.
    let tokens: BTreeMap<String, &TokenRef> =
        tasks.iter().filter_map(token_of).map(|token| (token.record_id.key(), token)).collect();
    let tokens: Vec<(String, &TokenRef)> = tokens.into_iter().collect();
    let mut left = 0;
    for tokens in tokens.chunks(RECORDS_READ_AT_ONCE) {
        let keys: Vec<String> = tokens.iter().map(|(key, _)| key.clone()).collect();
        for ((_, token), read) in tokens.iter().zip(read_many(context.storage(), &keys)?) {
            // `check` names what cannot be read.
            let Ok(Some(entry)) = read else { continue };
            let is_left = |record: &Record| {
                is_of(record, token) && record.lease_end.is_some_and(|end| end <= now || record.kind.is_replaceable())
            };
            left += usize::from(record::decode(&entry, &token.record_id).is_ok_and(|record| is_left(&record)));
        }
    }
    Ok(left)
}

fn token_of(task: &QueuedTask) -> Option<&TokenRef> {
    match &task.task {
        Task::Token(token) => Some(token),
        _ => None,
    }
}

/// What is to be done about a due token that has a record.
enum Next {
    End,
    Move(u64),
    Drop,
}

fn next_of(context: &Context<'_>, record: &Record, when: When) -> Result<Next, Error> {
    let now = context.now().as_secs();
    Ok(match record.deadline() {
        Some(_) if when.is_over(record, now) => Next::End,
        Some(deadline) => Next::Move(deadline),
        None if !record.kind.is_replaceable() => Next::Drop,
        // Made to be in use without an end: did it come into use?
        None => match in_use::is_held(context, record) {
            Ok(true) => Next::Drop,
            Ok(false) => Next::End,
            Err(error) => {
                own_error(context.storage(), error)?;
                Next::Move(now + ENDED_RETRY_PAUSE.as_secs())
            }
        },
    })
}

fn is_of(record: &Record, token: &TokenRef) -> bool {
    record.client_id == token.client_id && record.org_id == token.org_id
}

/// What became of a token whose deadline has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// It has ended.
    Ended,
    /// It is in use, and so has no end.
    InUse,
    /// A take-over of it did not come to its end, and its record is forgotten: the token is an operator's.
    NeverTakenOver,
    /// It is not to end now.
    NotNow,
    /// It could not be ended.
    Failed,
    /// It ends last, after what it is needed for.
    StillNeeded(Need),
}

/// Ends a token, and moves its task. `is_last` = it is not tried again in this call.
fn end_due(context: &Context<'_>, due: Due<'_>, when: When, is_last: bool) -> Result<Ending, Error> {
    // Until the task has moved, so that nobody gives the token another end in between.
    let _guard = record::lock(context, &due.token.record_id)?;
    let ending = end_one(context, due.token, when)?;
    let later = context.now() + ENDED_RETRY_PAUSE;
    let writes = match ending {
        Ending::NotNow => return Ok(ending),
        Ending::StillNeeded(_) if !is_last => return Ok(ending),
        Ending::Ended => due.task.writes_of_move(history::forget_at(context.now().as_secs())).into(),
        Ending::InUse | Ending::NeverTakenOver => vec![Write::Delete(due.task.key())],
        // Later, so that one organization that fails does not keep others waiting.
        Ending::Failed | Ending::StillNeeded(_) => due.task.writes_of_move(later.as_secs()).into(),
    };
    write_batch(context, &writes)?;
    if let Ending::StillNeeded(need) = ending {
        in_use::log_kept(context, &due.token.org_id, &due.token.client_id, need)?;
    }
    Ok(ending)
}

/// Ends a token that was just replaced, if its grace period is over. What fails is done by the next rollback call.
pub(crate) fn end_at_once(context: &Context<'_>, replaced: &TokenRef, ends: u64) {
    if ends > context.now().as_secs() || read_only::is_read_only(context) {
        return;
    }
    let ended =
        record::lock(context, &replaced.record_id).and_then(|_guard| end_one(context, replaced, When::Replaced));
    if let Err(error) = ended {
        let error = error.to_string();
        events::REPLACED_TOKEN_LEFT_TO_ROLLBACK.log(context, &[("error", &error)]);
    }
}

/// Ends a token, under its lock.
fn end_one(context: &Context<'_>, token: &TokenRef, when: When) -> Result<Ending, Error> {
    // Again, for the record may have been changed since it was looked at.
    let record = record::load_own(context, &token.record_id)??.filter(|record| is_of(record, token));
    let Some(mut record) = record else { return Ok(Ending::NotNow) };
    if !when.is_over(&record, context.now().as_secs()) {
        return Ok(Ending::NotNow);
    }
    let held = in_use::is_held(context, &record);
    if matches!(held, Ok(true)) {
        in_use::keep(context, &mut record)?;
        return Ok(Ending::InUse);
    }
    if matches!(held, Ok(false)) && in_use::was_never_taken_over(&record) {
        record::remove_if_same(context, &record)?;
        return Ok(Ending::NeverTakenOver);
    }
    let how = if record.kind.is_replaceable() { End::Rotated } else { End::LeaseEnded };
    // If the config or static role cannot be read, nobody knows whether the token is in use: tried again later.
    let ended = match held.and_then(|_| in_use::need_of(context, &record)) {
        Ok(Need::None) => end_token(context, &Target::of(&record, how, when.patience())),
        Ok(need) => return Ok(Ending::StillNeeded(need)),
        Err(error) => Err(error),
    };
    match ended {
        Ok(()) => log_ended(context, &record, ""),
        Err(failure) if when == When::Replaced => return Err(failure),
        Err(error) => {
            log_ended(context, &record, &error.to_string());
            return Ok(Ending::Failed);
        }
    }
    Ok(Ending::Ended)
}

/// Logs that a token was removed, or with an `error` that it was not. Only some kinds of tokens have a lease.
fn log_ended(context: &Context<'_>, record: &Record, error: &str) {
    let event = match (record.kind.is_replaceable(), error.is_empty()) {
        (true, true) => &events::REPLACED_TOKEN_REMOVED,
        (true, false) => &events::REPLACED_TOKEN_NOT_REMOVED,
        (false, true) => &events::LEASED_TOKEN_REMOVED,
        (false, false) => &events::LEASED_TOKEN_NOT_REMOVED,
    };
    let role = if record.kind.is_replaceable() { "static_role" } else { "role" };
    let fields = [
        ("org", record.org_id.as_str()),
        (role, record.role_name.as_str()),
        ("client_id", &record.client_id),
        ("kind", record.kind.as_str()),
        ("error", error),
    ];
    event.log(context, &fields);
}
