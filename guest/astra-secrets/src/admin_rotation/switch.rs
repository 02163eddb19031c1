//! The moment of a rotation: the new token goes into the config, the old one
//! gets an end, and all that belongs to it is written together.

use secrets_framework::{Context, Error, Sensitive, wal};

use super::{Rotated, record_id};
use crate::client::AstraClient;
use crate::config::{self, AdminToken, OrgConfig, RotationState, write_in_step};
use crate::mint::{MintedToken, SwitchError};
use crate::names::{ClientId, OrgId};
use crate::record::{self, Record, TokenKind};
use crate::schedule::{Turn, renewal};
use crate::storage::{Write, write_batch};
use crate::who::Who;

/// What the record of the new token takes from the rotation.
pub(super) struct Successor {
    /// Its Astra roles.
    pub(super) role_ids: Vec<String>,
    /// Who had it made.
    pub(super) created_by: Who,
}

/// Puts the new token that `made` is into the place of the one in `config`.
pub(super) fn switch(
    context: &Context<'_>,
    client: &AstraClient<'_>,
    config: &OrgConfig,
    made: &MintedToken<'_>,
    successor: Successor,
) -> Result<Rotated, Error> {
    try_switch(context, config, made, successor).map_err(|not_placed| not_placed.settle(context, client, made))
}

fn try_switch(
    context: &Context<'_>,
    config: &OrgConfig,
    made: &MintedToken<'_>,
    successor: Successor,
) -> Result<Rotated, SwitchError> {
    let _turn = config::lock(context)?;
    let stored = config::load(context, &config.org_id)?.filter(|stored| same_access(stored, config));
    let Some(stored) = stored else { return Err(changed(&config.org_id).into()) };
    let client_id = stored.admin_token.client_id().unwrap_or_default();
    let now = context.now().as_secs();
    let ends = now.saturating_add(stored.rotation_grace_period().as_secs());

    // Held until all is written, so that rollback does not see an end that does not count yet.
    let old_id = record_id(context, &stored.org_id, &client_id)?;
    let _guard = record::lock(context, &old_id)?;
    // A record that cannot be read is replaced by what is known of the token.
    let old = record::load_own(context, &old_id)?.ok().flatten().filter(|record| record.client_id == client_id);
    // An operator's token has no record before it is replaced.
    let unrecorded = || admin_record(&stored, &client_id, successor.role_ids.clone());
    let (old, mut writes) = record::writes_of_replaced(context, old, unrecorded, ends)?;
    let new = new_record(context, &stored, made, successor);
    writes.extend(record::writes_of_new(&new)?);
    let before = config::tasks(&stored);
    let config = with_new_token(stored, made, now);
    writes.extend(write_in_step(&before, &config)?);
    writes.push(Write::Delete(wal::key(made.wal_id())));
    store(context, &config.org_id, &new.client_id, &writes)?;
    Ok(Rotated {
        warnings: made.warnings.iter().cloned().chain(ends_by_itself(&new, &config.rotation_state.turn)).collect(),
        client_id: new.client_id,
        previous_client_id: client_id,
        previous: old.token_ref(),
        previous_ends: ends,
    })
}

/// The order, for a server without transactions: the old token's end, which
/// does not count while the config holds it; the new record; the config; the
/// write-ahead entry.
fn store(context: &Context<'_>, org_id: &OrgId, client_id: &ClientId, writes: &[Write]) -> Result<(), SwitchError> {
    let Err(error) = write_batch(context, writes) else { return Ok(()) };
    // What comes after the config is put right by rollback and the schedule queue.
    match config::load(context, org_id) {
        Ok(Some(stored)) if stored.admin_token.is(client_id) => Ok(()),
        _ => Err(SwitchError::perhaps(error)),
    }
}

fn new_record(context: &Context<'_>, config: &OrgConfig, made: &MintedToken<'_>, new: Successor) -> Record {
    Record {
        generated_on: made.token.generated_on.clone(),
        expires_at: made.token.expires_at.clone(),
        mark: made.mark().to_owned(),
        created_by: new.created_by,
        made: Some(context.now().as_secs()),
        ..admin_record(config, &made.token.client_id, new.role_ids)
    }
}

/// The record of an admin token of which nothing else is known. Its secret is in the config only.
fn admin_record(config: &OrgConfig, client_id: &ClientId, role_ids: Vec<String>) -> Record {
    Record {
        role_ids,
        origin: Some(config.url.origin().clone()),
        kind: TokenKind::Admin,
        ..Record::new(config.org_id.clone(), client_id)
    }
}

fn with_new_token(mut config: OrgConfig, made: &MintedToken<'_>, now: u64) -> OrgConfig {
    let renew_at = renewal(made.token.expires_at.as_deref(), now, config.rotation_grace_period());
    let turn = Turn::after(config.rotation.as_ref(), now, renew_at);
    config.rotation_state = RotationState { turn, rotated: now, failed: 0 };
    config.admin_token = AdminToken::stored(Sensitive::expose(&made.token.token).clone());
    config
}

fn same_access(stored: &OrgConfig, config: &OrgConfig) -> bool {
    stored.url == config.url && stored.admin_token.expose() == config.admin_token.expose()
}

/// A schedule that comes in time needs no words.
fn ends_by_itself(record: &Record, turn: &Turn) -> Option<String> {
    let expires_at = record.expires_at.as_deref()?;
    let then = match turn.due {
        0 => "rotate it before".to_owned(),
        _ => turn.told_early()?,
    };
    Some(format!(
        "Astra ends the new admin token at {expires_at}, by a setting of organization `{}`: {then}",
        record.org_id
    ))
}

fn changed(org_id: &OrgId) -> Error {
    Error::conflict(format!(
        "the config of organization `{org_id}` was changed by another request while its admin token was rotated, so \
         nothing was rotated: read it, and rotate again"
    ))
}
