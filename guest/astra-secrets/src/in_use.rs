//! Who holds a token that has no lease: an organization's config its admin
//! token, a static role its current one, and what is kept of a deleted config
//! the admin token that is still to end others. A token that is held is in
//! use, and nothing that cleans up may end it; the holder alone lets it go.

use secrets_framework::{Context, Error};

use crate::config::{self, Origin, Retired};
use crate::mint;
use crate::names::{ClientId, OrgId};
use crate::record::{self, Record, TokenKind};
use crate::static_role;

/// Is the record's token held now?
pub(crate) fn is_held(context: &Context<'_>, record: &Record) -> Result<bool, Error> {
    match record.kind {
        TokenKind::Admin => is_admin_token(context, &record.org_id, &record.client_id),
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

/// A token whose end has come is held all the same: what was to replace it did
/// not come to its end.
pub(crate) fn keep(context: &Context<'_>, record: &mut Record) -> Result<(), Error> {
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

/// Is it the admin token of a config that is kept only to end other tokens, and
/// has it any to end? It ends last, and by itself. What counts is the token, not
/// where its record says it was made: a config that moved took it along.
pub(crate) fn is_still_needed(context: &Context<'_>, record: &Record) -> Result<bool, Error> {
    if record.kind != TokenKind::Admin {
        return Ok(false);
    }
    let org_id = &record.org_id;
    let current = config::load(context, org_id)?;
    let current_origin = current.as_ref().map(|current| current.url.origin());
    let retired = Retired::load(context, org_id)?;
    // What cannot be read may keep this token for any other origin than the current one.
    let may_be_any = retired.damage().is_some();
    let origins: Vec<Origin> = retired
        .into_configs()
        .filter(|kept| kept.admin_token.is(&record.client_id))
        .map(|kept| kept.url.origin().clone())
        .filter(|origin| current_origin != Some(origin))
        .collect();
    if origins.is_empty() && !may_be_any {
        return Ok(false);
    }
    let is_other = |other: &Record| {
        // Where the origin is not known, each may be the one.
        let is_there = other
            .origin
            .as_ref()
            .is_none_or(|origin| origins.contains(origin) || (may_be_any && current_origin != Some(origin)));
        is_there && other.client_id != record.client_id
    };
    mint::any_made_or_being_made(context, org_id, is_other)
}

/// A token that is held is not for others to end; says who may.
pub(crate) fn refuse_if_held(context: &Context<'_>, record: &Record) -> Result<(), Error> {
    let Record { org_id, client_id, role_name, .. } = record;
    if is_held(context, record)? {
        return Err(Error::mistake(match record.kind {
            TokenKind::Static => format!(
                "`client_id` is `{client_id}`, the current token of the static role `{role_name}`: rotate it by \
                 `rotate-role/{org_id}/{role_name}`, and the old one is ended, or delete the static role"
            ),
            _ => format!(
                "`client_id` is `{client_id}`, the admin token of organization `{org_id}`: rotate it by \
                 `config/{org_id}/rotate-root`, and the old one is ended, or delete the config"
            ),
        }));
    }
    if is_still_needed(context, record)? {
        return Err(Error::mistake(format!(
            "`client_id` is `{client_id}`, the admin token of a deleted config of organization `{org_id}`, with which \
             its other tokens are still to be ended: end those, and it is ended after them"
        )));
    }
    Ok(())
}
