//! Reading configs: everything but the secret part of the token.

use std::collections::BTreeMap;
use std::time::Duration;

use secrets_framework::{Context, Outcome, Response};
use serde::Serialize;

use crate::config::{self, OrgConfig};
use crate::names::{AstraRoleId, OrgId};
use crate::role::go_text;
use crate::schedule::Schedule;
use crate::time_text;

use super::fields::caller_mode_word;

#[derive(Serialize)]
struct ConfigAnswer<'a> {
    org_id: &'a str,
    astra_token: String,
    url: String,
    logical_name: &'a str,
    caller_mode: &'static str,
    allowed_role_ids: &'a [AstraRoleId],
    description: &'a str,
    request_timeout: String,
    max_retries: u32,
    rotation_period: String,
    rotation_schedule: &'a str,
    rotation_window: String,
    rotation_grace_period: String,
    last_rotated: String,
    next_rotation: String,
    tidy_period: String,
    next_tidy: String,
    record_reads: bool,
}

#[derive(Serialize)]
struct ListAnswer<'a> {
    keys: Vec<&'a str>,
    key_info: BTreeMap<&'a str, KeyInfo<'a>>,
}

#[derive(Serialize)]
struct KeyInfo<'a> {
    logical_name: &'a str,
    url: String,
    caller_mode: &'static str,
}

/// Answers a config; nothing where there is none.
pub(super) fn read(config: Option<&OrgConfig>) -> Outcome {
    let Some(config) = config else { return Ok(None) };
    let (period, expression, window) = match &config.rotation {
        Some(Schedule::Period(period)) => (*period, "", Duration::ZERO),
        Some(Schedule::Cron { expression, window }) => {
            (Duration::ZERO, expression.as_str(), window.unwrap_or_default())
        }
        None => (Duration::ZERO, "", Duration::ZERO),
    };
    Ok(Some(Response::json(&ConfigAnswer {
        org_id: config.org_id.as_str(),
        astra_token: config.admin_token.redacted(),
        url: config.url.to_string(),
        logical_name: config.logical_name_text(),
        caller_mode: caller_mode_word(config.caller_mode),
        allowed_role_ids: &config.allowed_role_ids,
        description: &config.description,
        request_timeout: go_text(config.request_timeout()),
        max_retries: config.max_retries(),
        rotation_period: go_text(period),
        rotation_schedule: expression,
        rotation_window: go_text(window),
        rotation_grace_period: go_text(config.rotation_grace_period()),
        last_rotated: time(config.rotation_state.rotated),
        next_rotation: time(config.rotation_state.turn.due),
        tidy_period: go_text(config.tidy_period),
        next_tidy: time(config.tidy_due),
        record_reads: config.record_reads,
    })?))
}

/// Answers the organizations; nothing where there are none, for an empty list is a 404.
pub(super) fn list(context: &Context<'_>) -> Outcome {
    let org_ids = config::org_ids(context.storage())?;
    if org_ids.is_empty() {
        return Ok(None);
    }
    let mut configs = Vec::new();
    for org_id in &org_ids {
        configs.extend(config::load_readable(context, org_id)?);
    }
    let keys = org_ids.iter().map(OrgId::as_str).collect();
    let key_info = configs.iter().map(|config| (config.org_id.as_str(), KeyInfo::of(config))).collect();
    Ok(Some(Response::json(&ListAnswer { keys, key_info })?))
}

/// A time as storage holds it; empty = none.
fn time(seconds: u64) -> String {
    let text = (seconds != 0).then(|| time_text::format(Duration::from_secs(seconds)));
    text.flatten().unwrap_or_default()
}

impl<'a> KeyInfo<'a> {
    fn of(config: &'a OrgConfig) -> Self {
        Self {
            logical_name: config.logical_name_text(),
            url: config.url.to_string(),
            caller_mode: caller_mode_word(config.caller_mode),
        }
    }
}
