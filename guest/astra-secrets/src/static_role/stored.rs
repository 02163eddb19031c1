//! A static role as JSON in storage. It holds no secret: that is in the
//! records of its tokens.

use std::time::Duration;

use secrets_framework::Error;
use secrets_framework::host::StorageEntry;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Replaced, StaticRole};
use crate::limits::STATIC_GRACE_DEFAULT;
use crate::names::{AstraRoleId, ClientId, OrgId, RoleName};
use crate::schedule::{Schedule, Turn, in_time_for};
use crate::storage::json::nanoseconds;
use crate::storage::key;
use crate::who::Who;

/// Durations are whole nanoseconds, as in roles and configs.
#[derive(Deserialize, Serialize)]
struct Stored {
    org_id: String,
    name: String,
    #[serde(default)]
    role_ids: Vec<AstraRoleId>,
    #[serde(default, skip_serializing_if = "is_zero")]
    rotation_period: i64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    rotation_schedule: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    rotation_window: i64,
    #[serde(default)]
    grace_period: Option<i64>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(default)]
    created_by: Who,
    #[serde(default)]
    client_id: ClientId,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    token_url: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    token_dead: bool,
    #[serde(default)]
    replaced: Vec<StoredReplaced>,
    #[serde(default)]
    last_rotated: u64,
    #[serde(flatten)]
    turn: Turn,
    #[serde(flatten)]
    other: Map<String, Value>,
}

#[derive(Deserialize, Serialize)]
struct StoredReplaced {
    client_id: ClientId,
    ends: u64,
}

/// Of a static role what its tokens are: less memory for those who look at all.
#[derive(Deserialize)]
struct StoredTokens {
    #[serde(default)]
    client_id: ClientId,
    #[serde(default)]
    token_dead: bool,
    #[serde(default)]
    replaced: Vec<StoredReplaced>,
    // Of any form: a damaged time hides no token.
    #[serde(default)]
    due: Value,
    #[serde(default)]
    grace_period: Value,
}

/// The entry of a static role, seal-wrapped.
pub(super) fn encode(role: &StaticRole) -> Result<StorageEntry, Error> {
    let (period, expression, window) = match &role.schedule {
        None => (0, "", 0),
        Some(Schedule::Period(period)) => (nanoseconds(*period), "", 0),
        Some(Schedule::Cron { expression, window }) => {
            (0, expression.as_str(), nanoseconds(window.unwrap_or_default()))
        }
    };
    let replaced = role.replaced.iter();
    let stored = Stored {
        org_id: role.org_id.as_str().to_owned(),
        name: role.name.as_str().to_owned(),
        role_ids: role.role_ids.clone(),
        rotation_period: period,
        rotation_schedule: expression.to_owned(),
        rotation_window: window,
        grace_period: Some(nanoseconds(role.grace_period)),
        description: role.description.clone(),
        created_by: role.created_by.clone(),
        client_id: role.client_id.clone().unwrap_or_default(),
        token_url: role.token_url.clone(),
        token_dead: role.token_dead,
        replaced: replaced
            .map(|token| StoredReplaced { client_id: token.client_id.clone(), ends: token.ends })
            .collect(),
        last_rotated: role.last_rotated,
        turn: role.turn.clone(),
        other: role.other.clone(),
    };
    Ok(StorageEntry::json(key::static_role(&role.org_id, &role.name), &stored)?.sealed())
}

/// The static role that an entry holds. The key is the truth about its name.
pub(crate) fn decode(entry: &StorageEntry, org_id: &OrgId, name: &RoleName) -> Result<StaticRole, Error> {
    let stored: Stored = parse(entry, org_id, name)?;
    let (period, window) = (duration(stored.rotation_period), duration(stored.rotation_window));
    Ok(StaticRole {
        org_id: org_id.clone(),
        name: name.clone(),
        role_ids: stored.role_ids,
        schedule: Schedule::stored(period, &stored.rotation_schedule, window),
        grace_period: stored.grace_period.map_or(STATIC_GRACE_DEFAULT, duration),
        description: stored.description,
        created_by: stored.created_by,
        client_id: current(stored.client_id),
        token_url: stored.token_url,
        token_dead: stored.token_dead,
        replaced: stored.replaced.into_iter().map(Replaced::from).collect(),
        last_rotated: stored.last_rotated,
        turn: stored.turn,
        other: stored.other,
    })
}

fn duration(nanoseconds: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or_default())
}

/// The tokens of one static role.
pub(super) struct RoleTokens {
    /// The client ID of its current token; none if it has no token yet.
    pub(super) client_id: Option<ClientId>,
    /// Was that token found dead?
    pub(super) is_dead: bool,
    /// The earliest end of the current token for which the next rotation comes in time.
    pub(super) in_time_for: u64,
    /// The replaced ones.
    pub(super) replaced: Vec<Replaced>,
}

/// The tokens of the static role that an entry holds.
pub(super) fn decode_tokens(entry: &StorageEntry, org_id: &OrgId, name: &RoleName) -> Result<RoleTokens, Error> {
    let stored: StoredTokens = parse(entry, org_id, name)?;
    let grace_period = stored.grace_period.as_i64().map_or(STATIC_GRACE_DEFAULT, duration);
    Ok(RoleTokens {
        client_id: current(stored.client_id),
        is_dead: stored.token_dead,
        in_time_for: in_time_for(stored.due.as_u64().unwrap_or_default(), grace_period),
        replaced: stored.replaced.into_iter().map(Replaced::from).collect(),
    })
}

/// The stored form has an empty client ID where there is no token.
fn current(stored: ClientId) -> Option<ClientId> {
    Some(stored).filter(|client_id| !client_id.is_empty())
}

fn parse<T: for<'de> Deserialize<'de>>(entry: &StorageEntry, org_id: &OrgId, name: &RoleName) -> Result<T, Error> {
    // serde's own message may quote what it does not like.
    serde_json::from_slice(&entry.value).map_err(|_| {
        Error::Internal(format!(
            "the stored static role `{name}` of organization `{org_id}` is not readable: delete \
             `static-roles/{org_id}/{name}`, then {}",
            super::tokens_by_hand(org_id, name)
        ))
    })
}

impl From<StoredReplaced> for Replaced {
    fn from(stored: StoredReplaced) -> Self {
        Self { client_id: stored.client_id, ends: stored.ends }
    }
}

fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}
