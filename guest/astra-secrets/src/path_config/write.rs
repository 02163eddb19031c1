//! Writing a config: parse, check all that can be checked here, ask Astra,
//! then, under the lock that makes writers take turns, check against what is
//! stored by then, and store.

use secrets_framework::host::LockGuard;
use secrets_framework::{Context, Error, FieldData, Outcome, Response};

use crate::admin_rotation::{self, HandBack};
use crate::config::{self, AdminToken, ApiUrl, OrgConfig, Retired, RotationState};
use crate::ending::{drop_retired_if_unused, end_at_once, leave_to_rollback};
use crate::events;
use crate::history;
use crate::in_use;
use crate::names::OrgId;
use crate::record::{self, TokenKind};
use crate::storage::{self, TokenRef};

use super::checks::{check_destination, check_stored};
use super::fields::Changes;
use super::target::Target;
use super::verify::verify;

/// Creates or changes a config.
pub(super) fn write(context: &Context<'_>, data: &FieldData, target: Target) -> Outcome {
    let changes = Changes::parse(data)?;
    let Target { org_id, config: before, damage } = target;
    if let Some(damage) = &damage {
        check_replaces(damage, &changes)?;
    }
    if before.is_none() {
        OrgId::parse(org_id.as_str())?;
    }
    changes.rotation(before.as_ref(), context.now().as_secs())?;
    check_destination(context, &org_id, before.as_ref(), &changes)?;
    check_stored(context, data, &org_id, before.as_ref(), &changes)?;
    let warning_of_end = warning_of_end(context, &org_id, &changes)?;
    let held = hold_new_token(context, &org_id, before.as_ref(), &changes)?;
    let warning = check_upstream(context, data, &org_id, before.as_ref(), &changes)?;

    // Writers take turns, so that a logical name stays unique and no field is lost.
    let turn = config::lock(context)?;
    let (stored, damage) = match config::load_own(context, &org_id)? {
        Ok(stored) => (stored, None),
        Err(error) if damage.is_some() => (None, Some(error)),
        Err(error) => return Err(error),
    };
    if same_access(before.as_ref()) != same_access(stored.as_ref()) {
        // What was checked upstream is not what would be stored now.
        let changed = Error::coded(
            409,
            format!(
                "the config of organization `{org_id}` was changed by another request at the same time: read it, and write again"
            ),
        );
        return Err(changed);
    }
    let leaves_origin = check_stored(context, data, &org_id, stored.as_ref(), &changes)?;
    let replaced = store(context, &org_id, stored, changes, leaves_origin)?;
    if let Some(damage) = damage {
        let fields = [("org", org_id.as_str()), ("error", &damage.to_string())];
        events::DAMAGED_CONFIG_REPLACED.log(context, &fields);
    }
    if leaves_origin {
        // A mint that was under way may have noted its intent since the look for
        // tokens: so what is kept is dropped only after another look.
        leave_to_rollback(context, &org_id, drop_retired_if_unused(context, &org_id));
    }
    // Astra is not asked under these.
    drop((turn, held));
    if let Some((replaced, ends)) = replaced {
        end_at_once(context, &replaced, ends);
    }
    let warnings: Vec<String> = warning.into_iter().chain(warning_of_end).collect();
    Ok((!warnings.is_empty()).then(|| Response { warnings, ..Response::default() }))
}

/// A write takes the place of a config that cannot be read only if nothing of that config would be needed: to guess
/// where its token was to go would send the token elsewhere.
fn check_replaces(damage: &Error, changes: &Changes) -> Result<(), Error> {
    if changes.admin_token.is_some() && changes.url.is_some() {
        return Ok(());
    }
    Err(Error::Internal(damage.to_string()))
}

