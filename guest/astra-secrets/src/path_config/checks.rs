//! What can be said of a write to a config without asking Astra. All of this
//! is checked before anything is sent, so that a write that is refused sends
//! nothing.

use secrets_framework::{Context, Error, FieldData};

use super::fields::Changes;
use crate::config::{self, ApiUrl, OrgConfig, Retired};
use crate::limits::CONFIGS_MAX;
use crate::names::OrgId;
use crate::record;

/// Checks where the config's token would go: the host must allow the URL, and
/// a stored token stays with the URL that it was stored for.
pub(super) fn check_destination(
    context: &Context<'_>,
    org_id: &OrgId,
    before: Option<&OrgConfig>,
    changes: &Changes,
) -> Result<(), Error> {
    let default_url = ApiUrl::default();
    let url = changes.url.as_ref().or(before.map(|config| &config.url)).unwrap_or(&default_url);
    if before.is_none_or(|config| config.url != *url) {
        context
            .host
            .http()
            .check_origin(url.origin().as_str())
            .map_err(|sentence| Error::mistake(format!("`url` is `{url}`: {sentence}; nothing was stored")))?;
    }
    match before {
        _ if changes.admin_token.is_some() && url.is_valid() => Ok(()),
        _ if changes.admin_token.is_some() => Err(Error::mistake(format!(
            "missing `url`: the stored one of organization `{org_id}` is not a valid URL, so no token can be used there; \
             nothing was stored: give `url` together with `astra_token`"
        ))),
        None => Err(Error::mistake(format!(
            "missing `astra_token`: organization `{org_id}` is not configured yet, give the token that makes its tokens"
        ))),
        Some(config) if config.url != *url => Err(Error::mistake(format!(
            "missing `astra_token`: `url` is `{url}`, but the stored token of organization `{org_id}` was written for \
             {}, and a stored token is sent nowhere else; nothing was sent or stored: give the token together with \
             `url` (the same one, or another where a rotation made the stored one), or leave `url` out",
            config.url.for_error()
        ))),
        Some(_) => Ok(()),
    }
}

/// Checks the write against all that this mount stores. Answers whether the
/// config leaves its origin.
pub(super) fn check_stored(
    context: &Context<'_>,
    data: &FieldData,
    org_id: &OrgId,
    stored: Option<&OrgConfig>,
    changes: &Changes,
) -> Result<bool, Error> {
    check_logical_name(context, org_id, stored, changes)?;
    match stored {
        Some(stored) => leaves_origin(context, data, stored, changes.url.as_ref()),
        None => check_room(context).map(|()| false),
    }
}

/// A logical name stands for an organization's ID, so it must be neither
/// another's logical name nor another's ID.
fn check_logical_name(
    context: &Context<'_>,
    org_id: &OrgId,
    stored: Option<&OrgConfig>,
    changes: &Changes,
) -> Result<(), Error> {
    let Some(Some(name)) = &changes.logical_name else { return Ok(()) };
    if stored.is_some_and(|config| config.logical_name.as_ref() == Some(name)) {
        return Ok(());
    }
    match config::find(context, name.as_str())? {
        Some(other) if other.org_id != *org_id => Err(Error::conflict(format!(
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
) -> Result<bool, Error> {
    if url.is_none_or(|url| url.origin() == stored.url.origin()) {
        return Ok(false);
    }
    // Whoever forces it need not wait until it is known what lives there.
    if !data.bool("force").unwrap_or(false) && record::any_given_out(context, &stored.org_id)? {
        return Err(Error::mistake(format!(
            "`url` would move organization `{}` away from {}, where tokens of it are alive: revoke them first, or \
             write with `force=true`, and they are still revoked there; a record that cannot be read counts as a token that \
             is alive",
            stored.org_id,
            stored.url.for_error()
        )));
    }
    Retired::load(context, &stored.org_id)?.check_room(stored.url.origin())?;
    Ok(true)
}

fn check_room(context: &Context<'_>) -> Result<(), Error> {
    if config::org_ids(context.storage())?.len() < CONFIGS_MAX {
        return Ok(());
    }
    Err(Error::mistake(format!("this mount holds {CONFIGS_MAX} organizations already, its limit: enable another")))
}
