//! A config's turns in the schedule queue: the rotation of its admin token, and its
//! tidy. The config holds the time of each and moves its entry together with
//! itself, so that neither is ever without the other.

use secrets_framework::host::LockGuard;
use secrets_framework::{Context, Error};
use serde::{Deserialize, Serialize};

use super::{OrgConfig, load, load_readable};
use crate::lock::Lock;
use crate::names::OrgId;
use crate::schedule::{Schedule, Turn};
use crate::schedule_queue::{QueuedTask, Task, drop_entry};
use crate::storage::{Write, write_batch};

/// How the rotation of an organization's admin token stands. Times are in
/// seconds since 1970-01-01T00:00:00Z, 0 = none.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub(crate) struct RotationState {
    /// When it is done next.
    #[serde(flatten)]
    pub(crate) turn: Turn,
    /// When a rotation put the current admin token in; none = the operator did.
    pub(crate) rotated: u64,
    /// When it failed last.
    pub(crate) failed: u64,
}

/// The tasks of a config in the schedule queue.
pub(crate) fn tasks(config: &OrgConfig) -> Vec<QueuedTask> {
    let rotation = QueuedTask::new(Task::RotateAdmin(config.org_id.clone()), config.rotation_state.turn.due);
    let tidy = QueuedTask::new(Task::Tidy(config.org_id.clone()), config.tidy_due);
    [rotation, tidy].into_iter().filter(|task| task.at != 0).collect()
}

/// The changes that store `config`, whose tasks in the schedule queue were those of `before`.
/// In this order, for a server without transactions: a task that its config does not
/// confirm is dropped when it is due, but a turn without a task never comes.
pub(crate) fn write_in_step(before: &[QueuedTask], config: &OrgConfig) -> Result<Vec<Write>, Error> {
    let after = tasks(config);
    // What has not moved is put, too, in case it was lost.
    let mut writes: Vec<Write> = after.iter().map(|task| Write::Put(task.entry())).collect();
    writes.push(Write::Put(config.to_entry()?));
    writes.extend(before.iter().filter(|task| !after.contains(task)).map(|task| Write::Delete(task.key())));
    Ok(writes)
}

/// Sets the times of the turns of a config that was changed, `before` being its
/// schedule and its tidy period as they were. What did not change keeps its
/// time, unless that is further away than it can be: then the clock was wrong
/// when it was set.
pub(crate) fn plan(config: &mut OrgConfig, before: (Option<&Schedule>, std::time::Duration), now: u64) {
    let RotationState { turn, rotated, failed } = &mut config.rotation_state;
    turn.plan(config.rotation.as_ref(), before.0, *rotated, now);
    if turn.failures == 0 {
        *failed = 0;
    }
    let latest = if config.tidy_period.is_zero() { 0 } else { now + config.tidy_period.as_secs() };
    if config.tidy_period != before.1 || config.tidy_due == 0 || config.tidy_due > latest {
        config.tidy_due = latest;
    }
}

/// Changes a config, its turns included, as `change` says, which answers
/// whether it did. None = there is no such config, or nothing was changed.
pub(crate) fn change(
    context: &Context<'_>,
    org_id: &OrgId,
    change: impl FnOnce(&mut OrgConfig) -> bool,
) -> Result<Option<OrgConfig>, Error> {
    let _turn = lock(context)?;
    let Some(mut config) = load(context, org_id)? else { return Ok(None) };
    let before = tasks(&config);
    if !change(&mut config) {
        return Ok(None);
    }
    write_batch(context, &write_in_step(&before, &config)?)?;
    Ok(Some(config))
}

/// Begins a turn that is due. `next` sets its next time, which is stored before
/// the turn's work begins: work that dies is not begun again each minute.
/// None = the config does not confirm that it is due, and the entry is dropped.
pub(crate) fn take_turn(
    context: &Context<'_>,
    due: &QueuedTask,
    next: impl FnOnce(&mut OrgConfig),
) -> Result<Option<OrgConfig>, Error> {
    let (Task::RotateAdmin(org_id) | Task::Tidy(org_id)) = &due.task else { return Ok(None) };
    let _turn = lock(context)?;
    // A damaged config confirms nothing; a write that repairs it puts its entries back.
    let Some(mut config) = load_readable(context, org_id)?.filter(|config| tasks(config).contains(due)) else {
        drop_entry(context, due)?;
        return Ok(None);
    };
    let before = tasks(&config);
    next(&mut config);
    write_batch(context, &write_in_step(&before, &config)?)?;
    Ok(Some(config))
}

/// The lock of all writes to configs of the mount. Nothing asks Astra under it.
pub(crate) fn lock<'a>(context: &Context<'a>) -> Result<Box<dyn LockGuard + 'a>, Error> {
    Lock::Configs.acquire(context)
}

#[cfg(test)]
mod tests;
