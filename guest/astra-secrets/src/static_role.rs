//! Static roles: named long-lived tokens that rotate themselves. The role names
//! its current token, which it holds: nothing else ends that one. The secret is
//! in the token's record, as for all tokens, and so is the end of a replaced one.

mod dead;
mod early;
mod standing;
mod stored;
#[cfg(test)]
pub(crate) mod test_mount;
mod token_record;
mod tokens;

use std::fmt;
use std::time::Duration;

use secrets_framework::host::{LockGuard, StorageEntry, StorageView};
use secrets_framework::passed_over::PassedOver;
use secrets_framework::{Context, Error};
use serde_json::{Map, Value};

use crate::events;
use crate::limits::{STATIC_GRACE_DEFAULT, STATIC_ROLES_MAX, STORAGE_KEY_BYTES_MAX};
use crate::lock::Lock;
use crate::names::{AstraRoleId, ClientId, OrgId, RoleName};
use crate::schedule::{Schedule, Turn};
use crate::schedule_queue::{QueuedTask, Task};
use crate::storage::{self, Write, key, keys_below, write_batch};
use crate::who::Who;

pub(crate) use dead::{Soon, replace_soon};
pub(crate) use early::rotate_before;
pub(crate) use standing::standings;
pub(crate) use stored::decode;
pub(crate) use token_record::{current_record, load_token, log_unreadable, lost_record};
pub(crate) use tokens::{Tokens, tokens};

/// A static role.
#[derive(Clone)]
pub(crate) struct StaticRole {
    /// Its organization.
    pub(crate) org_id: OrgId,
    /// Its name.
    pub(crate) name: RoleName,
    /// The Astra roles of its next token.
    pub(crate) role_ids: Vec<AstraRoleId>,
    /// When it rotates; none only where storage is damaged.
    pub(crate) schedule: Option<Schedule>,
    /// How long a replaced token lives on.
    pub(crate) grace_period: Duration,
    /// Template of a token's description in Astra; empty = the config's.
    pub(crate) description: String,
    /// Who created it, and so had its scheduled tokens made.
    pub(crate) created_by: Who,
    /// Client ID of its current token; none if it has no token yet.
    pub(crate) client_id: Option<ClientId>,
    /// Where its current token was made, as a config's `url`; empty = it has none yet.
    pub(crate) token_url: String,
    /// Was its current token found dead in Astra?
    pub(crate) token_dead: bool,
    /// Replaced tokens in their grace period, the latest last.
    pub(crate) replaced: Vec<Replaced>,
    /// When the current token was made, in seconds since 1970-01-01T00:00:00Z.
    pub(crate) last_rotated: u64,
    /// When it rotates next.
    pub(crate) turn: Turn,
    /// Fields that we do not know, kept when the entry is rewritten.
    pub(crate) other: Map<String, Value>,
}

/// A token that a newer one replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replaced {
    /// Its ID in Astra.
    pub(crate) client_id: ClientId,
    /// When it ends, in seconds since 1970-01-01T00:00:00Z.
    pub(crate) ends: u64,
}

impl StaticRole {
    /// A new static role, without a token and a schedule yet.
    pub(crate) fn new(org_id: OrgId, name: RoleName, created_by: Who) -> Self {
        Self {
            org_id,
            name,
            role_ids: Vec::new(),
            schedule: None,
            grace_period: STATIC_GRACE_DEFAULT,
            description: String::new(),
            created_by,
            client_id: None,
            token_url: String::new(),
            token_dead: false,
            replaced: Vec::new(),
            last_rotated: 0,
            turn: Turn::default(),
            other: Map::new(),
        }
    }

    /// Sets its schedule.
    pub(crate) fn set_schedule(&mut self, schedule: Schedule, now: u64) {
        let before = self.schedule.replace(schedule);
        self.turn.plan(self.schedule.as_ref(), before.as_ref(), self.last_rotated, now);
    }

    /// What whoever relies on its schedule is to be told. None = nothing.
    pub(crate) fn told_early(&self) -> Option<String> {
        let early = self.turn.told_early()?;
        let (name, org_id) = (&self.name, &self.org_id);
        Some(format!("Astra ends the token of static role `{name}` by a setting of organization `{org_id}`: {early}"))
    }

    /// What is wrong with it, for the operator: its rotation fails, or the
    /// clock has gone back behind its last one. None = nothing.
    pub(crate) fn trouble(&self, now: u64) -> Option<String> {
        let path = format!("rotate-role/{}/{}", self.org_id, self.name);
        if self.turn.failures > 0 {
            let (name, times, error) = (&self.name, self.turn.failures, &self.turn.error);
            return Some(format!("static role `{name}` could not be rotated {times} times in a row: {error}"));
        }
        if self.token_dead {
            return Some(format!(
                "the token of static role `{}` has ended in Astra, and rollback is about to replace it",
                self.name
            ));
        }
        if self.last_rotated > now {
            return Some(format!(
                "static role `{}` was rotated at a time that has not come yet: the clock has been set back; write `{path}` to rotate it by the clock as it is now",
                self.name
            ));
        }
        if self.turn.due == 0 {
            return Some(format!("static role `{}` has no time at which it rotates: give it a schedule", self.name));
        }
        None
    }

