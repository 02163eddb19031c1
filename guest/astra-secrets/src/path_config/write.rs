//! Writing a config: parse, ask Astra, then, under the lock that makes writers
//! take turns, check against what is stored by then, and store.

use secrets_framework::host::{LockGuard, LogLevel};
use secrets_framework::{Context, Error, FieldData, Response};

use crate::admin_rotation::{self, LetGo};
use crate::astra_token::{drop_retired_if_unused, leave_to_rollback};
use crate::config::{self, AdminToken, ApiUrl, OrgConfig, Retired, RotationState, Turns};
use crate::error::{Failure, Outcome};
use crate::history;
use crate::lease::lock_token;
use crate::limits::CONFIGS_MAX;
use crate::names::OrgId;
use crate::record::{self, Ended};
use crate::rollback::end_at_once;

use super::fields::Changes;
use super::target::Target;
use super::verify::verify;

/// Creates or changes a config.
pub(super) fn write(context: &Context<'_>, data: &FieldData, target: Target) -> Outcome {
    let changes = Changes::parse(data)?;
    let Target { org_id, config: before } = target;
    if before.is_none() {
        OrgId::parse(org_id.as_str())?;
    }
    changes.rotation(before.as_ref(), context.host.clock().now().as_secs())?;
    let warning = check_upstream(context, data, &org_id, before.as_ref(), &changes)?;
    let held = hold_new_token(context, &org_id, before.as_ref(), &changes)?;

    // Writers take turns, so that a logical name stays unique and no field is lost.
    let turn = config::lock(context)?;
    let stored = config::load(context, &org_id)?;
    if same_access(before.as_ref()) != same_access(stored.as_ref()) {
        // What was checked upstream is not what would be stored now.
        let changed = Error::coded(
            409,
            format!(
                "the config of organization `{org_id}` was changed by another request at the same time: read it, and write again"
            ),
        );
        return Err(changed.into());
    }
    check_logical_name(context, &org_id, stored.as_ref(), &changes)?;
    let leaves_origin = match &stored {
        Some(stored) => leaves_origin(context, data, stored, changes.url.as_ref())?,
        None => {
            check_room(context)?;
            false
        }
    };
    let replaced = store(context, &org_id, stored, changes, leaves_origin)?;
    if leaves_origin {
        // A mint that was under way may have noted its intent since the look for
        // tokens: so what is kept is dropped only after another look.
        leave_to_rollback(context, &org_id, drop_retired_if_unused(context, &org_id));
    }
    // Astra is not asked under these.
    drop((turn, held));
    if let Some(replaced) = replaced {
        end_at_once(context, &replaced);
    }
    Ok(warning.map(|warning| Response::default().warn(warning)))
}

/// The URL must be allowed, and a new token or origin is tried. Answers a warning.
fn check_upstream(
    context: &Context<'_>,
    data: &FieldData,
    org_id: &OrgId,
    before: Option<&OrgConfig>,
    changes: &Changes,
) -> Result<Option<String>, Failure> {
    let default_url = ApiUrl::default();
    let url = changes.url.as_ref().or(before.map(|config| &config.url)).unwrap_or(&default_url);
    let url_changes = before.is_none_or(|config| config.url != *url);
    if url_changes {
        context
            .host
            .http()
            .check_origin(url.origin().as_str())
            .map_err(|sentence| Failure::mistake(format!("`url` is `{url}`: {sentence}; nothing was stored")))?;
    }
    let Some(token) = changes.admin_token.as_ref().or(before.map(|config| &config.admin_token)) else {
        return Err(Failure::mistake(format!(
            "missing `astra_token`: organization `{org_id}` is not configured yet, give the token that makes its tokens"
        )));
    };
    let is_news = url_changes || changes.admin_token.is_some();
    if !is_news || !data.bool("verify").unwrap_or(true) {
        return Ok(None);
    }
    let mut candidate = OrgConfig::new(org_id.clone(), AdminToken::stored(token.expose().to_owned()));
    candidate.url = url.clone();
    verify(context, &candidate, before.is_none())
}

/// Keeps rollback, which may be about to end a token that is written back, from
/// doing so until the config holds it. Taken before the lock of all configs:
/// Astra is asked under it.
fn hold_new_token<'a>(
    context: &Context<'a>,
    org_id: &OrgId,
    before: Option<&OrgConfig>,
    changes: &Changes,
) -> Result<Option<Box<dyn LockGuard + 'a>>, Failure> {
    let current = before.and_then(|config| config.admin_token.client_id());
    let new = changes.admin_token.as_ref().and_then(AdminToken::client_id);
    let Some(client_id) = new.filter(|new| Some(*new) != current) else { return Ok(None) };
    let guard = lock_token(context, &admin_rotation::record_id(context, org_id, client_id)?)?;
    if history::has_ended(context, org_id, client_id)? {
        return Err(Failure::exists(format!(
            "`astra_token` is the token `{client_id}`, which this mount has ended in Astra, and nothing was stored: write \
             another token of organization `{org_id}`, or leave the field out to keep the stored one"
        )));
    }
    Ok(Some(guard))
}