/// Asks Astra whose a new token is, or a token that goes to another URL. Answers a warning.
fn check_upstream(
    context: &Context<'_>,
    data: &FieldData,
    org_id: &OrgId,
    before: Option<&OrgConfig>,
    changes: &Changes,
) -> Result<Option<String>, Error> {
    // Without a token in the write nothing goes elsewhere: `check_destination` saw to it.
    let Some(token) = &changes.admin_token else { return Ok(None) };
    if !data.bool("verify").unwrap_or(true) {
        return Ok(None);
    }
    let mut candidate = OrgConfig::new(org_id.clone(), AdminToken::stored(token.expose().to_owned()));
    if let Some(url) = changes.url.as_ref().or(before.map(|config| &config.url)) {
        candidate.url = url.clone();
    }
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
) -> Result<Option<Box<dyn LockGuard + 'a>>, Error> {
    let current = before.and_then(|config| config.admin_token.client_id());
    let new = changes.admin_token.as_ref().and_then(AdminToken::client_id);
    let Some(client_id) = new.filter(|new| Some(new) != current.as_ref()) else { return Ok(None) };
    let guard = record::lock(context, &admin_rotation::record_id(context, org_id, &client_id)?)?;
    if history::has_ended(context, org_id, &client_id)? {
        return Err(Error::conflict(format!(
            "`astra_token` is the token `{client_id}`, which this mount has ended in Astra, and nothing was stored: write \
             another token of organization `{org_id}`, or leave the field out to keep the stored one"
        )));
    }
    Ok(Some(guard))
}

/// A token of a lease or of a static role ends with these, and leaves the config without one that works.
fn warning_of_end(context: &Context<'_>, org_id: &OrgId, changes: &Changes) -> Result<Option<String>, Error> {
    let Some(client_id) = changes.admin_token.as_ref().and_then(AdminToken::client_id) else { return Ok(None) };
    let record = record::find_so_far(context, org_id, &client_id)?;
    Ok(record.filter(|record| record.kind != TokenKind::Admin).map(|record| {
        format!(
            "`astra_token` is the token `{client_id}`, which this mount made for role `{}` and ends by itself: write \
             `config/{org_id}/rotate-root` now, which puts a token without such an end in its place",
            record.role_name
        )
    }))
}

/// What a check upstream is about.
fn same_access(config: Option<&OrgConfig>) -> Option<(&ApiUrl, &str)> {
    config.map(|config| (&config.url, AdminToken::expose(&config.admin_token)))
}

/// Answers the token that is replaced and when it ends, if it is this mount's to end.
fn store(
    context: &Context<'_>,
    org_id: &OrgId,
    stored: Option<OrgConfig>,
    changes: Changes,
    leaves_origin: bool,
) -> Result<Option<(TokenRef, u64)>, Error> {
    let stored = stored.as_ref();
    let config = changed(context, org_id, stored, changes)?;
    let mut retired = Retired::load(context, org_id)?;
    // In this order, for a server without transactions: at no time is nothing left to revoke with.
    let mut writes = Vec::new();
    let mut hand_back = HandBack::default();
    if stored.is_none() {
        writes.extend(record::write_of_empty_mount(context)?);
    }
    if let Some(stored) = stored {
        if leaves_origin {
            writes.push(in_use::write_of_new_search(org_id));
            writes.push(retired.keep(stored)?);
        }
        hand_back = admin_rotation::hand_back(context, stored, Some(&config))?;
    }
    writes.append(&mut hand_back.writes);
    writes.extend(config::write_in_step(&stored.map(config::tasks).unwrap_or_default(), &config)?);
    writes.extend(retired.forget(config.url.origin())?);
    let old_name = stored.and_then(|config| config.logical_name.as_ref());
    writes.extend(config::rename(old_name, config.logical_name.as_ref(), org_id)?);
    storage::write_batch(context, &writes)?;
    events::CONFIG_WRITTEN.log(context, &[("org", org_id.as_str())]);
    Ok(hand_back.replaced)
}

/// The config as it will be.
fn changed(
    context: &Context<'_>,
    org_id: &OrgId,
    stored: Option<&OrgConfig>,
    mut changes: Changes,
) -> Result<OrgConfig, Error> {
    let mut config = match (stored.map(OrgConfig::copy), changes.admin_token.take()) {
        (Some(config), None) => config,
        (Some(config), Some(token)) if token.expose() == config.admin_token.expose() => config,
        // What was known of rotations was known of the old token.
        (Some(config), Some(admin_token)) => {
            OrgConfig { admin_token, rotation_state: RotationState::default(), ..config }
        }
        (None, Some(admin_token)) => OrgConfig::new(org_id.clone(), admin_token),
        (None, None) => return Err(Error::mistake("missing `astra_token`")),
    };
    let now = context.now().as_secs();
    changes.apply(&mut config, now)?;
    let before = stored.map(|stored| (stored.rotation.as_ref(), stored.tidy_period)).unwrap_or_default();
    config::plan(&mut config, before, now);
    Ok(config)
}
