//! Who holds a token that has no lease: an organization's config its admin
//! token, a static role its current one, and what is kept of a deleted config
//! the admin token that is still to end others. A token that is held is in
//! use, and nothing that cleans up may end it; the holder alone lets it go.

mod retired_search;

use secrets_framework::{Context, Error};

use crate::config;
use crate::events;
use crate::limits::CONFIGS_MAX;
use crate::names::{ClientId, OrgId};
use crate::record::{self, Record, TokenKind};
use crate::static_role;
use crate::storage::first_keys_below;
use crate::storage::key::CONFIG_PREFIX;

pub(crate) use retired_search::{Need, forget_search, log_kept, need_of, write_of_new_search};

/// Is the record's token held now?
pub(crate) fn is_held(context: &Context<'_>, record: &Record) -> Result<bool, Error> {
    match record.kind {
        TokenKind::Admin => Ok(configured_by(context, &record.org_id, &record.client_id)?.is_some()),
        TokenKind::Static => {
            static_role::is_current(context, &record.org_id, record.role_name.as_str(), &record.client_id)
        }
        TokenKind::Standard | TokenKind::Sidecar | TokenKind::Creds => Ok(false),
    }
}

/// Is it the token by which the organization is configured?
pub(crate) fn is_admin_token(context: &Context<'_>, org_id: &OrgId, client_id: &ClientId) -> Result<bool, Error> {
    let config = config::load(context, org_id)?;
    Ok(config.is_some_and(|config| config.admin_token.is(client_id)))
}

/// The organization that is configured with this admin token of `org_id`: the same, or one that may be the same under
/// another name. Mounts of the Go plugin have such configs.
pub(crate) fn configured_by(
    context: &Context<'_>,
    org_id: &OrgId,
    client_id: &ClientId,
) -> Result<Option<OrgId>, Error> {
    if is_admin_token(context, org_id, client_id)? {
        return Ok(Some(org_id.clone()));
    }
    for name in first_keys_below(context.storage(), CONFIG_PREFIX, CONFIGS_MAX)? {
        let other = OrgId::stored(name);
        if other == *org_id || !other.may_be(org_id) {
            continue;
        }
        // With a config that cannot be read nobody uses a token, until it is written anew; `check` names it.
        let config = config::load_own(context, &other)?.ok().flatten();
        if config.is_some_and(|config| config.admin_token.is(client_id)) {
            return Ok(Some(other));
        }
    }
    Ok(None)
}

/// A token whose end has come is held all the same: what was to replace it did
/// not come to its end.
pub(crate) fn keep(context: &Context<'_>, record: &mut Record) -> Result<(), Error> {
    let Record { org_id, client_id, .. } = &*record;
    if record.kind == TokenKind::Admin
        && let Some(other) = configured_by(context, org_id, client_id)?.filter(|other| other != org_id)
    {
        let fields = [("org", org_id.as_str()), ("client_id", client_id), ("used_by", other.as_str())];
        events::ADMIN_TOKEN_USED_BY_ANOTHER_CONFIG.log(context, &fields);
    }
    if record.kind == TokenKind::Admin && !is_made_here(record) {
        // An operator's token has a record only once it is replaced.
        return record::remove_if_same(context, record);
    }
    record::hold(context, record)
}

/// Is it an admin token that a rotation here made, and not an operator's?
pub(crate) fn is_made_here(record: &Record) -> bool {
    record.kind == TokenKind::Admin && !record.mark.is_empty()
}

/// Is it, as nobody holds it, what a take-over left that did not come to its end? Each token that a mint made has a mark,
/// and each that a static role hands back has an end. Clients use such a token on, and no role is to end it.
pub(crate) fn was_never_taken_over(record: &Record) -> bool {
    record.kind == TokenKind::Static && record.mark.is_empty() && record.lease_end.is_none()
}

/// A token that is held is not for others to end; says who may.
pub(crate) fn refuse_if_held(context: &Context<'_>, record: &Record) -> Result<(), Error> {
    let Record { org_id, client_id, role_name, .. } = record;
    if record.kind == TokenKind::Admin
        && let Some(user) = configured_by(context, org_id, client_id)?
    {
        return Err(Error::mistake(format!(
            "`client_id` is `{client_id}`, the admin token of organization `{user}`: rotate it by \
             `config/{user}/rotate-root`, and the old one is ended, or delete the config"
        )));
    }
    if is_held(context, record)? {
        return Err(Error::mistake(format!(
            "`client_id` is `{client_id}`, the current token of the static role `{role_name}`: rotate it by \
             `rotate-role/{org_id}/{role_name}`, and the old one is ended, or delete the static role"
        )));
    }
    match need_of(context, record)? {
        Need::None => Ok(()),
        Need::EndsOthers => Err(Error::mistake(format!(
            "`client_id` is `{client_id}`, the admin token of a deleted config of organization `{org_id}`, with which \
             its other tokens are still to be ended: end those, and it is ended after them"
        ))),
        Need::SettlesMints => Err(Error::mistake(format!(
            "`client_id` is `{client_id}`, the admin token of a deleted config of organization `{org_id}`, with which \
             rollback is still to settle the write-ahead entries of mints that failed at its `url`: it is ended after them; \
             if the log says of such an entry that it cannot be undone, repair or delete the entry"
        ))),
        Need::NotKnown => Err(Error::coded(
            503,
            format!(
                "`client_id` is `{client_id}`, the admin token of a deleted config of organization `{org_id}`, and not all \
                 tokens of the organization were looked at yet for those that it is still to end: try again, and the \
                 search goes on"
            ),
        )),
    }
}
