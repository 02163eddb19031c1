//! One organization's settings: what they are, and how they are found.
//!
//! An organization is found in one storage read by its ID, and by its logical
//! name through a cache that is never trusted alone. Nothing here asks Astra.

mod admin_token;
mod logical_name;
mod retired;
mod stored;
#[cfg(test)]
pub(crate) mod test_mount;
mod turns;
mod url;

use std::fmt;
use std::time::Duration;

use secrets_framework::host::{StorageEntry, StorageView};
use secrets_framework::passed_over::PassedOver;
use secrets_framework::{Context, Error};
use serde_json::{Map, Value};

use crate::events;
use crate::limits::{CONFIGS_MAX, REQUEST_TIMEOUT_DEFAULT, RETRIES_DEFAULT, ROTATION_GRACE_DEFAULT};
use crate::names::{AstraRoleId, LogicalName, OrgId, shown};
use crate::schedule::Schedule;
use crate::storage::key::CONFIG_PREFIX;
use crate::storage::{self, keys_below};
use crate::tainted;

pub(crate) use admin_token::AdminToken;
pub(crate) use stored::decode;

pub(crate) use logical_name::{find_by_logical_name, rename};
pub(crate) use retired::{Retired, drop_retired, has_retired, load_for_revocation};
pub(crate) use turns::{RotationState, change, lock, plan, take_turn, tasks, write_in_step};
pub(crate) use url::{ApiUrl, Origin};

/// Who calls `org/token`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum CallerMode {
    /// Many clients share the token that was made before.
    #[default]
    Standard,
    /// Each read makes a token.
    Sidecar,
}

/// One organization's settings.
pub(crate) struct OrgConfig {
    /// The organization.
    pub(crate) org_id: OrgId,
    /// Makes and deletes the organization's tokens.
    pub(crate) admin_token: AdminToken,
    /// Where Astra's API is.
    pub(crate) url: ApiUrl,
    /// Its other name.
    pub(crate) logical_name: Option<LogicalName>,
    /// Who calls `org/token`.
    pub(crate) caller_mode: CallerMode,
    /// Astra roles that roles may use; empty = any.
    pub(crate) allowed_role_ids: Vec<AstraRoleId>,
    /// Template of a token's description in Astra; empty = none.
    pub(crate) description: String,
    /// Bound on one upstream request; none = [`REQUEST_TIMEOUT_DEFAULT`].
    pub(crate) request_timeout_set: Option<Duration>,
    /// Repeats of one upstream request; none = [`RETRIES_DEFAULT`].
    pub(crate) max_retries_set: Option<u32>,
    /// When the admin token is rotated; none = never by itself.
    pub(crate) rotation: Option<Schedule>,
    /// How long the old admin token lives on after a rotation; none = [`ROTATION_GRACE_DEFAULT`].
    pub(crate) rotation_grace_period_set: Option<Duration>,
    /// How its rotation stands.
    pub(crate) rotation_state: RotationState,
    /// How often records are compared with Astra's list; zero = never.
    pub(crate) tidy_period: Duration,
    /// The time under which the next tidy stands in the schedule queue, in seconds
    /// since 1970-01-01T00:00:00Z; 0 = not there.
    pub(crate) tidy_due: u64,
    /// Is each read of a secret recorded in its history?
    pub(crate) record_reads: bool,
    /// How many leased tokens of the organization may be alive at once; none = any number.
    pub(crate) max_tokens: Option<u32>,
    /// Is it a retired config, which is kept only to end tokens and which no write reaches?
    pub(crate) is_retired: bool,
    /// Fields that we do not know, kept when the entry is rewritten.
    pub(crate) other: Map<String, Value>,
}

impl OrgConfig {
    /// A new organization's settings, all else at its default.
    pub(crate) fn new(org_id: OrgId, admin_token: AdminToken) -> Self {
        Self {
            org_id,
            admin_token,
            url: ApiUrl::default(),
            logical_name: None,
            caller_mode: CallerMode::default(),
            allowed_role_ids: Vec::new(),
            description: String::new(),
            request_timeout_set: None,
            max_retries_set: None,
            rotation: None,
            rotation_grace_period_set: None,
            rotation_state: RotationState::default(),
            tidy_period: Duration::ZERO,
            tidy_due: 0,
            record_reads: true,
            max_tokens: None,
            is_retired: false,
            other: Map::new(),
        }
    }

    /// A copy, to be changed or kept.
    pub(crate) fn copy(&self) -> Self {
        stored::from_map(stored::to_map(self), &self.org_id)
    }

    /// How an operator gives this config another admin token, for an error: `write`, unless the config is retired.
    pub(crate) fn step_for_token(&self, write: impl Into<String>) -> String {
        if self.is_retired { self.step_of_retired() } else { write.into() }
    }

    /// What [`Self::step_for_token`] says of a retired config.
    pub(crate) fn step_of_retired(&self) -> String {
        format!(
            "it is the token of a retired config, which is kept only to end tokens that were made at {}: write `config/{}` \
             with that `url`, another `astra_token` and `force=true`, and revoke these tokens",
            self.url.for_error(),
            self.org_id
        )
    }

