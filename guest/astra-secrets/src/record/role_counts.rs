//! How many tokens there are of each role and kind. Rollback counts: it reads all records, some with each call, and keeps the
//! numbers of the last whole count for the metrics.

use std::collections::BTreeMap;

use secrets_framework::host::StorageEntry;
use secrets_framework::{Context, Error};
use serde::{Deserialize, Serialize};

use super::RecordId;
use super::stored::{self, Brief};
use crate::events;
use crate::limits::{
    LIST_PAGE, RECORDS_READ_AT_ONCE, ROLE_COUNT_BYTES_MAX, ROLE_COUNT_PAUSE, ROLE_COUNT_RECORDS_MAX,
    ROLE_COUNT_SERIES_MAX,
};
use crate::names::{OrgId, RoleName};
use crate::role;
use crate::storage::key::{ROLE_COUNTS_KEY, TOKEN_PREFIX};
use crate::storage::read_many;

/// How far the count came: a part of the state of the index, which each rollback call reads anyway.
#[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(super) struct CountTurn {
    /// The last name below `token/` that was counted; empty = no count is under way.
    after: String,
    /// When the last count came to its end, in seconds since 1970-01-01T00:00:00Z.
    ended: u64,
}

/// Tokens by role, of all organizations.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct RoleCounts {
    /// When the count came to its end, in seconds since 1970-01-01T00:00:00Z; 0 = there was none.
    pub(crate) at: u64,
    /// By organization, role and kind. Tokens that are in use without a lease stand under the empty name.
    pub(crate) tokens: BTreeMap<OrgId, BTreeMap<String, BTreeMap<String, u64>>>,
    /// By organization and role: the role's `max_tokens`, where it has one.
    pub(crate) max_tokens: BTreeMap<OrgId, BTreeMap<String, u32>>,
    /// Tokens that are not counted apart.
    pub(crate) left_out: u64,
    series: usize,
}

/// What is kept.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Kept {
    /// The last whole count.
    shown: RoleCounts,
    /// The count that is under way.
    running: RoleCounts,
}

impl CountTurn {
    /// Goes on with the count if it is time for that. A count begins no sooner after a scan of the index than after another
    /// count: one call has no need to read everything twice. True = the turn has changed.
    pub(super) fn step(&mut self, context: &Context<'_>, scan_end: u64, now: u64) -> Result<bool, Error> {
        let last = self.ended.max(scan_end);
        // A clock that was set back is no reason to wait.
        let rests = (last..last.saturating_add(ROLE_COUNT_PAUSE.as_secs())).contains(&now);
        if self.after.is_empty() && rests {
            return Ok(false);
        }
        let mut kept = load(context)?;
        if self.after.is_empty() {
            kept.running = RoleCounts::default();
        }
        let is_whole = match self.count(context, &mut kept.running) {
            // A server without pages lists more names than a request may get: the last whole count stays, with its time.
            Err(Error::Internal(error)) => {
                events::ROLES_NOT_COUNTED.log(context, &[("error", &error)]);
                *self = Self { after: String::new(), ended: now };
                return Ok(true);
            }
            counted => counted?,
        };
        if is_whole {
            kept.running.end(context, now)?;
            let is_empty = |counts: &RoleCounts| counts.series == 0;
            if is_empty(&kept.shown) && is_empty(&kept.running) {
                // A mount without tokens writes nothing.
                self.after.clear();
                return Ok(false);
            }
            kept.shown = std::mem::take(&mut kept.running);
            *self = Self { after: String::new(), ended: now };
        }
        context.storage().put(StorageEntry::json(ROLE_COUNTS_KEY, &kept)?)?;
        Ok(true)
    }

    /// Counts records, as many as one call may read. True = these were the last.
    fn count(&mut self, context: &Context<'_>, counts: &mut RoleCounts) -> Result<bool, Error> {
        let (mut records, mut bytes) = (0, 0);
        loop {
            let names = context.storage().list_page(TOKEN_PREFIX, &self.after, LIST_PAGE)?;
            for names in names.chunks(RECORDS_READ_AT_ONCE) {
                if records >= ROLE_COUNT_RECORDS_MAX || bytes >= ROLE_COUNT_BYTES_MAX {
                    return Ok(false);
                }
                // No record of ours or the Go plugin's stands in a folder.
                let keys = names.iter().filter(|name| !name.ends_with('/'));
                let keys: Vec<String> = keys.map(|name| RecordId::stored(name).key()).collect();
                // A record that cannot be read is for `check` to name.
                for entry in read_many(context.storage(), &keys)?.into_iter().filter_map(|read| read.ok().flatten()) {
                    bytes += entry.value.len();
                    stored::brief(&entry).into_iter().for_each(|record| counts.add(record));
                }
                records += names.len();
                if let Some(last) = names.last() {
                    self.after.clone_from(last);
                }
            }
            if names.len() < LIST_PAGE as usize {
                return Ok(true);
            }
        }
    }
}

impl RoleCounts {
    fn add(&mut self, record: Brief) {
        let Brief { org_id, role_name, kind, client_id } = record;
        // The Go plugin's record of an error stands for no token.
        if client_id.is_empty() {
            return;
        }
        // A static role is no role, and there may be thousands.
        let role_name = if kind.is_replaceable() { String::new() } else { role_name };
        let org_id = OrgId::stored(org_id);
        let kinds = self.tokens.get_mut(&org_id).and_then(|roles| roles.get_mut(&role_name));
        if let Some(count) = kinds.and_then(|kinds| kinds.get_mut(kind.as_str())) {
            *count += 1;
        } else if self.series < ROLE_COUNT_SERIES_MAX {
            self.series += 1;
            let roles = self.tokens.entry(org_id).or_default();
            roles.entry(role_name).or_default().insert(kind.as_str().to_owned(), 1);
        } else {
            self.left_out += 1;
        }
    }

    /// Ends the count: notes the limits of the roles that have tokens.
    fn end(&mut self, context: &Context<'_>, now: u64) -> Result<(), Error> {
        self.at = now;
        let named = self.tokens.iter().flat_map(|(org_id, roles)| roles.keys().map(move |name| (org_id, name)));
        let named: Vec<(String, OrgId, RoleName)> = named
            .filter(|(_, name)| !name.is_empty())
            .map(|(org_id, name)| (String::new(), org_id.clone(), RoleName::stored(name)))
            .collect();
        for role in role::load_each(context, &named)?.into_iter().flatten() {
            if let Some(max) = role.max_tokens {
                self.max_tokens.entry(role.org_id).or_default().insert(role.name.as_str().to_owned(), max);
            }
        }
        Ok(())
    }
}

/// The last whole count.
pub(crate) fn role_counts(context: &Context<'_>) -> Result<RoleCounts, Error> {
    Ok(load(context)?.shown)
}

/// Counts that cannot be read are none, and rollback counts anew.
fn load(context: &Context<'_>) -> Result<Kept, Error> {
    let entry = context.storage().get(ROLE_COUNTS_KEY)?;
    Ok(entry.and_then(|entry| entry.parsed()).unwrap_or_default())
}
