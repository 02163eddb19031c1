//! What the server's rollback call does each minute beside the write-ahead entries: ends tokens whose lease has ended
//! without anybody revoking them, runs the scheduled tasks that are due, and backfills the index of a mount from the Go
//! plugin. The work of a call is bounded and nothing is repeated within a call, because the next call comes soon.

mod retired;

use std::time::Duration;

use secrets_framework::host::LogLevel;
use secrets_framework::{Context, Error, wal};

use crate::admin_rotation;
use crate::ending::end_expired;
use crate::held_tokens;
use crate::history;
use crate::limits::{ENDED_PER_ROLLBACK_MAX, OPEN_INTENTS_MAX, ROLLBACK_BUDGET, SCHEDULED_TASKS_PER_ROLLBACK_MAX};
use crate::read_only;
use crate::record;
use crate::schedule_queue::{self, QueuedTask, Task};
use crate::static_rotation;
use crate::tidy;

/// The periodic work; `immediate` = the mount is being disabled.
pub(crate) fn periodic(context: &Context<'_>, immediate: bool) -> Result<(), Error> {
    // Each has its turn, whatever becomes of the others.
    let changed = match read_only::is_read_only(context) {
        true => keep_due(context, immediate),
        false => change_astra(context, immediate),
    };
    let forgotten =
        if immediate { Ok(()) } else { history::forget_old(context, deadline(context), record::is_unknown) };
    let filled = record::backfill_index(context);
    let dropped = retired::drop_unused(context);
    changed.and(forgotten).and(filled).and(dropped)
}

/// What is due in Astra: tokens to be ended, and tasks of the schedule queue.
fn change_astra(context: &Context<'_>, immediate: bool) -> Result<(), Error> {
    let ended = end_expired(context, immediate);
    // A mount that goes makes nothing new.
    let until = deadline(context);
    let worked = if immediate { Ok(()) } else { work(context, until) };
    let looked = if immediate { Ok(()) } else { look_at_held(context, until) };
    ended.and(worked).and(looked)
}

/// Looks for dead tokens; the schedule queue replaces those that were found, in this call if there is time.
fn look_at_held(context: &Context<'_>, until: Duration) -> Result<(), Error> {
    if held_tokens::look(context, until)? { work(context, until) } else { Ok(()) }
}

fn deadline(context: &Context<'_>) -> Duration {
    context.now() + ROLLBACK_BUDGET
}

/// Does what is due, the earliest first, until `deadline` has passed. A thing
/// that fails is for its own to postpone; the others have their turn.
fn work(context: &Context<'_>, deadline: Duration) -> Result<(), Error> {
    let mut result = Ok(());
    for due in schedule_queue::due(context)? {
        if context.now() > deadline {
            break;
        }
        if let Err(error) = work_on(context, &due) {
            let fields = [("task", due.key()), ("error", error.to_string())];
            let fields = fields.each_ref().map(|(name, text)| (*name, text.as_str()));
            context.log(LogLevel::Warn, "something due was not done", &fields);
            result = Err(error);
        }
    }
    result
}

fn work_on(context: &Context<'_>, due: &QueuedTask) -> Result<(), Error> {
    match &due.task {
        Task::RotateAdmin(org_id) => admin_rotation::run_due(context, org_id, due),
        Task::RotateStatic(org_id, name) => static_rotation::run_due(context, org_id, name, due),
        Task::Tidy(org_id) => tidy::run_due(context, org_id, due),
    }
}

/// What a rollback call would do in Astra stays as it is, and one line of the log says how much there is.
///
/// The server goes on and forgets the storage of a mount that is being disabled, whatever is left there: then
/// what is left is an error.
fn keep_due(context: &Context<'_>, immediate: bool) -> Result<(), Error> {
    let now = context.now().as_secs();
    let entries = count(wal::ids(context, "", OPEN_INTENTS_MAX)?.len(), OPEN_INTENTS_MAX);
    let ended = count(record::ended(context, now, ENDED_PER_ROLLBACK_MAX)?.len(), ENDED_PER_ROLLBACK_MAX);
    let scheduled = count(schedule_queue::due(context)?.len(), SCHEDULED_TASKS_PER_ROLLBACK_MAX);
    if [&entries, &ended, &scheduled].iter().all(|count| *count == "0") {
        return Ok(());
    }
    if immediate {
        return Err(Error::coded(
            503,
            format!(
                "the mount is disabled and {entries} write-ahead entries and {ended} ended tokens are not settled, so \
                 that their tokens may live on in Astra: {}",
                read_only::CAUSE
            ),
        ));
    }
    let fields = [("write_ahead_entries", entries.as_str()), ("ended_tokens", &ended), ("scheduled_tasks", &scheduled)];
    context.log(LogLevel::Info, "rollback kept what is due, for Astra is read-only here", &fields);
    Ok(())
}

/// A count of what was looked at; more than that is not counted.
fn count(count: usize, looked_at_max: u32) -> String {
    if count >= looked_at_max as usize { format!("{count} or more") } else { count.to_string() }
}
