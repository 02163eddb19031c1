//! The schedule queue: one entry for each task and its time, at `queue/<hour>/<kind>/<seconds>.<what>`.
//!
//! A rollback call lists the hour that runs, and each hour once the earlier ones: the call costs what is due and not what
//! is stored, also on a server without pages of lists. Each kind has a folder and a budget of its own, so that tasks of
//! one kind, however many, never take the place of another kind's.
//!
//! A due task reads the entry that the task names, which has the last word: the task is done, moves to another time, or
//! is dropped.

use secrets_framework::host::StorageEntry;
use secrets_framework::{Context, Error};
use serde::{Deserialize, Serialize};

use crate::limits::{LIST_PAGE, QUEUE_HOURS_PER_ROLLBACK_MAX, QUEUE_NAMES_MAX};
use crate::names::OrgId;
use crate::storage::key::{SCHEDULE_QUEUE_PREFIX, SCHEDULE_QUEUE_STATE_KEY, from_segment, segment};
use crate::storage::{self, TokenRef, Write};

const HOUR_DIGITS: usize = 8;

const SECOND_DIGITS: usize = 12;

/// A thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Rotate an organization's admin token.
    RotateAdmin(OrgId),
    /// Rotate a static role's token.
    RotateStatic(OrgId, String),
    /// Tidy an organization.
    Tidy(OrgId),
    /// End a token whose lease is over, or delete the history of a token that ended long ago.
    Token(TokenRef),
}

impl Task {
    /// Its kind.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::RotateAdmin(_) => Kind::RotateAdmin,
            Self::RotateStatic(..) => Kind::RotateStatic,
            Self::Tidy(_) => Kind::Tidy,
            Self::Token(_) => Kind::Token,
        }
    }

    /// The organization that it is for.
    pub(crate) fn org_id(&self) -> &OrgId {
        match self {
            Self::RotateAdmin(org_id) | Self::RotateStatic(org_id, _) | Self::Tidy(org_id) => org_id,
            Self::Token(token) => &token.org_id,
        }
    }
}

/// The kind of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    RotateAdmin,
    RotateStatic,
    Tidy,
    Token,
}

impl Kind {
    /// All kinds.
    pub(crate) const ALL: [Self; 4] = [Self::RotateAdmin, Self::RotateStatic, Self::Tidy, Self::Token];

    fn as_str(self) -> &'static str {
        match self {
            Self::RotateAdmin => "rotate-admin",
            Self::RotateStatic => "rotate-static",
            Self::Tidy => "tidy",
            Self::Token => "token",
        }
    }
}

/// A task and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueuedTask {
    /// What to do.
    pub(crate) task: Task,
    /// When, in seconds since 1970-01-01T00:00:00Z.
    pub(crate) at: u64,
}

impl QueuedTask {
    /// A task at a time.
    pub(crate) fn new(task: Task, at: u64) -> Self {
        Self { task, at }
    }

    /// Its key.
    pub(crate) fn key(&self) -> String {
        let what = match &self.task {
            Task::RotateAdmin(org_id) | Task::Tidy(org_id) => segment(org_id.as_str()),
            Task::RotateStatic(org_id, name) => format!("{}.{}", segment(org_id.as_str()), segment(name)),
            Task::Token(token) => token.name(),
        };
        format!("{}{}/{:0SECOND_DIGITS$}.{what}", folder(hour_of(self.at)), self.task.kind().as_str(), self.at)
    }

    /// Its entry: the key says all.
    pub(crate) fn entry(&self) -> StorageEntry {
        StorageEntry { key: self.key(), value: b"{}".to_vec(), seal_wrap: false }
    }

    /// The changes that move it to a later time.
    pub(crate) fn writes_of_move(&self, at: u64) -> [Write; 2] {
        let moved = Self { task: self.task.clone(), at };
        [Write::Put(moved.entry()), Write::Delete(self.key())]
    }

    fn of_key(key: &str) -> Option<Self> {
        let mut parts = key.strip_prefix(SCHEDULE_QUEUE_PREFIX)?.splitn(3, '/').skip(1);
        let (kind, name) = (parts.next()?, parts.next()?);
        let (at, what) = name.split_once('.')?;
        let org_id = |text| from_segment(text).map(OrgId::stored);
        let task = match Kind::ALL.into_iter().find(|known| known.as_str() == kind)? {
            Kind::RotateAdmin => Task::RotateAdmin(org_id(what)?),
            Kind::RotateStatic => {
                let (org, name) = what.split_once('.')?;
                Task::RotateStatic(org_id(org)?, from_segment(name)?)
            }
            Kind::Tidy => Task::Tidy(org_id(what)?),
            Kind::Token => Task::Token(TokenRef::of_name(what)?),
        };
        // A task has one key only: by another spelling it could not be deleted.
        Some(Self { task, at: at.parse().ok()? }).filter(|task| task.key() == key)
    }
}