/// What a check upstream is about.
fn same_access(config: Option<&OrgConfig>) -> Option<(&ApiUrl, &str)> {
    config.map(|config| (&config.url, AdminToken::expose(&config.admin_token)))
}

/// A logical name stands for an organization's ID, so it must be neither
/// another's logical name nor another's ID.
fn check_logical_name(
    context: &Context<'_>,
    org_id: &OrgId,
    stored: Option<&OrgConfig>,
    changes: &Changes,
) -> Result<(), Failure> {
    let Some(Some(name)) = &changes.logical_name else { return Ok(()) };
    if stored.is_some_and(|config| config.logical_name.as_ref() == Some(name)) {
        return Ok(());
    }
    match config::find(context, name.as_str())? {
        Some(other) if other.org_id != *org_id => Err(Failure::exists(format!(
            "`logical_name` is `{name}`, which is a name of organization `{}` already: choose another",
            other.org_id
        ))),
        _ => Ok(()),
    }
}

/// Does the config leave its origin? While tokens live there, that needs force.
fn leaves_origin(
    context: &Context<'_>,
    data: &FieldData,
    stored: &OrgConfig,
    url: Option<&ApiUrl>,
) -> Result<bool, Failure> {
    if url.is_none_or(|url| url.origin() == stored.url.origin()) {
        return Ok(false);
    }
    // Whoever forces it need not wait until it is known what lives there.
    if !data.bool("force").unwrap_or(false) && record::any_given_out(context, &stored.org_id)? {
        return Err(Failure::mistake(format!(
            "`url` would move organization `{}` away from `{}`, where tokens of it are alive: revoke them first, \
             or write with `force=true`, and they are still revoked there",
            stored.org_id,
            stored.url.origin()
        )));
    }
    Ok(true)
}

fn check_room(context: &Context<'_>) -> Result<(), Failure> {
    if config::org_ids(context.host.storage())?.len() < CONFIGS_MAX {
        return Ok(());
    }
    Err(Failure::mistake(format!("this mount holds {CONFIGS_MAX} organizations already, its limit: enable another")))
}

/// Answers the token that is replaced, if it is this mount's to end.
fn store(
    context: &Context<'_>,
    org_id: &OrgId,
    stored: Option<OrgConfig>,
    changes: Changes,
    leaves_origin: bool,
) -> Result<Option<Ended>, Failure> {
    let stored = stored.as_ref();
    let config = changed(context, org_id, stored, changes)?;
    let mut retired = Retired::load(context, org_id)?;
    // In this order, for a server without transactions: at no time is nothing left to revoke with.
    let mut writes = Vec::new();
    let mut let_go = LetGo::default();
    if stored.is_none() {
        writes.extend(record::write_of_empty_mount(context)?);
    }
    if let Some(stored) = stored {
        if leaves_origin {
            writes.push(retired.keep(stored)?);
        }
        let_go = admin_rotation::let_go(context, stored, Some(&config))?;
    }
    writes.append(&mut let_go.writes);
    writes.extend(config::write_in_step(Turns::of(stored), &config)?);
    writes.extend(retired.forget(config.url.origin())?);
    let old_name = stored.and_then(|config| config.logical_name.as_ref());
    writes.extend(config::rename(old_name, config.logical_name.as_ref(), org_id)?);
    config::together(context, &writes)?;
    context.host.log().log(LogLevel::Info, "a config was written", &[("org", org_id.as_str())]);
    Ok(let_go.replaced)
}

/// The config as it will be.
fn changed(
    context: &Context<'_>,
    org_id: &OrgId,
    stored: Option<&OrgConfig>,
    mut changes: Changes,
) -> Result<OrgConfig, Failure> {
    let mut config = match (stored.map(OrgConfig::copy), changes.admin_token.take()) {
        (Some(config), None) => config,
        (Some(config), Some(token)) if token.expose() == config.admin_token.expose() => config,
        // What was known of rotations was known of the old token.
        (Some(config), Some(admin_token)) => {
            OrgConfig { admin_token, rotation_state: RotationState::default(), ..config }
        }
        (None, Some(admin_token)) => OrgConfig::new(org_id.clone(), admin_token),
        (None, None) => return Err(Failure::mistake("missing `astra_token`")),
    };
    let now = context.host.clock().now().as_secs();
    changes.apply(&mut config, now)?;
    let before = stored.map(|stored| (stored.rotation.as_ref(), stored.tidy_period)).unwrap_or_default();
    config::plan(&mut config, before, now);
    Ok(config)
}