    /// Its other name; empty = none.
    pub(crate) fn logical_name_text(&self) -> &str {
        self.logical_name.as_ref().map_or("", LogicalName::as_str)
    }

    /// Bound on one upstream request.
    pub(crate) fn request_timeout(&self) -> Duration {
        self.request_timeout_set.unwrap_or(REQUEST_TIMEOUT_DEFAULT)
    }

    /// How often one upstream request may be repeated.
    pub(crate) fn max_retries(&self) -> u32 {
        self.max_retries_set.unwrap_or(RETRIES_DEFAULT)
    }

    /// How long the old admin token lives on after a rotation.
    pub(crate) fn rotation_grace_period(&self) -> Duration {
        self.rotation_grace_period_set.unwrap_or(ROTATION_GRACE_DEFAULT)
    }

    /// The first of `role_ids` that roles of this organization may not use.
    /// Checked when a role is written, and again when a token is made, for the
    /// list may have been narrowed since.
    pub(crate) fn forbidden_role_id<'a>(&self, role_ids: &'a [AstraRoleId]) -> Option<&'a AstraRoleId> {
        if self.allowed_role_ids.is_empty() {
            return None;
        }
        role_ids.iter().find(|id| !self.allowed_role_ids.contains(id))
    }

    /// Its entry, seal-wrapped.
    pub(crate) fn to_entry(&self) -> Result<StorageEntry, Error> {
        stored::encode(self)
    }
}

impl fmt::Debug for OrgConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Fields that we do not know may be secret.
        f.debug_struct("OrgConfig").field("org_id", &self.org_id).field("url", &self.url).finish_non_exhaustive()
    }
}

/// Loads an organization's settings by its ID, in one read.
pub(crate) fn load(context: &Context<'_>, org_id: &OrgId) -> Result<Option<OrgConfig>, Error> {
    let entry = storage::entry(context.storage(), &key(org_id))?;
    entry.map(|entry| of_entry(context, &entry, org_id)).transpose()
}

/// The config that an entry holds. The error says how a config that cannot be read is repaired.
pub(crate) fn of_entry(context: &Context<'_>, entry: &StorageEntry, org_id: &OrgId) -> Result<OrgConfig, Error> {
    decode(entry, org_id).map_err(|error| with_repair(context, org_id, &error))
}

/// The error of a config that cannot be read, with what repairs it.
pub(crate) fn with_repair(context: &Context<'_>, org_id: &OrgId, error: &Error) -> Error {
    let write = format!("write `config/{org_id}` anew, with `astra_token` and `url`, or delete it with `force=true`");
    Error::Internal(format!("{error}: {}", tainted::next_step(context.host, write)))
}

/// As [`load`], where there is no request.
pub(crate) fn load_from(view: &(impl StorageView + ?Sized), org_id: &OrgId) -> Result<Option<OrgConfig>, Error> {
    storage::entry(view, &key(org_id))?.map(|entry| decode(&entry, org_id)).transpose()
}

/// As [`load`], for those who look at all: one damaged entry must not hide
/// the others, so it is logged and passed over.
pub(crate) fn load_readable(context: &Context<'_>, org_id: &OrgId) -> Result<Option<OrgConfig>, Error> {
    match load_own(context, org_id)? {
        Ok(config) => Ok(config),
        Err(error) => {
            let entry = PassedOver { key: key(org_id), reason: error.to_string() };
            events::CONFIG_PASSED_OVER.log_once(context, &[entry]);
            Ok(None)
        }
    }
}

/// As [`load`], for those who look at all: the outer error is a failure of storage as a whole, the inner one is of
/// this config alone.
pub(crate) fn load_own(context: &Context<'_>, org_id: &OrgId) -> Result<Result<Option<OrgConfig>, Error>, Error> {
    let read = storage::read_one(context.storage(), &key(org_id))?;
    let config = read.and_then(|found| found.map(|found| decode(&found, org_id)).transpose());
    Ok(config.map_err(|error| with_repair(context, org_id, &error)))
}

/// Finds an organization by what stands in `org_id` of a body or query: its
/// ID, or its logical name.
pub(crate) fn find(context: &Context<'_>, id_or_name: &str) -> Result<Option<OrgConfig>, Error> {
    if id_or_name.is_empty() {
        return Ok(None);
    }
    if let Some(config) = load(context, &OrgId::stored(id_or_name))? {
        return Ok(Some(config));
    }
    find_by_logical_name(context, id_or_name)
}

/// Every configured organization, sorted, odd old names included.
pub(crate) fn org_ids(view: &(impl StorageView + ?Sized)) -> Result<Vec<OrgId>, Error> {
    let keys = keys_below(view, CONFIG_PREFIX, "", CONFIGS_MAX)?;
    Ok(keys.into_iter().map(OrgId::stored).collect())
}

/// What a request for an unknown organization is told.
pub(crate) fn unknown_org(field: &str, value: &str) -> Error {
    Error::mistake(format!("`{field}` is {}: no such organization is configured: write its config first", shown(value)))
}

/// The key of an organization's settings.
pub(crate) fn key(org_id: &OrgId) -> String {
    format!("{CONFIG_PREFIX}{org_id}")
}

#[cfg(test)]
mod tests;