/// Drops a task that its entry does not confirm.
pub(crate) fn drop_entry(context: &Context<'_>, due: &QueuedTask) -> Result<(), Error> {
    Ok(context.storage().delete(&due.key())?)
}

/// The tasks of these kinds that are due at `until`, at most `max` of each kind, the earliest first.
pub(crate) fn due(context: &Context<'_>, kinds: &[Kind], until: u64, max: usize) -> Result<Vec<QueuedTask>, Error> {
    let mut tasks = Vec::new();
    let mut budgets: Vec<(Kind, usize)> = kinds.iter().map(|kind| (*kind, max)).collect();
    for hour in hours(context, until)? {
        let hour = folder(hour);
        for name in context.storage().list_page(&hour, "", LIST_PAGE)? {
            let is_its = |kind: &Kind| name.strip_suffix('/') == Some(kind.as_str());
            let budget = budgets.iter_mut().find(|(kind, left)| *left > 0 && is_its(kind));
            let Some((_, left)) = budget else { continue };
            let folder = format!("{hour}{name}");
            let first = u32::try_from(*left).unwrap_or(LIST_PAGE).min(LIST_PAGE);
            visit_names(context, &folder, first, |name| {
                // A name that is not ours takes no place from others.
                if let Some(task) = QueuedTask::of_key(&format!("{folder}{name}")) {
                    if task.at > until {
                        return false;
                    }
                    tasks.push(task);
                    *left -= 1;
                }
                *left > 0
            })?;
        }
    }
    tasks.sort_by_key(|task| task.at);
    Ok(tasks)
}

/// Keys among the first `max` of the schedule queue that are not of its form.
pub(crate) fn unknown_keys(context: &Context<'_>, max: usize) -> Result<Vec<String>, Error> {
    let names = storage::first_keys_below(context.storage(), SCHEDULE_QUEUE_PREFIX, max)?;
    let keys = names.iter().map(|name| format!("{SCHEDULE_QUEUE_PREFIX}{name}"));
    Ok(keys.filter(|key| QueuedTask::of_key(key).is_none()).collect())
}

#[derive(Deserialize, Serialize)]
struct State {
    hour: u64,
}

/// The hours to look into, up to that of `until`: mostly the one that runs alone. An entry that was written late, into an
/// hour that is over, is found when the next hour begins.
fn hours(context: &Context<'_>, until: u64) -> Result<Vec<u64>, Error> {
    let last = hour_of(until);
    let storage = context.storage();
    let state: Option<State> = storage.get(SCHEDULE_QUEUE_STATE_KEY)?.and_then(|entry| entry.parsed());
    if state.is_some_and(|state| state.hour == last) {
        return Ok(vec![last]);
    }
    let mut hours = Vec::new();
    visit_names(context, SCHEDULE_QUEUE_PREFIX, QUEUE_HOURS_PER_ROLLBACK_MAX, |name| match hour_of_name(name) {
        Some(hour) if hour > last => false,
        hour => {
            hours.extend(hour);
            hours.len() < QUEUE_HOURS_PER_ROLLBACK_MAX as usize
        }
    })?;
    // A look ahead says nothing of the hour that runs.
    if until == context.now().as_secs() && hours.first().is_none_or(|first| *first == last) {
        storage.put(StorageEntry::json(SCHEDULE_QUEUE_STATE_KEY, &State { hour: last })?)?;
    }
    Ok(hours)
}

/// Visits names below a folder until `visit` has enough. The first page has `first` names, which mostly are enough.
fn visit_names(
    context: &Context<'_>,
    folder: &str,
    first: u32,
    mut visit: impl FnMut(&str) -> bool,
) -> Result<(), Error> {
    let mut visited = 0;
    storage::visit_names(context.storage(), folder, "", first, |name| {
        visited += 1;
        Ok(visit(name) && visited < QUEUE_NAMES_MAX)
    })
}

fn hour_of(seconds: u64) -> u64 {
    seconds / 3600
}

fn hour_of_name(name: &str) -> Option<u64> {
    let hour = name.strip_suffix('/').filter(|hour| hour.len() >= HOUR_DIGITS)?;
    hour.parse().ok()
}

fn folder(hour: u64) -> String {
    format!("{SCHEDULE_QUEUE_PREFIX}{hour:0HOUR_DIGITS$}/")
}

#[cfg(test)]
mod tests;