    /// The changes that store it, where the schedule queue has it at `left` so far. The
    /// new time comes first: an entry of the schedule queue that its role does not
    /// confirm does no harm, a role without one would never rotate.
    pub(crate) fn writes(&self, left: u64) -> Result<Vec<Write>, Error> {
        let mut writes = Vec::new();
        if self.turn.due != 0 {
            writes.push(Write::Put(self.due_at(self.turn.due).entry()));
        }
        writes.push(Write::Put(self.to_entry()?));
        if left != 0 && left != self.turn.due {
            writes.push(Write::Delete(self.due_at(left).key()));
        }
        Ok(writes)
    }

    /// Its entry, seal-wrapped.
    pub(crate) fn to_entry(&self) -> Result<StorageEntry, Error> {
        stored::encode(self)
    }

    /// Its entry of the schedule queue for this time.
    pub(crate) fn due_at(&self, at: u64) -> QueuedTask {
        QueuedTask::new(Task::RotateStatic(self.org_id.clone(), self.name.as_str().to_owned()), at)
    }
}

impl fmt::Debug for StaticRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Fields that we do not know may be secret.
        f.debug_struct("StaticRole").field("org_id", &self.org_id).field("name", &self.name).finish_non_exhaustive()
    }
}

/// What is left to do for the tokens of a static role that cannot be read, in words.
pub(crate) fn tokens_by_hand(org_id: &OrgId, name: &RoleName) -> String {
    format!(
        "delete `tokens/{org_id}/CLIENT_ID` for each token that `report/{org_id}` with `kind=static` and `role={name}` lists"
    )
}

/// Is there such a static role, readable or not?
pub(crate) fn exists(context: &Context<'_>, org_id: &OrgId, name: &RoleName) -> Result<bool, Error> {
    Ok(storage::entry(context.storage(), &key::static_role(org_id, name))?.is_some())
}

/// Loads a static role, in one read.
pub(crate) fn load(context: &Context<'_>, org_id: &OrgId, name: &RoleName) -> Result<Option<StaticRole>, Error> {
    let entry = storage::entry(context.storage(), &key::static_role(org_id, name))?;
    entry.map(|entry| decode(&entry, org_id, name)).transpose()
}

/// As [`load`], for those who look at all: one damaged entry must not hide or
/// hold up the others, so it is logged and passed over.
pub(crate) fn load_readable(
    context: &Context<'_>,
    org_id: &OrgId,
    name: &RoleName,
) -> Result<Option<StaticRole>, Error> {
    match load_own(context, org_id, name)? {
        Ok(role) => Ok(role),
        Err(error) => {
            let entry = PassedOver { key: key::static_role(org_id, name), reason: error.to_string() };
            events::STATIC_ROLE_PASSED_OVER.log_once(context, &[entry]);
            Ok(None)
        }
    }
}

/// As [`load`], for those who look at all: the outer error is a failure of storage as a whole, the inner one is of
/// this static role alone.
pub(crate) fn load_own(
    context: &Context<'_>,
    org_id: &OrgId,
    name: &RoleName,
) -> Result<Result<Option<StaticRole>, Error>, Error> {
    let read = storage::read_one(context.storage(), &key::static_role(org_id, name))?;
    Ok(read.and_then(|found| found.map(|found| decode(&found, org_id, name)).transpose()))
}

/// Stores what was changed of a static role that the schedule queue has at `left`.
pub(crate) fn save(context: &Context<'_>, role: &StaticRole, left: u64) -> Result<(), Error> {
    write_batch(context, &role.writes(left)?)
}

/// The names of an organization's static roles, sorted.
pub(crate) fn names(view: &(impl StorageView + ?Sized), org_id: &OrgId) -> Result<Vec<RoleName>, Error> {
    let folder = key::static_roles(org_id);
    if folder.len() > STORAGE_KEY_BYTES_MAX {
        // Nothing can be stored there, and the host would refuse to look.
        return Ok(Vec::new());
    }
    let names = keys_below(view, &folder, "", STATIC_ROLES_MAX)?;
    Ok(names.into_iter().map(RoleName::stored).collect())
}

/// Is this the current token of the static role?
pub(crate) fn is_current(
    context: &Context<'_>,
    org_id: &OrgId,
    name: &str,
    client_id: &ClientId,
) -> Result<bool, Error> {
    let role = load(context, org_id, &RoleName::stored(name))?;
    Ok(role.is_some_and(|role| role.client_id.as_ref() == Some(client_id)))
}

/// The lock under which a static role is changed, its rotation included. Taken
/// before the lock of one of its tokens, never after.
pub(crate) fn lock<'a>(
    context: &Context<'a>,
    org_id: &OrgId,
    name: &RoleName,
) -> Result<Box<dyn LockGuard + 'a>, Error> {
    Lock::StaticRole(org_id, name).acquire(context)
}

#[cfg(test)]
mod tests;
