//! What is to be done at a time: one entry of storage for each thing, sorted
//! by time, so that a rollback call costs what is due and not what is stored.
//!
//! The thing itself (a config, a static role) knows under which time
//! it stands here, moves its entry together with its own, and has the last
//! word: an entry that it does not confirm is dropped.

use secrets_framework::host::StorageEntry;
use secrets_framework::{Context, Error};

use crate::limits::{LIST_PAGE, QUEUE_PAGES_MAX, SCHEDULED_TASKS_PER_ROLLBACK_MAX};
use crate::names::OrgId;
use crate::storage::key::{SCHEDULE_QUEUE_PREFIX, from_segment, segment};

const DUE_DIGITS: usize = 12;

/// A thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Rotate an organization's admin token.
    RotateAdmin(OrgId),
    /// Rotate a static role's token.
    RotateStatic(OrgId, String),
    /// Tidy an organization.
    Tidy(OrgId),
}

/// An entry whose time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueuedTask {
    /// What to do.
    pub(crate) task: Task,
    /// The time under which it stands, in seconds since 1970-01-01T00:00:00Z.
    pub(crate) at: u64,
}

impl QueuedTask {
    /// A thing to do at a time.
    pub(crate) fn new(task: Task, at: u64) -> Self {
        Self { task, at }
    }

    /// Its key; a thing that moves deletes the old one and puts the new.
    pub(crate) fn key(&self) -> String {
        let (kind, org_id, rest) = match &self.task {
            Task::RotateAdmin(org_id) => ("rotate-admin", org_id, None),
            Task::RotateStatic(org_id, name) => ("rotate-static", org_id, Some(name)),
            Task::Tidy(org_id) => ("tidy", org_id, None),
        };
        let rest = rest.map(|rest| format!(".{}", segment(rest))).unwrap_or_default();
        format!("{SCHEDULE_QUEUE_PREFIX}{:0DUE_DIGITS$}.{kind}.{}{rest}", self.at, segment(org_id.as_str()))
    }

    /// Its entry: the key says it all.
    pub(crate) fn entry(&self) -> StorageEntry {
        StorageEntry { key: self.key(), value: b"{}".to_vec(), seal_wrap: false }
    }

    fn of_name(name: &str) -> Option<Self> {
        let mut parts = name.split('.');
        let at = parts.next()?.parse().ok()?;
        let kind = parts.next()?;
        let org_id = OrgId::stored(from_segment(parts.next()?)?);
        let rest = parts.next().map(from_segment);
        let task = match (kind, rest) {
            ("rotate-admin", None) => Task::RotateAdmin(org_id),
            ("rotate-static", Some(Some(name))) => Task::RotateStatic(org_id, name),
            ("tidy", None) => Task::Tidy(org_id),
            _ => return None,
        };
        Some(Self { task, at })
    }
}

/// Drops an entry that its thing does not confirm.
pub(crate) fn drop_entry(context: &Context<'_>, due: &QueuedTask) -> Result<(), Error> {
    Ok(context.storage().delete(&due.key())?)
}

/// What is due now, at most [`SCHEDULED_TASKS_PER_ROLLBACK_MAX`]: mostly one list.
pub(crate) fn due(context: &Context<'_>) -> Result<Vec<QueuedTask>, Error> {
    let now = context.now().as_secs();
    let mut all = Vec::new();
    let (mut after, mut size) = (String::new(), SCHEDULED_TASKS_PER_ROLLBACK_MAX);
    for _ in 0..QUEUE_PAGES_MAX {
        let names = context.storage().list_page(SCHEDULE_QUEUE_PREFIX, &after, size)?;
        // Names that are not ours take no place from others.
        let known: Vec<QueuedTask> = names.iter().filter_map(|name| QueuedTask::of_name(name)).collect();
        let is_over = known.iter().any(|due| due.at > now);
        all.extend(known.into_iter().take_while(|due| due.at <= now));
        match names.last() {
            Some(last) if names.len() >= size as usize => after.clone_from(last),
            _ => break,
        }
        if is_over || all.len() >= SCHEDULED_TASKS_PER_ROLLBACK_MAX as usize {
            break;
        }
        size = LIST_PAGE;
    }
    all.truncate(SCHEDULED_TASKS_PER_ROLLBACK_MAX as usize);
    Ok(all)
}

/// Keys among the first `limit` of the schedule queue that are not of its form.
pub(crate) fn unknown_keys(context: &Context<'_>, limit: u32) -> Result<Vec<String>, Error> {
    let names = context.storage().list_page(SCHEDULE_QUEUE_PREFIX, "", limit)?;
    let unknown = names.iter().filter(|name| QueuedTask::of_name(name).is_none());
    Ok(unknown.map(|name| format!("{SCHEDULE_QUEUE_PREFIX}{name}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_comes_back_from_its_key_and_keys_sort_by_time() {
        let org_id = OrgId::stored("o.1/x");
        let tasks = [
            Task::RotateAdmin(org_id.clone()),
            Task::RotateStatic(org_id.clone(), "a.b-c".to_owned()),
            Task::Tidy(org_id),
        ];
        let keys: Vec<String> = [9, 10, 1_800_000_000]
            .into_iter()
            .zip(tasks)
            .map(|(at, task)| {
                let due = QueuedTask::new(task, at);
                assert_eq!(
                    QueuedTask::of_name(due.key().strip_prefix(SCHEDULE_QUEUE_PREFIX).unwrap_or_default()),
                    Some(due.clone())
                );
                due.key()
            })
            .collect();
        assert!(keys.is_sorted(), "{keys:?}");
    }

    #[test]
    fn a_name_that_is_none_of_ours_is_passed_over() {
        for name in ["", "x", "000000000001.tidy", "000000000001.other.o", "000000000001.tidy.o.x"] {
            assert_eq!(QueuedTask::of_name(name), None, "{name}");
        }
    }
}
