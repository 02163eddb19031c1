//! Reading and listing static roles: never a secret.

use std::collections::BTreeMap;

use secrets_framework::{Context, Outcome, Response};
use serde::Serialize;

use crate::astra_role::{self, KnownRole};
use crate::names::{AstraRoleId, OrgId, RoleName};
use crate::page::Page;
use crate::schedule::ScheduleFields;
use crate::static_role::{self, StaticRole};
use crate::time_text;

#[derive(Serialize)]
struct StaticRoleAnswer<'a> {
    org_id: &'a str,
    name: &'a str,
    role_ids: &'a [AstraRoleId],
    rotation_period: u64,
    rotation_schedule: &'a str,
    rotation_window: u64,
    grace_period: u64,
    description: &'a str,
    client_id: &'a str,
    previous_client_id: Option<&'a str>,
    previous_ends: Option<String>,
    last_rotated: Option<String>,
    next_rotation: Option<String>,
    failures: u32,
    last_error: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    astra_roles: Vec<KnownRole>,
}

#[derive(Serialize)]
struct ListAnswer {
    keys: Vec<String>,
    key_info: BTreeMap<String, KeyInfo>,
}

#[derive(Serialize)]
struct KeyInfo {
    role_ids: Vec<AstraRoleId>,
    last_rotated: Option<String>,
    next_rotation: Option<String>,
}

/// Answers a static role, and warns of what is wrong with it; nothing where there is none.
pub(super) fn read(context: &Context<'_>, role: Option<&StaticRole>) -> Outcome {
    let Some(role) = role else { return Ok(None) };
    let ScheduleFields { period, expression, window } = ScheduleFields::of(role.schedule.as_ref());
    let now = context.now().as_secs();
    let previous = role.replaced.last().filter(|token| token.ends > now);
    let response = Response::json(&StaticRoleAnswer {
        org_id: role.org_id.as_str(),
        name: role.name.as_str(),
        role_ids: &role.role_ids,
        rotation_period: period.as_secs(),
        rotation_schedule: expression,
        rotation_window: window.as_secs(),
        grace_period: role.grace_period.as_secs(),
        description: &role.description,
        client_id: role.client_id.as_deref().unwrap_or_default(),
        previous_client_id: previous.map(|token| token.client_id.as_str()),
        previous_ends: previous.and_then(|token| time_text::of_seconds(token.ends)),
        last_rotated: time_text::of_seconds(role.last_rotated),
        next_rotation: time_text::of_seconds(role.turn.due),
        failures: role.turn.failures,
        last_error: &role.turn.error,
        astra_roles: astra_role::known(context, &role.org_id, role.role_ids.iter().map(AstraRoleId::as_str)),
    })?;
    let trouble = role.trouble(now);
    Ok(Some(Response { warnings: trouble.into_iter().collect(), ..response }))
}

/// Answers the static roles of an organization; nothing where there are none.
pub(super) fn list(context: &Context<'_>, org_id: &OrgId, page: &Page<'_>) -> Outcome {
    let names = page.of_items(static_role::names(context.storage(), org_id)?, RoleName::as_str);
    if names.is_empty() {
        return Ok(None);
    }
    let mut key_info = BTreeMap::new();
    for name in &names {
        if let Some(role) = static_role::load_readable(context, org_id, name)? {
            let (last_rotated, next_rotation) =
                (time_text::of_seconds(role.last_rotated), time_text::of_seconds(role.turn.due));
            key_info.insert(name.to_string(), KeyInfo { role_ids: role.role_ids, last_rotated, next_rotation });
        }
    }
    let keys = names.iter().map(ToString::to_string).collect();
    Ok(Some(Response::json(&ListAnswer { keys, key_info })?))
}
