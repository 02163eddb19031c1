//! What the server's rollback call does each minute beside the write-ahead entries: ends tokens whose lease has ended
//! without anybody revoking them, runs the scheduled tasks that are due, and backfills the index of a mount from the Go
//! plugin. The work of a call is bounded and nothing is repeated within a call, because the next call comes soon.

mod retired;

use std::ops::ControlFlow;
use std::time::Duration;

use secrets_framework::turns::{random_below, take_turns};
use secrets_framework::{Context, Error, wal};

use crate::admin_end;
use crate::admin_rotation;
use crate::ending;
use crate::events;
use crate::held_tokens;
use crate::limits::{
    LEASE_END_MARGIN, OPEN_INTENTS_MAX, QUEUED_TASKS_LISTED_MAX, QUEUED_TOKENS_PER_ROLLBACK_MAX, ROLLBACK_BUDGET,
    SCHEDULED_TASKS_PER_ROLLBACK_MAX,
};
use crate::read_only;
use crate::record;
use crate::schedule_queue::{self, Kind, QueuedTask, Task};
use crate::static_rotation;
use crate::tidy;

/// The periodic work; `immediate` = the mount is being disabled.
pub(crate) fn periodic(context: &Context<'_>, immediate: bool) -> Result<(), Error> {
    // Each has its turn, whatever becomes of the others.
    // Reads can wait where an Astra that hangs takes the time of the call.
    let fold_until = context.now() + 2 * ROLLBACK_BUDGET;
    let worked = run_queue(context, immediate);
    let folded = if immediate { Ok(()) } else { record::fold_reads(context, fold_until) };
    let filled = record::backfill_index(context);
    let dropped = retired::drop_unused(context);
    worked.and(folded).and(filled).and(dropped)
}

/// Does what is due in the schedule queue.
fn run_queue(context: &Context<'_>, immediate: bool) -> Result<(), Error> {
    let now = context.now();
    // When the mount goes, the margin of leases that have ended is not waited for.
    let until = if immediate { now + LEASE_END_MARGIN } else { now };
    let due = schedule_queue::due(context, &Kind::ALL, until.as_secs(), QUEUED_TASKS_LISTED_MAX)?;
    let ended = ending::run_due(context, &due, immediate);
    if read_only::is_read_only(context) {
        return keep_due(context, ended?, &due, immediate);
    }
    let ended = ended.map(drop);
    // A mount that goes makes nothing new.
    if immediate {
        return ended.and(log_left(context));
    }
    ended.and(work_in_turn(context, due))
}

/// The parts of a rollback call that share one deadline: the first part may leave no time for the others.
#[derive(Clone, Copy)]
enum Part {
    DueTasks,
    HeldTokens,
    AdminEnds,
}

/// Does the due tasks, and looks at held tokens and at the ends of admin tokens. With an Astra that hangs, each of these
/// parts may take all of the time, so a random part begins.
fn work_in_turn(context: &Context<'_>, due: Vec<QueuedTask>) -> Result<(), Error> {
    let deadline = context.now() + ROLLBACK_BUDGET;
    let is_due = |is_it: fn(&Task) -> bool| due.iter().any(|due| is_it(&due.task));
    // A tidy takes the processor time that one call has for lists.
    let tidies = is_due(|task| matches!(task, Task::Tidy(_)));
    let mut parts = [Part::DueTasks, Part::HeldTokens, Part::AdminEnds];
    if is_due(|task| !matches!(task, Task::Token(_))) {
        let first = random_below(context, parts.len());
        parts.rotate_left(first);
    }
    let (mut due, mut result) = (Some(due), Ok(()));
    for part in parts {
        let done = match part {
            Part::DueTasks => work(context, due.take().unwrap_or_default(), deadline),
            Part::HeldTokens => look_at_held(context, deadline),
            Part::AdminEnds if tidies => Ok(()),
            Part::AdminEnds => admin_end::look(context, deadline),
        };
        result = result.and(done);
    }
    result
}

