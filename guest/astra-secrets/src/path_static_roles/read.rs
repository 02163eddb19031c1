//! Reading and listing static roles: never a secret.

use std::collections::BTreeMap;
use std::time::Duration;

use secrets_framework::{Context, Outcome, Response};
use serde::Serialize;

use crate::names::{AstraRoleId, OrgId};
use crate::role::go_text;
use crate::schedule::Schedule;
use crate::static_role::{self, StaticRole};
use crate::time_text;

#[derive(Serialize)]
struct StaticRoleAnswer<'a> {
    org_id: &'a str,
    name: &'a str,
    role_ids: &'a [AstraRoleId],
    rotation_period: String,
    rotation_schedule: &'a str,
    rotation_window: String,
    grace_period: String,
    description: &'a str,
    client_id: &'a str,
    previous_client_id: Option<&'a str>,
    previous_ends: Option<String>,
    last_rotated: Option<String>,
    next_rotation: Option<String>,
    failures: u32,
    last_error: &'a str,
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
    let (period, expression, window) = match &role.schedule {
        None => (Duration::ZERO, "", Duration::ZERO),
        Some(Schedule::Period(period)) => (*period, "", Duration::ZERO),
        Some(Schedule::Cron { expression, window }) => {
            (Duration::ZERO, expression.as_str(), window.unwrap_or_default())
        }
    };
    let now = context.now().as_secs();
    let previous = role.replaced.last().filter(|token| token.ends > now);
    let response = Response::json(&StaticRoleAnswer {
        org_id: role.org_id.as_str(),
        name: role.name.as_str(),
        role_ids: &role.role_ids,
        rotation_period: go_text(period),
        rotation_schedule: expression,
        rotation_window: go_text(window),
        grace_period: go_text(role.grace_period),
        description: &role.description,
        client_id: &role.client_id,
        previous_client_id: previous.map(|token| token.client_id.as_str()),
        previous_ends: previous.and_then(|token| time(token.ends)),
        last_rotated: time(role.last_rotated),
        next_rotation: time(role.turn.due),
        failures: role.turn.failures,
        last_error: &role.turn.error,
    })?;
    let trouble = role.trouble(now);
    Ok(Some(Response { warnings: trouble.into_iter().collect(), ..response }))
}

/// Answers the static roles of an organization; nothing where there are none.
pub(super) fn list(context: &Context<'_>, org_id: &OrgId) -> Outcome {
    let names = static_role::names(context.storage(), org_id)?;
    if names.is_empty() {
        return Ok(None);
    }
    let mut key_info = BTreeMap::new();
    for name in &names {
        if let Some(role) = static_role::load_readable(context, org_id, name)? {
            let (last_rotated, next_rotation) = (time(role.last_rotated), time(role.turn.due));
            key_info.insert(name.to_string(), KeyInfo { role_ids: role.role_ids, last_rotated, next_rotation });
        }
    }
    let keys = names.iter().map(ToString::to_string).collect();
    Ok(Some(Response::json(&ListAnswer { keys, key_info })?))
}

/// 0 = there is none.
fn time(seconds: u64) -> Option<String> {
    (seconds != 0).then(|| time_text::format(Duration::from_secs(seconds))).flatten()
}
