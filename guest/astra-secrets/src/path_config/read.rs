//! Reading configs: everything but the secret part of the token.

use std::collections::BTreeMap;

use secrets_framework::{Context, Outcome, Response};
use serde::Serialize;

use crate::config::{self, OrgConfig};
use crate::duration_form::{DurationForm, ShownDuration};
use crate::names::{AstraRoleId, ClientId, OrgId};
use crate::page::Page;
use crate::schedule::ScheduleFields;
use crate::time_text;

use super::fields::caller_mode_word;

#[derive(Serialize)]
struct ConfigAnswer<'a> {
    org_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    astra_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    astra_token_client_id: Option<ClientId>,
    url: String,
    logical_name: &'a str,
    caller_mode: &'static str,
    allowed_role_ids: &'a [AstraRoleId],
    description: &'a str,
    request_timeout: ShownDuration,
    max_retries: u32,
    rotation_period: ShownDuration,
    rotation_schedule: &'a str,
    rotation_window: ShownDuration,
    rotation_grace_period: ShownDuration,
    last_rotated: String,
    next_rotation: String,
    tidy_period: ShownDuration,
    next_tidy: String,
    record_reads: bool,
    max_tokens: u32,
}

#[derive(Serialize)]
struct ListAnswer<'a> {
    keys: Vec<&'a str>,
    key_info: BTreeMap<&'a str, KeyInfo<'a>>,
}

#[derive(Serialize)]
struct KeyInfo<'a> {
    org_id: &'a str,
    logical_name: &'a str,
    url: String,
    caller_mode: &'static str,
}

/// Answers a config; nothing where there is none. A secret field that comes back changed would be a difference in
/// Terraform for ever, so only the Go plugin's path has it, redacted.
pub(super) fn read(config: Option<&OrgConfig>, form: DurationForm) -> Outcome {
    let Some(config) = config else { return Ok(None) };
    let ScheduleFields { period, expression, window } = ScheduleFields::of(config.rotation.as_ref());
    let is_go_plugins = form == DurationForm::GoText;
    Ok(Some(Response::json(&ConfigAnswer {
        org_id: config.org_id.as_str(),
        astra_token: is_go_plugins.then(|| config.admin_token.redacted()),
        astra_token_client_id: config.admin_token.client_id().filter(|_| !is_go_plugins),
        url: config.url.to_string(),
        logical_name: config.logical_name_text(),
        caller_mode: caller_mode_word(config.caller_mode),
        allowed_role_ids: &config.allowed_role_ids,
        description: &config.description,
        request_timeout: form.of(config.request_timeout()),
        max_retries: config.max_retries(),
        rotation_period: form.of(period),
        rotation_schedule: expression,
        rotation_window: form.of(window),
        rotation_grace_period: form.of(config.rotation_grace_period()),
        last_rotated: time_text::of_seconds(config.rotation_state.rotated).unwrap_or_default(),
        next_rotation: time_text::of_seconds(config.rotation_state.turn.due).unwrap_or_default(),
        tidy_period: form.of(config.tidy_period),
        next_tidy: time_text::of_seconds(config.tidy_due).unwrap_or_default(),
        record_reads: config.record_reads,
        max_tokens: config.max_tokens.unwrap_or_default(),
    })?))
}

/// Answers the organizations; nothing where there are none, for an empty list is a 404.
pub(super) fn list(context: &Context<'_>, page: &Page<'_>) -> Outcome {
    let org_ids = page.of_items(config::org_ids(context.storage())?, OrgId::as_str);
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

impl<'a> KeyInfo<'a> {
    fn of(config: &'a OrgConfig) -> Self {
        Self {
            org_id: config.org_id.as_str(),
            logical_name: config.logical_name_text(),
            url: config.url.to_string(),
            caller_mode: caller_mode_word(config.caller_mode),
        }
    }
}
