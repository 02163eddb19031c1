//! A role of the mount: which Astra roles a token gets, and how long its lease
//! may run. Loaded in one storage read. Nothing here asks Astra.

mod import;
mod list;
mod stored;
mod ttl;

use std::time::Duration;

use secrets_framework::host::{StorageEntry, SystemViewError};
use secrets_framework::passed_over::PassedOver;
use secrets_framework::{Context, Error};
use serde_json::{Map, Value};

use crate::config::{self, OrgConfig};
use crate::events;
use crate::limits::ROLES_READ_AT_ONCE;
use crate::names::{AstraRoleId, OrgId, RoleName};
use crate::storage;
use crate::storage::key::ROLE_PREFIX;

pub(crate) use secrets_framework::duration::format as go_text;
pub(crate) use stored::decode;

pub(crate) use import::{Plan, Skipped, Upstream, Wishes, imported_name, plan};
pub(crate) use list::{all_roles, counts, role_names, short_keys};
pub(crate) use ttl::{above_mount, clamp, parse_ttl};

/// Does Astra get to know when a token ends?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TokenExpiry {
    /// A little after the lease can run at the most.
    #[default]
    Auto,
    /// Never.
    Off,
}

/// A role.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Role {
    /// Its organization.
    pub(crate) org_id: OrgId,
    /// Its name.
    pub(crate) name: RoleName,
    /// The Astra roles of its tokens, in order; the first is `role_id`. Never
    /// empty, unless storage held none.
    pub(crate) role_ids: Vec<AstraRoleId>,
    /// Time to live of a lease; zero = the mount's default.
    pub(crate) ttl: Duration,
    /// The longest life of a lease; zero = the mount's maximum.
    pub(crate) max_ttl: Duration,
    /// Template of a token's description in Astra; empty = the config's.
    pub(crate) description: String,
    /// Does Astra get to know when a token ends?
    pub(crate) token_expiry: TokenExpiry,
    /// How many leased tokens of it may be alive at once; none = any number.
    pub(crate) max_tokens: Option<u32>,
    /// Was it made by `sync-roles`? Only such roles are pruned.
    pub(crate) imported: bool,
    /// Fields that we do not know, kept when the entry is rewritten.
    pub(crate) other: Map<String, Value>,
}

impl Role {
    /// A new role, all else at its default.
    pub(crate) fn new(org_id: OrgId, name: RoleName) -> Self {
        Self {
            org_id,
            name,
            role_ids: Vec::new(),
            ttl: Duration::ZERO,
            max_ttl: Duration::ZERO,
            description: String::new(),
            token_expiry: TokenExpiry::default(),
            max_tokens: None,
            imported: false,
            other: Map::new(),
        }
    }

    /// Its entry.
    pub(crate) fn to_entry(&self) -> Result<StorageEntry, Error> {
        stored::encode(self)
    }
}

/// Loads a role, in one read.
pub(crate) fn load(context: &Context<'_>, org_id: &OrgId, name: &RoleName) -> Result<Option<Role>, Error> {
    let Some(entry) = storage::entry(context.storage(), &key(org_id, name))? else { return Ok(None) };
    decode(&entry, org_id, name)
}

/// Is there such a role, readable or not?
pub(crate) fn exists(context: &Context<'_>, org_id: &OrgId, name: &RoleName) -> Result<bool, Error> {
    match load(context, org_id, name) {
        Err(Error::Internal(_)) => Ok(true),
        role => Ok(role?.is_some()),
    }
}

/// As [`load`], for those who look at all: the outer error is a failure of storage as a whole, the inner one is of
/// this role alone.
pub(crate) fn load_own(
    context: &Context<'_>,
    org_id: &OrgId,
    name: &RoleName,
) -> Result<Result<Option<Role>, Error>, Error> {
    let read = storage::read_one(context.storage(), &key(org_id, name))?;
    Ok(read.and_then(|found| Ok(found.map(|found| decode(&found, org_id, name)).transpose()?.flatten())))
}

/// Loads these roles, [`ROLES_READ_AT_ONCE`] in the time of one read; none for a role that is not there or that cannot be
/// read, which is logged.
pub(crate) fn load_each(
    context: &Context<'_>,
    roles: &[(String, OrgId, RoleName)],
) -> Result<Vec<Option<Role>>, Error> {
    let (mut loaded, mut unreadable) = (Vec::with_capacity(roles.len()), Vec::new());
    for roles in roles.chunks(ROLES_READ_AT_ONCE) {
        let keys: Vec<String> = roles.iter().map(|(_, org_id, name)| key(org_id, name)).collect();
        let reads = storage::read_many(context.storage(), &keys)?;
        for (((_, org_id, name), key), read) in roles.iter().zip(keys).zip(reads) {
            let role =
                read.and_then(|found| Ok(found.map(|found| decode(&found, org_id, name)).transpose()?.flatten()));
            loaded.push(role.unwrap_or_else(|error| {
                unreadable.push(PassedOver { key, reason: error.to_string() });
                None
            }));
        }
    }
    events::ROLE_PASSED_OVER.log_once(context, &unreadable);
    Ok(loaded)
}

/// Loads an organization's settings and one of its roles, in the time of one read. None = there are no such settings.
pub(crate) fn load_with_config(
    context: &Context<'_>,
    org_id: &OrgId,
    name: &RoleName,
) -> Result<Option<(OrgConfig, Option<Role>)>, Error> {
    let [config, role] = storage::entries(context, [Some(&config::key(org_id)), Some(&key(org_id, name))])?;
    let Some(config) = config else { return Ok(None) };
    let config = config::of_entry(context, &config, org_id)?;
    let role = role.map(|entry| decode(&entry, org_id, name)).transpose()?;
    Ok(Some((config, role.flatten())))
}

/// The key of a role.
pub(crate) fn key(org_id: &OrgId, name: &RoleName) -> String {
    format!("{ROLE_PREFIX}{org_id}:{name}")
}

/// What the caller is told when the server does not tell the mount's lease settings.
pub(crate) fn lease_settings(error: &SystemViewError) -> Error {
    Error::Internal(format!("the mount's lease settings could not be had: {error}"))
}

#[cfg(test)]
mod tests;