/// Logs how many tokens with an end this mount still holds. The server sends the same call for a mount that is moved: so
/// tokens with a longer grace period are left alone, and what is left is no error, by which a move would fail.
fn log_left(context: &Context<'_>) -> Result<(), Error> {
    let queued = schedule_queue::due(context, &[Kind::Token], u64::MAX, QUEUED_TOKENS_PER_ROLLBACK_MAX)?;
    let are_all = queued.len() < QUEUED_TOKENS_PER_ROLLBACK_MAX;
    let left = ending::count_left(context, &queued)?;
    if left > 0 || !are_all {
        let left = if are_all { left.to_string() } else { format!("{left} or more") };
        events::TOKENS_LEFT_BEHIND.log(context, &[("tokens", &left)]);
    }
    Ok(())
}

/// Looks for dead tokens; the schedule queue replaces those that were found, in this call if there is time.
fn look_at_held(context: &Context<'_>, deadline: Duration) -> Result<(), Error> {
    if !held_tokens::look(context, deadline)? {
        return Ok(());
    }
    let due = schedule_queue::due(context, &[Kind::RotateStatic], context.now().as_secs(), QUEUED_TASKS_LISTED_MAX)?;
    work(context, due, deadline)
}

/// Does what is due, until `deadline` has passed. A thing that fails is for its own to postpone; the others have their turn.
fn work(context: &Context<'_>, due: Vec<QueuedTask>, deadline: Duration) -> Result<(), Error> {
    let mut result = Ok(());
    let mut left = Kind::ALL.map(|kind| (kind, SCHEDULED_TASKS_PER_ROLLBACK_MAX));
    let scheduled = due.into_iter().filter(|due| due.task.kind() != Kind::Token);
    take_turns(
        context,
        scheduled,
        |due| due.task.org_id().clone(),
        deadline,
        |due| {
            let left = left.iter_mut().find(|(kind, left)| *kind == due.task.kind() && *left > 0);
            let Some((_, left)) = left else { return ControlFlow::Continue(()) };
            *left -= 1;
            if let Err(error) = work_on(context, &due) {
                let fields = [("task", due.key()), ("error", error.to_string())];
                let fields = fields.each_ref().map(|(name, text)| (*name, text.as_str()));
                events::TASK_FAILED.log(context, &fields);
                result = Err(error);
            }
            ControlFlow::Continue(())
        },
    );
    result
}

fn work_on(context: &Context<'_>, due: &QueuedTask) -> Result<(), Error> {
    match &due.task {
        Task::RotateAdmin(org_id) => admin_rotation::run_due(context, org_id, due),
        Task::RotateStatic(org_id, name) => static_rotation::run_due(context, org_id, name, due),
        Task::Tidy(org_id) => tidy::run_due(context, org_id, due),
        // These have been done.
        Task::Token(_) => Ok(()),
    }
}

/// What a rollback call would do in Astra stays as it is, and one line of the log says how much there is.
///
/// The server goes on and forgets the storage of a mount that is being disabled, whatever is left there: then
/// what is left is an error.
fn keep_due(context: &Context<'_>, ended: usize, due: &[QueuedTask], immediate: bool) -> Result<(), Error> {
    let entries = count(wal::first_ids(context, OPEN_INTENTS_MAX)?.len(), OPEN_INTENTS_MAX);
    let scheduled = due.iter().filter(|due| !matches!(due.task, Task::Token(_))).count();
    let ended = count(ended, QUEUED_TOKENS_PER_ROLLBACK_MAX);
    let scheduled = count(scheduled, QUEUED_TASKS_LISTED_MAX);
    if [&entries, &ended, &scheduled].iter().all(|count| *count == "0") {
        return Ok(());
    }
    if immediate {
        return Err(read_only::failure(&format!(
            "the mount is disabled and {entries} write-ahead entries and {ended} ended tokens are not settled, so that \
             their tokens may live on in Astra"
        )));
    }
    let fields = [("write_ahead_entries", entries.as_str()), ("ended_tokens", &ended), ("scheduled_tasks", &scheduled)];
    events::DUE_KEPT.log(context, &fields);
    Ok(())
}

/// A count of what was looked at; more than that is not counted.
fn count(count: usize, looked_at_max: usize) -> String {
    if count >= looked_at_max { format!("{count} or more") } else { count.to_string() }
}
